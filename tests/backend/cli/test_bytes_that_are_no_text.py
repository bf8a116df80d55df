"""Words that are no UTF-8, as an old shell or an old disk has them: refused in words, or kept as they are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from backend.cli.json_text import json_text
from backend.events import RunStateChanged, RunStatus
from backend.problems import InputError
from backend.store.event_codec import decode, encode
from backend.store.run_store import RunStore

ROOT = Path(__file__).resolve().parents[3]
BYTES = b"L\xfcfter"
NAME = os.fsdecode(BYTES)
INVENTORY = """
[fleet]
work_directory = "/w"
shared_directory = "/w"
[[nodes]]
name = "n1"
host = "127.0.0.1"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with such a name, and a fleet in it."""
    made = tmp_path / NAME
    made.mkdir()
    (made / "npudeck.toml").write_text(INVENTORY)
    return made


def started(folder: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "LC_ALL": "C.UTF-8",
        "XDG_STATE_HOME": str(folder / "state"),
    }
    argv = [sys.executable, "-P", "-m", "backend.cli", *words]
    done = subprocess.run(argv, capture_output=True, env=environment, cwd=folder, check=False)
    assert b"Traceback" not in done.stderr, done.stderr
    return done


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("fleet", "drain", "n1", "--reason", NAME), 2),
        (("fleet", "hold", "n1", "--reason", NAME), 2),
        (("fleet", "release", "n1", "--reason", NAME), 2),
        (("fleet", "init", "--name", NAME, "n1"), 2),
        (("fleet", "init", "--user", NAME, "n1"), 2),
        (("fleet", "init", "--group", f"{NAME}=n1", "n1"), 2),
        (("fleet", "init", NAME), 2),
        (("runs", "show", NAME), 3),
        (("health", NAME), 3),
        (("models", "show", NAME), 3),
    ],
)
def test_what_is_needed_as_text_is_refused_in_words(folder: Path, words: tuple[str, ...], code: int) -> None:
    done = started(folder, *words)
    assert done.returncode == code
    assert rb"L\udcfcfter" in done.stderr


def test_a_folder_may_have_such_a_name(folder: Path) -> None:
    (folder / "npudeck.toml").unlink()
    assert started(folder, "fleet", "init", "n1").returncode == 0
    assert (folder / "npudeck.toml").read_text().startswith('[fleet]\nname = "L�fter"\n')
    assert started(folder, "fleet", "drain", "n1", "--reason", "Lüfter").returncode == 0
    (node,) = json.loads(started(folder, "fleet", "list", "--json").stdout)["nodes"]
    assert node["drained"]["why"] == "Lüfter"


def test_json_is_one_that_every_reader_takes(folder: Path) -> None:
    done = started(folder, "parse", "npu-smi", NAME, "--json")
    (problem,) = json.loads(done.stdout)["problems"]
    assert problem["what"].startswith(r"L\udcfcfter ")
    problem["what"].encode()


@pytest.mark.parametrize("ascii_only", [True, False])
def test_no_half_of_a_character_is_left_in_json(ascii_only: bool) -> None:
    text = json_text({"a": NAME, "b": 'é文😀\t"\\'}, indent=None, ascii_only=ascii_only)
    assert text.isascii() == ascii_only
    assert json.loads(text.encode()) == {"a": r"L\udcfcfter", "b": 'é文😀\t"\\'}


def test_the_store_keeps_them_as_they_are(tmp_path: Path) -> None:
    event = RunStateChanged("r1", 1.0, RunStatus.RUNNING, f"/{NAME}/文")
    store = RunStore(tmp_path / "npudeck.db")
    store.append([event])
    assert decode(*encode(event)) == event
    with pytest.raises(InputError, match="there is no run"):
        store.require(NAME)
    store.close()
