"""The code package on nodes: unpacked once a folder, installed once, and its sources compared."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

from backend.fleet import jobs
from backend.fleet.code_package import CODE, INSTALL
from backend.fleet.code_package_files import CodePackage
from backend.fleet.code_script import CodeThere, Unpacked, look_argv, parse_look, parse_unpacked, unpack_argv
from backend.fleet.connect_client import ContainerTransport
from backend.fleet.free_space_client import not_written
from backend.fleet.login_shell_client import check_commands_run
from backend.fleet.node_code_files import load_node_code
from backend.fleet.staging import stage
from backend.fleet.transport import Transport
from backend.inventory import Inventory, Node
from backend.problems import ConflictError, NodeError, NodeUnreachableError, Problem, Severity
from backend.translation import _

PACKAGES = ".npudeck/packages"
BUNDLE = ".npudeck/bundle"
EDITED = ".npudeck/edited"
_UNPACK_S = 1800.0
_POLL_S = 1.0
_MOST_LOG_BYTES = 64_000_000
_PATIENCE_S = 300.0
_MOST_ATTEMPTS = 50


async def unpack(
    transport: Transport, node: Node, package: CodePackage, folder: str, *, overwrite: bool
) -> Unpacked:
    """Unpack the package, which stands in PACKAGES below `folder`. Raises `ConflictError` for edited
    files.
    """
    archive = f"{folder}/{PACKAGES}/{package.name}"
    argv = unpack_argv(node.python, archive, folder, package.layout.prefix, package.name, overwrite)
    done = await transport.run(node, argv, timeout_s=_UNPACK_S)
    try:
        if not done.ok:
            raise ValueError
        unpacked = parse_unpacked(done.text())
    except (ValueError, KeyError, TypeError) as error:
        await check_commands_run(transport, node)
        if "No space left" in done.complaint():
            raise await not_written(transport, node, archive, done.complaint(), 0) from error
        what = _("the package cannot be unpacked: {why}").format(why=done.complaint())
        raise NodeError(Problem(node.name, Severity.ERROR, what)) from error
    if unpacked.state == "edited":
        raise ConflictError(
            Problem(
                node.name,
                Severity.ERROR,
                _("{count} files on the node are not as the package has them: {names}").format(
                    count=unpacked.edited_count, names=", ".join(unpacked.edited[:4])
                ),
                _("somebody edited them, or another version lies there"),
                _(
                    "keep them, or replace them with --overwrite: copies are kept in {folder}/.npudeck/edited"
                ).format(folder=folder),
            )
        )
    return unpacked


async def look(transport: Transport, node: Node, folder: str) -> CodeThere:
    """What code lies there, and of which commits its sources are. Raises `NodeError`."""
    done = await transport.run(node, look_argv(node.python, folder), timeout_s=300)
    try:
        if not done.ok:
            raise ValueError
        return parse_look(done.text())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        await check_commands_run(transport, node)
        what = _("the code cannot be looked at: {why}").format(why=done.complaint())
        raise NodeError(Problem(node.name, Severity.ERROR, what)) from error


def code_folder(inventory: Inventory, node: Node) -> str:
    """The work directory as the code sees it: in the container, where there is one."""
    return inventory.container.work_directory if inventory.container else node.work_directory


async def install(
    transport: Transport,
    inventory: Inventory,
    node: Node,
    sha256: str,
    environment: Sequence[tuple[str, str]],
    said: Callable[[str], None],
) -> bool:
    """Run install.sh of the package with this checksum, unless it has run there to a good end; True: it ran
    now.

    `transport` leads to where runs live. The job outlives the connection; a second call joins the one that is
    under way, and one that failed is tried anew. Raises `NodeError` with the end of its log.
    """
    code = await asyncio.to_thread(load_node_code)
    home = f"{node.work_directory}/.npudeck"
    code_directory, root = f"{home}/code/{code.version}", f"{home}/runs/install-{sha256[:12]}"
    await stage(transport, node, code, code_directory)
    working = f"{code_folder(inventory, node)}/{CODE}"
    for attempt in range(1, _MOST_ATTEMPTS):
        job = f"try-{attempt}"
        status = await jobs.status(transport, node, code_directory, root, job)
        fresh = status.kind == "none"
        if status.kind == "exited" and status.exit_code == 0:
            return False
        if not fresh and not status.alive:
            continue
        said(_("installing") if fresh else _("joining the installation under way"))
        argv = ("sh", INSTALL)
        if fresh:
            await jobs.start(transport, node, code_directory, root, job, argv, environment, working)
        try:
            status = await _end_of(transport, node, code_directory, root, job)
        except asyncio.CancelledError:
            said(_goes_on(transport, node, f"{code_directory}/job.sh", root, job))
            raise
        if status.kind == "exited" and status.exit_code == 0:
            return True
        raise await _failed(transport, node, f"{root}/{job}", status, bundled=bool(environment))
    raise NodeError(
        Problem(node.name, Severity.ERROR, _("install.sh has failed {n} times").format(n=attempt))
    )


def _goes_on(transport: Transport, node: Node, job_sh: str, root: str, job: str) -> str:
    run = "npudeck containers exec" if isinstance(transport, ContainerTransport) else "npudeck fleet run"
    command = shlex.join(["sh", job_sh, "stop", root, job])
    return _("the installation goes on; the same command joins it, {run} {node} -- {command} ends it").format(
        run=run, node=node.name, command=command
    )


async def _end_of(
    transport: Transport, node: Node, code_directory: str, root: str, job: str
) -> jobs.JobStatus:
    """Wait, however long: a lost link is no end. What prints without end is ended: it would fill the disk."""
    log = f"{root}/{job}/out.log"
    now = asyncio.get_running_loop().time
    heard = now()
    while True:
        try:
            status = await jobs.status(transport, node, code_directory, root, job)
            heard = now()
            if not status.alive:
                return status
            size = await transport.run(node, ["stat", "-c", "%s", log])
            if size.text().strip().isdigit() and int(size.text()) > _MOST_LOG_BYTES:
                await jobs.stop(transport, node, code_directory, root, job, 5)
                await transport.run(node, ["truncate", "-s", str(_MOST_LOG_BYTES), log])
                what = _("install.sh was ended: it had printed more than {size} MB")
                fix = _("read {log} there").format(log=log)
                raise NodeError(
                    Problem(
                        node.name, Severity.ERROR, what.format(size=_MOST_LOG_BYTES // 1_000_000), "", fix
                    )
                )
        except NodeUnreachableError:
            if now() - heard > _PATIENCE_S:
                raise
        await asyncio.sleep(_POLL_S)


async def _failed(
    transport: Transport, node: Node, folder: str, status: jobs.JobStatus, *, bundled: bool
) -> NodeError:
    done = await transport.run(node, ["tail", "-n", "4", f"{folder}/out.log"])
    last = " / ".join(line.strip() for line in done.text().splitlines() if line.strip())[-400:]
    ended = _("exit code {code}").format(code=status.exit_code) if status.kind == "exited" else status.why
    ended = status.signal or ended
    log = PurePosixPath(folder) / "out.log"
    what = _("install.sh failed ({ended}): {last}").format(ended=ended, last=last or _("it said nothing"))
    why = "" if bundled else _("it fetches packages and sources from the network, unless it gets a --bundle")
    return NodeError(Problem(node.name, Severity.ERROR, what, why, _("read {log} there").format(log=log)))
