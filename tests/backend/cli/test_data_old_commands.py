"""ModelLink's own command lines, word for word, give ModelLink's own files."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

import backend.cli.main as command_line

GOLDEN = Path(__file__).resolve().parents[3] / ".." / "shared" / "golden" / "preprocess"
CASES = sorted(path.parent for path in GOLDEN.glob("*/*/cmd.txt"))
OUTPUT = "--output-prefix"

pytestmark = [
    pytest.mark.torch,
    pytest.mark.skipif(not CASES, reason="the files that ModelLink made are not here"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.name}")
def test_the_programs_name_is_all_that_changes(
    case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for library in ("numpy", "tokenizers", "pyarrow"):
        pytest.importorskip(library)
    monkeypatch.chdir(GOLDEN)
    line = (case / "cmd.txt").read_text().splitlines()[-1]
    words = shlex.split(line)[2:]
    words[words.index(OUTPUT) + 1] = str(tmp_path / "out")
    assert command_line.main(["data", "preprocess", *words]) == 0, capsys.readouterr().err
    expected = {path.name: path.read_bytes() for path in case.glob("out_*")}
    assert len(expected) >= 2
    assert {path.name: path.read_bytes() for path in tmp_path.glob("out_*")} == expected
