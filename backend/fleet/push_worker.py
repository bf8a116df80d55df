"""Bring files to nodes: once to each folder that several of them share, and nothing that is there already."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from backend.fleet.shared_folders_client import nodes_by_folder
from backend.fleet.ssh_client import SshTransport
from backend.fleet.upload_client import upload
from backend.fleet.upload_plan_files import Item
from backend.inventory import Node
from backend.problems import NodeError, NpudeckError, Problem, Severity
from backend.translation import _

_FOLDERS_AT_ONCE = 8  # the bastion's own link is what they share
_FILES_AT_ONCE = 4
_SLOWEST_HASH = 30e6

# names come on stdin, one a line, behind the size that they should have
_THERE = """
cd "$1" || exit 0
while read -r size name; do
    [ -f "$name" ] && [ "$(wc -c <"$name" | tr -d ' ')" = "$size" ] || continue
    if [ "$2" = sums ]; then
        printf 'npudeck-there %s %s\\n' "$(sha256sum <"$name" | cut -d' ' -f1)" "$name"
    else
        printf 'npudeck-there - %s\\n' "$name"
    fi
done
"""


_CHOWN = """
set -eu
LC_ALL=C; export LC_ALL
cd "$1"; owner=$2; count=$3; shift 3
while [ "$count" -gt 0 ]; do chown "$owner" -- "$1"; shift; count=$((count - 1)); done
exec chown -R "$owner" -- "$@"
"""


# GNU's words, and busybox's
_NOBODY = re.compile("(invalid|unknown) (user|group)")


@dataclass(slots=True)
class Pushed:
    """What became of one folder. `sent` and `there` are file counts; `nodes` see the folder, the first got
    it.
    """

    nodes: tuple[Node, ...]
    sent: int = 0
    there: int = 0
    bytes_sent: int = 0
    problems: tuple[Problem, ...] = ()


# GNU's words, and busybox's
_NOBODY = re.compile("(invalid|unknown) (user|group)")


@dataclass(slots=True)
class Progress:
    """Over all folders: `total` bytes to be there, `done` of them, `sent` over the wire. `changed` is
    told.
    """

    changed: Callable[[Progress], None]
    total: int = 0
    done: int = 0
    sums: dict[Path, str] = field(default_factory=dict)

    def moved(self, count: int) -> None:
        self.done += count
        self.changed(self)


async def push_files(
    transport: SshTransport,
    nodes: Sequence[Node],
    items: Sequence[Item],
    folder: Callable[[Node], str],
    owner: str,
    progress: Progress,
) -> list[Pushed]:
    """Make every item stand below `folder` of every node, whole and with its checksum, owned by `owner`.

    What fails on one folder is in its `problems` and keeps no other from being filled. Raises `NodeError`
    when it cannot be told which nodes share a folder.
    """
    groups = await nodes_by_folder(transport, nodes, folder)
    progress.total += len(groups) * sum(item.size for item in items)
    progress.changed(progress)
    places = asyncio.Semaphore(_FOLDERS_AT_ONCE)

    async def fill(members: tuple[Node, ...]) -> Pushed:
        pushed = Pushed(members)
        async with places:
            try:
                await _fill(transport, pushed, items, folder, owner, progress)
            except NpudeckError as error:
                pushed.problems = error.problems
        return pushed

    return list(await asyncio.gather(*(fill(members) for members in groups)))


async def _fill(
    transport: SshTransport,
    pushed: Pushed,
    items: Sequence[Item],
    folder: Callable[[Node], str],
    owner: str,
    progress: Progress,
) -> None:
    first, *others = pushed.nodes
    await _make_folders(transport, first, folder(first), [item.name for item in items if item.empty])
    names = [item.name for item in items]
    items = [item for item in items if not item.empty]
    there = await _there(transport, first, folder(first), items, sums=True)
    missing = []
    for item in items:
        if item.name in there and there[item.name] == await _sum(item, progress):
            progress.moved(item.size)
        else:
            missing.append(item)
    pushed.there = len(items) - len(missing)
    places = asyncio.Semaphore(_FILES_AT_ONCE)

    async def send(item: Item) -> None:
        async with places:
            target = f"{folder(first)}/{item.name}"
            over_the_wire = await upload(transport, first, item, target, progress.moved)
            pushed.bytes_sent += over_the_wire
            pushed.sent += 1

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_caught(send(item))) for item in missing]
    if errors := [error for task in tasks if (error := task.result()) is not None]:
        raise errors[0]
    if owner:
        await chown(transport, first, folder(first), names, owner)
    for node in others:
        seen = await _there(transport, node, folder(node), items, sums=False)
        if unseen := [item.name for item in items if item.name not in seen]:
            what = _("{name} is not seen here, though the folder is shared").format(name=unseen[0])
            raise NodeError(Problem(node.name, Severity.ERROR, what))


async def chown(transport: SshTransport, node: Node, folder: str, names: Sequence[str], owner: str) -> None:
    """Give them to `user` or `user:group`, names or numbers: the second part of each path with all below it,
    and the folder around it, but nothing else in that.
    """
    around = sorted({name.partition("/")[0] for name in names if "/" in name})
    tops = sorted({"/".join(name.split("/")[:2]) for name in names})
    argv = ["sh", "-c", _CHOWN, "sh", folder, owner, str(len(around)), *around, *tops]
    done = await transport.run(node, argv, timeout_s=600)
    if not done.ok:
        what = _("the files cannot be given to {owner}: {why}").format(owner=owner, why=done.complaint())
        fix = _("log in as root: nobody else gives files away")
        if _NOBODY.search(done.complaint()):
            fix = _(
                "it does not exist on the node: name one that does, or numbers where it exists in the "
                "container alone: --owner 1000:1000"
            )
        raise NodeError(Problem(node.name, Severity.ERROR, what, "", fix))


async def _make_folders(transport: SshTransport, node: Node, folder: str, names: Sequence[str]) -> None:
    if not names:
        return
    argv = ["sh", "-c", 'umask 022; cd "$1" && while read -r name; do mkdir -p "$name"; done', "sh", folder]
    listed = "".join(f"{name}\n" for name in names)
    done = await transport.run(node, argv, stdin=listed.encode())
    if not done.ok:
        raise NodeError(Problem(node.name, Severity.ERROR, done.complaint()))


async def _caught(work: Awaitable[None]) -> NpudeckError | None:
    """An error as a value: the other files of the folder go on to their end."""
    try:
        await work
    except NpudeckError as error:
        return error
    return None


async def _there(
    transport: SshTransport, node: Node, folder: str, items: Sequence[Item], *, sums: bool
) -> dict[str, str]:
    """Name -> checksum of those that are there with their size."""
    listed = "".join(f"{item.size} {item.name}\n" for item in items)
    total = sum(item.size for item in items)
    done = await transport.run(
        node,
        ["sh", "-c", _THERE, "sh", folder, "sums" if sums else "sizes"],
        stdin=listed.encode(),
        timeout_s=60 + (total / _SLOWEST_HASH if sums else 0),
    )
    if not done.ok:
        raise NodeError(Problem(node.name, Severity.ERROR, done.complaint()))
    found = {}
    for line in done.text().splitlines():
        word, _blank, rest = line.partition(" ")
        if word == "npudeck-there":
            checksum, _blank, name = rest.partition(" ")
            found[name] = checksum
    return found


async def _sum(item: Item, progress: Progress) -> str:
    """Read once, however many folders it goes to."""
    if item.source not in progress.sums:
        progress.sums[item.source] = await file_sum(item.source)
    return progress.sums[item.source]


async def file_sum(path: Path) -> str:
    """SHA-256 of a file of this machine."""
    return await asyncio.to_thread(_digest, path)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
