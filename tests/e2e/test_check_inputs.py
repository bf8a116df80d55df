"""`npudeck check` of what a run needs on real machines: Python, data, weights, room, the guide's code."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from machines import SHARED, WORK, Machines, why_not
from ready_machines import (
    MODEL,
    PYTHON,
    Check,
    bad,
    give_python,
    said,
    states,
)

from backend.recipes.fields import Recipe
from backend.recipes.recipe_files import save_recipe

pytestmark = [pytest.mark.sshd, pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")]


def test_a_python_without_what_the_engine_needs(machines: Machines, check: Check) -> None:
    second = machines.all[1]
    give_python(second, "/nowhere")
    code, report = check()
    second.run(f"rm {PYTHON}")
    gone = check()[1]
    give_python(second, machines.folder / "modules")
    assert (code, set(bad(report))) == (1, {("python", "m2")})
    assert said(report, "python", "m2").endswith("lacks torch_npu")
    assert "does not run" in said(gone, "python", "m2")


def test_an_old_torch_is_named_with_the_version_that_is_needed(machines: Machines, check: Check) -> None:
    old = machines.folder / "old"
    (old / "torch").mkdir(parents=True)
    (old / "torch" / "__init__.py").write_text("")
    (old / "torch-2.1.0.dist-info").mkdir()
    (old / "torch-2.1.0.dist-info" / "METADATA").write_text("Name: torch\nVersion: 2.1.0\n")
    shutil.copy(machines.folder / "modules" / "torch_npu.py", old)
    give_python(machines.all[1], old)
    report = check()[1]
    give_python(machines.all[1], machines.folder / "modules")
    assert said(report, "python", "m2") == "torch is 2.1.0, at least 2.5 is needed"


@pytest.mark.parametrize(
    ("item", "broken", "words"),
    [
        ("data", "data.jsonl", "cannot be read"),
        ("weights", "models/tiny/model.safetensors", "no weights"),
        ("weights", "models/tiny/config.json", "no config.json"),
        ("tokenizer", "models/tiny/tokenizer.json", "has none of"),
        ("tokenizer", "models/tiny/tokenizer_config.json", "no tokenizer_config.json"),
    ],
)
def test_inputs_that_are_missing(
    machines: Machines, check: Check, item: str, broken: str, words: str
) -> None:
    path = machines.shared / broken
    aside = path.with_name("aside")
    path.rename(aside)
    try:
        _code, report = check()
    finally:
        aside.rename(path)
    assert set(bad(report)) == {(item, "m1")}
    assert words in said(report, item, "m1") or "is not there" in said(report, item, "m1")


def test_weights_that_were_cut_short_or_lack_a_shard(machines: Machines, check: Check) -> None:
    model = machines.shared / "models" / "tiny"
    whole = (model / "model.safetensors").read_bytes()
    (model / "model.safetensors").write_bytes(whole[:-1])
    cut = check()[1]
    (model / "model.safetensors").write_bytes(whole)
    index = {"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}
    (model / "model.safetensors.index.json").write_text(json.dumps(index))
    lacking = check()[1]
    (model / "model.safetensors.index.json").unlink()
    assert said(cut, "weights", "m1") == f"{MODEL}: cut short: model.safetensors"
    assert set(bad(cut)) == set(bad(lacking)) == {("weights", "m1")}
    assert said(lacking, "weights", "m1") == f"{MODEL} lacks model-2.safetensors"
    assert check()[0] == 0


def test_no_room_for_the_checkpoints(check: Check) -> None:
    code, report = check(recipe="big.toml")
    assert (code, set(bad(report))) == (1, {("checkpoint_disk", "m1")})
    (found,) = [one for one in report["findings"] if one["item"] == "checkpoint_disk"]
    # 69 billion parameters, 14 bytes each, and the converted weights
    assert "3 × 14 bytes × 69.0G parameters + 1 × 2 × 69.0G of converted weights" in found["needed"]


def test_how_fast_checkpoints_are_written_is_tried_only_when_asked_for(
    machines: Machines, check: Check
) -> None:
    assert ("write_speed", "m1") not in states(check()[1])
    before = sorted(machines.shared.rglob("*"))
    code, report = check("--deep")
    assert (code, states(report)["write_speed", "m1"]) == (0, "ok")
    assert " from m1: a checkpoint of " in said(report, "write_speed", "m1")
    assert sorted(machines.shared.rglob("*")) == before


def test_a_shared_directory_that_is_not_mounted(machines: Machines, check: Check) -> None:
    second = machines.all[1]
    second.run(f"umount {SHARED} && rmdir {SHARED}")
    code, report = check()
    second.run(f"mkdir {SHARED} && mount --bind {machines.shared} {SHARED}")
    assert (code, set(bad(report))) == (1, {("shared_directory", "m2"), ("shared", "m2")})
    assert states(report)["shared", "m1"] == "ok"
    machines.shared.chmod(0o555)
    second.run(f"mount -o remount,ro,bind {SHARED}")
    code, report = check()
    second.run(f"mount -o remount,rw,bind {SHARED}")
    machines.shared.chmod(0o755)
    assert (code, set(bad(report))) == (1, {("shared_directory", "m2")})
    assert "cannot be written" in said(report, "shared_directory", "m2")


def test_the_guides_code_in_its_layout(machines: Machines, check: Check) -> None:
    write_guide_recipe(machines)
    second = machines.all[1]
    for machine in machines.all:
        code_tree(machine.work / "llm_train" / "AscendSpeed")
    try:
        # 7 billion parameters: whether there is room for them is another question
        report = check(recipe="guide.toml")[1]
        assert (states(report)["code", "m1"], states(report)["code", "m2"]) == ("ok", "ok")
        assert "ModelLink" in said(report, "code", "m1")
        commit = "cd $0 && git commit -q --allow-empty -m later"
        subprocess.run(["sh", "-c", commit, str(second.work / CODE / "MindSpeed")], check=True, env=GIT)
        code, report = check(recipe="guide.toml")
        assert code == 1
        assert {place for place in bad(report) if place[0] == "code"} == {("code", "m1"), ("code", "m2")}
        shutil.rmtree(second.work / CODE / "ModelLink")
        report = check(recipe="guide.toml")[1]
        assert said(report, "code", "m2") == "it lacks ModelLink, ModelLink/megatron"
        shutil.rmtree(second.work / "llm_train")
        report = check(recipe="guide.toml")[1]
        assert said(report, "code", "m2") == f"{WORK}/{CODE} is not there"
    finally:
        for machine in machines.all:
            shutil.rmtree(machine.work / "llm_train", ignore_errors=True)


def test_gloo_listens_on_what_the_host_name_means(machines: Machines, check: Check) -> None:
    """Under the guide's scripts; the native engine tells it the interface."""
    write_guide_recipe(machines)
    second = machines.all[1]
    second.run("cp /etc/hosts /etc/hosts.before && hostname second")
    try:
        second.run("echo 127.0.1.1 second >/etc/hosts")
        loopback, native = check(recipe="guide.toml")[1], check()[1]
        second.run(f"echo {second.address} second >/etc/hosts")
        right = check(recipe="guide.toml")[1]
    finally:
        second.run("cat /etc/hosts.before >/etc/hosts && rm /etc/hosts.before")
    assert states(loopback)["address", "m2"] == "warning"
    assert said(loopback, "address", "m2") == "second means 127.0.1.1 here: gloo would listen there"
    assert (states(right)["address", "m2"], states(native)["address", "m2"]) == ("ok", "ok")


