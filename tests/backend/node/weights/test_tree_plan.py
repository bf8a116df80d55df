from __future__ import annotations

import dataclasses
import time
from typing import Any

import pytest
from hf_models import ARCHITECTURE

from backend.catalog import catalog_files
from backend.catalog.model import Model as CatalogModel
from backend.node.job_lines import JobError
from backend.node.weights.layout import make_layout, pad_vocabulary
from backend.node.weights.model import Model
from backend.node.weights.model_config import model_of_architecture
from backend.node.weights.tree_plan import file_content, plan_rank, plan_tree

MODELS = catalog_files.load_models()


def small(**changes: Any) -> Model:
    return model_of_architecture({**ARCHITECTURE, "layers": 8, "vocab": 16, **changes})


def spread(layers: int, pp: int) -> list[int]:
    return [layers // pp + (stage < layers % pp) for stage in range(pp)]


@pytest.mark.parametrize("entry", MODELS, ids=lambda entry: entry.name)
def test_every_layout_of_the_guide_holds_the_whole_model(entry: CatalogModel) -> None:
    model = model_of_architecture(dataclasses.asdict(entry.architecture))
    assert entry.layouts
    for tp, pp in {(layout.tp, layout.pp) for layout in entry.layouts}:
        layout = make_layout(model.layers, tp, pp, spread(model.layers, pp))
        for tree_format in ("legacy", "mcore"):
            padded = pad_vocabulary(model.vocab, tp, 128)
            size = plan_tree(model, layout, tree_format, "bf16", padded)
            assert size.parameters == entry.parameters
            assert len(size.ranks) == tp * pp
            assert size.nbytes >= 2 * entry.parameters


def test_the_largest_model_is_planned_in_no_time() -> None:
    entry = next(model for model in MODELS if model.name == "qwen2-72b")
    model = model_of_architecture(dataclasses.asdict(entry.architecture))
    start = time.process_time()
    plan_tree(model, make_layout(80, 8, 8), "mcore", "bf16", model.vocab)
    assert time.process_time() - start < 2


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("tree_format", ["legacy", "mcore"])
@pytest.mark.parametrize("shape", [(1, 1, None), (2, 1, None), (1, 2, None), (2, 4, None), (2, 4, 1)])
def test_every_weight_is_counted_once(
    tied: bool, tree_format: str, shape: tuple[int, int, int | None]
) -> None:
    model = small(tie_embeddings=tied, qkv_bias=True, vocab=13)
    tp, pp, virtual = shape
    layout = make_layout(8, tp, pp, None, virtual)
    size = plan_tree(model, layout, tree_format, "fp16", pad_vocabulary(13, tp, 8))
    assert size.parameters == model.parameters


def test_a_tied_head_lies_where_its_format_wants_it() -> None:
    model = small(tie_embeddings=True)
    for tree_format, key in (
        ("legacy", "model/word_embeddings_for_head/weight"),
        ("mcore", "model/output_layer.weight"),
    ):
        plan = plan_rank(model, make_layout(8, 2, 2), tree_format, "bf16", 16, 1, 1)
        assert plan.entries[key] == ("embedding", None, 1)
        alone = plan_rank(model, make_layout(8, 2, 1), tree_format, "bf16", 16, 1, 0)
        assert key not in alone.entries


def test_virtual_stages_are_models_of_their_own() -> None:
    layout = make_layout(8, 1, 4, None, 1)
    plan = plan_rank(small(), layout, "mcore", "bf16", 16, 0, 3)
    assert list(plan.content) == ["model0", "model1"]
    assert plan.entries["model1/decoder.layers.0.mlp.linear_fc2.weight"] == ("down", 7, 0)
    assert "model1/output_layer.weight" in plan.entries
    # One chunk in each stage is a plain pipeline to the loaders.
    assert list(plan_rank(small(), make_layout(8, 1, 4, None, 2), "mcore", "bf16", 16, 0, 3).content) == [
        "model"
    ]


def test_a_layout_that_cannot_hold_the_model_is_refused() -> None:
    with pytest.raises(JobError):
        plan_rank(small(), make_layout(8, 4, 1), "mcore", "bf16", 16, 0, 0)


def test_a_file_holds_what_loaders_look_for() -> None:
    plan = plan_rank(small(), make_layout(8, 1, 1), "mcore", "bf16", 16, 0, 0)
    content = file_content(plan, {"num_layers": 8}, 1)
    assert content["args"].num_layers == 8
    assert {name: content[name] for name in ("checkpoint_version", "iteration")} == {
        "checkpoint_version": 3.0,
        "iteration": 1,
    }
    assert content["model"] is plan.content["model"]
