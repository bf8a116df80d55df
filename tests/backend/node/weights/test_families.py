from __future__ import annotations

import pytest
from hf_models import ARCHITECTURE

from backend.node.weights.families.all_families import FAMILIES, default_format
from backend.node.weights.families.mapping import LAYER_PARTS, PARTS
from backend.node.weights.model_config import model_of_architecture
from backend.node.weights.tree_formats import FORMATS

every_family = pytest.mark.parametrize("family", FAMILIES)


@every_family
def test_a_table_has_every_part_with_its_cut(family: str) -> None:
    table = FAMILIES[family]
    in_layer = table.layer + table.layer_bias
    assert {part.name for part in in_layer} | {"qkv_bias"} == set(LAYER_PARTS)
    assert [table.embedding.name, table.final_norm.name, table.head.name] == [
        "embedding",
        "final_norm",
        "head",
    ]
    for part in (*in_layer, table.embedding, table.final_norm, table.head):
        assert part.cut == PARTS[part.name].cut


@every_family
def test_sources_together_are_as_large_as_their_part(family: str) -> None:
    model = model_of_architecture({**ARCHITECTURE, "family": family, "qkv_bias": True})
    table = model.table
    for part in (*table.layer, *table.layer_bias, table.embedding, table.final_norm, table.head):
        rows, *rest = [model.size(word) for word in PARTS[part.name].shape]
        shapes = [[model.size(word) for word in source.shape] for source in part.sources]
        assert sum(shape[0] for shape in shapes) == rows
        assert all(shape[1:] == rest for shape in shapes)
        assert model.part(part.name) is part


@every_family
def test_names_are_different(family: str) -> None:
    table = FAMILIES[family]
    parts = (*table.layer, *table.layer_bias, table.embedding, table.final_norm, table.head)
    names = [source.name for part in parts for source in part.sources]
    assert len(names) == len(set(names))


def test_every_part_has_a_name_in_every_format() -> None:
    for tree_format in FORMATS.values():
        assert set(tree_format.names) == set(PARTS)


def test_the_default_format_is_that_of_the_scripts() -> None:
    assert {family for family in FAMILIES if default_format(family) == "mcore"} == {"qwen2", "glm4"}
