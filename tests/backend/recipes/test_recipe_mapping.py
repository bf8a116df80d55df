"""Data into a recipe: every problem at once, the valid fields kept."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.catalog.catalog_files import find_model, load_models
from backend.problems import Severity
from backend.recipes.architecture_mapping import FAMILIES, architecture_from_mapping
from backend.recipes.fields import FIELDS, Recipe
from backend.recipes.mapping import recipe_from_mapping, recipe_to_mapping

TABLE = dataclasses.asdict(find_model("llama3-8b").architecture)


def fields_of(problems):
    return [problem.field for problem in problems]


def test_takes_standard_names_and_the_guides():
    recipe, problems = recipe_from_mapping(
        {"TP": 8, "pipeline_parallel": 4, "GBS": 64, "MODEL_NAME": "yi-6b"}
    )
    assert not problems
    assert recipe == Recipe(tensor_parallel=8, pipeline_parallel=4, global_batch_size=64, model="yi-6b")


def test_says_every_problem_and_keeps_the_rest():
    recipe, problems = recipe_from_mapping(
        {
            "model": "yi-6b",
            "TP": "8",
            "pipeline_paralel": 4,
            "run_type": "train",
            "MBS": 0,
            "lr": float("nan"),
            "convert_to_hf": "TRUE",
            "layers_per_stage": 4,
            "architecture": [],
            "epochs": 2,
        }
    )
    assert fields_of(problems) == [
        "tensor_parallel",
        "pipeline_paralel",
        "run_type",
        "micro_batch_size",
        "lr",
        "convert_to_hf",
        "layers_per_stage",
        "architecture",
    ]
    assert all(problem.severity is Severity.ERROR for problem in problems)
    assert recipe == Recipe(model="yi-6b", epochs=2)


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("pipeline_paralel", "pipeline_parallel"),
        ("tp", "TP"),
        ("Seq-Len", "SEQ_LEN"),
        ("achitecture", "architecture"),
    ],
)
def test_an_unknown_key_gets_the_nearest_name(key, near):
    _, (problem,) = recipe_from_mapping({key: 1})
    assert problem.field == key
    assert problem.suggestion == near


def test_two_names_of_one_field_contradict():
    _, (problem,) = recipe_from_mapping({"TP": 8, "tensor_parallel": 4})
    assert problem.field == "tensor_parallel"
    assert "TP and tensor_parallel" in problem.what


def test_reads_an_architecture():
    recipe, problems = recipe_from_mapping(
        {"architecture": TABLE | {"family": "llama2", "rope_theta": 10000}}
    )
    assert not problems
    assert recipe.architecture.family == "llama2"
    assert isinstance(recipe.architecture.rope_theta, float)


def test_every_problem_of_an_architecture():
    table = TABLE | {"family": "llama9", "heads": 0, "ffn": 1.5, "norm_eps": -1, "qkv_bias": 1, "layer": 3}
    del table["vocab"]
    architecture, problems = architecture_from_mapping(table)
    assert architecture is None
    assert sorted(fields_of(problems)) == sorted(
        f"architecture.{name}"
        for name in ("layer", "vocab", "family", "heads", "ffn", "norm_eps", "qkv_bias")
    )


@pytest.mark.parametrize(
    "wrong",
    [{"heads": 30}, {"layers": 10**9}, {"hf_dtype": "int8"}, {"vocab": True}, {"rope_theta": float("inf")},
     {"norm_eps": 0}, {"norm_eps": 10**400}],
)  # fmt: skip
def test_an_impossible_architecture_is_one_problem(wrong):
    architecture, problems = architecture_from_mapping(TABLE | wrong)
    assert architecture is None
    assert len(problems) == 1


def test_families_are_those_of_the_catalog():
    assert set(FAMILIES) == {model.architecture.family for model in load_models()}


@pytest.mark.parametrize("model", load_models(), ids=lambda model: model.name)
def test_every_architecture_of_the_catalog_reads_back(model):
    recipe = Recipe(architecture=model.architecture)
    assert recipe_from_mapping(recipe_to_mapping(recipe)) == (recipe, ())


@given(
    st.dictionaries(
        st.sampled_from(
            [field.name for field in FIELDS] + [field.guide_name for field in FIELDS] + ["architecture"]
        ),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=4
        ),
    )
)
def test_any_data_gives_a_recipe_and_problems(raw):
    recipe, problems = recipe_from_mapping(raw)
    assert recipe_from_mapping(recipe_to_mapping(recipe)) == (recipe, ())
    assert all(problem.what for problem in problems)