CODE = "llm_train/AscendSpeed"


GIT = {
    **os.environ,
    **{f"GIT_{who}_{what}": "t@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    **{f"GIT_{who}_DATE": "2024-09-01T00:00:00Z" for who in ("AUTHOR", "COMMITTER")},
}


def code_tree(root: Path) -> None:
    for file in ("scripts/install.sh", "scripts/dev_pipeline.sh", "scripts/llama2/0_pl_pretrain_7b.sh"):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text("")
    for folder in ("ascendcloud_patch", "src", "Megatron-LM", "MindSpeed", "ModelLink/megatron"):
        (root / folder).mkdir(parents=True)
    for source in ("Megatron-LM", "MindSpeed", "ModelLink"):
        commit = "cd $0 && git init -q && git commit -q --allow-empty -m first"
        subprocess.run(["sh", "-c", commit, str(root / source)], check=True, env=GIT)


def write_guide_recipe(machines: Machines) -> None:
    recipe = Recipe(
        model="llama2-7b",
        run_type="pretrain",
        engine="ascendspeed",
        data_path=f"{SHARED}/data.jsonl",
        hf_weights=MODEL,
        tensor_parallel=1,
        pipeline_parallel=4,
        nodes=2,
        global_batch_size=8,
        samples=80,
        epochs=1,
        save_interval=5,
        keep_last=1,
    )
    save_recipe(recipe, str(machines.folder / "guide.toml"))
