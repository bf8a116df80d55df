"""Folders of another kind than a command about weights reads."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_llama

from backend.cli.main import main
from backend.cli.weights_folders import ANY, EITHER, MODEL, PEFT, TREE, explained
from backend.node.job_lines import StorageError

pytest.importorskip("numpy")
TRACKER = "latest_checkpointed_iteration.txt"
LAYOUT = ("--tp", 1, "--pp", 1)

Npudeck = Callable[..., tuple[int, str, str]]


@pytest.fixture
def npudeck(capsys: pytest.CaptureFixture[str]) -> Npudeck:
    """Run `npudeck weights …`: exit code, stdout, stderr."""

    def run(*words: object) -> tuple[int, str, str]:
        try:
            code = main(["weights", *map(str, words)])
        except SystemExit as error:
            code = int(error.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def kinds(tmp_path: Path) -> Path:
    """Folders "hf", "tree", "untracked", "peft", "empty" and a file "file"."""
    tiny_llama.make(tmp_path / "hf")
    for name in ("tree", "untracked"):
        rank = tmp_path / name / "iter_0000007" / "mp_rank_00"
        rank.mkdir(parents=True)
        (rank / "model_optim_rng.pt").write_bytes(b"")
    (tmp_path / "tree" / TRACKER).write_text("7")
    (tmp_path / "peft").mkdir()
    (tmp_path / "peft" / "adapter_config.json").write_text("{}")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "wanted", "what", "fix"),
    [
        ("tree", MODEL, "tree is a Megatron checkpoint", "give the folder of a Hugging Face model; "),
        ("tree", MODEL, "tree is a Megatron checkpoint", "`npudeck weights to-hf` makes one"),
        ("tree/iter_0000007", MODEL, "is one iteration of a Megatron checkpoint", "Hugging Face model; "),
        ("tree/iter_0000007", TREE, "is one iteration of a Megatron checkpoint", "the folder above, "),
        ("untracked", TREE, f"holds checkpoints, and no {TRACKER}", "counts into that file, such as 7"),
        ("untracked", MODEL, f"holds checkpoints, and no {TRACKER}", "folder of a Hugging Face model"),
        ("hf", TREE, "hf is a Hugging Face model", "`npudeck weights to-megatron` makes one of a model"),
        ("hf", PEFT, "hf is a Hugging Face model", "give the folder of a LoRA adapter of PEFT"),
        ("peft", TREE, "peft is a LoRA adapter of PEFT", "`npudeck weights split-lora` makes one"),
        ("peft", EITHER, "peft is a LoRA adapter of PEFT", "`npudeck weights split-lora` makes one"),
        ("peft", MODEL, "peft is a LoRA adapter of PEFT", "give the folder of a Hugging Face model"),
        ("tree", PEFT, "tree is a Megatron checkpoint", "`npudeck weights export-lora` makes one"),
        ("empty", EITHER, "is not a Hugging Face model or a Megatron checkpoint", "give the folder of"),
        ("file", ANY, "file is a file", "give its folder, "),
        ("hf/config.json", MODEL, "config.json is a file", "give its folder, "),
        ("hf/config.json/below", MODEL, "config.json is a file", "give its folder, "),
        ("xyzzy", MODEL, "no such folder: ", "see how it is spelled"),
        ("untraked", TREE, "no such folder: ", "is it "),
    ],
)
def test_it_is_said_what_it_is(kinds: Path, name: str, wanted: str, what: str, fix: str) -> None:
    found = explained(str(kinds / name), wanted, "field")
    assert found is not None
    assert (found.field, what in found.what, fix in found.fix) == ("field", True, True), vars(found)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("hf", MODEL), ("hf", EITHER), ("hf", ANY), ("tree", TREE), ("tree", EITHER), ("peft", PEFT)],
)
def test_the_right_kind_is_not_spoken_of(kinds: Path, name: str, wanted: str) -> None:
    assert explained(str(kinds / name), wanted, "field") is None


@pytest.mark.parametrize("command", ["inspect", "check-files", "to-megatron"])
def test_what_is_neither_file_nor_folder_is_said(npudeck: Npudeck, tmp_path: Path, command: str) -> None:
    """A device, a pipe, a socket."""
    os.mkfifo(tmp_path / "pipe")
    rest = ("out", *LAYOUT) if command == "to-megatron" else ()
    for path in ("/dev/null", tmp_path / "pipe", tmp_path / "pipe" / "below"):
        code, out, err = npudeck(command, path, *rest)
        assert (code, out) == (3, "")
        assert f"{str(path).replace('/below', '')} is not a folder\n" in err


def test_a_folder_that_is_two_is_what_is_wanted(kinds: Path) -> None:
    (kinds / "hf" / TRACKER).write_text("1")
    assert explained(str(kinds / "hf"), MODEL, "") is explained(str(kinds / "hf"), TREE, "") is None


@pytest.mark.parametrize(
    ("words", "field", "what"),
    [
        (("to-megatron", "tree", "o", *LAYOUT), "HF_DIR", "tree is a Megatron checkpoint"),
        (("to-megatron", "nope", "o", *LAYOUT), "HF_DIR", "no such folder: "),
        (("to-megatron", "hf/config.json", "o", *LAYOUT), "HF_DIR", "config.json is a file"),
        (("to-hf", "hf", "o", "--like", "hf"), "MEGATRON_DIR", "hf is a Hugging Face model"),
        (("reshard", "hf", "o"), "IN_DIR", "hf is a Hugging Face model"),
        (("reshard", "tree/iter_0000007", "o"), "IN_DIR", "is one iteration"),
        (("split-lora", "hf", "o", "--like", "hf", *LAYOUT), "PEFT_DIR", "hf is a Hugging Face model"),
        (("export-lora", "peft", "o", "--like", "hf"), "LORA_DIR", "peft is a LoRA adapter of PEFT"),
        (("verify", "hf", "peft"), "B", "peft is a LoRA adapter of PEFT"),
        (("verify", "tree/iter_0000007", "hf"), "A", "is one iteration"),
        (("inspect", "hf/config.json"), "DIR", "config.json is a file"),
        (("check-files", "tree"), "DIR", "tree is a Megatron checkpoint"),
        (("check-files", "hf", "--like", "tree"), "--like", "tree is a Megatron checkpoint"),
    ],
)
def test_the_commands_say_it(
    npudeck: Npudeck,
    kinds: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[object, ...],
    field: str,
    what: str,
) -> None:
    monkeypatch.chdir(kinds)
    code, out, _err = npudeck(*words, "--json")
    assert code == 3
    [problem] = json.loads(out)["problems"]
    assert (problem["field"], what in problem["what"]) == (field, True), problem
    assert "again" not in problem["fix"]


def test_a_folder_without_a_name_is_misuse(npudeck: Npudeck) -> None:
    for words in (("to-megatron", "", "o", *LAYOUT), ("to-megatron", "a", "", *LAYOUT), ("inspect", "")):
        code, _out, err = npudeck(*words)
        assert (code, "the name of the folder is empty" in err) == (2, True)


def closed(path: Path) -> Callable[[Any, int], bool]:
    """`os.access` where `path` may not be read."""
    return lambda asked, _mode: Path(asked) != path


@pytest.mark.parametrize(
    "name", ["iter_0000007/mp_rank_00", "iter_0000007/mp_rank_00/model_optim_rng.pt", ""]
)
def test_what_may_not_be_read_is_said(kinds: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    path = kinds / "tree" / name
    monkeypatch.setattr("os.access", closed(path))
    found = explained(str(kinds / "tree"), TREE, "field")
    assert isinstance(found, StorageError)
    assert found.what == f"{path} cannot be read"
    assert (found.why, found.fix) == ("Permission denied", "see to its permissions")


def test_no_permission_is_exit_code_5(
    npudeck: Npudeck, kinds: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = kinds / "hf" / "model.safetensors"
    opened = open

    def refuse(name: Any, *arguments: Any, **keywords: Any) -> Any:
        if str(name) == str(path):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(name))
        return opened(name, *arguments, **keywords)

    monkeypatch.setattr("builtins.open", refuse)
    code, out, err = npudeck("to-megatron", kinds / "hf", tmp_path / "o", *LAYOUT)
    assert (code, out) == (5, "")
    assert err == (
        f"error: HF_DIR: cannot read {path}\n  why: Permission denied\n  fix: see to its permissions\n"
    )
    monkeypatch.setattr("os.access", closed(path))
    for words in (("to-megatron", kinds / "hf", tmp_path / "o", *LAYOUT), ("inspect", kinds / "hf")):
        code, _out, err = npudeck(*words)
        assert (code, f"{path} cannot be read" in err) == (5, True)
