"""What `npudeck fleet run` says at the end: every node under one heading, in words that are true."""

from __future__ import annotations

from backend.cli.fleet_run_report import lines_of
from backend.fleet.capture_client import Captured
from backend.fleet.kept_output import Output
from backend.problems import NodeError


def test_a_node_that_was_too_slow_gave_no_answer_and_no_exit_code() -> None:
    """`timeout` on the node ends with 124 then, which is not the command's."""
    answers = {
        "n01": Captured("timeout", 124, Output(), Output(), b"", 2.0),
        "n02": Captured("exit", 3, Output(), Output(), b"", 0.1),
        "n03": Captured("exit", 0, Output(), Output(), b"", 0.1),
    }
    assert list(lines_of(answers))[-1] == "── 3 nodes; not 0 on n02; no answer of n01"


def test_what_kept_a_node_is_said_with_what_to_do() -> None:
    error = NodeError.because("no command runs", "there is none", "start it", field="n01")
    assert list(lines_of({"n01": error})) == [
        "── n01 (1 node): no command runs: there is none",
        "   fix: start it",
        "── 1 node; no answer of n01",
    ]
