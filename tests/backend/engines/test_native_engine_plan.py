"""The native engine's plan: what each node runs, and the jobs it is handed."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.catalog.catalog_files import find_model, load_models
from backend.engines.choose import engine_named
from backend.engines.native_jobs import SAME_NAMES
from backend.engines.stages import NodeCommand, Site
from backend.events import StageName
from backend.inventory import Node
from backend.node.train.train_job_reader import read_train_job
from backend.problems import Severity
from backend.recipes.choices import RUN_TYPES
from backend.recipes.fields import Recipe
from backend.recipes.starting_point import starting_recipe

ENGINE = engine_named("native")
RUN = "/home/ma-user/ws/.npudeck/runs/r7-3f2a91"


def job_of(plan, stage):
    (file,) = plan.stage(stage).commands[0].files
    return json.loads(file.text)


def test_prepares_on_the_first_node_and_trains_on_all(recipe, architecture, site):
    plan = ENGINE.plan(recipe, architecture, site)
    names = [StageName.DATA, StageName.WEIGHTS, StageName.TRAIN, StageName.EXPORT]
    assert [stage.name for stage in plan.stages] == names
    assert [[command.node for command in stage.commands] for stage in plan.stages] == [
        ["n00"],
        ["n00"],
        ["n00", "n01", "n02", "n03"],
        [],
    ]
    assert plan.log_node == "n03"
    assert plan.blockers == ()
    assert plan.requirements.npus_per_node == 8
    assert plan.requirements.readable == (recipe.data_path, recipe.hf_weights)


def test_each_node_runs_its_task(recipe, architecture, site):
    plan = ENGINE.plan(recipe, architecture, site)
    code = "/home/ma-user/ws/.npudeck/code/0.1.0/node.zip"
    (data,) = plan.stage(StageName.DATA).commands
    assert data.argv == ("python3", "-u", code, "data", f"{RUN}/data.json")
    assert data.working_directory == RUN
    assert [file.path for file in data.files] == [f"{RUN}/data.json"]
    last = plan.stage(StageName.TRAIN).commands[3]
    assert last.argv[3:] == ("train", f"{RUN}/train.json")
    assert last.environment == (
        ("MASTER_ADDR", "192.0.2.1"),
        ("MASTER_PORT", "6000"),
        ("NNODES", "4"),
        ("NODE_RANK", "3"),
    )


def test_jobs_agree_with_each_other(recipe, architecture, site):
    plan = ENGINE.plan(recipe, architecture, site)
    data, weights, train = (
        job_of(plan, name) for name in (StageName.DATA, StageName.WEIGHTS, StageName.TRAIN)
    )
    assert data == {
        "input": recipe.data_path,
        "output_prefix": "/shared/processed_for_input/llama2-70b/data/pretrain/train-00000",
        "tokenizer": recipe.hf_weights,
        "tokenizer_type": "PretrainedFromHF",
        "handler": "GeneralPretrainHandler",
        "json_keys": ["text"],
        "append_eod": True,
        "seq_length": None,
        "prompt_type": "",
        "on_bad_row": "fail",
        "workers": None,
    }
    assert weights["output_directory"] == "/shared/processed_for_input/llama2-70b/converted_weights_TP8PP4"
    assert weights["architecture"] == train["architecture"] == asdict(architecture)
    assert weights["layers_per_stage"] == train["layers_per_stage"] == [20, 20, 20, 20]
    assert train["datasets"][0]["prefix"] == data["output_prefix"] + "_text_document"
    assert train["load_directory"] == weights["output_directory"]
    assert (
        train["save_directory"] == "/shared/saved_dir_for_output/llama2-70b/saved_models/pretrain/r7-3f2a91"
    )
    assert (train["train_iterations"], train["data_parallel"], train["dtype"]) == (45, 1, "bf16")


def test_the_job_files_of_all_nodes_are_the_same(recipe, architecture, site):
    commands = ENGINE.plan(recipe, architecture, site).stage(StageName.TRAIN).commands
    assert len({command.files[0].text for command in commands}) == 1


def test_the_recipes_own_folders_win(recipe, architecture, site):
    own = replace(
        recipe,
        processed_directory="/fast/in/",
        checkpoint_directory="/fast/out",
        tokenizer_path="/shared/tokenizers/llama2",
        layers_per_stage=(19, 21, 21, 19),
        data_path="/shared/corpus/",
    )
    plan = ENGINE.plan(own, architecture, site)
    assert job_of(plan, StageName.DATA)["tokenizer"] == "/shared/tokenizers/llama2"
    assert job_of(plan, StageName.DATA)["output_prefix"] == "/fast/in/data/pretrain/corpus"
    train = job_of(plan, StageName.TRAIN)
    assert train["load_directory"] == "/fast/in/converted_weights_TP8PP4_L19-21-21-19"
    assert train["save_directory"] == "/fast/out"
    elsewhere = ENGINE.plan(replace(recipe, output_directory="/fast/all/"), architecture, site)
    assert job_of(elsewhere, StageName.TRAIN)["save_directory"] == (
        "/fast/all/llama2-70b/saved_models/pretrain/r7-3f2a91"
    )


def test_one_node_meets_itself(recipe, architecture, site):
    alone = replace(recipe, nodes=1, pipeline_parallel=1)
    plan = ENGINE.plan(alone, architecture, replace(site, nodes=site.nodes[:1]))
    assert plan.stage(StageName.TRAIN).commands[0].environment[0] == ("MASTER_ADDR", "127.0.0.1")


@pytest.mark.parametrize("run_type", RUN_TYPES)
@pytest.mark.parametrize("model", load_models(), ids=lambda model: model.name)
def test_every_model_and_run_type_is_a_job_that_the_nodes_accept(model, run_type):
    recipe = replace(starting_recipe(model, run_type), data_path="/d/a", hf_weights="/m", train_iterations=9)
    nodes = tuple(Node(f"n{rank}", "h", f"192.0.2.{rank + 1}", 8, "/ws") for rank in range(recipe.nodes))
    plan = ENGINE.plan(recipe, model.architecture, Site("r1", nodes, "/ws", "0.1.0"))
    assert (plan.blockers, ENGINE.check(recipe)) == ((), ())
    job = read_train_job(job_of(plan, StageName.TRAIN))
    assert job.shape.family == model.architecture.family
    assert job.data_kind == ("pretrain" if run_type == "pretrain" else "instruction")
    assert (job.lora is not None) == (run_type == "lora")


def test_the_settings_of_the_recipe_reach_the_job(recipe, architecture, site):
    own = replace(
        recipe,
        lr_decay_style="linear",
        adam_beta1=0.8,
        adam_beta2=0.9,
        adam_eps=1e-6,
        split=(90.0, 9.0, 1.0),
        eval_interval=7,
        eval_iterations=3,
        keep_last=2,
        sequence_parallel=True,
        recompute_activations=True,
    )
    job = read_train_job(job_of(ENGINE.plan(own, architecture, site), StageName.TRAIN))
    for name in (*SAME_NAMES, "split"):
        assert getattr(job, name) == getattr(own, name), name


def test_an_adapter_is_described_and_merged_at_the_end(recipe, architecture, site):
    tuning = replace(
        recipe,
        run_type="lora",
        data_type="GeneralInstructionHandler",
        lora_rank=4,
        lora_alpha=8,
        lora_target_modules=("linear_qkv",),
        convert_to_hf=True,
    )
    plan = ENGINE.plan(tuning, architecture, site)
    data, train, export = (job_of(plan, name) for name in (StageName.DATA, StageName.TRAIN, StageName.EXPORT))
    assert train["lora"] == {"rank": 4, "alpha": 8, "target_modules": ["linear_qkv"]}
    assert train["like_directory"] == export["like_directory"] == tuning.hf_weights
    assert train["datasets"] == [{"prefix": data["output_prefix"], "weight": 1.0}]
    assert export["megatron_directory"] == train["load_directory"]
    assert export["lora_directory"] == train["save_directory"]
    assert export["output_directory"] not in (export["megatron_directory"], export["lora_directory"])


def test_random_weights_are_not_converted(recipe, architecture, site):
    plan = ENGINE.plan(replace(recipe, from_scratch=True), architecture, site)
    stage = plan.stage(StageName.WEIGHTS)
    assert stage.commands == ()
    assert "from_scratch" in stage.skip
    assert job_of(plan, StageName.TRAIN)["load_directory"] == ""


def test_says_what_it_needs_and_what_it_does_not_heed(recipe, architecture, site):
    needs = ENGINE.plan(recipe, architecture, site).requirements
    assert dict(needs.oldest)["torch"] == "2.5"
    (warning,) = ENGINE.check(replace(recipe, log_directory="/logs"))
    assert (warning.field, warning.severity) == ("log_directory", Severity.WARNING)


def test_the_site_must_fit(recipe, architecture, site):
    small = replace(site.nodes[0], npus=4)
    wrong = replace(site, nodes=(small, site.nodes[1], site.nodes[1]))
    problems = ENGINE.plan(recipe, architecture, wrong).blockers
    assert [problem.field for problem in problems] == ["nodes", "nodes", "npus_per_node"]
    assert all(problem.severity is Severity.ERROR for problem in problems)


def test_converts_back_where_it_is_asked_for(recipe, architecture, site):
    assert ENGINE.check(replace(recipe, convert_to_hf=True)) == ()
    plan = ENGINE.plan(replace(recipe, convert_to_hf=True), architecture, site)
    assert [command.node for command in plan.stage(StageName.EXPORT).commands] == ["n00"]
    job = job_of(plan, StageName.EXPORT)
    assert job["megatron_directory"] == job_of(plan, StageName.TRAIN)["save_directory"]
    assert job["like_directory"] == recipe.hf_weights
    assert job["output_directory"] == plan.stage(StageName.EXPORT).result
    assert job["output_directory"].endswith("/saved_models/pretrain_hf/r7-3f2a91")
    own = replace(recipe, convert_to_hf=True, checkpoint_directory="/fast/kept/")
    assert ENGINE.plan(own, architecture, site).stage(StageName.EXPORT).result == "/fast/kept_hf"


def test_says_why_there_is_no_export(recipe, architecture, site):
    stage = ENGINE.plan(recipe, architecture, site).stage(StageName.EXPORT)
    assert (stage.commands, stage.result) == ((), "")
    assert "CONVERT_MG2HF" in stage.skip


TEXT = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), min_size=1)


@given(TEXT, TEXT, TEXT, TEXT)
def test_hostile_text_stays_one_word(path, work, address, python):
    recipe = Recipe(model="llama2-7b", data_path=path, hf_weights=path, train_iterations=1)
    site = Site(
        "r1", (Node("a", "a", address, 8, work, python=python), Node("b", "b", "b", 8, work)), path, "1"
    )
    plan = ENGINE.plan(replace(recipe, nodes=2), find_model("llama2-7b").architecture, site)
    for stage in plan.stages:
        for command in stage.commands:
            assert_reads_back(command)
    assert job_of(plan, StageName.DATA)["input"] == path


def assert_reads_back(command: NodeCommand) -> None:
    words = shlex.split(command.shell_line())
    assignments = [f"{name}={value}" for name, value in command.environment]
    assert words == [*assignments, *command.argv]


def test_the_column_of_the_text_names_the_files(recipe, architecture, site):
    plan = ENGINE.plan(replace(recipe, json_key="content"), architecture, site)
    assert job_of(plan, StageName.DATA)["json_keys"] == ["content"]
    assert job_of(plan, StageName.TRAIN)["datasets"][0]["prefix"].endswith("/train-00000_content_document")


def test_samples_have_a_template_and_a_longest_length(recipe, architecture, site):
    handler = "AlpacaStyleInstructionHandler"
    tuning = replace(recipe, run_type="sft", data_type=handler, prompt_type="llama2", seq_length=2048)
    data = job_of(ENGINE.plan(tuning, architecture, site), StageName.DATA)
    assert (data["prompt_type"], data["seq_length"]) == ("llama2", 2048)
    assert "/data/finetune/" in data["output_prefix"]
