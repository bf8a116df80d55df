"""A command about weights that is told to end leaves nothing behind and says so in one line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_llama

pytest.importorskip("numpy")
ROOT = Path(__file__).resolve().parents[3]
# all files are written, and the folder has not its name yet
PROGRAM = """
import signal, sys
from backend.node import manifest
def wait(*_arguments):
    print("written", file=sys.stderr, flush=True)
    while True:
        signal.pause()
manifest.write = wait
from backend.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def end(number: int, *words: object) -> tuple[int, str, str]:
    """Run npudeck until it has written everything, then send it a signal: exit code, stdout, stderr."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "written\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


@pytest.mark.parametrize(
    ("number", "code", "says"),
    [
        (signal.SIGTERM, 143, "ended by SIGTERM"),
        (signal.SIGHUP, 129, "ended by SIGHUP"),
        (signal.SIGINT, 130, "interrupted"),
    ],
)
@pytest.mark.parametrize("action", ["to-megatron", "check-files"])
def test_nothing_is_left_behind(action: str, number: int, code: int, says: str, tmp_path: Path) -> None:
    model = tiny_llama.make(tmp_path / "hf")
    words: tuple[object, ...] = ("weights", action, model, tmp_path / "out", "--tp", 1, "--pp", 1)
    if action == "check-files":
        words = ("weights", action, model, "--fix-into", tmp_path / "out")
    assert end(number, *words) == (code, "", f"{says}\n")
    assert [path.name for path in tmp_path.iterdir()] == ["hf"]
    found, out, err = end(number, *words, "--json")
    assert (found, err) == (code, f"{says}\n")
    assert json.loads(out)["exit_code"] == code
    assert json.loads(out)["problems"][0]["what"] == says
