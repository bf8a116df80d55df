"""`--set NAME=VALUE`, and the recipe to begin with."""

from __future__ import annotations

import pytest

from backend.catalog.catalog_files import find_model
from backend.problems import InputError
from backend.recipes.fields import Recipe
from backend.recipes.settings import with_settings
from backend.recipes.starting_point import starting_recipe


def test_takes_any_name_and_the_last_value():
    recipe = with_settings(Recipe(), ["TP=4", "tensor-parallel=8", "data_path=/a=b", "samples="])
    assert recipe == Recipe(tensor_parallel=8, data_path="/a=b")


def test_says_every_problem():
    with pytest.raises(InputError) as caught:
        with_settings(Recipe(), ["TP=x", "TPP=1", "GBS", "=3"])
    assert [problem.field for problem in caught.value.problems] == ["tensor_parallel", "TPP", "GBS", ""]


@pytest.mark.parametrize(
    ("run_type", "handler"), [("pretrain", "GeneralPretrainHandler"), ("lora", "GeneralInstructionHandler")]
)
def test_begins_with_the_guides_layout(run_type, handler):
    recipe = starting_recipe(find_model("llama2-70b"), run_type, 8192)
    layout = (recipe.tensor_parallel, recipe.pipeline_parallel, recipe.nodes, recipe.npus_per_node)
    assert layout == (8, 8, 8, 8)
    assert (recipe.run_type, recipe.data_type, recipe.seq_length) == (run_type, handler, 8192)


def test_a_longer_sequence_raises_the_longest():
    assert starting_recipe(find_model("yi-6b"), "sft", 32768).max_position_embeddings == 32768
