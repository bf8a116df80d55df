"""What `npudeck fleet run` says at the end: every node under one heading, in words that are true."""

from __future__ import annotations

from backend.cli.fleet_run_report import lines_of, to_json
from backend.fleet.capture_client import Captured
from backend.fleet.kept_output import Output
from backend.problems import NodeError

HOSTS = {f"n0{number}": f"node-{number}.lan" for number in (1, 2, 3)}


def test_a_node_that_was_too_slow_gave_no_answer_and_no_exit_code() -> None:
    """`timeout` on the node ends with 124 then, which is not the command's."""
    answers = {
        "n01": Captured("timeout", 124, Output(), Output(), b"", 2.0),
        "n02": Captured("exit", 3, Output(), Output(), b"", 0.1),
        "n03": Captured("exit", 0, Output(), Output(), b"", 0.1),
    }
    assert list(lines_of(answers, HOSTS))[-1] == "── 3 nodes; not 0 on n02; no answer of n01"


def test_what_kept_a_node_is_said_with_what_to_do() -> None:
    error = NodeError.because("no command runs", "there is none", "start it", field="n01")
    assert list(lines_of({"n01": error}, HOSTS)) == [
        "── n01 (1 node): no command runs: there is none",
        "   fix: start it",
        "── 1 node; no answer of n01",
    ]


def _unresolved(host: str, place: str) -> NodeError:
    return NodeError.because(f"the host name {place} cannot be resolved", "no answer", field=host)


def test_the_same_reason_stands_together_whatever_host_it_names() -> None:
    alike = {name: _unresolved(name, host) for name, host in HOSTS.items()}
    reason = "the host name HOST cannot be resolved: no answer"
    assert next(lines_of(alike, HOSTS)) == f"── n[01-03] (3 nodes): {reason}"
    (group,) = to_json(["true"], alike, HOSTS)["groups"]
    assert (group["count"], group["answer"]) == (3, reason)


def test_a_reason_of_one_node_names_its_host_and_another_host_stays() -> None:
    answers = {"n01": _unresolved("n01", "node-1.lan:22"), "n02": _unresolved("n02", "node-2.lan.bak")}
    assert [line.split(": ")[1] for line in list(lines_of(answers, HOSTS))[:2]] == [
        "the host name node-1.lan:22 cannot be resolved",
        "the host name node-2.lan.bak cannot be resolved",
    ]
