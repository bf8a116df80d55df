"""`npudeck train` before anything runs: what the words make of a recipe, and what is refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from backend.catalog.catalog_files import load_models
from backend.cli import train_plan
from backend.cli.main import build_parser, main
from backend.cli.train_recipe import recipe_of
from backend.preflight.modules import FoundModules
from backend.problems import InputError
from backend.recipes.fields import Recipe
from backend.recipes.scaled_architecture import scaled

TINY = [
    "--model",
    "llama2-7b",
    "--scale",
    "tiny",
    "--iterations",
    "5",
    "--data",
    "d.jsonl",
    "--tokenizer",
    "t",
]


def recipe_from(*words: str) -> Recipe:
    return recipe_of(build_parser().parse_args(["train", *words]))


def test_flags_make_a_recipe_for_this_machine() -> None:
    recipe = recipe_from(*TINY, "--tp", "2", "--pp", "2", "--lr", "1e-3", "--set", "GBS=8")
    assert (recipe.model, recipe.from_scratch, recipe.nodes, recipe.npus_per_node) == (
        "llama2-7b-tiny",
        True,
        1,
        4,
    )
    assert (recipe.tensor_parallel, recipe.lr, recipe.global_batch_size) == (2, 1e-3, 8)
    assert recipe.data_path == str(Path.cwd() / "d.jsonl")
    assert recipe.hf_weights == recipe.tokenizer_path == str(Path.cwd() / "t")
    assert recipe.architecture is not None
    assert recipe.architecture.vocab == 32000


def test_a_later_word_wins_and_a_type_is_checked() -> None:
    assert recipe_from(*TINY, "--lr", "1", "--set", "lr=2").lr == 2.0
    with pytest.raises(InputError, match="TP is 'two'"):
        recipe_from(*TINY, "--tp", "two")


def test_fine_tuning_takes_instructions() -> None:
    assert recipe_from(*TINY, "--run-type", "sft").data_type == "GeneralInstructionHandler"
    chosen = recipe_from(*TINY, "--run-type", "sft", "--data-type", "MOSSMultiTurnHandler")
    assert chosen.data_type == "MOSSMultiTurnHandler"


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "recipe.toml"
    path.write_text(
        'model = "llama2-13b"\ndata_path = "/d/a.jsonl"\nhf_weights = "/m"\ntensor_parallel = 8\n'
        "nodes = 2\nnpus_per_node = 8\nglobal_batch_size = 16\ntrain_iterations = 5\nsave_interval = 5\n"
    )
    return str(path)


def test_a_recipe_keeps_its_ranks(file: str) -> None:
    recipe = recipe_from(file)
    assert (recipe.nodes, recipe.npus_per_node) == (1, 16)
    fewer = recipe_from(file, "--nproc", "2", "--tp", "2")
    assert (fewer.nodes, fewer.npus_per_node, fewer.tensor_parallel) == (1, 2, 2)


def test_a_home_of_nobody_is_one_message(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", file, "--data", "~no-such-user/d.jsonl", "--dry-run"]) == 3
    assert "error: data_path: ~no-such-user/d.jsonl begins with the home folder of nobody" in (
        capsys.readouterr().err
    )
    for folder in ("~no-such-user/w", ""):
        with pytest.raises(SystemExit) as caught:
            main(["train", file, "--work-directory", folder, "--dry-run"])
        assert caught.value.code == 2
        assert "argument --work-directory: " in capsys.readouterr().err


@pytest.mark.parametrize(("ranks", "fix"), [("0", "take 8"), ("3", "take 8"), ("12", "take 8")])
def test_ranks_that_make_no_copies_are_refused(file: str, ranks: str, fix: str) -> None:
    with pytest.raises(InputError) as caught:
        recipe_from(file, "--nproc", ranks)
    (problem,) = caught.value.problems
    assert problem.field == "--nproc"
    assert problem.fix.startswith(fix)


def test_the_other_engine_is_refused(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", file, "--set", "engine=ascendspeed"]) == 3
    assert "engine=native" in capsys.readouterr().err


def test_dry_run_shows_torchrun_and_the_job_and_writes_nothing(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = tmp_path / "work"
    assert (
        main(["train", file, "--work-directory", str(work), "--device", "cuda", "--dry-run", "--json"]) == 0
    )
    stages = {stage["name"]: stage for stage in json.loads(capsys.readouterr().out)["stages"]}
    (command,) = stages["train"]["commands"]
    assert command["argv"][:3] == [sys.executable, "-m", "torch.distributed.run"]
    assert "--nproc-per-node=16" in command["argv"]
    assert command["argv"][-2:] == ["train-rank", command["files"][0]["path"]]
    job = json.loads(command["files"][0]["text"])
    assert (job["device"], job["data_parallel"], job["npus_per_node"]) == ("cuda", 2, 16)
    assert job["save_directory"] == str(
        work / "saved_dir_for_output" / "llama2-13b" / "saved_models" / "pretrain" / "local"
    )
    assert not work.exists()
    assert main(["train", file, "--work-directory", str(work), "--dry-run"]) == 0
    assert "torch.distributed.run --standalone" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (FoundModules((3, 11), ("torch",), {}), "the Python library torch is not installed"),
        (FoundModules((3, 11), (), {"torch": "2.1.0"}), "torch is 2.1.0, at least 2.5 is needed"),
    ],
)
def test_a_missing_or_old_library_is_one_message(
    file: str,
    found: FoundModules,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(train_plan, "read_answer", lambda _text: found)
    assert main(["train", file, "--json"]) == 5
    captured = capsys.readouterr()
    assert captured.err.count("error:") == 1
    assert said in captured.err
    assert json.loads(captured.out)["exit_code"] == 5


def test_an_input_that_is_not_there_is_said_before_anything_runs(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(train_plan, "read_answer", lambda _text: FoundModules((3, 11), (), {}))
    assert main(["train", file, "--work-directory", str(tmp_path / "w")]) == 3
    assert "/d/a.jsonl cannot be read" in capsys.readouterr().err
    assert not (tmp_path / "w").exists()


def test_the_beginning_of_token_files_is_answered_with_their_name(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(train_plan, "read_answer", lambda _text: FoundModules((3, 11), (), {}))
    for column in ("labels", "input_ids"):
        (tmp_path / f"a[1]_packed_{column}_document.idx").write_text("")
    assert main(["train", file, "--data", str(tmp_path / "a[1]")]) == 3
    assert f"name one of them: {tmp_path}/a[1]_packed_input_ids_document.idx" in capsys.readouterr().err


@pytest.mark.parametrize("model", load_models(), ids=lambda model: model.name)
def test_every_model_has_a_tiny_form_of_its_family(model) -> None:
    tiny, full = scaled(model.architecture, "tiny"), model.architecture
    kept = ("family", "vocab", "rope_theta", "max_position", "norm_eps", "tie_embeddings", "qkv_bias")
    assert [getattr(tiny, name) for name in kept] == [getattr(full, name) for name in kept]
    assert (tiny.kv_heads < tiny.heads) == (full.kv_heads < full.heads)
    assert tiny.layers % 4 == tiny.heads % 2 == tiny.kv_heads % 2 == 0
