"""`npudeck weights` over adapters that ModelLink has trained and merged."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import backend.cli.main as command_line

GOLDEN = Path(__file__).resolve().parents[3] / ".." / "shared" / "golden" / "checkpoints"
CASES = sorted(path.parent for path in GOLDEN.glob("*/lora_*/lora"))
pytestmark = pytest.mark.skipif(not CASES, reason="the checkpoints that ModelLink made are not here")

Npudeck = Callable[..., tuple[int, str, str]]


@pytest.fixture
def npudeck(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Npudeck:
    """Run `npudeck weights …`: exit code, stdout, stderr."""
    pytest.importorskip("numpy")
    if "weights" not in command_line.GROUPS:
        monkeypatch.setattr(command_line, "GROUPS", (*command_line.GROUPS, "weights"))

    def run(*words: object) -> tuple[int, str, str]:
        code = command_line.main(["weights", *map(str, words)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def said(case: Path) -> list[str]:
    """The flags about the adapter, as ModelLink got them."""
    line = next(line for line in (case / "cmd.txt").read_text().splitlines() if "--lora-r " in line)
    found = re.search(r"--lora-r \d+ --lora-alpha \d+ --lora-target-modules( [a-z0-9_]+)+", line)
    assert found is not None
    return ["--lora", str(case / "lora"), *found[0].split()]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.name}")
def test_the_merged_weights_are_modellinks(npudeck: Npudeck, case: Path, tmp_path: Path) -> None:
    merged = tmp_path / "merged"
    assert npudeck("merge-lora", case / "megatron", merged, *said(case), "--quiet")[0] == 0
    code, out, _err = npudeck("verify", merged, case / "megatron_merged")
    assert code == 0, out
    straight = ("to-hf", case / "megatron", tmp_path / "back", "--like", case / "hf", *said(case))
    assert npudeck(*straight, "--quiet")[0] == 0
    code, out, _err = npudeck("verify", tmp_path / "back", case / "hf_back")
    assert code == 0, out


@pytest.mark.parametrize(
    ("flag", "value"),
    [("--lora-r", "5"), ("--lora-alpha", "64"), ("--lora-target-modules", "dense")],
)
def test_what_is_said_of_the_adapter_is_held_against_it(
    npudeck: Npudeck, tmp_path: Path, flag: str, value: str
) -> None:
    words = ("merge-lora", CASES[0] / "megatron", tmp_path / "m", "--lora", CASES[0] / "lora", flag, value)
    code, _out, err = npudeck(*words)
    assert code == 3
    assert err.startswith(f"error: {flag}: ")
    assert not (tmp_path / "m").exists()


def test_a_base_is_no_adapter(npudeck: Npudeck, tmp_path: Path) -> None:
    case = CASES[0]
    code, _out, err = npudeck("merge-lora", case / "megatron", tmp_path / "m", "--lora", case / "megatron")
    assert code == 3
    assert err.startswith("error: --lora: ")


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.name}")
def test_to_peft_and_back(npudeck: Npudeck, case: Path, tmp_path: Path) -> None:
    tp, pp = re.findall(r"tp(\d)pp(\d)", case.name)[0]
    code, out, _err = npudeck("export-lora", case / "lora", tmp_path / "peft", "--like", case / "hf")
    assert code == 0
    assert re.match(r"adapter     rank \d+, alpha \d+, on down_proj, ", out)
    assert (tmp_path / "peft" / "adapter_config.json").is_file()
    code, out, _err = npudeck("inspect", tmp_path / "peft")
    assert (code, out.splitlines()[0]) == (0, "what        LoRA adapter of PEFT")
    form = ("--format", case.name.split("_")[1], "--tp", tp, "--pp", pp)
    assert npudeck("split-lora", tmp_path / "peft", tmp_path / "lora", "--like", case / "hf", *form)[0] == 0
    merged = tmp_path / "merged"
    assert npudeck("merge-lora", case / "megatron", merged, "--lora", tmp_path / "lora", "--quiet")[0] == 0
    code, out, _err = npudeck("verify", merged, case / "megatron_merged")
    assert code == 0, out
