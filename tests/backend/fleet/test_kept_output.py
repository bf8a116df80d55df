"""Bounded memory for unbounded output, the mark before a command's own words, and equal answers together."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.fleet.gather import by_equality
from backend.fleet.guarded_command import AfterMark, guarded, timed_out
from backend.fleet.kept_output import KeptOutput

_PIECES = st.lists(st.binary(max_size=50), max_size=30)


@given(_PIECES, st.integers(2, 64))
def test_beginning_end_and_digest_of_all(pieces: list[bytes], limit: int) -> None:
    kept, whole = KeptOutput(limit), b"".join(pieces)
    for piece in pieces:
        kept.add(piece)
    output = kept.output()
    assert output.size == len(whole)
    assert whole.startswith(output.head)
    assert whole.endswith(output.tail)
    assert len(output.head) + len(output.tail) <= limit
    assert (output.left_out == 0) == (len(whole) <= len(output.head) + len(output.tail))
    if not output.left_out:
        assert output.head + output.tail == whole
    assert output.digest == hashlib.sha256(whole).digest()


def test_memory_is_bounded_whatever_comes() -> None:
    kept = KeptOutput(1000)
    for _turn in range(10_000):
        kept.add(b"x" * 1000)
    # twice the kept end, so that it is cut now and then alone
    assert len(kept._head) + len(kept._tail) <= 2500


@given(st.binary(max_size=200), st.binary(max_size=200), st.integers(1, 7))
def test_only_what_comes_after_the_mark(noise: bytes, said: bytes, step: int) -> None:
    stream = noise + b"MARK-0123\n" + said
    reader, taken = AfterMark("MARK-0123"), b""
    for place in range(0, len(stream), step):
        taken += reader.take(stream[place : place + step])
    assert (reader.begun, reader.noise, taken) == (True, noise, said)


def test_noise_without_end_is_an_error() -> None:
    reader = AfterMark("MARK")
    for _turn in range(32):
        assert reader.take(b"y\n" * 1000) == b""
    with pytest.raises(ValueError, match="without end"):
        reader.take(b"y\n" * 1000)


@pytest.fixture
def lifeline() -> Iterator[int]:
    """A stdin that does not end."""
    reading, writing = os.pipe()
    yield reading
    os.close(writing)
    os.close(reading)


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize(
    "words",
    [
        ["printf", "%s|", "a b", "$HOME", "--", ""],
        ["sh", "-c", "echo $0; echo bad >&2; exit 7", "x"],
        ["no-such-program"],
        ["sh", "-c", "cat; kill -9 $$"],
    ],
)
def test_a_guarded_command_is_the_command(words: list[str], shell: str, lifeline: int) -> None:
    argv = [shell, *guarded(words, "MARK", 5)[1:]]
    done = subprocess.run(argv, stdin=lifeline, capture_output=True, check=False)
    assert done.stdout.startswith(b"MARK\n")
    assert done.stderr.startswith(b"MARK\n")
    if words[0] == "no-such-program":
        assert done.returncode == 127
        return
    plain = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert done.stdout == b"MARK\n" + plain.stdout
    assert done.stderr == b"MARK\n" + plain.stderr
    assert done.returncode == (plain.returncode if plain.returncode >= 0 else 128 - plain.returncode)


def test_its_end_in_time_is_not_taken_for_a_failure_of_its_own(lifeline: int) -> None:
    argv = guarded(["sleep", "9"], "M", 0.5)
    assert subprocess.run(argv, stdin=lifeline, capture_output=True, check=False).returncode == 124
    assert timed_out(124, 1.0, 1)
    assert not timed_out(124, 0.2, 1)
    assert not timed_out(1, 2.0, 1)


@pytest.mark.parametrize(
    "script", ["exec sleep 77", "sleep 77; echo", "trap '' TERM; while :; do sleep 0.7; done"]
)
def test_it_ends_when_whoever_asked_is_gone(script: str) -> None:
    process = subprocess.Popen(
        guarded(["sh", "-c", script], "MARK", 60), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == "MARK\n"
    began = time.monotonic()
    process.stdin.close()
    # the pipe ends when the last process that has it is gone
    assert process.stdout.read().strip() == ""
    assert time.monotonic() - began < 15
    process.wait(10)
    process.stdout.close()


def test_the_odd_ones_stand_last() -> None:
    answers = {"n1": "odd", "n2": "same", "n3": "same", "n4": "strange", "n5": "same"}
    assert by_equality(answers) == [(("n2", "n3", "n5"), "same"), (("n1",), "odd"), (("n4",), "strange")]
    assert by_equality({}) == []
