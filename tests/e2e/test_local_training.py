"""`npudeck train` with real ranks: a stop saves, a second call goes on, an error of a rank is one message."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from backend.demo.demo_model import write_tokenizer

pytestmark = pytest.mark.torch
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for name in ("torch", "tokenizers"):
        pytest.importorskip(name)
    folder = tmp_path_factory.mktemp("inputs")
    texts = [f"ship {n} sails to the harbour with {n % 7} boxes of tea" for n in range(400)]
    (folder / "ships.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    (folder / "tokenizer").mkdir()
    write_tokenizer(texts, folder / "tokenizer")
    return folder


def command(inputs: Path, work: Path, *words: str) -> list[str]:
    settings = ["--iterations", "30", "--seq-length", "32", "--lr", "5e-3", "--set", "GBS=4"]
    given = ["--data", str(inputs / "ships.jsonl"), "--tokenizer", str(inputs / "tokenizer"), *settings]
    return [
        *(sys.executable, "-P", "-m", "backend.cli", "train", "--model", "yi-6b", "--scale", "tiny"),
        *("--work-directory", str(work), *given, *words),
    ]


def start(argv: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        argv,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""},
        cwd="/",
    )


def ended(process: subprocess.Popen[str]) -> tuple[dict[str, Any], str]:
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in err
    return json.loads(out), err


def test_a_stop_saves_and_the_next_call_goes_on(inputs: Path, tmp_path: Path) -> None:
    with start(command(inputs, tmp_path, "--tp", "2")) as process:
        assert process.stdout is not None
        assert any("iteration        3/" in line for line in process.stdout)
        process.send_signal(signal.SIGTERM)
        _out, err = process.communicate(timeout=120)
    assert process.returncode == 143
    saved = int(next(tmp_path.rglob("latest_checkpointed_iteration.txt")).read_text())
    assert 3 <= saved < 30
    assert f"stopped at iteration {saved} of 30" in err
    with start(command(inputs, tmp_path, "--tp", "2", "--json")) as process:
        end, err = ended(process)
    assert process.returncode == end["exit_code"] == 0
    assert (end["state"], end["iterations"], end["checkpoint_iteration"]) == ("finished", 30, 30)
    assert end["last_loss"] < end["first_loss"]
    assert f"iteration {saved + 1:8d}/" in err
    assert f"iteration {saved:8d}/" not in err
    assert Path(end["checkpoint_directory"]).parts[-4:-2] == ("yi-6b-tiny", "saved_models")


def test_an_error_of_the_ranks_is_one_message(inputs: Path, tmp_path: Path) -> None:
    # weights that explode: the loss is no number soon
    with start(command(inputs, tmp_path, "--nproc", "2", "--lr", "1e30", "--json")) as process:
        end, err = ended(process)
    assert process.returncode == end["exit_code"] == 1
    (problem,) = end["problems"]
    assert problem["what"]
    assert err.count("error: ") == 1
    assert end["checkpoint_iteration"] is None


def test_devices_that_are_not_there_are_said_first(inputs: Path, tmp_path: Path) -> None:
    with start(command(inputs, tmp_path, "--device", "cuda", "--nproc", "2", "--json")) as process:
        end, err = ended(process)
    assert process.returncode == end["exit_code"] == 5
    (problem,) = end["problems"]
    assert "0 visible, 2 needed" in problem["what"]
    assert err.count("error: ") == 1
    assert not list(tmp_path.rglob("*.bin"))
