"""What a selector means: groups by name, `!drained`, and the operators as ClusterShell has them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ClusterShell.NodeSet import RESOLVER_NOGROUP, NodeSet
from hypothesis import given
from hypothesis import strategies as st

from backend.fleet.inventory_parse import parse_inventory
from backend.fleet.node_sets import expand, folded, node_names
from backend.inventory import Inventory, Node
from backend.problems import InputError

NAMES = tuple(f"n{number:02d}" for number in range(1, 17))
FLEET = Inventory(
    "lab",
    tuple(Node(name, "h", "h", 8, "/w") for name in (*NAMES, "rack-c")),
    "/s",
    groups=(("rack-a", NAMES[:8]), ("rack-b", NAMES[8:]), ("rack-c", ("n01",)), ("pod1", ("n03", "n02"))),
    drained=("n02", "n10", "long-gone"),
)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("rack-a", "n[01-08]"),
        ("@rack-a", "n[01-08]"),
        ("rack-[a-b]", None),
        ("drained", "n[02,10]"),
        ("!drained", "n[01,03-09,11-16],rack-c"),
        ("!@drained", "n[01,03-09,11-16],rack-c"),
        ("rack-a!drained", "n[01,03-08]"),
        ("n[01-16]&rack-b!drained", "n[09,11-16]"),
        ("rack-a^n[05-12]", "n[01-04,09-12]"),
        ("!rack-a!rack-b", "rack-c"),
        ("&rack-b", "n[09-16]"),
        ("rack-c", "rack-c"),
        ("@rack-c", "n01"),
        ("pod[1]", "n[02-03]"),
        ("n0?", "n[01-09]"),
        ("*!n*", "rack-c"),
        ("all", "n[01-16],rack-c"),
        ("@*", "n[01-16],rack-c"),
        # what is taken away is the whole group, not its first member
        ("n[01-05]!pod1", "n[01,04-05]"),
        ("n[01-05]!@pod1", "n[01,04-05]"),
    ],
)
def test_selectors(expression: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(InputError):
            node_names(expression, FLEET)
        return
    assert folded(node_names(expression, FLEET)) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("pod1", "n03 n02"),
        ("n05,pod1,n01", "n05 n03 n02 n01"),
        ("n05,pod1,n01!n02", "n05 n03 n01"),
        ("n03,n01^n01,n02", "n03 n02"),
    ],
)
def test_members_keep_their_order_because_the_first_is_rank_0(expression: str, expected: str) -> None:
    assert " ".join(node_names(expression, FLEET)) == expected


@pytest.mark.parametrize(
    "expression", ["n01,", "!", "n01!", "n01!!n02", ",n01", "@nope", "x*", "n[01-02],n99"]
)
def test_what_means_nothing_is_refused(expression: str) -> None:
    with pytest.raises(InputError) as caught:
        node_names(expression, FLEET)
    assert {problem.field for problem in caught.value.problems} == {"nodes"}


def test_nobody_is_drained_in_a_fleet_where_nobody_is() -> None:
    fleet = replace(FLEET, drained=())
    assert node_names("!drained", fleet) == node_names("all", fleet)
    with pytest.raises(InputError, match="means no node"):
        node_names("drained", fleet)


def test_the_names_of_every_fleet_cannot_be_given_to_groups() -> None:
    text = '[fleet]\nwork_directory="/w"\nshared_directory="/s"\n[[nodes]]\nname="a"\n[groups]\ndrained="a"\n'
    with pytest.raises(InputError, match="'drained' cannot name a group"):
        parse_inventory(text, "x.toml")


_NODES = st.integers(1, 9).map(lambda number: f"n{number}")
_RANGES = st.tuples(st.integers(1, 9), st.integers(1, 9)).map(lambda pair: f"n[{min(pair)}-{max(pair)}]")


@given(st.lists(st.tuples(st.sampled_from(",!&^"), _NODES | _RANGES), min_size=1, max_size=7))
def test_operators_mean_what_they_mean_to_clustershell(parts: list[tuple[str, str]]) -> None:
    expression = "".join(operator + term for operator, term in parts)[1:]
    theirs = NodeSet(expression, resolver=RESOLVER_NOGROUP)
    assert sorted(expand(expression)) == sorted(theirs)
    assert folded(expand(expression)) == str(theirs)
