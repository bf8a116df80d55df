"""`npudeck recipe`."""

from __future__ import annotations

import json

import pytest

from backend.cli.main import main
from backend.recipes.choices import RUN_TYPES
from backend.recipes.recipe_files import load_recipe

GIVEN = [
    "--set",
    "data_path=/s/a.parquet",
    "--set",
    "hf_weights=/s/w",
    "--set",
    "SN=52002",
    "--set",
    "SAVE_INTERVAL=500",
]


def test_new_writes_the_guides_layout(tmp_path, capsys):
    path = tmp_path / "run.toml"
    command = [
        "recipe",
        "new",
        "Llama-2-70b-hf",
        "--run-type",
        "pretrain",
        "--seq-length",
        "8192",
        "-o",
        str(path),
    ]
    assert main([*command, *GIVEN, "--set", "tensor-parallel=8"]) == 0
    recipe = load_recipe(path)
    assert (recipe.model, recipe.seq_length, recipe.pipeline_parallel, recipe.nodes) == (
        "llama2-70b",
        8192,
        8,
        8,
    )
    assert capsys.readouterr() == ("", "")
    assert main(["recipe", "validate", str(path)]) == 0
    assert "no problems" in capsys.readouterr().out


@pytest.mark.parametrize("run_type", RUN_TYPES)
def test_new_prints_without_a_file_and_names_what_is_open(run_type, capsys):
    assert main(["recipe", "new", "yi-6b", "--run-type", run_type]) == 0
    captured = capsys.readouterr()
    assert f'run_type = "{run_type}"  # RUN_TYPE' in captured.out
    assert captured.err == "still to be set: data_path, hf_weights, samples\n"


def test_new_overwrites_only_when_told(tmp_path, capsys):
    path = tmp_path / "run.toml"
    path.write_text("old")
    command = ["recipe", "new", "yi-6b", "--run-type", "sft", "-o", str(path)]
    assert main(command) == 3
    assert path.read_text() == "old"
    assert "--force" in capsys.readouterr().err
    assert main([*command, "--force"]) == 0
    assert load_recipe(path).model == "yi-6b"


def test_new_says_every_wrong_setting(tmp_path, capsys):
    path = tmp_path / "run.toml"
    command = ["recipe", "new", "yi-6b", "--run-type", "sft", "-o", str(path)]
    assert main([*command, "--seq-length", "0", "--set", "TPP=2", "--set", "MBS=x"]) == 3
    assert not path.exists()
    error = capsys.readouterr().err
    assert "TPP" in error
    assert "micro_batch_size" in error
    assert "seq_length" in error


def test_validate_as_json(tmp_path, capsys):
    path = tmp_path / "run.toml"
    path.write_text('model = "yi-6b"\nTP = "8"\nGBSS = 1\nnodes = 0\n')
    assert main(["recipe", "validate", str(path), "--json"]) == 1
    value = json.loads(capsys.readouterr().out)
    assert value["ok"] is False
    assert {problem["field"] for problem in value["problems"]} == {
        "GBSS",
        "data_path",
        "hf_weights",
        "nodes",
        "samples",
        "tensor_parallel",
    }
    assert set(value["problems"][0]) == {"field", "severity", "what", "why", "fix", "suggestion"}


def test_validate_lets_warnings_pass(tmp_path, capsys):
    path = tmp_path / "run.toml"
    main(
        [
            "recipe",
            "new",
            "yi-6b",
            "--run-type",
            "sft",
            "-o",
            str(path),
            *GIVEN,
            "--set",
            "lr=0",
            "--set",
            "min_lr=0",
        ]
    )
    assert main(["recipe", "validate", str(path), "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["ok"] is True
    assert [problem["severity"] for problem in value["problems"]] == ["warning"]
    assert main(["recipe", "validate", str(path)]) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{path}: 1 warning\n"
    assert captured.err.startswith("warning: lr: ")


@pytest.mark.parametrize("action", ["validate", "show"])
def test_an_unreadable_file_is_bad_input(tmp_path, capsys, action):
    assert main(["recipe", action, str(tmp_path / "none.toml")]) == 3
    assert "does not exist" in capsys.readouterr().err


def test_show_as_json(tmp_path, capsys):
    path = tmp_path / "run.toml"
    main(["recipe", "new", "llama2-70b", "--run-type", "pretrain", "-o", str(path), *GIVEN])
    assert main(["recipe", "show", str(path), "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["values"]["tensor_parallel"] == value["guide"]["TP"] == 8
    assert value["derived"] == {
        "npus": 32,
        "data_parallel": 1,
        "num_micro_batches": 128,
        "train_iterations": 2030,
        "warmup_iterations": 20,
        "total_tokens": 2030 * 128 * 4096,
        "layers_per_stage": [20, 20, 20, 20],
    }


def test_show_for_people(tmp_path, capsys):
    path = tmp_path / "run.toml"
    path.write_text('model = "mine"\nTP = 2\n')
    assert main(["recipe", "show", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split()[:3] == ["tensor_parallel", "TP", "2"] for line in lines)
    assert any(line.split()[:2] == ["data_parallel", "4"] for line in lines)


@pytest.mark.parametrize("run_type", RUN_TYPES)
@pytest.mark.parametrize("model", ["llama2-7b", "glm3-6b", "baichuan2-13b"])
def test_new_takes_the_native_engine(capsys, model, run_type):
    assert main(["recipe", "new", model, "--run-type", run_type]) == 0
    assert 'engine = "native"' in capsys.readouterr().out
