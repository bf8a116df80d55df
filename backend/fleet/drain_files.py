"""Which nodes an operator has taken out of service: who, when and why, beside the store of this machine.

    STATE/drained.json    {"version": 1, "fleets": {INVENTORY FILE: {NODE: {"by": …, "at": …, "why": …}}}}

A node that is drained keeps what runs on it; nothing new is started there.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from backend.fleet.whole_files import write_whole
from backend.inventory import Inventory
from backend.problems import LocalError
from backend.translation import _

FILE_NAME = "drained.json"
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Drain:
    """`by`: user@bastion; `at`: UTC epoch seconds; `why`: in the operator's words, may be empty."""

    by: str
    at: float
    why: str = ""


def with_drained(inventory: Inventory, state: Path) -> Inventory:
    """The same fleet, knowing which of its nodes are drained. Raises `LocalError`."""
    found = drains_of(inventory, state)
    return replace(inventory, drained=tuple(node.name for node in inventory.nodes if node.name in found))


def drains_of(inventory: Inventory, state: Path) -> dict[str, Drain]:
    """By node name, nodes that the inventory no longer has included. Raises `LocalError`."""
    nodes = _read(state / FILE_NAME).get(_key(inventory), {})
    return {name: Drain(**said) for name, said in nodes.items()}


def drain(
    inventory: Inventory, state: Path, names: Sequence[str], said: Drain, *, anew: bool = False
) -> dict[str, Drain]:
    """Take nodes out of service; answers what stood there for those that were drained already.

    They keep their entry, so that the first reason is not lost, unless `anew`. Raises `LocalError`.
    """
    with _changing(state) as fleets:
        nodes = fleets.setdefault(_key(inventory), {})
        before = {name: Drain(**nodes[name]) for name in names if name in nodes}
        for name in names:
            if anew or name not in before:
                nodes[name] = asdict(said)
    return before


def undrain(inventory: Inventory, state: Path, names: Sequence[str]) -> tuple[str, ...]:
    """Put nodes back into service; answers those that were drained. Raises `LocalError`."""
    with _changing(state) as fleets:
        nodes = fleets.get(_key(inventory), {})
        back = tuple(name for name in names if nodes.pop(name, None) is not None)
        if not nodes:
            fleets.pop(_key(inventory), None)
    return back


def _key(inventory: Inventory) -> str:
    """A file under one name, from wherever it is named."""
    return os.path.realpath(inventory.path) if inventory.path else inventory.name


@contextmanager
def _changing(state: Path) -> Iterator[dict[str, Any]]:
    """One change at a time, from reading to writing."""
    path = state / FILE_NAME
    try:
        lock = (state / f".{FILE_NAME}.lock").open("w")
    except OSError as error:
        what = _("{path} cannot be changed: {error}").format(path=path, error=error.strerror)
        raise LocalError.because(what) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        fleets = _read(path)
        yield fleets
        # in ASCII: the inventory's name may hold bytes that are no UTF-8
        text = json.dumps({"version": _VERSION, "fleets": fleets}, indent=2)
        write_whole(str(path), text + "\n", 0o600)


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, str(error)) from error
    try:
        document = json.loads(text)
        fleets: dict[str, Any] = document["fleets"]
        if document["version"] != _VERSION:
            raise ValueError(_("it is of another version of npudeck"))
        # every entry must be what it is taken for
        for nodes in fleets.values():
            for said in nodes.values():
                Drain(**said)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unreadable(path, str(error)) from error
    return fleets


def _unreadable(path: Path, why: str) -> LocalError:
    return LocalError.because(
        _("{path}, which says what nodes are drained, cannot be read").format(path=path),
        why,
        _("mend it, or remove it: then no node is drained"),
    )
