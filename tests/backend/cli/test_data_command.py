"""`npudeck data`, from the command line to the files."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import backend.cli.main as command_line
from backend.node.job_lines import JobError

ROWS = [
    {
        "instruction": f"What comes after {number}?",
        "input": "",
        "output": f"After it comes {number + 1}, friend.",
    }
    for number in range(120)
]


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the guide is set."""
    for name in (
        "ORIGINAL_TRAIN_DATA_PATH",
        "PROCESSED_DATA_PREFIX",
        "TOKENIZER_PATH",
        "ORIGINAL_HF_WEIGHT",
        "DATA_TYPE",
        "RUN_TYPE",
        "SEQ_LEN",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def npudeck(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run `npudeck data …`: exit code, stdout, stderr."""

    def run(*words: object) -> tuple[int, str, str]:
        code = command_line.main(["data", *map(str, words)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


Npudeck = Callable[..., tuple[int, str, str]]
GIVEN = ("preprocess", "--input", "a.json", "--output-prefix", "out/a", "--tokenizer-name-or-path", "tok")


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Jobs that were run, in place of running them."""
    pytest.importorskip("numpy")
    from backend.node.data import preprocess

    seen: list[dict[str, Any]] = []

    def run(job: dict[str, Any], tell: Callable[[Any], None]) -> Any:
        seen.append(job)
        tell(preprocess.Progress(0, 10, 0, 0, 0.0, "a remark"))
        counts = {"records": 1, "sequences": 1, "documents": 1, "tokens": 3, "longest": 3}
        return preprocess.Outcome(False, {"counts": counts, "outputs": [], "versions": {}})

    monkeypatch.setattr(preprocess, "run", run)
    return seen


def test_remarks_go_to_stderr_and_the_result_to_stdout(npudeck: Npudeck, jobs: list[Any]) -> None:
    code, out, err = npudeck(*GIVEN, "--cache-dir", "/tmp/c", "--streaming")
    assert code == 0
    assert err.splitlines() == ["not used here: --cache-dir, --streaming", "a remark"]
    assert out.startswith("records ")
    assert jobs[0]["handler"] == "GeneralPretrainHandler"


def test_quiet_leaves_only_the_result(npudeck: Npudeck, jobs: list[Any]) -> None:
    code, out, err = npudeck(*GIVEN, "--quiet", "--json", "--streaming")
    assert (code, err) == (0, "")
    assert json.loads(out)["counts"]["tokens"] == 3


def test_variables_that_are_used_are_said(
    npudeck: Npudeck, jobs: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {
        "ORIGINAL_TRAIN_DATA_PATH": "/s/a.json",
        "PROCESSED_DATA_PREFIX": "/s/o/a",
        "TOKENIZER_PATH": "/s/t",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    code, _out, err = npudeck("preprocess")
    assert code == 0
    assert err.splitlines()[:3] == [f"{name}={value}" for name, value in given.items()]
    assert (jobs[0]["input"], jobs[0]["output_prefix"], jobs[0]["tokenizer"]) == tuple(given.values())


@pytest.mark.parametrize(
    ("raised", "code", "says"),
    [
        (JobError("handler", "there is no handler X"), 3, "error: --handler-name: there is no handler X"),
        (OSError(28, "No space left on device", "/o"), 5, "error: no space is left where /o is written"),
        (ModuleNotFoundError("No module named 'tokenizers'", name="tokenizers"), 5, "install npudeck[train]"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_errors_have_their_exit_codes(
    npudeck: Npudeck,
    jobs: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    raised: BaseException,
    code: int,
    says: str,
) -> None:
    from backend.node.data import preprocess

    def run(_job: dict[str, Any], _tell: object) -> None:
        raise raised

    monkeypatch.setattr(preprocess, "run", run)
    found, out, err = npudeck(*GIVEN)
    assert (found, out) == (code, "")
    assert says in err
    assert "Traceback" not in err


@pytest.mark.parametrize("words", [["--split-sentences"], ["--hf-datasets-params", "x.json"]])
def test_what_would_change_the_result_is_refused(npudeck: Npudeck, words: list[str]) -> None:
    code, out, err = npudeck(*GIVEN, *words, "--json")
    assert code == 2
    assert json.loads(out)["problems"][0]["field"] == words[0]
    assert words[0] in err


def test_nothing_given_is_a_usage_error(npudeck: Npudeck) -> None:
    code, _out, err = npudeck("preprocess")
    assert code == 2
    assert "ORIGINAL_TRAIN_DATA_PATH" in err


def test_merge_mode_wants_a_folder(npudeck: Npudeck) -> None:
    assert npudeck("preprocess", "--merge-group-keys", "text")[0] == 2


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`tok/`, `a.jsonl`, and what was made of it: `a_packed_…` (instructions) and `p_output_document`."""
    for library in ("numpy", "tokenizers", "pyarrow"):
        pytest.importorskip(library)
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    folder = tmp_path_factory.mktemp("data")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([row["output"] for row in ROWS], trainer)
    (folder / "tok").mkdir()
    tokenizer.save(str(folder / "tok" / "tokenizer.json"))
    (folder / "tok" / "tokenizer_config.json").write_text('{"tokenizer_class": "LlamaTokenizer"}')
    (folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return folder


def made(
    npudeck: Npudeck, data: Path, name: str, *words: object, source: str = "a.jsonl"
) -> tuple[int, str, str]:
    return npudeck(
        *("preprocess", "--input", data / source, "--output-prefix", data / name),
        *("--tokenizer-name-or-path", data / "tok", "--workers", 1, "--encoder", "tokenizers"),
        *words,
    )


@pytest.mark.torch
def test_from_records_to_text_and_back(npudeck: Npudeck, data: Path) -> None:
    handler = ("--handler-name", "GeneralInstructionHandler", "--seq-length", 2048)
    code, out, _err = made(npudeck, data, "a", *handler, "--json")
    assert code == 0
    answer = json.loads(out)
    assert (answer["up_to_date"], answer["counts"]["records"]) == (False, 120)
    assert (data / "a_packed_labels_document.idx").is_file()

    code, out, err = made(npudeck, data, "a", *handler)
    assert code == 0
    assert "up to date" in err
    assert "samples               120  SN of the recipe" in out

    # the tokenizer is known from what is written beside the files
    code, out, _err = npudeck("show", data / "a", "--doc", 5)
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "document 5 of 120 (the first is 0)"
    assert "          ┊ What comes after 5?" in lines
    assert "  trained ┃ After it comes 6, friend." in lines
    code, out, _err = npudeck("show", data / "a_packed_input_ids_document", "--json")
    assert code == 0
    assert json.loads(out)["parts"][0]["sequences"][0]["runs"][1]["trained"] is True

    code, out, _err = npudeck("verify", data / "a")
    assert code == 0
    assert out.splitlines()[-1].startswith("sound: 3 pairs of files")
    assert "vocabulary" not in out


@pytest.mark.torch
def test_verify_says_no(npudeck: Npudeck, data: Path) -> None:
    assert made(npudeck, data, "v", "--json-keys", "output")[0] == 0
    path = data / "v_output_document.bin"
    path.write_bytes((10_000).to_bytes(4, "little") + path.read_bytes()[4:])
    code, out, _err = npudeck("verify", data / "v", "--json")
    assert code == 1
    assert json.loads(out)["findings"][0]["document"] == 0
    (data / "v.json").unlink()
    assert npudeck("verify", data / "v", "--vocab-size", 10_000)[0] == 1
    assert npudeck("verify", data / "v", "--vocab-size", 10_001)[0] == 0
    assert npudeck("verify", data / "nothing")[0] == 3


@pytest.mark.torch
def test_parts_have_the_bytes_of_one_go(npudeck: Npudeck, data: Path) -> None:
    assert made(npudeck, data, "whole", "--json-key", "output", "instruction")[0] == 0
    code, out, _err = npudeck(
        "split", data / "a.jsonl", "--parts", 2, "--output-dir", data / "parts", "--json"
    )
    assert code == 0
    parts = [Path(part["path"]) for part in json.loads(out)]
    for number, part in enumerate(parts):
        words = ("--json-keys", "output", "instruction")
        assert made(npudeck, data, f"p{number}", *words, source=f"parts/{part.name}")[0] == 0
    code, out, _err = npudeck("merge", data / "p0", data / "p1", data / "joined")
    assert code == 0
    assert "2 parts: 120 sequences" in out
    for key in ("output", "instruction"):
        for ending in ("bin", "idx"):
            joined = data / f"joined_{key}_document.{ending}"
            assert joined.read_bytes() == (data / f"whole_{key}_document.{ending}").read_bytes()
    # the tokenizer is known by the description beside the result
    code, out, _err = npudeck("show", data / "joined", "--doc", 100)
    assert (code, "101" in out) == (0, True)
    code, out, _err = npudeck("verify", data / "joined")
    assert (code, "vocabulary" in out) == (0, False)


@pytest.mark.torch
def test_parts_that_do_not_go_together(npudeck: Npudeck, data: Path) -> None:
    assert made(npudeck, data, "m0", "--json-keys", "output")[0] == 0
    assert made(npudeck, data, "m1", "--json-keys", "output", "--append-eod")[0] == 0
    words = ("merge", data / "m0", data / "m1", data / "mixed")
    code, out, err = npudeck(*words, "--json")
    assert code == 3
    assert json.loads(out)["problems"][0]["field"] == "PREFIX"
    assert "append_eod: false and true" in err
    assert npudeck(*words, "--force")[0] == 0
    (data / "busy.lock").touch()
    import fcntl

    with (data / "busy.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, _out, err = npudeck("merge", data / "m0", data / "m0_output_document", data / "busy")
        assert code == 3
        code, _out, err = npudeck("merge", data / "m0", data / "busy")
        assert code == 6
    assert "error: OUT: another process is writing" in err


@pytest.mark.torch
def test_modellinks_merge_mode(npudeck: Npudeck, data: Path) -> None:
    folder = data / "folder"
    folder.mkdir()
    assert made(npudeck, data, "folder/one", "--json-keys", "output")[0] == 0
    code, out, _err = npudeck(
        *("preprocess", "--input", folder, "--output-prefix", data / "grouped"),
        *("--merge-group-keys", "output", "--json"),
    )
    assert code == 0
    assert [one["sequences"] for one in json.loads(out)["sets"]] == [120]
    assert (data / "grouped_output.bin").is_file()


@pytest.mark.torch
def test_inspect(npudeck: Npudeck, data: Path) -> None:
    words = ("inspect", data / "a.jsonl", "--tokenizer-name-or-path", data / "tok", "--gbs", 8)
    code, out, _err = npudeck(*words, "--seq-length", 2048)
    assert code == 0
    assert "GeneralInstructionHandler" in out
    assert "iterations  15 an epoch (SN 120 // GBS 8)" in out
    assert "  trained ┃ After it comes 1, friend." in out
    code, out, _err = npudeck(*words, "--json")
    assert json.loads(out)["records"] == 120
    assert npudeck("inspect", data / "none.jsonl")[0] == 3


@pytest.mark.torch
def test_a_tokenizer_that_nobody_names(npudeck: Npudeck, data: Path) -> None:
    assert made(npudeck, data, "n", "--json-keys", "output")[0] == 0
    (data / "n.json").unlink()
    code, _out, err = npudeck("show", data / "n")
    assert code == 3
    assert "--tokenizer-name-or-path" in err
    assert npudeck("show", data / "n", "--ids")[0] == 0
    code, out, _err = npudeck("verify", data / "n")
    assert code == 0
    assert "ids were not held against a vocabulary" in out


@pytest.mark.torch
def test_bad_rows(npudeck: Npudeck, data: Path) -> None:
    (data / "bad.jsonl").write_text('{"text": "fine"}\n{"text": null}\n')
    code, out, err = made(npudeck, data, "bad", source="bad.jsonl")
    assert (code, out) == (3, "")
    assert "line 2" in err
    assert not [name for name in os.listdir(data) if name.startswith("bad_")]
    code, out, err = made(npudeck, data, "bad", "--on-bad-row", "skip", source="bad.jsonl")
    assert code == 0
    assert "line 2" in err
    assert "bad                     1" in out


def test_a_template_that_is_missing_lists_them_all(npudeck: Npudeck, tmp_path: Path) -> None:
    pytest.importorskip("numpy")
    (tmp_path / "a.jsonl").write_text(json.dumps(ROWS[0]))
    code, _out, err = npudeck(
        *("preprocess", "--input", tmp_path / "a.jsonl", "--output-prefix", tmp_path / "a"),
        *("--tokenizer-name-or-path", tmp_path, "--handler-name", "AlpacaStyleInstructionHandler"),
    )
    assert code == 3
    assert "deepseek2-lite" in err.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--json-keys", ""], "the name of a column is empty"),
        (["--vocab-file", "~nobody-of-this-name/x"], "write ./~nobody-of-this-name/x"),
    ],
)
def test_names_that_are_none(
    words: list[str], says: str, npudeck: Npudeck, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        npudeck(*GIVEN, *words)
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


def test_a_tilde_is_the_home_folder(
    npudeck: Npudeck, jobs: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    words = ("--input", "~/a.json", "--output-prefix=~/out/a", "--tokenizer-name-or-path", "~/tok")
    assert npudeck("preprocess", *words)[0] == 0
    monkeypatch.setenv("ORIGINAL_TRAIN_DATA_PATH", "~/a.json")
    assert npudeck("preprocess", *words[2:])[0] == 0
    for job in jobs:
        found = job["input"], job["output_prefix"], job["tokenizer"]
        assert found == ("/home/me/a.json", "/home/me/out/a", "/home/me/tok")
    monkeypatch.setenv("PROCESSED_DATA_PREFIX", "~nobody-of-this-name/x")
    code, _out, err = npudeck("preprocess", "--tokenizer-name-or-path", "tok")
    assert code == 3
    assert "PROCESSED_DATA_PREFIX: '~nobody-of-this-name/x' begins with" in err


def test_broken_first_records_are_the_cause(npudeck: Npudeck, tmp_path: Path) -> None:
    pytest.importorskip("numpy")
    (tmp_path / "a.jsonl").write_text('{"text": oops}\n[1]\n')
    code, out, _err = npudeck("inspect", tmp_path / "a.jsonl")
    assert code == 0
    assert "no record at the start can be read; line 1 of a.jsonl: not JSON" in " ".join(out.split())
    assert f"  line 2 of {tmp_path}/a.jsonl: " in out
    assert "(none)" not in out


@pytest.mark.torch
def test_the_command_that_inspect_suggests_works(
    npudeck: Npudeck, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(data)
    rows = [{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}]
    (data / "it's 1.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, out, _err = npudeck(
        "inspect", "it's 1.jsonl", "--tokenizer-name-or-path", "tok", "--seq-length", 64
    )
    assert code == 0
    line = out.splitlines()[-1]
    assert line.startswith("npudeck data preprocess --input ")
    code, out, err = npudeck(*shlex.split(line)[2:])
    assert code == 0, err
    assert (data / "processed" / "it's 1_packed_labels_document.idx").is_file()
    # of the handler that was asked for
    code, out, _err = npudeck(
        "inspect", "a.jsonl", "--handler-name", "GeneralPretrainHandler", "--json-keys", "output"
    )
    assert out.splitlines()[-1] == (
        "npudeck data preprocess --input a.jsonl --tokenizer-name-or-path TOKENIZER_FOLDER "
        "--handler-name GeneralPretrainHandler --json-keys output --output-prefix processed/a"
    )
    code, out, _err = npudeck("inspect", "processed/it's 1")
    assert "already preprocessed (token files)" in out
    assert "npudeck data preprocess" not in out


def test_the_help_names_handlers_templates_and_variables(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("numpy")
    from backend.cli import data_settings
    from backend.node.data.handlers.choose import HANDLERS
    from backend.node.data.handlers.templates import TEMPLATES

    assert list(data_settings.HANDLERS) == list(HANDLERS)
    assert list(data_settings.TEMPLATES) == list(TEMPLATES)
    with pytest.raises(SystemExit):
        command_line.main(["data", "preprocess", "--help"])
    out = capsys.readouterr().out
    for name in (
        *HANDLERS,
        *TEMPLATES,
        "DATA_TYPE",
        "ORIGINAL_HF_WEIGHT",
        "npudeck data preprocess --input a",
    ):
        assert name in out
    assert max(map(len, out.splitlines())) <= 80
