"""Node sets as operators write them (`n[01-32]`, `rack1`, `n[1-9]!n4`, `!drained`), by way of ClusterShell.

The grammar is that of ClusterShell's NodeSet: `,` adds, `!` takes away, `&` keeps what both have, `^` what
one of both has; strictly from left to right. Groups may be written with or without `@`; a node's name goes
before a group's. What NodeSet has no words for: an operator at the start works on all nodes, and members keep
the order in which they are named.
"""

from __future__ import annotations

import difflib
import fnmatch
import math
import re
from collections.abc import Iterable

from backend.inventory import ALWAYS, Inventory
from backend.problems import InputError, Problem, Severity
from backend.translation import _

MAX_NODES = 16_384  # "n[1-999999999]" is a slip of the finger, not a fleet
_OPERATOR = re.compile(r"([,!&^])(?![^\[]*\])")
_BRACKETS = re.compile(r"\[([^\]]*)\]")
_WILD = re.compile(r"[*?]")

Names = tuple[str, ...]


def expand(expression: str) -> Names:
    """Names of a node set without groups, each once.

    Parts keep their order, because the first node of a run is rank 0; inside brackets numbers go up. Raises
    `ValueError` with ClusterShell's own words.
    """
    (operator, first), *rest = _terms(expression)
    if operator:
        raise ValueError(_("there is nothing before {operator!r}").format(operator=operator))
    members = _members(first)
    for operator, term in rest:
        members = _combined(members, operator, _members(term))
    return members


def node_names(expression: str, inventory: Inventory, *, may_be_none: bool = False) -> Names:
    """Names of the inventory's nodes that `expression` means; "all" and "drained" are groups of every fleet.

    Raises `InputError` (field `nodes`) for a wrong expression, for nodes and groups that do not exist, and,
    unless `may_be_none`, where the words are right but mean no node.
    """
    if not expression.strip():
        raise _wrong(_("no node is named"), _("an empty word may be a variable that is not set"))
    try:
        names = _selected(expression, inventory)
    except ValueError as error:
        raise _wrong(_("{text!r} is not a node set").format(text=expression), str(error)) from error
    if not names and not may_be_none:
        raise _wrong(_("{text!r} means no node").format(text=expression), "")
    return names


def folded(names: Iterable[str]) -> str:
    """The shortest way to write them: `n[01-03,05]`. Sorted, so the order is lost."""
    from ClusterShell.NodeSet import RESOLVER_NOGROUP, NodeSet

    return str(NodeSet.fromlist(list(names), resolver=RESOLVER_NOGROUP))


def _selected(expression: str, inventory: Inventory) -> Names:
    (operator, first), *rest = _terms(expression)
    everything = tuple(node.name for node in inventory.nodes)
    # "!drained": everything but them
    members = _combined(everything if operator else (), operator or ",", _meant(first, inventory, everything))
    for operator, term in rest:
        members = _combined(members, operator, _meant(term, inventory, everything))
    return members


def _terms(expression: str) -> list[tuple[str, str]]:
    """Each with the operator before it; that of the first is "" unless the expression begins with one."""
    words = [word.strip() for word in _OPERATOR.split(expression)]
    terms = list(zip(["", *words[1::2]], words[::2], strict=True))
    if terms[0] == ("", "") and len(terms) > 1 and terms[1][0] != ",":
        del terms[0]
    for operator, term in terms:
        if not term:
            raise ValueError(_("there is nothing after {operator!r}").format(operator=operator or expression))
    return terms


def _combined(left: Names, operator: str, right: Names) -> Names:
    if operator == ",":
        return tuple(dict.fromkeys(left + right))
    here, there = set(left), set(right)
    if operator == "^":
        return tuple(name for name in dict.fromkeys(left + right) if (name in here) != (name in there))
    return tuple(name for name in left if (name in there) == (operator == "&"))


def _meant(term: str, inventory: Inventory, everything: Names) -> Names:
    """The nodes that one term without operators means. Raises `InputError` for what does not exist."""
    if term == "@*":
        return everything
    if term.startswith("@"):
        return _of_groups(_members(term[1:]), inventory)
    names, known = _members(term), set(everything)
    if _WILD.search(term):
        names = _matching(names, everything)
    unknown = [name for name in names if name not in known]
    if unknown and all(inventory.group(name) is not None for name in names):
        return _of_groups(names, inventory)
    if unknown:
        raise InputError(*(_unknown("node", name, list(everything), inventory) for name in unknown))
    return names


def _matching(patterns: Names, everything: Names) -> Names:
    """The nodes that patterns with `*` and `?` mean; a pattern that fits none stays, to be complained of."""
    found: dict[str, None] = {}
    for pattern in patterns:
        fitting = [name for name in everything if fnmatch.fnmatchcase(name, pattern)]
        found.update(dict.fromkeys(fitting or [pattern]))
    return tuple(found)


def _of_groups(groups: Names, inventory: Inventory) -> Names:
    names: dict[str, None] = {}
    for group in groups:
        members = inventory.group(group)
        if members is None:
            known = [*ALWAYS, *(name for name, _members in inventory.groups)]
            raise InputError(_unknown("group", group, known, inventory))
        names.update(dict.fromkeys(members))
    return tuple(names)


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that looks most like `word`, or "" when none does."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)), "")


def _members(expression: str) -> Names:
    """Names of one term, by ClusterShell. Raises `ValueError` with its words."""
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
    return math.prod(sum(map(_range_size, group[1].split(","))) for group in _BRACKETS.finditer(expression))


def _range_size(text: str) -> int:
    first, dash, last = text.partition("/")[0].partition("-")
    if not dash or not first.strip().isdecimal() or not last.strip().isdecimal():
        return 1
    return MAX_NODES + 1 if len(last) > 12 else max(1, int(last) - int(first) + 1)


def _unknown(kind: str, name: str, known: list[str], inventory: Inventory) -> Problem:
    close = nearest(name, known)
    what = _("there is no group {name!r}") if kind == "group" else _("there is no node {name!r}")
    where = inventory.path or inventory.name
    # a list of hosts that is to become an inventory has no name yet
    why = _("the inventory {where} has {count}") if inventory.name else _("{where} has {count}")
    return Problem(
        "nodes",
        Severity.ERROR,
        what.format(name=name),
        why.format(where=where, count=_listed(known)),
        _("did you mean {name!r}?").format(name=close) if close else "",
        close,
    )


def _listed(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 8 else ", ".join(names[:7]) + f", … ({len(names)})"


def _wrong(what: str, why: str) -> InputError:
    fix = _('write names, ranges or groups, e.g. "n01,n[03-05]", "rack1" or "!drained"')
    return InputError(Problem("nodes", Severity.ERROR, what, why, fix))
