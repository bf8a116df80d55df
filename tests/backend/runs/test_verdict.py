from __future__ import annotations

from backend.node.train.stopping import STOPPED_STATUS
from backend.problems import Problem, Severity
from backend.runs.verdict import (
    SAVED_AND_STOPPED,
    NodeEvidence,
    failure_sentence,
    first_to_fail,
    saved_and_stopped,
    saved_words,
    signal_name,
)


def test_a_killed_rank_is_the_root_even_when_its_peers_fell_earlier() -> None:
    victim = NodeEvidence("n1", exit_code=1, ended_at=10.0, rank=0, rank_exit_code=1, rank_at=9.9)
    killed = NodeEvidence(
        "n2", exit_code=137, ended_at=10.2, rank=3, rank_exit_code=137, rank_signal="SIGKILL", rank_at=10.0
    )
    assert first_to_fail([victim, killed]) is killed
    sentence = failure_sentence([victim, killed])
    assert sentence == ("n2 rank 3: killed by SIGKILL (exit code 137); first of 2 nodes to fail")


def test_the_job_s_own_words_are_kept() -> None:
    problem = Problem("input", Severity.ERROR, "no such file", "it is not there", "put it there")
    item = NodeEvidence("n1", exit_code=1, problem=problem)
    assert failure_sentence([item]) == ("n1: exit code 1; no such file: it is not there; put it there")


def test_a_lost_job_says_why() -> None:
    assert "the node was restarted" in failure_sentence([NodeEvidence("n1", lost="reboot")])


def test_nodes_that_do_not_answer_are_named_first_to_look_at() -> None:
    victim = NodeEvidence("n1", exit_code=1, rank=0, rank_exit_code=1)
    assert failure_sentence([victim], ["n2"]) == (
        "n1 rank 0: exit code 1; n2 cannot be reached, look there first"
    )


def test_nobody_failed() -> None:
    assert first_to_fail([NodeEvidence("n1", exit_code=0), NodeEvidence("n2")]) is None


def test_signals_have_names() -> None:
    assert signal_name(137) == "SIGKILL"
    assert signal_name(143) == "SIGTERM"
    assert signal_name(1) == signal_name(None) == signal_name(255) == ""


def test_the_nodes_say_the_same_when_they_have_saved() -> None:
    assert SAVED_AND_STOPPED == STOPPED_STATUS


def test_a_training_that_saved_and_stopped_has_not_failed() -> None:
    stopped = NodeEvidence("n1", exit_code=75)
    assert saved_and_stopped([stopped, NodeEvidence("n2", exit_code=75), NodeEvidence("n3", exit_code=0)])
    for other in (
        NodeEvidence("n2", exit_code=1),
        NodeEvidence("n2", exit_code=137),
        NodeEvidence("n2", lost="reboot"),
    ):
        assert not saved_and_stopped([stopped, other])
    assert not saved_and_stopped([NodeEvidence("n1", exit_code=0)])


def test_says_what_is_left_of_a_training() -> None:
    stopped, killed = NodeEvidence("n1", exit_code=75), NodeEvidence("n1", exit_code=137)
    assert saved_words([stopped], 1200) == "saved at iteration 1,200"
    assert saved_words([killed], 1000) == "its newest checkpoint is of iteration 1,000"
    assert saved_words([killed], None) == "no checkpoint was saved"
