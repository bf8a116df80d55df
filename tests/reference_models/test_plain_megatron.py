"""The plain reader of trees agrees with the reference converter: its trees answer as their models do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch
from safetensors.torch import load_file

from tests.backend.node.weights.reference_trees import case_name, reference_cases
from tests.reference_models import plain_megatron
from tests.reference_models.plain_models import logits, some_ids

pytestmark = pytest.mark.torch

CASES = [
    case
    for case in reference_cases()
    if case.parent.name in ("qwen", "baichuan2", "chatglm3", "glm4") and (case / "megatron").is_dir()
]


def weights_in(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in folder.iterdir():
        if path.suffix == ".safetensors":
            found |= load_file(path)
        elif path.suffix == ".bin":
            found |= torch.load(path, map_location="cpu", weights_only=True)
    return found


def test_reference_trees_are_there() -> None:
    if not reference_cases():
        pytest.skip("no reference conversions beside the repository")
    assert {case.parent.name for case in CASES} == {"qwen", "baichuan2", "chatglm3", "glm4"}


@pytest.mark.parametrize("case", CASES, ids=case_name)
def test_a_reference_tree_answers_as_its_model(case: Path) -> None:
    config = json.loads((case / "hf" / "config.json").read_text())
    whole = plain_megatron.whole_weights(case / "megatron" / "iter_0000001")
    # The converter may have cast to fp16: the same cast first, then nothing is rounded any more.
    dtype = whole["embedding.word_embeddings.weight"].dtype
    published = {name: value.to(dtype).double() for name, value in weights_in(case / "hf").items()}
    ids = some_ids(config)
    expected = logits(config, published, ids)
    found = plain_megatron.logits(config, {name: value.double() for name, value in whole.items()}, ids)
    assert expected.abs().max() > 0
    assert (found - expected).abs().max() < 1e-10 * expected.abs().max()
