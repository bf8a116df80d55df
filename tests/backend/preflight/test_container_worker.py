"""What of a node's Docker lets its container be known, and what does not."""

from __future__ import annotations

import pytest

from backend.engines.container import ContainerRun
from backend.inventory import Container
from backend.preflight.container_worker import container_there
from backend.preflight.docker_items import judge_docker
from backend.preflight.docker_state import DockerState
from backend.problems import NodeError

RUN = ContainerRun(Container("trainer", "image:1"), "/w", "/s", 2)


@pytest.mark.parametrize("complaint", ["", "Cannot connect to the Docker daemon", "permission denied"])
def test_a_daemon_that_is_down_says_nothing_of_the_container(complaint: str) -> None:
    """It may run on: told in the words of the check, and as no answer."""
    state = DockerState(present=True, complaint=complaint)
    verdict = judge_docker(state)
    with pytest.raises(NodeError) as caught:
        container_there("n01", state, RUN)
    (problem,) = caught.value.problems
    assert (problem.field, problem.what, problem.fix) == ("n01", verdict.found, verdict.fix)
    assert verdict.found.startswith("docker's daemon does not answer")
    assert complaint in verdict.found


def test_without_docker_there_is_no_container() -> None:
    there = container_there("n01", DockerState(tools=("apt-get",)), RUN)
    assert (there.state, there.words) == (
        "no-docker",
        "docker is not installed: apt-get install -y docker.io",
    )
