"""Node sets as operators write them (`n[01-32]`, `@rack1`, `n[1-9]!n4`), by way of ClusterShell."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable

from backend.inventory import Inventory
from backend.problems import InputError, Problem, Severity
from backend.translation import _

MAX_NODES = 16_384  # "n[1-999999999]" is a slip of the finger, not a fleet
_OPERATORS = re.compile(r"[!&^]")
_GROUP = re.compile(r"@([A-Za-z0-9][A-Za-z0-9._-]*)")
_COMMA_OUTSIDE_BRACKETS = re.compile(r",(?![^\[]*\])")
_SPLIT_OUTSIDE_BRACKETS = re.compile(r"[,!&^](?![^\[]*\])")
_BRACKETS = re.compile(r"\[([^\]]*)\]")


def expand(expression: str) -> tuple[str, ...]:
    """Names of a node set without groups, each once.

    The parts between commas keep their order, because the first node of a run is rank 0; inside brackets
    numbers go up. Raises `ValueError` with ClusterShell's own words.
    """
    if _OPERATORS.search(expression):
        return _members(expression)
    parts = _COMMA_OUTSIDE_BRACKETS.split(expression)
    return tuple(dict.fromkeys(name for part in parts for name in _members(part.strip())))


def node_names(expression: str, inventory: Inventory) -> tuple[str, ...]:
    """Names of the inventory's nodes that `expression` means, in its order; "@all" means every node.

    Raises `InputError` (field `nodes`) for a wrong expression, and for nodes and groups that do not exist.
    """
    if not expression.strip():
        raise _wrong(_("no node is named"), _("an empty word may be a variable that is not set"))
    try:
        names = expand(_without_groups(expression, inventory))
    except ValueError as error:
        raise _wrong(_("{text!r} is not a node set").format(text=expression), str(error)) from error
    known = [node.name for node in inventory.nodes]
    unknown = [name for name in names if name not in set(known)]
    if unknown:
        raise InputError(*(_unknown("node", name, known, inventory) for name in unknown))
    if not names:
        raise _wrong(_("{text!r} means no node").format(text=expression), "")
    return names


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that looks most like `word`, or "" when none does."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)), "")


def _members(expression: str) -> tuple[str, ...]:
    from ClusterShell.NodeSet import RESOLVER_NOGROUP, NodeSet, NodeSetException
    from ClusterShell.RangeSet import RangeSetException

    if _size(expression) > MAX_NODES:
        raise ValueError(_("more than {limit} nodes").format(limit=MAX_NODES))
    try:
        members = NodeSet(expression, resolver=RESOLVER_NOGROUP)
    except (NodeSetException, RangeSetException) as error:
        raise ValueError(str(error)) from error
    return tuple(str(name) for name in members)


def _size(expression: str) -> int:
    """How many names it stands for at most: counted before ClusterShell makes every one of them."""
    return sum(
        math.prod(sum(map(_range_size, group[1].split(","))) for group in _BRACKETS.finditer(part))
        for part in _SPLIT_OUTSIDE_BRACKETS.split(expression)
    )


def _range_size(text: str) -> int:
    first, dash, last = text.partition("/")[0].partition("-")
    if not dash or not first.strip().isdecimal() or not last.strip().isdecimal():
        return 1
    return MAX_NODES + 1 if len(last) > 12 else max(1, int(last) - int(first) + 1)


def _without_groups(expression: str, inventory: Inventory) -> str:
    def replace(match: re.Match[str]) -> str:
        names = inventory.group(match[1])
        if names is None:
            known = ["all", *(name for name, _members in inventory.groups)]
            raise InputError(_unknown("group", match[1], known, inventory))
        return ",".join(names)

    return _GROUP.sub(replace, expression)


def _unknown(kind: str, name: str, known: list[str], inventory: Inventory) -> Problem:
    close = nearest(name, known)
    what = _("there is no group {name!r}") if kind == "group" else _("there is no node {name!r}")
    where = inventory.path or inventory.name
    return Problem(
        "nodes",
        Severity.ERROR,
        what.format(name=name),
        _("the inventory {where} has {count}").format(where=where, count=_listed(known)),
        _("did you mean {name!r}?").format(name=close) if close else "",
        close,
    )


def _listed(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 8 else ", ".join(names[:7]) + f", … ({len(names)})"


def _wrong(what: str, why: str) -> InputError:
    fix = _('write names, ranges or groups, e.g. "n01,n[03-05]" or "@all"')
    return InputError(Problem("nodes", Severity.ERROR, what, why, fix))
