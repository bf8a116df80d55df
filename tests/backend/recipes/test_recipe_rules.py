"""Every rule, alone and all together."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.catalog.catalog_files import find_model, load_models
from backend.problems import Severity, errors_of
from backend.recipes.check import check_with_catalog, resolve_architecture
from backend.recipes.choices import DATA_TYPES, RUN_TYPES
from backend.recipes.fields import FIELDS, Recipe
from backend.recipes.mapping import recipe_from_mapping
from backend.recipes.rules import check_recipe, doubtful_fields
from backend.recipes.starting_point import starting_recipe
from backend.recipes.values import parse_value


def test_a_good_recipe_has_no_problem(recipe, architecture):
    assert check_recipe(recipe, architecture, find_model(recipe.model).layouts) == ()


ERRORS = [
    ({"model": ""}, "model", ""),
    ({"model": "../x"}, "model", "x"),
    ({"data_path": ""}, "data_path", ""),
    ({"hf_weights": "models/llama"}, "hf_weights", ""),
    ({"hf_weights": "/home/ma-user/ws/xxx-Ascend/model"}, "hf_weights", ""),
    ({"data_path": "/ws/${workdir}/a"}, "data_path", ""),
    ({"data_path": "/ws/a\nb"}, "data_path", ""),
    ({"output_directory": "out"}, "output_directory", ""),
    ({"nodes": 3}, "nodes", "4"),
    ({"nodes": 1}, "nodes", "4"),
    ({"nodes": 6}, "nodes", "8"),
    ({"nodes": 8, "global_batch_size": 99}, "global_batch_size", "98"),
    ({"nodes": 8, "global_batch_size": 1}, "global_batch_size", "2"),
    ({"tensor_parallel": 16, "nodes": 8}, "tensor_parallel", "8"),
    ({"tensor_parallel": 3, "nodes": 3, "npus_per_node": 4}, "tensor_parallel", "2"),
    ({"pipeline_parallel": 3, "nodes": 3}, "pipeline_parallel", "4"),
    ({"layers_per_stage": (27, 27, 26)}, "layers_per_stage", "20,20,20,20"),
    ({"layers_per_stage": (27, 27, 20, 20)}, "layers_per_stage", "20,20,20,20"),
    ({"seq_length": 16384, "pipeline_parallel": 8, "nodes": 8}, "seq_length", "8192"),
    ({"min_lr": 1e-3}, "min_lr", "2.5e-6"),
    ({"warmup_fraction": 2.0}, "warmup_fraction", "0.01"),
    ({"run_type": "sft"}, "data_type", "GeneralInstructionHandler"),
    ({"run_type": "lora"}, "data_type", "GeneralInstructionHandler"),
    ({"data_type": "MOSSInstructionHandler"}, "data_type", "GeneralPretrainHandler"),
    ({"prompt_type": "qwen"}, "prompt_type", "none"),
    ({"json_key": "a/b"}, "json_key", "text"),
    ({"samples": None}, "samples", ""),
    ({"samples": 100}, "samples", "128"),
    ({"run_type": "train"}, "run_type", "pretrain"),
    ({"micro_batch_size": 0}, "micro_batch_size", "1"),
    ({"lr": float("inf")}, "lr", "2.5e-5"),
    ({"adam_beta2": 1.0}, "adam_beta2", "0.95"),
    ({"adam_eps": 0.0}, "adam_eps", "1e-8"),
    ({"sequence_parallel": True, "seq_length": 4097}, "sequence_parallel", "false"),
    (
        {"sequence_parallel": True, "tensor_parallel": 1, "pipeline_parallel": 8, "nodes": 1},
        "sequence_parallel",
        "false",
    ),
    ({"split": (98.0, 2.0)}, "split", "98,2,0"),
    ({"split": (0.0, 100.0, 0.0)}, "split", "98,2,0"),
    ({"eval_interval": 5}, "eval_interval", "0"),
    ({"keep_last": -1}, "keep_last", "0"),
    ({"lora_target_modules": ("linear_qvk",)}, "lora_target_modules", "linear_qkv"),
    (
        {"run_type": "lora", "data_type": "GeneralInstructionHandler", "from_scratch": True},
        "from_scratch",
        "false",
    ),
]


@pytest.mark.parametrize(("changes", "field", "suggestion"), ERRORS, ids=[str(case[0]) for case in ERRORS])
def test_each_error_names_its_field_and_a_value_that_works(recipe, architecture, changes, field, suggestion):
    wrong = replace(recipe, **changes)
    found = errors_of(check_recipe(wrong, architecture))
    assert {problem.field for problem in found} == {field}
    assert all(problem.what and (problem.why or problem.fix) for problem in found)
    assert found[0].suggestion == suggestion


@pytest.mark.parametrize(
    ("changes", "field", "suggestion"),
    [case for case in ERRORS if case[2]],
    ids=[str(case[0]) for case in ERRORS if case[2]],
)
def test_a_suggestion_mends_the_field(recipe, architecture, changes, field, suggestion):
    declaration = next(item for item in FIELDS if item.name == field)
    mended = replace(recipe, **changes) if field != "model" else replace(recipe, model="x")
    mended = replace(mended, **{field: parse_value(declaration, suggestion)})
    assert field not in {problem.field for problem in errors_of(check_recipe(mended, architecture))}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"pipeline_parallel": 1}, "pipeline_parallel"),
        ({"seq_length": 8192}, "pipeline_parallel"),
        ({"save_interval": 5000}, "save_interval"),
        ({"lr": 0.0, "min_lr": 0.0}, "lr"),
        ({"eval_interval": 5000, "split": (98.0, 2.0, 0.0)}, "eval_interval"),
        ({"run_type": "sft", "data_type": "GeneralInstructionHandler", "from_scratch": True}, "from_scratch"),
    ],
)
def test_warnings_do_not_stop(recipe, architecture, changes, field):
    (problem,) = check_recipe(replace(recipe, **changes), architecture, find_model(recipe.model).layouts)
    assert (problem.severity, problem.field) == (Severity.WARNING, field)


def test_given_iterations_excuse_the_number_of_samples(recipe, architecture):
    assert not check_recipe(replace(recipe, samples=1, train_iterations=500), architecture)
    assert not check_recipe(replace(recipe, samples=None, train_iterations=500), architecture)


def test_unequal_stages_are_allowed_when_they_are_given(recipe, architecture):
    uneven = replace(recipe, pipeline_parallel=3, nodes=3, layers_per_stage=(27, 27, 26))
    assert not errors_of(check_recipe(uneven, architecture))


def test_stage_sizes_are_offered(recipe, architecture):
    (problem,) = errors_of(check_recipe(replace(recipe, pipeline_parallel=3, nodes=3), architecture))
    assert "27,27,26" in problem.fix


def test_key_value_heads_bind_too(recipe):
    narrow = find_model("glm3-6b").architecture
    four = replace(recipe, model="glm3-6b", tensor_parallel=4, pipeline_parallel=2, nodes=1)
    (problem,) = errors_of(check_recipe(four, narrow))
    assert "2 key-value heads" in problem.what
    assert problem.suggestion == "2"


def test_ten_mistakes_are_ten_problems(architecture):
    recipe, unreadable = recipe_from_mapping(
        {
            "model": "llama2-70b",
            "data_path": "data/train.parquet",
            "hf_weights": "/ws/xxx-Ascend/llama2-70b",
            "SEED": "abc",
            "TPP": 8,
            "TP": 8,
            "PP": 6,
            "nodes": 6,
            "GBS": 0,
            "SEQ_LEN": 9000,
            "LR": 1e-5,
            "MIN_LR": 1e-4,
            "DATA_TYPE": "MOSSInstructionHandler",
            "EPOCH": -1,
        }
    )
    problems = (*unreadable, *check_recipe(recipe, architecture, doubtful=doubtful_fields(unreadable)))
    assert sorted(problem.field for problem in problems) == [
        "TPP",
        "data_path",
        "data_type",
        "epochs",
        "global_batch_size",
        "hf_weights",
        "min_lr",
        "pipeline_parallel",
        "seed",
        "seq_length",
    ]
    assert all(problem.severity is Severity.ERROR for problem in problems)


def test_a_field_that_could_not_be_read_is_not_judged(architecture):
    recipe, unreadable = recipe_from_mapping({"MODEL_NAME": 7, "TP": "8", "nodes": 3})
    problems = check_with_catalog(recipe, doubtful_fields(unreadable))
    assert not {"model", "tensor_parallel", "nodes"} & {problem.field for problem in problems}


def test_an_unknown_model_is_one_problem(recipe):
    (problem,) = check_with_catalog(replace(recipe, model="llama2-71b"))
    assert problem.field == "model"
    assert problem.suggestion


def test_own_dimensions_need_no_catalog(recipe, architecture):
    small = replace(architecture, layers=4)
    own = replace(recipe, model="demo-llama", architecture=small, pipeline_parallel=2, nodes=2)
    assert check_with_catalog(own) == ()
    assert resolve_architecture(own) is small


def test_errors_come_first(recipe, architecture):
    wrong = replace(recipe, save_interval=5000, hf_weights="")
    severities = [problem.severity for problem in check_recipe(wrong, architecture)]
    assert severities == [Severity.ERROR, Severity.WARNING]


@pytest.mark.parametrize("run_type", RUN_TYPES)
@pytest.mark.parametrize("seq_length", [None, 4096, 8192, 32768])
@pytest.mark.parametrize("model", load_models(), ids=lambda model: model.name)
def test_the_guides_layouts_break_no_rule(model, seq_length, run_type):
    recipe = replace(
        starting_recipe(model, run_type, seq_length), data_path="/d", hf_weights="/w", samples=1_000_000
    )
    assert check_with_catalog(recipe) == ()


NUMBERS = st.integers(-2, 300)
COUNTS = [field.name for field in FIELDS if field.kind == "int" and field.default is not None]


@given(
    st.builds(
        Recipe,
        model=st.sampled_from(["llama2-7b", "glm3-6b", "nothing", "", "a/b"]),
        data_path=st.text(),
        run_type=st.sampled_from((*RUN_TYPES, "")),
        data_type=st.sampled_from(DATA_TYPES),
        layers_per_stage=st.none() | st.lists(NUMBERS, max_size=4).map(tuple),
        samples=st.none() | NUMBERS,
        train_iterations=st.none() | NUMBERS,
        lr=st.floats(),
        min_lr=st.floats(),
        warmup_fraction=st.floats(),
        **dict.fromkeys(COUNTS, NUMBERS),
    )
)
def test_never_raises(recipe):
    problems = check_with_catalog(recipe)
    assert len(set(problems)) == len(problems)
    assert all(problem.field and problem.what for problem in problems)


def test_a_training_without_end_is_refused() -> None:
    recipe = Recipe(model="llama2-7b", samples=10**11, epochs=10**6)
    problems = [problem for problem in check_recipe(recipe, None) if "iterations" in problem.what]
    assert [problem.field for problem in problems][:1] == ["samples"]
