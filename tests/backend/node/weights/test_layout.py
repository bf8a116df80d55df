from __future__ import annotations

import pytest
from hf_models import ARCHITECTURE
from hypothesis import given
from hypothesis import strategies as st

from backend.node.job_lines import JobError
from backend.node.weights import layout as layouts
from backend.node.weights.model_config import model_of_architecture


def test_stages_are_even_or_as_given() -> None:
    assert layouts.make_layout(8, 2, 4).layers_per_stage == (2, 2, 2, 2)
    uneven = layouts.make_layout(4, 2, 2, [1, 3])
    assert [layouts.chunks(uneven, rank) for rank in (0, 1)] == [[[0]], [[1, 2, 3]]]
    assert not uneven.is_even


def test_virtual_stages_go_round() -> None:
    layout = layouts.make_layout(12, 1, 3, layers_per_virtual_stage=2)
    assert layout.virtual_stages == 2
    assert [layouts.chunks(layout, rank) for rank in range(3)] == [
        [[0, 1], [6, 7]],
        [[2, 3], [8, 9]],
        [[4, 5], [10, 11]],
    ]


@given(st.integers(3, 6), st.integers(1, 4), st.integers(1, 3))
def test_every_layer_has_one_place(pp: int, count: int, rounds: int) -> None:
    layers = pp * count * rounds
    for virtual in (None, count):
        layout = layouts.make_layout(layers, 1, pp, None, virtual)
        found = [layer for rank in range(pp) for chunk in layouts.chunks(layout, rank) for layer in chunk]
        assert sorted(found) == list(range(layers))


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ((4, 0, 1), "tensor_parallel"),
        ((4, 1, 0), "pipeline_parallel"),
        ((4, 1, 8), "pipeline_parallel"),
        ((4, 1, 3), "pipeline_parallel"),
        ((4, 1, 2, [1, 2]), "layers_per_stage"),
        ((4, 1, 2, [4]), "layers_per_stage"),
        ((4, 1, 2, [4, 0]), "layers_per_stage"),
        ((4, 1, 2, None, 1), "layers_per_virtual_stage"),
        ((12, 1, 3, None, 3), "layers_per_virtual_stage"),
        ((12, 1, 3, [3, 4, 5], 1), "layers_per_virtual_stage"),
        ((12, 1, 3, None, -1), "layers_per_virtual_stage"),
    ],
)
def test_layouts_that_cannot_be_are_refused(arguments: tuple, field: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(JobError) as caught:
        layouts.make_layout(*arguments)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("change", "tp", "field"),
    [
        ({"heads": 6, "kv_heads": 6}, 4, "tensor_parallel"),
        ({"kv_heads": 1}, 2, "tensor_parallel"),
        ({"ffn": 25}, 2, "tensor_parallel"),
        ({"kv_heads": 3}, 1, "architecture"),
    ],
)
def test_a_rank_holds_whole_heads(change: dict[str, int], tp: int, field: str) -> None:
    model = model_of_architecture({**ARCHITECTURE, **change})
    with pytest.raises(JobError) as caught:
        layouts.check_division(model, tp)
    assert caught.value.field == field


def test_the_vocabulary_is_padded_to_what_is_asked() -> None:
    assert layouts.pad_vocabulary(67, 2) == 68
    assert layouts.pad_vocabulary(67, 2, 8) == 80
    assert layouts.pad_vocabulary(64, 4) == 64
    assert layouts.pad_vocabulary(67, 2, 1, wanted=100) == 100
    for wanted in (66, 69):
        with pytest.raises(JobError) as caught:
            layouts.pad_vocabulary(67, 2, 1, wanted=wanted)
        assert caught.value.field == "padded_vocab_size"


def test_args_of_a_tree_say_its_layout() -> None:
    args = {"num_layers": 12, "tensor_model_parallel_size": 2, "pipeline_model_parallel_size": 3}
    assert layouts.layout_of_args(args) == layouts.make_layout(12, 2, 3)
    listed = layouts.layout_of_args({**args, "num_layer_list": "3,4,5"})
    assert listed == layouts.layout_of_args({**args, "num_layer_list": [3, 4, 5]})
    assert listed.layers_per_stage == (3, 4, 5)
    for virtual in (
        {"num_layers_per_virtual_pipeline_stage": 2},
        {"virtual_pipeline_model_parallel_size": 2},
    ):
        assert layouts.layout_of_args({**args, **virtual}).layers_per_virtual_stage == 2
