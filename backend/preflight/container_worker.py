"""The container of each node: looked at, started and stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backend.engines.container import ContainerRun
from backend.fleet.transport import Completed
from backend.inventory import Node
from backend.preflight.asking_worker import Asking
from backend.preflight.docker_items import bound_by_others, container_faults, judge_container, judge_docker
from backend.preflight.docker_state import DockerState, docker_argv, read_docker
from backend.preflight.item import Status, short
from backend.problems import NodeError

_ASK_S = 15.0
_START_S = 120.0
_STOP_S = 60.0  # on top of the time that the container gets to end by itself


@dataclass(frozen=True, slots=True)
class ContainerThere:
    """`state`: runs, stopped, absent, or no-docker. `faults`: what of it is not as it should be; `shared`:
    other containers on the same NPUs, with them; `start`: the command that would make it run; `npus`: those
    that it has, None for all of the node."""

    state: str
    docker: str
    image: str
    faults: tuple[str, ...]
    shared: tuple[tuple[str, tuple[int, ...]], ...]
    start: tuple[str, ...] | None
    words: str
    npus: frozenset[int] | None = frozenset()

    @property
    def well(self) -> bool:
        return self.state == "runs" and not self.faults and not self.shared


async def look(asking: Asking, node: Node, run: ContainerRun) -> ContainerThere:
    """Raises `NodeError`."""
    done = await asking.command(node, docker_argv(run), timeout_s=_ASK_S)
    state = read_docker(done)
    if state is None:
        raise NodeError.because(short(done.complaint()), field=node.name)
    return container_there(node.name, state, run)


def container_there(node: str, state: DockerState, run: ContainerRun) -> ContainerThere:
    """Raises `NodeError` where docker is there and does not answer: its containers may run on."""
    docker = judge_docker(state)
    if state.present and not state.version:
        raise NodeError.because(docker.found, fix=docker.fix, field=node)
    verdict = judge_container(state, run)
    found = state.named(run.container.name)
    repair = verdict.repair.argv if verdict.repair is not None else None
    word = "absent" if found is None else "runs" if found.running else "stopped"
    faults = () if found is None else tuple(container_faults(found, state, run))
    words = verdict.found if verdict.status is not Status.OK else ""
    if word == "absent" and repair is None:
        words = f"{verdict.found}; {verdict.fix}" if verdict.fix else verdict.found
    if not state.present:
        word, words = "no-docker", f"{docker.found}: {docker.fix}"
    image = short(state.image.removeprefix("sha256:"), 12)
    shared = tuple(bound_by_others(state, run))
    npus = found.npus if found is not None else frozenset()
    return ContainerThere(word, state.version, image, faults, shared, repair, words, npus)


async def start(asking: Asking, node: Node, there: ContainerThere) -> None:
    """Run the command that was shown. Raises `NodeError`."""
    if there.start is not None:
        _raise_unless_ok(node, await asking.command(node, there.start, timeout_s=_START_S))


async def stop(asking: Asking, node: Node, argvs: Sequence[tuple[str, ...]], grace_s: int) -> None:
    """Run what `stop_argvs` says. Raises `NodeError`."""
    for argv in argvs:
        _raise_unless_ok(node, await asking.command(node, argv, timeout_s=_STOP_S + grace_s))


def stop_argvs(
    there: ContainerThere, name: str, grace_s: int, *, remove: bool
) -> tuple[tuple[str, ...], ...]:
    """What ends everything in the container as it is now; with `remove` it is gone afterwards."""
    stopping = (("docker", "stop", "-t", str(grace_s), name),) if there.state == "runs" else ()
    removing = (("docker", "rm", name),) if remove and there.state in ("runs", "stopped") else ()
    return (*stopping, *removing)


def _raise_unless_ok(node: Node, done: Completed) -> None:
    if not done.ok:
        raise NodeError.because(short(done.complaint()), field=node.name)
