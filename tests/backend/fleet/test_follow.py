"""follow.py: what a reader has, byte for byte, whatever is killed, rotated or cut in between."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FOLLOW = Path(__file__).resolve().parents[3] / "backend" / "node" / "agents" / "follow.py"


def wait_for(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


class Mirror:
    """The reader's side: bytes by generation; the last one's size is the cursor."""

    def __init__(self, path: Path, python: str = sys.executable) -> None:
        self.path = path
        self.python = python
        self.generations: list[bytearray] = []
        self.inode = 0
        self.reasons: list[str] = []
        self.heartbeats = 0
        self.process: Any = None

    def cursor(self) -> dict[str, int] | None:
        if not self.generations:
            return None
        data = self.generations[-1]
        length = min(256, len(data))
        return {"ino": self.inode, "off": len(data), "fpn": length, "fp": zlib.crc32(bytes(data[:length]))}

    def connect(self) -> None:
        request = json.dumps({"files": {str(self.path): self.cursor()}, "poll": 0.02})
        self.process = subprocess.Popen(
            [self.python, "-u", "-c", FOLLOW.read_text(), request],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def read(self) -> None:
        """Take one frame in."""
        header = json.loads(self.process.stdout.readline())
        if header["k"] == "h":
            self.heartbeats += 1
            return
        assert header["p"] == str(self.path)
        if header["k"] == "g":
            self.reasons.append(header["why"])
            self.generations.append(bytearray())
            self.inode = header["i"]
            assert header["o"] == 0
            return
        data = self.process.stdout.read(header["n"])
        assert len(data) == header["n"]
        assert header["o"] == len(self.generations[-1])
        self.generations[-1] += data

    def read_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline
            self.read()

    def kill(self) -> None:
        self.process.kill()
        self.process.stdout.close()
        self.process.stdin.close()
        self.process.wait()

    def all(self) -> bytes:
        return b"".join(self.generations)


@pytest.fixture
def mirror(tmp_path: Path) -> Any:
    mirror = Mirror(tmp_path / "out.log")
    yield mirror
    if mirror.process is not None and mirror.process.poll() is None:
        mirror.kill()


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def test_waits_for_the_file_and_reads_it_whole(mirror: Mirror) -> None:
    mirror.connect()
    mirror.read_until(lambda: mirror.heartbeats == 1)
    data = os.urandom(700_000)
    append(mirror.path, data)
    mirror.read_until(lambda: len(mirror.all()) == len(data))
    assert mirror.all() == data
    assert mirror.reasons == ["new"]


def test_ends_with_its_stdin(mirror: Mirror) -> None:
    mirror.connect()
    mirror.read_until(lambda: mirror.heartbeats == 1)
    mirror.process.stdin.close()
    assert mirror.process.wait(timeout=10) == 0
    mirror.process.stdout.close()


def test_ends_with_its_reader(mirror: Mirror) -> None:
    append(mirror.path, b"x" * 3_000_000)
    mirror.connect()
    mirror.read()
    mirror.process.stdout.close()
    assert mirror.process.wait(timeout=10) == 0


def test_kill_and_resume_at_random_bytes(mirror: Mirror) -> None:
    chance = random.Random(7)
    written = b""
    for _turn in range(6):
        mirror.connect()
        piece = chance.randbytes(chance.randrange(1, 400_000))
        append(mirror.path, piece)
        written += piece
        for _frame in range(chance.randrange(0, 3)):
            mirror.read()
        mirror.kill()
    mirror.connect()
    mirror.read_until(lambda: len(mirror.all()) >= len(written))
    assert mirror.all() == written
    assert mirror.reasons == ["new"]


def test_rotation_while_connected(mirror: Mirror) -> None:
    append(mirror.path, b"first\n")
    mirror.connect()
    mirror.read_until(lambda: mirror.all() == b"first\n")
    old = mirror.path.open("ab")
    mirror.path.rename(mirror.path.with_suffix(".log.1"))
    append(mirror.path, b"second\n")
    old.write(b"late\n")
    old.close()
    mirror.read_until(lambda: mirror.all() == b"first\nlate\nsecond\n")
    assert mirror.reasons == ["new", "rotated"]


def test_two_rotations_while_away(mirror: Mirror) -> None:
    append(mirror.path, b"one\n")
    mirror.connect()
    mirror.read_until(lambda: mirror.all() == b"one\n")
    mirror.kill()
    append(mirror.path, b"more\n")
    now = time.time_ns()
    for number, (name, text) in enumerate([("out.log.2", b"two\n"), ("out.log.1", b"three\n")]):
        kept = mirror.path.with_name(name)
        mirror.path.rename(kept)
        os.utime(kept, ns=(now + number * 10**9, now + number * 10**9))
        append(mirror.path, text)
    mirror.connect()
    mirror.read_until(lambda: mirror.all() == b"one\nmore\ntwo\nthree\n")
    assert mirror.reasons == ["new", "rotated", "rotated"]


def test_truncation_is_said(mirror: Mirror) -> None:
    append(mirror.path, b"a long beginning\n")
    mirror.connect()
    mirror.read_until(lambda: len(mirror.all()) == 17)
    mirror.path.write_bytes(b"short\n")
    mirror.read_until(lambda: bytes(mirror.generations[-1]) == b"short\n")
    assert mirror.reasons == ["new", "truncated"]
    mirror.kill()
    mirror.path.write_bytes(b"s\n")
    mirror.connect()
    mirror.read_until(lambda: bytes(mirror.generations[-1]) == b"s\n")
    assert mirror.reasons == ["new", "truncated", "truncated"]


def test_other_content_is_a_loss(mirror: Mirror) -> None:
    append(mirror.path, b"what was here\n")
    mirror.connect()
    mirror.read_until(lambda: len(mirror.all()) == 14)
    mirror.kill()
    inode = mirror.path.stat().st_ino
    mirror.path.write_bytes(b"something else altogether\n")
    assert mirror.path.stat().st_ino == inode
    mirror.connect()
    mirror.read_until(lambda: bytes(mirror.generations[-1]) == b"something else altogether\n")
    assert mirror.reasons == ["new", "lost"]


def test_file_removed_while_away_comes_back_as_lost(mirror: Mirror) -> None:
    append(mirror.path, b"gone\n")
    mirror.connect()
    mirror.read_until(lambda: mirror.all() == b"gone\n")
    mirror.kill()
    mirror.path.unlink()
    mirror.connect()
    before = mirror.heartbeats
    mirror.read_until(lambda: mirror.heartbeats > before)
    append(mirror.path, b"new life\n")
    mirror.read_until(lambda: bytes(mirror.generations[-1]) == b"new life\n")
    assert mirror.reasons == ["new", "lost"]


def _old_pythons() -> list[str]:
    minors = (6, 7, 8, 9)
    names = [shutil.which(f"python3.{minor}") for minor in minors]
    names += [
        str(path) for minor in minors for path in Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python")
    ]
    # a shim of pyenv may stand for a version that is not switched on
    return [
        name
        for name in names
        if name and subprocess.run([name, "-c", ""], check=False, capture_output=True).returncode == 0
    ]


@pytest.mark.python39
def test_runs_on_old_pythons(tmp_path: Path) -> None:
    pythons = _old_pythons()
    if not pythons:
        pytest.skip("no python3.6 to 3.9 on PATH")
    for number, python in enumerate(pythons):
        mirror = Mirror(tmp_path / f"out{number}.log", python)
        append(mirror.path, b"hello\n")
        mirror.connect()
        mirror.read_until(lambda mirror=mirror: mirror.all() == b"hello\n")  # type: ignore[misc]
        mirror.kill()
