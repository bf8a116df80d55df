"""The plans of trees and models against the reference conversions: every name, shape and dtype."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import golden_facts
import pytest

from backend.node.weights.hf_plan import plan_hf
from backend.node.weights.layout import layout_of_args, pad_vocabulary
from backend.node.weights.model_config import model_of_args, read_model
from backend.node.weights.tree_args import tree_args
from backend.node.weights.tree_formats import format_of
from backend.node.weights.tree_plan import RankPlan, plan_rank

CASES = golden_facts.all_cases()
if not CASES:
    pytest.skip("the reference trees are not on this machine", allow_module_level=True)

every_case = pytest.mark.parametrize("case", CASES, ids=golden_facts.name_of)


def planned(case: Path) -> dict[str, RankPlan]:
    """File of a rank -> its plan."""
    facts = golden_facts.facts_of(case)
    args = golden_facts.layout_of(facts)
    layout = layout_of_args(args)
    model = read_model(golden_facts.config_of(case))
    padded = pad_vocabulary(model.vocab, layout.tp, args.get("make_vocab_size_divisible_by", 1))
    plans = {}
    for file, content in facts["megatron"].items():
        tp_rank, _sep, pp_rank = file.split("mp_rank_")[1].split("/")[0].partition("_")
        dtype = next(dtype for _shape, dtype in golden_facts.tensors_of(content).values())
        plans[file] = plan_rank(
            model, layout, facts["format"], dtype, padded, int(tp_rank), int(pp_rank or 0)
        )
    return plans


def empty_states(content: Any, path: str = "") -> set[str]:
    if content is None:
        return {path}
    if not isinstance(content, dict):
        return set()
    return {
        found for key, value in content.items() for found in empty_states(value, f"{path}/{key}".lstrip("/"))
    }


@every_case
def test_every_rank_is_planned_as_it_was_written(case: Path) -> None:
    facts = golden_facts.facts_of(case)
    for file, plan in planned(case).items():
        found = {one.key: (one.shape, one.dtype) for one in plan.tensors}
        assert found == golden_facts.tensors_of(facts["megatron"][file])
        assert list(plan.entries) == [one.key for one in plan.tensors]
        assert plan.nbytes == sum(one.nbytes for one in plan.tensors)
        assert format_of(found) == facts["format"]


@every_case
def test_every_empty_state_is_planned(case: Path) -> None:
    facts = golden_facts.facts_of(case)
    for file, plan in planned(case).items():
        entries = facts["megatron"][file]["tensors"]
        assert empty_states(plan.content) == {
            name for name, entry in entries.items() if entry.get("value") == "None"
        }
        assert set(plan.content) == {
            key for key in facts["megatron"][file]["top_keys"] if key.startswith("model")
        }


@every_case
def test_the_hugging_face_side_is_planned_as_it_was_read(case: Path) -> None:
    facts = golden_facts.facts_of(case)
    model = read_model(golden_facts.config_of(case))
    assert model.family == facts["family"]
    expected: dict[str, Any] = {}
    for file in facts["hf"].values():
        expected |= golden_facts.tensors_of(file)
    plan = plan_hf(model, model.dtype or "")
    assert {one.key: (one.shape, one.dtype) for one in plan.tensors + plan.buffers} == expected
    assert list(plan.entries) == [one.key for one in plan.tensors]


@every_case
def test_args_say_what_the_reference_converter_says(case: Path) -> None:
    facts = golden_facts.facts_of(case)
    if "megatron_args" not in facts:
        pytest.skip("the facts of this case have no args")
    expected = dict(facts["megatron_args"])
    model, layout = read_model(golden_facts.config_of(case)), layout_of_args(expected)
    dtype = golden_facts.DTYPES[expected.pop("params_dtype").partition(".")[2]]
    # The converter's own enum, which is not written here.
    del expected["model_type"]
    if golden_facts.name_of(case).startswith("llama2/legacy"):
        # There the converter puts 4096 whatever the config says.
        expected["seq_length"] = expected["max_position_embeddings"] = model.max_position
    if expected["w_pack"] or model.family == "baichuan2":
        # It depends on how the converter was called, and no loader looks at it.
        del expected["w_pack"]
    divisible_by = expected["make_vocab_size_divisible_by"]
    padded = pad_vocabulary(model.vocab, layout.tp, divisible_by)
    args = tree_args(model, layout, facts["format"], dtype, padded, divisible_by, "hf", "megatron")
    assert args["params_dtype"].name == dtype
    assert {name: args[name] for name in expected} == expected


@every_case
def test_args_lead_back_to_the_model_and_the_layout(case: Path) -> None:
    facts = golden_facts.facts_of(case)
    model, layout = read_model(golden_facts.config_of(case)), layout_of_args(golden_facts.layout_of(facts))
    args = tree_args(model, layout, facts["format"], model.dtype or "", model.vocab)
    assert layout_of_args(args) == layout
    unsaid: dict[str, Any] = {"family": "", "rope_theta": 10000.0, "rotary_percent": 1.0, "rope_ratio": 1.0}
    assert model_of_args(args) == model._replace(**unsaid)
