from __future__ import annotations

from typing import Any

import pytest
from hf_models import ARCHITECTURE

from backend.node.job_lines import JobError
from backend.node.weights.arrays import Array
from backend.node.weights.hf_plan import plan_hf
from backend.node.weights.layout import make_layout
from backend.node.weights.model import Model
from backend.node.weights.model_config import model_of_architecture
from backend.node.weights.tensor_source import TensorInfo
from backend.node.weights.tree_plan import RankPlan, plan_rank
from backend.node.weights.weights_check import check_hf, check_rank, check_same_model


class Names:
    """A source that knows names, shapes and dtypes only."""

    def __init__(self, infos: dict[str, TensorInfo]) -> None:
        self.infos = infos
        self.files: list[str] = []

    def names(self) -> list[str]:
        return list(self.infos)

    def info(self, name: str) -> TensorInfo:
        return self.infos[name]

    def get(self, name: str) -> Array:
        raise NotImplementedError


def model_of(**changes: Any) -> Model:
    return model_of_architecture({**ARCHITECTURE, **changes})


def hf_names(model: Model) -> Names:
    plan = plan_hf(model, "bf16")
    return Names({one.key: TensorInfo(one.shape, one.dtype) for one in plan.tensors + plan.buffers})


def rank_plan(**changes: Any) -> RankPlan:
    return plan_rank(model_of(**changes), make_layout(3, 2, 1), "mcore", "bf16", 12, 0, 0)


def rank_names(plan: RankPlan) -> Names:
    return Names({one.key: TensorInfo(one.shape, one.dtype) for one in plan.tensors})


def test_a_whole_model_passes() -> None:
    source = hf_names(model_of())
    check_hf(model_of(), source)
    source.infos["model.layers.0.self_attn.rotary_emb.inv_freq"] = TensorInfo((2,), "fp32")
    check_hf(model_of(), source)
    glm = hf_names(model_of(family="chatglm3", qkv_bias=True))
    check_hf(model_of(family="chatglm3", qkv_bias=True), glm)
    del glm.infos["transformer.rotary_pos_emb.inv_freq"]
    check_hf(model_of(family="chatglm3", qkv_bias=True), glm)


def test_a_head_beside_a_tied_embedding_is_not_looked_at() -> None:
    source = hf_names(model_of())
    check_hf(model_of(tie_embeddings=True), source)


def test_a_missing_tensor_is_named() -> None:
    source = hf_names(model_of())
    del source.infos["model.layers.1.mlp.up_proj.weight"]
    with pytest.raises(JobError) as caught:
        check_hf(model_of(), source, "like_directory")
    assert "model.layers.1.mlp.up_proj.weight" in caught.value.what
    assert caught.value.field == "like_directory"


def test_more_layers_than_the_config_says_are_refused() -> None:
    with pytest.raises(JobError) as caught:
        check_hf(model_of(layers=2), hf_names(model_of()))
    assert "model.layers.2." in caught.value.what


def test_fewer_layers_than_the_config_says_are_refused() -> None:
    with pytest.raises(JobError) as caught:
        check_hf(model_of(layers=4), hf_names(model_of()))
    assert "model.layers.3." in caught.value.what


def test_biases_that_the_model_does_not_have_are_refused() -> None:
    with pytest.raises(JobError) as caught:
        check_hf(model_of(), hf_names(model_of(qkv_bias=True)))
    assert ".bias" in caught.value.what


def test_another_shape_is_named() -> None:
    with pytest.raises(JobError) as caught:
        check_hf(model_of(hidden=32), hf_names(model_of()))
    assert "[11, 16]" in caught.value.what
    assert "[11, 32]" in caught.value.what


def test_values_that_are_no_weights_are_refused() -> None:
    source = hf_names(model_of())
    source.infos["model.norm.weight"] = TensorInfo((16,), "int8")
    with pytest.raises(JobError) as caught:
        check_hf(model_of(), source)
    assert "int8" in caught.value.what


def test_a_whole_rank_passes_with_an_optimizer_beside_it() -> None:
    plan = rank_plan()
    source = rank_names(plan)
    source.infos["optimizer/state/0/exp_avg"] = TensorInfo((3,), "fp32")
    check_rank(plan, source, "rank.pt")


def test_a_rank_without_a_tensor_is_refused() -> None:
    plan = rank_plan()
    source = rank_names(plan)
    del source.infos["model/decoder.layers.2.mlp.linear_fc1.weight"]
    with pytest.raises(JobError) as caught:
        check_rank(plan, source, "rank.pt")
    assert caught.value.what.startswith("rank.pt: the tensor model/")


def test_a_rank_with_more_or_other_tensors_is_refused() -> None:
    plan = rank_plan()
    source = rank_names(plan)
    source.infos["model/decoder.layers.2.self_attention.linear_qkv.bias"] = TensorInfo((16,), "bf16")
    with pytest.raises(JobError) as caught:
        check_rank(plan, source, "rank.pt")
    assert "linear_qkv.bias" in caught.value.what
    wide = rank_names(rank_plan(ffn=48))
    with pytest.raises(JobError) as caught:
        check_rank(plan, wide, "rank.pt")
    assert "linear_fc1" in caught.value.what


def test_a_rank_of_another_kind_is_called_by_its_name() -> None:
    plan = rank_plan()
    source = rank_names(plan)
    source.infos["model/decoder.layers.0.mlp.linear_fc1.lora_A.default.weight"] = TensorInfo((4, 16), "bf16")
    with pytest.raises(JobError) as caught:
        check_rank(plan, source, "rank.pt")
    assert "LoRA" in caught.value.what
    chunks = {name.replace("model/", "model0/"): info for name, info in rank_names(plan).infos.items()}
    with pytest.raises(JobError) as caught:
        check_rank(plan, Names(chunks), "rank.pt")
    assert "virtual stages" in caught.value.what


def test_another_model_than_the_recipe_says_is_refused() -> None:
    assert check_same_model(model_of(), model_of(), "folder") == []
    for change in ({"hidden": 32, "head_dim": 8}, {"rope_theta": 1e6}, {"tie_embeddings": True}):
        with pytest.raises(JobError) as caught:
            check_same_model(model_of(**change), model_of(), "folder")
        assert next(iter(change)) in caught.value.what


def test_a_family_with_other_names_is_refused() -> None:
    check_same_model(model_of(family="yi"), model_of(), "folder")
    with pytest.raises(JobError) as caught:
        check_same_model(model_of(family="baichuan2"), model_of(), "folder")
    assert "baichuan2" in caught.value.what


def test_scaled_positions_are_refused() -> None:
    with pytest.raises(JobError) as caught:
        check_same_model(model_of()._replace(rope_scaling="linear"), model_of(), "folder")
    assert "linear" in caught.value.why


def test_what_differs_without_harm_is_said() -> None:
    [note] = check_same_model(model_of(norm_eps=1e-6), model_of(), "folder")
    assert "1e-06" in note
    stretched = model_of(rope_theta=5e6)._replace(rope_ratio=500.0)
    [note] = check_same_model(stretched, model_of(), "folder")
    assert "5000000" in note
