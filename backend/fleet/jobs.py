"""Detached jobs on a node, by its staged job.sh: ask, never guess."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from backend.fleet.containers import in_container
from backend.fleet.transport import Completed, Transport
from backend.inventory import Container, Node
from backend.problems import NodeError, Problem, Severity
from backend.translation import _

Kind = Literal["running", "exited", "lost", "starting", "exiting", "none"]
_KINDS = ("running", "exited", "lost", "starting", "exiting", "none")
_PAIR = re.compile(r"(\w+)=(\S+)")


@dataclass(frozen=True, slots=True)
class JobStatus:
    """What job.sh says of a job.

    `exit_code` is set for `exited` alone; `signal` is the name ("SIGKILL") of what ended it, or "".
    `at`: UTC epoch seconds on the node, of the start (running) or of the end (exited). `why`: reboot,
    container (it was restarted), supervisor-killed, never-started, stopped-unsupervised. `left`: processes
    that could not be killed.
    """

    kind: Kind
    exit_code: int | None = None
    signal: str = ""
    at: float | None = None
    why: str = ""
    pid: int | None = None
    supervised: bool = True
    left: int = 0

    @property
    def alive(self) -> bool:
        return self.kind in ("running", "starting", "exiting")


def parse_status(text: str) -> JobStatus:
    """The last line of job.sh's output. Raises `ValueError` for anything that it would not print."""
    lines = text.strip().splitlines()
    kind, _blank, rest = (lines[-1].strip() if lines else "").partition(" ")
    if kind not in _KINDS:
        raise ValueError(text)
    values = dict(_PAIR.findall(rest))
    return JobStatus(
        kind=cast(Kind, kind),
        exit_code=int(values["code"]) if kind == "exited" else None,
        signal=_signal_name(int(values.get("sig", "0"))),
        at=float(values["t"]) if "t" in values else None,
        why=values.get("why", ""),
        pid=int(values["pid"]) if "pid" in values else None,
        supervised="unsupervised" not in rest.split(),
        left=int(values.get("left", "0")),
    )


async def start(
    transport: Transport,
    node: Node,
    code_directory: str,
    root: str,
    job_id: str,
    argv: Sequence[str],
    environment: Iterable[tuple[str, str]] = (),
    working_directory: str = "/",
    *,
    container: Container | None = None,
    timeout_s: float = 30.0,
) -> JobStatus:
    """Start a job once: of any number of starts of the same `root` and `job_id` one counts.

    Raises `NodeUnreachableError` when no answer came; the job may run nevertheless, so ask `status`
    and do not conclude anything. Raises `NodeError` when the node refused.
    """
    options = [word for name, value in environment for word in ("-e", f"{name}={value}")]
    words = ["start", root, job_id, "-C", working_directory, *options, "--", *argv]
    return _status(node, await _job_sh(transport, node, code_directory, words, container, timeout_s))


async def status(
    transport: Transport,
    node: Node,
    code_directory: str,
    root: str,
    job_id: str,
    *,
    container: Container | None = None,
    timeout_s: float = 15.0,
) -> JobStatus:
    """What has become of a job. Raises like `start`."""
    words = ["status", root, job_id]
    return _status(node, await _job_sh(transport, node, code_directory, words, container, timeout_s))


async def stop(
    transport: Transport,
    node: Node,
    code_directory: str,
    root: str,
    job_id: str,
    grace_s: int = 30,
    *,
    container: Container | None = None,
    timeout_s: float = 30.0,
) -> JobStatus:
    """TERM, after `grace_s` KILL, then every process with the job's mark; answers when they are gone.

    `timeout_s` comes on top of the grace.
    """
    words = ["stop", root, job_id, str(grace_s)]
    return _status(
        node, await _job_sh(transport, node, code_directory, words, container, grace_s + timeout_s)
    )


async def procs(
    transport: Transport,
    node: Node,
    code_directory: str,
    root: str,
    job_id: str,
    *,
    container: Container | None = None,
    timeout_s: float = 15.0,
) -> tuple[int, ...]:
    """Process ids of everything that belongs to the job and still lives."""
    words = ["procs", root, job_id]
    done = await _job_sh(transport, node, code_directory, words, container, timeout_s)
    return tuple(int(line) for line in done.text().split() if line.isdigit())


async def _job_sh(
    transport: Transport,
    node: Node,
    code_directory: str,
    words: Sequence[str],
    container: Container | None,
    timeout_s: float,
) -> Completed:
    argv: Sequence[str] = ["sh", f"{code_directory}/job.sh", *words]
    if container is not None:
        argv = in_container(container, argv)
    done = await transport.run(node, argv, timeout_s=timeout_s)
    if not done.ok:
        what = _("job.sh failed on the node: {complaint}").format(complaint=done.complaint())
        raise NodeError(Problem(node.name, Severity.ERROR, what))
    return done


def _status(node: Node, done: Completed) -> JobStatus:
    try:
        return parse_status(done.text())
    except (ValueError, KeyError) as error:
        what = _("job.sh answered something else: {text!r}").format(text=done.text()[-200:])
        raise NodeError(Problem(node.name, Severity.ERROR, what)) from error


def _signal_name(number: int) -> str:
    if number == 0:
        return ""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"
