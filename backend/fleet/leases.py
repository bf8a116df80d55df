"""Who may run on a node: one lease a node, taken in one atomic step, given back by its owner alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from backend.fleet.transport import Transport
from backend.inventory import Node
from backend.problems import ConflictError, NodeError, Problem, Severity
from backend.translation import _

# the folder is made whole under another name; renaming it fails while a lease is there: that is not empty
_ACQUIRE = """
set -eu
umask 022
mkdir -p "$1"
new=$(mktemp -d "$1/.lease.XXXXXX")
trap 'rm -rf "$new"' EXIT
chmod 755 "$new"
printf '%s\\n' "$2" "$3" "$4" >"$new/owner"
if mv -T "$new" "$1/lease" 2>/dev/null; then cat "$1/lease/owner"; exit 0; fi
cat "$1/lease/owner"
"""

_RELEASE = """
set -eu
[ -f "$1/lease/owner" ] || { echo free; exit 0; }
read -r owner <"$1/lease/owner"
[ "$owner" = "$2" ] || { echo other; exit 0; }
old="$1/.released.$$"
mv -T "$1/lease" "$old" 2>/dev/null && rm -rf "$old"
echo released
"""

_READ = 'cat "$1/lease/owner" 2>/dev/null || true'


@dataclass(frozen=True, slots=True)
class LeaseOwner:
    """`run_key` of the run, `actor` (user@bastion) who launched it, `since` in UTC epoch seconds."""

    run_key: str
    actor: str
    since: float


async def acquire(transport: Transport, node: Node, owner: LeaseOwner, *, timeout_s: float = 15.0) -> None:
    """Take the node for a run. Taking it again for the same run is fine.

    Raises `ConflictError` saying who holds it and since when; `NodeError` when the node cannot say.
    """
    words = [_folder(node), owner.run_key, owner.actor.replace("\n", " "), f"{owner.since:.0f}"]
    done = await transport.run(node, ["sh", "-c", _ACQUIRE, "sh", *words], timeout_s=timeout_s)
    holder = _owner(done.text()) if done.ok else None
    if holder is None:
        what = _("the lease of the node cannot be taken: {complaint}").format(complaint=done.complaint())
        raise NodeError(Problem(node.name, Severity.ERROR, what))
    if holder.run_key != owner.run_key:
        raise _held(node, holder)


async def release(transport: Transport, node: Node, run_key: str, *, timeout_s: float = 15.0) -> bool:
    """Give the node back; True when this run held it. The lease of another run is left alone."""
    argv = ["sh", "-c", _RELEASE, "sh", _folder(node), run_key]
    done = await transport.run(node, argv, timeout_s=timeout_s)
    if not done.ok:
        what = _("the lease of the node cannot be given back: {complaint}").format(complaint=done.complaint())
        raise NodeError(Problem(node.name, Severity.ERROR, what))
    return done.text().strip() == "released"


async def holder_of(transport: Transport, node: Node, *, timeout_s: float = 15.0) -> LeaseOwner | None:
    """Who holds the node now; None when it is free."""
    done = await transport.run(node, ["sh", "-c", _READ, "sh", _folder(node)], timeout_s=timeout_s)
    return _owner(done.text())


def _folder(node: Node) -> str:
    return f"{node.work_directory}/.npudeck"


def _owner(text: str) -> LeaseOwner | None:
    lines = text.splitlines()
    if len(lines) < 3 or not lines[2].isdigit():
        return None
    return LeaseOwner(lines[0], lines[1], float(lines[2]))


def _held(node: Node, holder: LeaseOwner) -> ConflictError:
    since = datetime.fromtimestamp(holder.since, UTC).strftime("%Y-%m-%d %H:%M UTC")
    what = _("{node} is held by run {run} of {actor} since {since}")
    fix = _("wait for that run or stop it; if it no longer exists, remove {folder}/lease on the node")
    return ConflictError(
        Problem(
            node.name,
            Severity.ERROR,
            what.format(node=node.name, run=holder.run_key, actor=holder.actor, since=since),
            _("a node serves one run at a time"),
            fix.format(folder=_folder(node)),
        )
    )
