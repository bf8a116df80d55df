"""A node that leaves in the middle says nothing of what it was asked, and nothing against others."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from backend.fleet.transport import Completed
from backend.inventory import Node
from backend.preflight import meeting
from backend.preflight.item import Status, script
from backend.preflight.setting import Setting

FIRST, SECOND = (Node(f"n0{number}", "h", f"192.0.2.{number}", 8, "/ws") for number in (1, 2))
SETTING = Setting((FIRST, SECOND), "/s", None, 6000)
GONE = Completed(126, b"", b"192.0.2.2:22 refuses the connection")


def ran(text: str, *words: str) -> Completed:
    done = subprocess.run(script(text, *words), capture_output=True, check=False)
    return Completed(done.returncode, done.stdout, done.stderr)


def test_a_node_that_left_is_unknown_to_every_question() -> None:
    for found in (
        meeting.judge_marker(SECOND, SETTING, GONE, "word"),
        meeting.judge_written(SETTING, GONE),
        meeting.judge_meeting(SECOND, FIRST, 6000, GONE, "word"),
        meeting.judge_listener(SETTING, "unknown host key"),
    ):
        assert (found.status, found.fix) == (Status.UNKNOWN, "")
        assert "refuses the connection" in found.found or found.found == "unknown host key"


@pytest.mark.parametrize(("left", "status"), [(False, Status.WRONG), (True, Status.UNKNOWN)])
def test_no_firewall_is_blamed_for_a_listener_that_went_with_its_node(left: bool, status: Status) -> None:
    done = Completed(0, b"npudeck-failed [Errno 111] Connection refused\n", b"")
    found = meeting.judge_meeting(SECOND, FIRST, 6000, done, "word", left)
    assert (found.status, bool(found.fix)) == (status, not left)


def test_the_marker_is_written_and_read(tmp_path: Path) -> None:
    path = str(tmp_path / "marker")
    assert meeting.judge_marker(SECOND, SETTING, ran(meeting.READ_MARKER, path), "word").found == (
        "what n01 writes there is not seen"
    )
    assert meeting.judge_written(SETTING, ran(meeting.WRITE_MARKER, path, "word")).status is Status.OK
    assert meeting.judge_marker(SECOND, SETTING, ran(meeting.READ_MARKER, path), "word").status is Status.OK
    assert meeting.judge_marker(SECOND, SETTING, ran(meeting.READ_MARKER, path), "x").status is Status.WRONG


@pytest.mark.parametrize("place", ["/nowhere/marker", "/dev/full"])
def test_a_marker_that_cannot_be_written_is_wrong(place: str) -> None:
    found = meeting.judge_written(SETTING, ran(meeting.WRITE_MARKER, place, "word"))
    assert found.status is Status.WRONG
    assert found.found.startswith("no file can be written there: ")
    assert not found.found.endswith(": ")
