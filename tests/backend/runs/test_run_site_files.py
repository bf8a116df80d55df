from __future__ import annotations

import pytest

from backend.inventory import Inventory, Node
from backend.problems import ConflictError, InputError
from backend.recipes.fields import Recipe
from backend.runs.run_site_files import choose_nodes

FLEET = Inventory(
    "lab", tuple(Node(f"n{i}", f"n{i}", f"n{i}", 8, "/w") for i in range(1, 5)), "/s", path="/i.toml"
)
TWO = Recipe(nodes=2)


def names(nodes: tuple[Node, ...]) -> list[str]:
    return [node.name for node in nodes]


def test_the_first_free_nodes_are_taken() -> None:
    assert names(choose_nodes(FLEET, TWO, (), ())) == ["n1", "n2"]
    assert names(choose_nodes(FLEET, TWO, (), ("n1", "n3"))) == ["n2", "n4"]


def test_named_nodes_keep_their_order() -> None:
    assert names(choose_nodes(FLEET, TWO, ("n4", "n2"), ())) == ["n4", "n2"]


def test_busy_nodes_are_a_conflict_at_once() -> None:
    with pytest.raises(ConflictError, match="n2 is busy"):
        choose_nodes(FLEET, TWO, ("n4", "n2"), ("n2",))
    with pytest.raises(ConflictError, match="1 of 4 nodes are free"):
        choose_nodes(FLEET, TWO, (), ("n1", "n2", "n3"))


def test_a_fleet_that_is_too_small_and_a_wrong_count_are_bad_input() -> None:
    with pytest.raises(InputError, match="the inventory has 4"):
        choose_nodes(FLEET, Recipe(nodes=5), (), ())
    with pytest.raises(InputError, match="3 nodes were named, the recipe uses 2"):
        choose_nodes(FLEET, TWO, ("n1", "n2", "n3"), ())
    with pytest.raises(InputError, match="1 node was named, the recipe uses 2"):
        choose_nodes(FLEET, TWO, ("n1",), ())
