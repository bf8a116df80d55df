"""`npudeck weights`, from the command line to the files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_llama

import backend.cli.main as command_line
from backend.node.job_lines import JobError, StorageError

Npudeck = Callable[..., tuple[int, str, str]]
VARIABLES = ("TP", "PP", "ORIGINAL_HF_WEIGHT", "CONVERT_MODEL_PATH", "MODEL_SAVE_PATH", "TOKENIZER_PATH")
LAYOUT = ("--tp", 2, "--pp", 2)


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The group is there, and no variable of the guide is set."""
    pytest.importorskip("numpy")
    if "weights" not in command_line.GROUPS:
        monkeypatch.setattr(command_line, "GROUPS", (*command_line.GROUPS, "weights"))
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def npudeck(capsys: pytest.CaptureFixture[str]) -> Npudeck:
    """Run `npudeck weights …`: exit code, stdout, stderr."""

    def run(*words: object) -> tuple[int, str, str]:
        try:
            code = command_line.main(["weights", *map(str, words)])
        except SystemExit as error:
            code = int(error.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tiny_llama.make(tmp_path / "hf")


@pytest.fixture
def tree(npudeck: Npudeck, model: Path, tmp_path: Path) -> Path:
    """The model cut for TP 2 and PP 2."""
    assert npudeck("to-megatron", model, tmp_path / "tree", *LAYOUT)[0] == 0
    return tmp_path / "tree"


def test_there_and_back(npudeck: Npudeck, model: Path, tmp_path: Path) -> None:
    code, out, err = npudeck("to-megatron", model, tmp_path / "tree", *LAYOUT)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[:3] == [
        "model       llama2, 22,880 parameters, bf16",
        "layout      legacy, TP 2 × PP 2, 1 layer a stage, vocabulary 67 padded to 68",
        "rope theta  10000; train with --rotary-base 10000",
    ]
    assert f"4 rank files, 46 kB, in {tmp_path / 'tree'}" in lines
    assert lines[-1].startswith("made in ")
    assert (tmp_path / "tree" / "latest_checkpointed_iteration.txt").read_text() == "1"

    code, out, err = npudeck("to-hf", tmp_path / "tree", tmp_path / "back", "--like", model)
    assert (code, err) == (0, "")
    assert "brought along: config.json, tokenizer_config.json" in out
    back = tiny_llama.tensors(tmp_path / "back" / "model.safetensors")
    assert back == tiny_llama.tensors(model / "model.safetensors")


def test_the_same_again_is_up_to_date(npudeck: Npudeck, model: Path, tree: Path) -> None:
    code, out, err = npudeck("to-megatron", model, tree, *LAYOUT)
    assert code == 0
    assert err == f"up to date: {tree} was made from the same weights\n"
    assert "made in" not in out
    answer = json.loads(npudeck("to-megatron", model, tree, *LAYOUT, "--json", "--quiet")[1])
    assert (answer["up_to_date"], answer["output_directory"]) == (True, str(tree))


def test_another_layout_wants_another_folder(npudeck: Npudeck, model: Path, tree: Path) -> None:
    code, out, err = npudeck("to-megatron", model, tree, "--tp", 1, "--pp", 1)
    assert (code, out) == (3, "")
    assert "error: OUT_DIR: " in err
    assert "TP 2 x PP 2" in err
    assert "or give --overwrite to replace this one" in err
    assert npudeck("to-megatron", model, tree, "--tp", 1, "--pp", 1, "--overwrite")[0] == 0
    assert [path.name for path in (tree / "iter_0000001").iterdir()] == ["mp_rank_00"]


def test_a_dry_run_writes_nothing(npudeck: Npudeck, model: Path, tmp_path: Path) -> None:
    target = tmp_path / "tree"
    code, out, _err = npudeck(
        "to-megatron", model, target, *LAYOUT, "--format", "mcore", "--dtype", "fp32", "--dry-run"
    )
    assert code == 0
    assert not target.exists()
    assert "fp32" in out
    assert len([line for line in out.splitlines() if line.startswith("mp_rank_")]) == 4
    assert out.splitlines()[-1] == f"92 kB would be written to {target}; nothing has been"
    answer = json.loads(npudeck("to-megatron", model, target, *LAYOUT, "--dry-run", "--json")[1])
    assert answer["dry_run"] is True
    assert answer["parameters"] == 22880


def test_a_plan_without_room_is_shown_and_refused(
    npudeck: Npudeck, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("backend.node.weights.output_folder.shutil.disk_usage", lambda path: usage)
    words = ("to-megatron", model, tmp_path / "tree", *LAYOUT, "--dry-run")
    code, out, err = npudeck(*words)
    assert code == 5
    assert len([line for line in out.splitlines() if line.startswith("mp_rank_")]) == 4
    assert "error: OUT_DIR: " in err
    assert "1 kB free, the weights need" in err
    code, out, _err = npudeck(*words, "--json")
    answer = json.loads(out)
    assert (code, len(answer["files"])) == (5, 4)
    assert "1 kB free" in answer["obstacle"]["what"]


def test_layers_of_stages_and_padding_are_as_asked(npudeck: Npudeck, model: Path, tmp_path: Path) -> None:
    code, out, _err = npudeck(
        *("to-megatron", model, tmp_path / "t", "--tp", 1, "--pp", 2, "--layers-per-stage", "1,1"),
        *("--make-vocab-size-divisible-by", 16, "--json"),
    )
    assert code == 0
    answer = json.loads(out)
    assert (answer["layout"]["layers_per_stage"], answer["padded_vocab_size"]) == ([1, 1], 80)


def test_reshard_keeps_what_is_not_said(npudeck: Npudeck, tree: Path, tmp_path: Path) -> None:
    code, out, _err = npudeck("reshard", tree, tmp_path / "new", "--format", "mcore", "--json")
    assert code == 0
    answer = json.loads(out)
    assert (answer["kind"], answer["layout"]["tp"], answer["layout"]["pp"]) == ("mcore", 2, 2)


def test_a_lossy_cast_is_said(npudeck: Npudeck, model: Path, tree: Path, tmp_path: Path) -> None:
    wide = tmp_path / "wide"
    assert npudeck("reshard", tree, wide, "--dtype", "fp32")[0] == 0
    code, _out, err = npudeck("to-megatron", model, tmp_path / "fp16", *LAYOUT, "--dtype", "fp16")
    assert code == 0
    assert "written as float16" in err
    code, out, err = npudeck("to-megatron", model, tmp_path / "fp16", *LAYOUT, "--dtype", "fp16")
    assert "written as float16" in err
    assert "written as float16" not in out
    quiet = ("to-megatron", model, tmp_path / "q", *LAYOUT, "--dtype", "fp16", "--quiet")
    for _time in range(2):
        code, out, err = npudeck(*quiet)
        assert (code, err) == (0, "")
        assert "written as float16" not in out
    assert "written as float16" in json.loads(npudeck(*quiet, "--json")[1])["notes"][0]


def test_values_that_are_no_numbers_are_said(npudeck: Npudeck, tmp_path: Path) -> None:
    model = tiny_llama.make(tmp_path / "hf", nan=True)
    code, _out, err = npudeck("to-megatron", model, tmp_path / "tree", *LAYOUT)
    assert code == 0
    assert "NaN" in err
    assert "model.embed_tokens.weight" in err


@pytest.mark.parametrize(
    ("words", "field"),
    [
        (("--tp", 3, "--pp", 1), "--tp"),
        (("--tp", 1, "--pp", 3), "--pp"),
        (("--tp", 1, "--pp", 2, "--layers-per-stage", "2,1"), "--layers-per-stage"),
        (("--tp", 2, "--pp", 1, "--padded-vocab-size", 66), "--padded-vocab-size"),
        (("--tp", 2, "--pp", 1, "--layers-per-virtual-stage", 1), "--layers-per-virtual-stage"),
    ],
)
def test_what_cannot_be_cut_is_refused_before_anything_is_written(
    npudeck: Npudeck, model: Path, tmp_path: Path, words: tuple[object, ...], field: str
) -> None:
    code, out, err = npudeck("to-megatron", model, tmp_path / "tree", *words, "--json")
    assert code == 3
    assert json.loads(out)["problems"][0]["field"] == field
    assert "Traceback" not in err
    assert not (tmp_path / "tree").exists()


def test_a_missing_tensor_is_named(npudeck: Npudeck, tmp_path: Path) -> None:
    name = "model.layers.1.mlp.up_proj.weight"
    model = tiny_llama.make(tmp_path / "hf", without=name)
    code, out, err = npudeck("to-megatron", model, tmp_path / "tree", *LAYOUT)
    assert (code, out) == (3, "")
    assert err.startswith("error: HF_DIR: ")
    assert name in err
    assert not (tmp_path / "tree").exists()


def test_a_folder_without_a_model(npudeck: Npudeck, tmp_path: Path) -> None:
    code, _out, err = npudeck("to-megatron", tmp_path, tmp_path / "tree", *LAYOUT)
    assert code == 3
    assert "config.json" in err


@pytest.mark.parametrize(
    ("raised", "code", "says"),
    [
        (JobError("memory_bytes", "too little"), 3, "error: --memory: too little"),
        (StorageError("output_directory", "no space is left"), 5, "error: OUT_DIR: no space is left"),
        (ModuleNotFoundError("No module named 'numpy'", name="numpy"), 5, "install npudeck[train]"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_errors_have_their_exit_codes(
    npudeck: Npudeck, monkeypatch: pytest.MonkeyPatch, raised: BaseException, code: int, says: str
) -> None:
    from backend.node.weights import to_megatron

    def run(_job: dict[str, Any], _tell: object) -> None:
        raise raised

    monkeypatch.setattr(to_megatron, "run", run)
    found, out, err = npudeck("to-megatron", "a", "b", *LAYOUT)
    assert (found, out) == (code, "")
    assert says in err
    assert "Traceback" not in err


@pytest.mark.parametrize("flag", [("--lora-r", 8), ("--lora-alpha", 16), ("--lora-target-modules", "dense")])
def test_what_is_said_of_an_adapter_needs_one(npudeck: Npudeck, flag: tuple[object, ...]) -> None:
    code, _out, err = npudeck("to-hf", "a", "b", "--like", "c", *flag)
    assert code == 2
    assert err.startswith(f"error: {flag[0]}: ")


@pytest.mark.parametrize(
    "words", [(), ("--tp", 2), ("--tp", 2, "--pp", 0), ("--tp", 2, "--pp", 1, "--dtype", "int8")]
)
def test_a_layout_is_needed(npudeck: Npudeck, words: tuple[object, ...]) -> None:
    assert npudeck("to-megatron", "a", "b", *words)[0] == 2


def test_the_guides_script_both_ways(
    npudeck: Npudeck, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {
        "TP": "2",
        "PP": "1",
        "ORIGINAL_HF_WEIGHT": str(model),
        "CONVERT_MODEL_PATH": str(tmp_path / "tree"),
    }
    # one set of variables for both, as in the guide; what was converted stands for what was trained
    for name, value in {**given, "MODEL_SAVE_PATH": str(tmp_path / "tree")}.items():
        monkeypatch.setenv(name, value)
    code, out, err = npudeck("convert", "hf2hg")
    assert code == 0
    assert f"CONVERT_MODEL_PATH={tmp_path / 'tree'}" in err
    assert "TP 2 × PP 1" in out
    code, _out, err = npudeck("convert", "mg2hf")
    assert code == 0
    assert f"the result goes to {model / 'mg2hf'}: CONVERT_MODEL_PATH holds Megatron weights" in err
    back = tiny_llama.tensors(model / "mg2hf" / "model.safetensors")
    assert back == tiny_llama.tensors(model / "model.safetensors")
    # the result lies in the original's folder, and hinders neither direction from being up to date
    assert "up to date" in npudeck("convert", "hf2hg")[2]
    assert "up to date" in npudeck("convert", "mg2hf")[2]


def test_the_guides_script_names_the_variable_that_is_wrong(
    npudeck: Npudeck, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    code, _out, err = npudeck("convert", "hf2hg")
    assert code == 2
    assert "ORIGINAL_HF_WEIGHT" in err
    monkeypatch.setenv("MODEL_SAVE_PATH", str(tmp_path / "absent"))
    monkeypatch.setenv("ORIGINAL_HF_WEIGHT", str(tmp_path))
    code, _out, err = npudeck("convert", "mg2hf")
    assert code == 3
    assert "error: MODEL_SAVE_PATH: " in err
    assert npudeck("convert", "mg2hf", "--format", "mcore")[0] == 2


def test_files_that_a_model_needs(npudeck: Npudeck, model: Path, tmp_path: Path) -> None:
    code, out, err = npudeck("check-files", model)
    assert (code, err) == (1, "")
    assert "tokenizer.json" in out
    assert "not whole: " in out.splitlines()[-1]
    (model / "tokenizer.json").write_text("{}")
    (model / "tokenization_chatglm.py").write_text('    assert self.padding_side == "left"\n')
    code, out, _err = npudeck("check-files", model)
    assert code == 0
    assert "tokenization_chatglm.py: to be changed" in out
    assert '    +    # assert self.padding_side == "left"' in out
    assert out.splitlines()[-1].startswith("--fix-into OUT_DIR")
    code, out, _err = npudeck("check-files", model, "--fix-into", tmp_path / "fixed")
    assert code == 0
    assert f"written to {tmp_path / 'fixed'}; changed: tokenization_chatglm.py" in out
    assert "# assert" in (tmp_path / "fixed" / "tokenization_chatglm.py").read_text()
    assert "# assert" not in (model / "tokenization_chatglm.py").read_text()


def test_files_of_the_original_that_are_not_there(npudeck: Npudeck, model: Path, tmp_path: Path) -> None:
    shutil.copytree(model, tmp_path / "less")
    (tmp_path / "less" / "tokenizer_config.json").unlink()
    report = json.loads(npudeck("check-files", tmp_path / "less", "--like", model, "--json")[1])
    assert report["lacking"] == ["tokenizer_config.json"]
    assert (
        f"{model} has these too: tokenizer_config.json"
        in npudeck("check-files", tmp_path / "less", "--like", model)[1]
    )


def test_nothing_is_replaced_where_nothing_is_written(npudeck: Npudeck) -> None:
    assert npudeck("check-files", "a", "--overwrite")[0] == 2


def test_equal_weights(npudeck: Npudeck, model: Path, tree: Path) -> None:
    code, out, err = npudeck("verify", model, tree)
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"A           {model} (Hugging Face)",
        f"B           {tree} (legacy, TP 2 × PP 2)",
        "",
        "equal: 21 tensors, 46 kB",
    ]


def test_other_weights(npudeck: Npudeck, model: Path, tree: Path, tmp_path: Path) -> None:
    other = tiny_llama.make(tmp_path / "other", seed=2, nan=True)
    code, out, _err = npudeck("verify", other, tree)
    assert code == 1
    assert out.splitlines()[-1] == "not equal: 21 of 21 tensors differ"
    assert any(
        line.startswith("model.embed_tokens.weight: ") and "nan and " in line for line in out.splitlines()
    )
    # a number that is none does not break the JSON
    report = json.loads(npudeck("verify", other, model, "--json", "--quiet")[1])
    assert (report["equal"], report["differing"][0]["a"]) == (False, "nan")


def test_the_same_values_in_another_dtype(npudeck: Npudeck, tree: Path, tmp_path: Path) -> None:
    assert npudeck("reshard", tree, tmp_path / "wide", "--dtype", "fp32")[0] == 0
    code, out, _err = npudeck("verify", tree, tmp_path / "wide")
    assert code == 1
    assert "bf16 and fp32, the same values" in out
    assert out.splitlines()[-1].startswith("not equal: the same values in other dtypes, ")


def test_nothing_to_compare(npudeck: Npudeck, model: Path, tmp_path: Path) -> None:
    code, _out, err = npudeck("verify", model, tmp_path / "absent")
    assert code == 3
    assert err.startswith("error: B: ")


def test_what_weights_are(npudeck: Npudeck, model: Path, tree: Path) -> None:
    code, out, err = npudeck("inspect", model)
    assert (code, err) == (0, "")
    assert out.splitlines()[:3] == [
        "what        Hugging Face model",
        "model       llama2, 22,880 parameters, bf16",
        "            2 layers, hidden 32, 4 heads, 2 of keys, ffn 64, vocabulary 67",
    ]
    assert out.splitlines()[-1] == "complete"
    code, out, err = npudeck("inspect", tree)
    assert (code, err) == (0, "")
    assert "layout      legacy, TP 2 × PP 2, 1 layer a stage, vocabulary 67 padded to 68" in out
    assert "rope theta  10000; train with --rotary-base 10000" in out
    assert f"made by     npudeck, to-megatron from {model}" in out
    assert json.loads(npudeck("inspect", tree, "--json")[1])["layout"]["layers_per_stage"] == [1, 1]


def test_what_is_missing(npudeck: Npudeck, tree: Path, tmp_path: Path) -> None:
    shutil.rmtree(tree / "iter_0000001" / "mp_rank_01_001")
    code, out, err = npudeck("inspect", tree)
    assert (code, err) == (1, "")
    assert "mp_rank_01_001" in out
    assert out.splitlines()[-1] == "not complete"
    (tmp_path / "empty").mkdir()
    assert npudeck("inspect", tmp_path / "empty")[0] == 1
    assert npudeck("inspect", tmp_path / "absent")[0] == 3
