"""A data job from ModelLink's arguments, or from the guide's variables."""

from __future__ import annotations

import argparse

import pytest

from backend.cli.data_flags import UNUSED, add_preprocess_flags, given
from backend.cli.data_settings import Settings, read_settings
from backend.problems import InputError, UsageError

GUIDE = {
    "RUN_TYPE": "sft",
    "ORIGINAL_TRAIN_DATA_PATH": "/s/alpaca.json",
    "TOKENIZER_PATH": "/s/tok",
    "PROCESSED_DATA_PREFIX": "/s/out/alpaca",
    "TOKENIZER_TYPE": "PretrainedFromHF",
    "SEQ_LEN": "4096",
}
GIVEN = "--input a.json --output-prefix out/a --tokenizer-name-or-path tok"


def parsed(line: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_preprocess_flags(parser)
    return parser.parse_args(line.split())


def settings(line: str, environment: dict[str, str] | None = None) -> Settings:
    return read_settings(parsed(line), environment or {})


def test_an_old_command_line_is_understood() -> None:
    line = (
        "--input data/alpaca.json --output-prefix out/alpaca --tokenizer-type PretrainedFromHF "
        "--tokenizer-name-or-path tok --handler-name GeneralInstructionHandler --seq-length 4096 "
        "--workers 8 --log-interval 1000 --append-eod --pack --n-subs 4 --json-keys a b"
    )
    job = settings(line).job
    assert {name: value for name, value in job.items() if value not in ("", None, False)} == {
        "input": "data/alpaca.json",
        "output_prefix": "out/alpaca",
        "tokenizer": "tok",
        "tokenizer_type": "PretrainedFromHF",
        "handler": "GeneralInstructionHandler",
        "json_keys": ["a", "b"],
        "append_eod": True,
        "pack": True,
        "seq_length": 4096,
        "workers": 8,
        "n_subs": 4,
        "encoder": "auto",
        "on_bad_row": "fail",
        "use_fast": True,
    }


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("--json-key content", "json_keys", ["content"]),
        ("--tokenizer-name tok2", "tokenizer", "tok2"),
        ("--handler MOSSInstructionHandler", "handler", "MOSSInstructionHandler"),
        ("--seq-len 10", "seq_length", 10),
        ("--tokenizer-not-use-fast", "use_fast", False),
        ('--map-keys {"prompt":"q"}', "map_keys", {"prompt": "q"}),
        ("--input a b", "input", ["a", "b"]),
    ],
)
def test_abbreviations_and_values(line: str, name: str, value: object) -> None:
    assert settings(f"{GIVEN} {line}").job[name] == value


def test_defaults_are_modellinks() -> None:
    job = settings(GIVEN).job
    assert (job["handler"], job["json_keys"], job["n_subs"]) == ("GeneralPretrainHandler", ["text"], 1)
    assert (job["workers"], job["seq_length"], job["trust_remote_code"]) == (None, None, False)


def test_the_guides_variables_stand_in_for_flags() -> None:
    found = settings("", GUIDE)
    assert found.variables == GUIDE
    assert found.job["handler"] == "GeneralInstructionHandler"
    assert found.job["seq_length"] == 4096
    assert (found.job["input"], found.job["output_prefix"]) == ("/s/alpaca.json", "/s/out/alpaca")
    assert (found.names["seq_length"], found.names["pack"]) == ("SEQ_LEN", "--pack")


def test_a_flag_wins_over_its_variable() -> None:
    found = settings("--seq-length 8 --handler-name MOSSInstructionHandler", GUIDE)
    assert (found.job["seq_length"], found.job["handler"]) == (8, "MOSSInstructionHandler")
    assert (found.names["seq_length"], "SEQ_LEN" in found.variables) == ("--seq-length", False)


def test_with_an_input_the_environment_does_not_count() -> None:
    found = settings(GIVEN, GUIDE)
    assert found.variables == {}
    assert (found.job["seq_length"], found.job["handler"]) == (None, "GeneralPretrainHandler")


def test_the_tokenizer_is_with_the_weights_unless_kept_apart() -> None:
    without = {name: value for name, value in GUIDE.items() if name != "TOKENIZER_PATH"}
    assert settings("", {**without, "ORIGINAL_HF_WEIGHT": "/s/w"}).job["tokenizer"] == "/s/w"
    assert settings("", {**GUIDE, "ORIGINAL_HF_WEIGHT": "/s/w"}).job["tokenizer"] == "/s/tok"


def test_the_data_type_says_more_than_the_run_type() -> None:
    found = settings("", {**GUIDE, "DATA_TYPE": "MOSSInstructionHandler"})
    assert found.job["handler"] == "MOSSInstructionHandler"
    assert found.names["handler"] == "DATA_TYPE"


@pytest.mark.parametrize(
    ("run_type", "handler"),
    [
        ("pretrain", "GeneralPretrainHandler"),
        ("sft", "GeneralInstructionHandler"),
        ("lora", "GeneralInstructionHandler"),
    ],
)
def test_run_types(run_type: str, handler: str) -> None:
    assert settings("", {**GUIDE, "RUN_TYPE": run_type}).job["handler"] == handler


@pytest.mark.parametrize(("name", "value"), [("SEQ_LEN", "4k"), ("SEQ_LEN", "0"), ("RUN_TYPE", "train")])
def test_a_bad_variable_is_named(name: str, value: str) -> None:
    with pytest.raises(InputError) as caught:
        settings("", {**GUIDE, name: value})
    assert caught.value.problems[0].field == name


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("", "ORIGINAL_TRAIN_DATA_PATH is not set"),
        ("--input a", "--output-prefix is missing"),
        ("--input a --output-prefix b", "--tokenizer-name-or-path is missing"),
    ],
)
def test_what_is_missing_is_named(line: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        settings(line)
    assert says in str(caught.value)


def test_a_vocabulary_file_needs_no_folder() -> None:
    line = "--input a --output-prefix b --tokenizer-type GPT2BPETokenizer --vocab-file v --merge-file m"
    job = settings(line).job
    assert (job["tokenizer"], job["vocab_file"], job["merge_file"]) == ("", "v", "m")


def test_flags_without_effect_are_accepted() -> None:
    words = [f"{flag} x" if takes_value else flag for flag, takes_value in UNUSED.items()]
    arguments = parsed(f"{GIVEN} {' '.join(words)}")
    assert all(given(arguments, flag) for flag in UNUSED)
    assert read_settings(arguments, {}).job == settings(GIVEN).job
    assert not any(given(parsed(GIVEN), flag) for flag in UNUSED)


@pytest.mark.parametrize(
    "words", ["--seq-length 0", "--workers x", "--map-keys [1]", "--map-keys {", "--tokenizer-type x"]
)
def test_a_value_that_makes_no_sense_is_a_usage_error(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parsed(f"{GIVEN} {words}")
    assert caught.value.code == 2
    assert words.split()[0] in capsys.readouterr().err
