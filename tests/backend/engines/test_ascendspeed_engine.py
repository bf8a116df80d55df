"""The guide's lines, word by word, for every model and run type."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.catalog.catalog_files import load_models
from backend.engines.choose import engine_named
from backend.engines.render import assignments
from backend.engines.script_variables import VARIABLES
from backend.engines.stages import Site
from backend.events import StageName
from backend.inventory import Node
from backend.problems import InputError, Severity
from backend.recipes.choices import RUN_TYPES
from backend.recipes.fields import FIELDS, Recipe
from backend.recipes.starting_point import starting_recipe

ENGINE = engine_named("ascendspeed")


def plan_for(model, run_type, seq_length=4096):
    recipe = starting_recipe(model, run_type, seq_length)
    nodes = tuple(Node(f"n{rank}", "h", f"192.0.2.{rank + 1}", 8, "/ws") for rank in range(recipe.nodes))
    return recipe, ENGINE.plan(recipe, model.architecture, Site("r1", nodes, "/ws", "0.1.0"))


@pytest.mark.parametrize("run_type", RUN_TYPES)
def test_the_guides_own_example(recipe, architecture, site, run_type):
    plan = ENGINE.plan(replace(recipe, run_type=run_type), architecture, site)
    commands = plan.stage(StageName.TRAIN).commands
    assert [command.shell_line() for command in commands] == [
        f"MASTER_ADDR=192.0.2.1 NNODES=4 NODE_RANK={rank} sh scripts/llama2/0_pl_{run_type}_70b.sh"
        for rank in range(4)
    ]
    assert {command.working_directory for command in commands} == {"/home/ma-user/ws/llm_train/AscendSpeed"}
    assert [command.node for command in commands] == ["n00", "n01", "n02", "n03"]
    assert plan.log_node == "n03"
    assert plan.script == f"scripts/llama2/0_pl_{run_type}_70b.sh"


def test_the_guides_example_for_one_node(recipe, architecture, site):
    alone = replace(recipe, model="llama2-13b", nodes=1, pipeline_parallel=1)
    plan = ENGINE.plan(alone, architecture, replace(site, nodes=site.nodes[:1]))
    (command,) = plan.stage(StageName.TRAIN).commands
    expected = "MASTER_ADDR=localhost NNODES=1 NODE_RANK=0 sh scripts/llama2/0_pl_pretrain_13b.sh"
    assert command.shell_line() == expected


@pytest.mark.parametrize("seq_length", [4096, 8192])
@pytest.mark.parametrize("run_type", RUN_TYPES)
@pytest.mark.parametrize("model", load_models(), ids=lambda model: model.name)
def test_every_model_and_run_type(model, run_type, seq_length):
    recipe, plan = plan_for(model, run_type, seq_length)
    commands = plan.stage(StageName.TRAIN).commands
    address = "localhost" if recipe.nodes == 1 else "192.0.2.1"
    visible = ""
    if recipe.npus_per_node < 8:
        visible = f" ASCEND_RT_VISIBLE_DEVICES={','.join(str(npu) for npu in range(recipe.npus_per_node))}"
    folder, size = model.name.rsplit("-", 1)
    assert [command.shell_line() for command in commands] == [
        f"MASTER_ADDR={address} NNODES={recipe.nodes} NODE_RANK={rank}{visible} "
        f"sh scripts/{folder}/0_pl_{run_type}_{size}.sh"
        for rank in range(recipe.nodes)
    ]
    variables = dict(plan.script_variables)
    assert (variables["MODEL_NAME"], variables["RUN_TYPE"]) == (model.name, run_type)
    assert (variables["TP"], variables["PP"]) == (str(recipe.tensor_parallel), str(recipe.pipeline_parallel))


def test_variables_are_the_guides(recipe, architecture, site):
    plan = ENGINE.plan(recipe, architecture, site)
    assert assignments(plan) == [
        "ORIGINAL_TRAIN_DATA_PATH=/shared/training_data/train-00000.parquet",
        "ORIGINAL_HF_WEIGHT=/shared/models/llama2-70b",
        "MODEL_NAME=llama2-70b",
        "RUN_TYPE=pretrain",
        "DATA_TYPE=GeneralPretrainHandler",
        "MBS=1",
        "GBS=128",
        "TP=8",
        "PP=4",
        "LR=2.5e-5",
        "MIN_LR=2.5e-6",
        "SEQ_LEN=4096",
        "MAX_PE=8192",
        "SN=1200",
        "EPOCH=5",
        "SEED=1234",
        "SAVE_INTERVAL=10",
    ]


def test_conversion_is_asked_for_by_presence(recipe, architecture, site):
    wanted = ENGINE.plan(replace(recipe, convert_to_hf=True), architecture, site)
    unwanted = ENGINE.plan(recipe, architecture, site)
    assert dict(wanted.script_variables)["CONVERT_MG2HF"] == "TRUE"
    assert "CONVERT_MG2HF" not in dict(unwanted.script_variables)


def test_an_alias_becomes_the_guides_name(recipe, architecture, site):
    plan = ENGINE.plan(replace(recipe, model="Llama-2-70b-hf"), architecture, site)
    assert dict(plan.script_variables)["MODEL_NAME"] == "llama2-70b"


def test_every_guide_name_is_a_variable_or_on_the_command_line():
    declared = {field.guide_name: field.name for field in FIELDS if field.guide_name}
    assert {variable: name for name, variable in VARIABLES} == {
        variable: name for variable, name in declared.items() if variable != "NNODES"
    }


def test_rendering_only(recipe, architecture, site):
    (blocker,) = ENGINE.plan(recipe, architecture, site).blockers
    assert (blocker.field, blocker.severity) == ("engine", Severity.ERROR)


@pytest.mark.parametrize(
    ("path", "mark"), [("/ws/my data/a", "' '"), ("/ws/a;rm", "';'"), ("/ws/$(id)", "'$'"), ("/ws/a*", "'*'")]
)
def test_paths_that_the_scripts_would_split(recipe, path, mark):
    (problem,) = ENGINE.check(replace(recipe, data_path=path))
    assert (problem.field, problem.severity) == ("data_path", Severity.ERROR)
    assert mark in problem.what


def test_a_chinese_path_is_fine(recipe):
    assert ENGINE.check(replace(recipe, data_path="/共享/数据/a.parquet")) == ()


@pytest.mark.parametrize(
    ("tp", "release", "count"), [(8, "6.3.907", 1), (1, "6.3.907", 0), (8, "6.3.911", 0)]
)
def test_lora_with_tensor_parallel_is_a_warning_of_the_release(recipe, tp, release, count):
    lora = replace(recipe, run_type="lora", tensor_parallel=tp, release=release)
    problems = ENGINE.check(lora)
    assert [(problem.field, problem.severity) for problem in problems] == [
        ("tensor_parallel", Severity.WARNING)
    ] * count


def test_what_no_variable_carries_is_said(recipe):
    own = replace(recipe, weight_decay=0.0, split=(98.0, 2.0, 0.0), from_scratch=True)
    found = {problem.field: problem.severity for problem in ENGINE.check(own)}
    assert found == {
        "from_scratch": Severity.ERROR,
        "weight_decay": Severity.WARNING,
        "split": Severity.WARNING,
    }


def test_a_model_without_a_script(recipe, architecture, site):
    own = replace(recipe, model="demo-llama", architecture=architecture)
    assert [problem.field for problem in ENGINE.check(own)] == ["model"]
    with pytest.raises(InputError):
        ENGINE.plan(own, architecture, site)


TEXT = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), min_size=1)


@given(TEXT, TEXT)
def test_hostile_text_stays_one_word(path, address):
    model = load_models()[0]
    recipe = Recipe(model=model.name, data_path=path, hf_weights=path, output_directory=path, nodes=2)
    nodes = (Node("a", "a", address, 8, path), Node("b", "b", "b", 4, path))
    plan = ENGINE.plan(recipe, model.architecture, Site("r1", nodes, path, "0.1.0"))
    for command in plan.stage(StageName.TRAIN).commands:
        words = shlex.split(command.shell_line())
        assert words == [*(f"{name}={value}" for name, value in command.environment), *command.argv]
    for line, (name, value) in zip(assignments(plan), plan.script_variables, strict=True):
        assert shlex.split(line) == [f"{name}={value}"]
