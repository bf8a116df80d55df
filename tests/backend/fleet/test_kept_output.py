"""Bounded memory for unbounded output, the mark before a command's own words, and equal answers together."""

from __future__ import annotations

import hashlib
import subprocess

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


@pytest.mark.parametrize(
    "words", [["printf", "%s|", "a b", "$HOME", "--", ""], ["sh", "-c", "echo $0; exit 7", "x"]]
)
def test_a_guarded_command_is_the_command(words: list[str]) -> None:
    plain = subprocess.run(words, capture_output=True, check=False)
    done = subprocess.run(guarded(words, "MARK", 5), capture_output=True, check=False)
    assert done.stdout == b"MARK\n" + plain.stdout
    assert done.stderr == b"MARK\n" + plain.stderr
    assert done.returncode == plain.returncode


def test_its_end_in_time_is_not_taken_for_a_failure_of_its_own() -> None:
    assert (
        subprocess.run(guarded(["sleep", "9"], "M", 0.5), capture_output=True, check=False).returncode == 124
    )
    assert timed_out(124, 1.0, 1)
    assert not timed_out(124, 0.2, 1)
    assert not timed_out(1, 2.0, 1)


def test_the_odd_ones_stand_last() -> None:
    answers = {"n1": "odd", "n2": "same", "n3": "same", "n4": "strange", "n5": "same"}
    assert by_equality(answers) == [(("n2", "n3", "n5"), "same"), (("n1",), "odd"), (("n4",), "strange")]
    assert by_equality({}) == []
