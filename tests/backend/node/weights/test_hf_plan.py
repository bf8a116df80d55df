from __future__ import annotations

from typing import Any

import pytest
from hf_models import ARCHITECTURE, tensors

from backend.node.weights.families.all_families import FAMILIES
from backend.node.weights.hf_plan import plan_hf, source_names
from backend.node.weights.model import Model
from backend.node.weights.model_config import model_of_architecture


def model_of(**changes: Any) -> Model:
    return model_of_architecture({**ARCHITECTURE, **changes})


def test_it_names_every_tensor_with_its_shape() -> None:
    pytest.importorskip("torch")
    expected = {name: tuple(tensor.shape) for name, tensor in tensors().items()}
    plan = plan_hf(model_of(), "bf16")
    assert {one.key: one.shape for one in plan.tensors} == expected
    assert plan.nbytes == 2 * model_of().parameters


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("tied", [False, True])
def test_it_holds_every_weight_once(family: str, tied: bool) -> None:
    bias = family not in ("baichuan2",)
    model = model_of(family=family, tie_embeddings=tied, qkv_bias=bias)
    plan = plan_hf(model, "fp32")
    assert sum(one.nbytes for one in plan.tensors) == 4 * model.parameters
    assert len(plan.entries) == len(plan.tensors)
    for name, entry in plan.entries.items():
        names = source_names(model, entry.part, entry.layer)
        assert names[entry.number] == name
        assert len(names) == entry.sources


def test_stages_come_one_after_the_other() -> None:
    layers = [entry.layer for entry in plan_hf(model_of(), "bf16").entries.values()]
    assert layers[0] is None
    inside = [layer for layer in layers if layer is not None]
    assert inside == sorted(inside)


def test_a_tied_head_is_not_written() -> None:
    assert "lm_head.weight" not in plan_hf(model_of(tie_embeddings=True), "bf16").entries
