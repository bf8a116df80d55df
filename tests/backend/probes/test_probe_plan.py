"""Frames, and what an answer means: unknown is never an observation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.events import NodeNotReached, NodeObserved
from backend.probes.probe_plan import judge_answer, parse_frame, parse_header, probe_argv

BANNER = "| npu-smi 24.1.0                   Version: 24.1.0                                       |\n"


@given(st.binary(max_size=300))
def test_any_bytes_are_at_most_no_frame(data: bytes) -> None:
    assert parse_header(data) is None
    assert parse_frame(data) is None


@given(st.binary(max_size=50), st.binary(max_size=200), st.integers(0, 255))
def test_frame_behind_noise(noise: bytes, said: bytes, code: int) -> None:
    header = f"npudeck-probe v=1 rc={code} n={len(said)}\n".encode()
    found = parse_frame(noise + b"\n" + header + said + b"rest")
    assert found is not None
    assert found[0].exit_code == code
    assert found[1] == said.decode("utf-8", "replace")


def test_half_a_frame_is_none() -> None:
    assert parse_frame(b"npudeck-probe v=1 rc=0 n=10\nabc") is None
    assert parse_header(b"npudeck-probe v=1 rc=0 n=99999999999\n") is None
    assert parse_header(b"npudeck-probe v=2 rc=0 n=1\n") is None


def test_argv_carries_the_script() -> None:
    assert probe_argv("echo", 2.5, 0) == ("sh", "-c", "echo", "probe.sh", "2.5", "0")


@pytest.mark.parametrize(
    ("code", "said", "reason"),
    [
        (127, "sh: 1: npu-smi: not found\n", "npu-smi: not found"),
        (127, "npu-smi: error while loading shared libraries: libdcmi.so", "libdcmi.so"),
        (124, "", "did not answer within 10 s"),
        (187, "DrvMngGetConsoleLogLevel failed. (ret=4)\n", "-8005"),
        (172, "dcmi module initialize failed. ret is -8020", "another container"),
        (
            1,
            "Failed to get card number.\n",
            "Failed to get card number. (one card that does not answer hides all",
        ),
        (0, "dcmi module initialize failed. ret is -8005\n", "not to this user"),
        (0, "npu_get_card_device_id failed. err is -8006\n", "one card that does not answer"),
        (137, "", "exit code 137 and said nothing"),
        (0, "", "printed no table: nothing"),
        (0, "command not supported\n", "command not supported"),
        (1, BANNER, "exit code 1"),
    ],
)
def test_no_table_is_not_an_observation(code: int, said: str, reason: str) -> None:
    answer = judge_answer("n01", 5.0, 12.0, code, said)
    assert isinstance(answer, NodeNotReached)
    assert (answer.node, answer.at, answer.answered) == ("n01", 5.0, True)
    assert reason in answer.reason


def test_a_table_without_devices_is_one() -> None:
    answer = judge_answer("n01", 5.0, 12.0, 0, BANNER)
    assert answer == NodeObserved("n01", 5.0, "24.1.0", (), (), 12.0)
