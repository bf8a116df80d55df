"""Every item of `npudeck check` on real machines: well on all, and wrong where something is broken."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from machines import SHARED, WORK, Machine, Machines, why_not

from backend.catalog.model import Architecture
from backend.cli.main import main
from backend.demo.demo_model import ARCHITECTURE, write_model, write_tokenizer
from backend.fleet.inventory_files import save_inventory
from backend.inventory import Inventory
from backend.recipes.fields import Recipe
from backend.recipes.recipe_files import save_recipe

ROOT = Path(__file__).resolve().parents[2]
PYTHON = "/usr/local/bin/python-of-the-nodes"
MODEL = f"{SHARED}/models/tiny"
PORT = "23456"
LIMITS = ("nofile", "memlock")

pytestmark = [pytest.mark.sshd, pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")]


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    for name in ("torch", "tokenizers", "safetensors"):
        pytest.importorskip(name)
    machines = Machines(tmp_path_factory.mktemp("machines"), 2)
    try:
        machines.boot()
        (machines.folder / "modules").mkdir()
        # stands in for Ascend's back end of torch, which needs a driver
        (machines.folder / "modules" / "torch_npu.py").write_text("")
        for machine in machines.all:
            give_python(machine, machines.folder / "modules")
        fill(machines)
        yield machines
    finally:
        machines.close()


def give_python(machine: Machine, modules: Path | str) -> None:
    text = f'#!/bin/sh\nPYTHONPATH={modules}\nexport PYTHONPATH\nexec {sys.executable} "$@"\n'
    (machine.folder / "python").write_text(text)
    machine.run(f"cp {machine.folder}/python {PYTHON} && chmod 755 {PYTHON}")


def fill(machines: Machines) -> None:
    """Data, weights, recipes and the inventory."""
    model = machines.shared / "models" / "tiny"
    model.mkdir(parents=True)
    write_tokenizer(["a text of some words"] * 20, model)
    write_model(model)
    (machines.shared / "data.jsonl").write_text('{"text": "some words"}\n' * 50)
    write_recipe(machines, "recipe.toml", ARCHITECTURE)
    big = Architecture("llama2", 80, 8192, 64, 8, 128, 28672, 32000, 1e4, 4096, 1e-5)
    write_recipe(machines, "big.toml", big)
    inventory(machines)


def write_recipe(machines: Machines, name: str, architecture: Architecture) -> None:
    recipe = Recipe(
        model="tiny",
        run_type="pretrain",
        data_path=f"{SHARED}/data.jsonl",
        hf_weights=MODEL,
        tensor_parallel=2,
        nodes=2,
        npus_per_node=8,
        micro_batch_size=1,
        global_batch_size=8,
        seq_length=64,
        max_position_embeddings=256,
        train_iterations=10,
        save_interval=5,
        architecture=architecture,
    )
    save_recipe(recipe, str(machines.folder / name))


def inventory(machines: Machines, **changes: Any) -> str:
    nodes = tuple(replace(machine.node(PYTHON), **changes) for machine in machines.all)
    path = str(machines.folder / "npudeck.toml")
    save_inventory(Inventory("machines", nodes, SHARED, machines.options()), path)
    return path


Check = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def check(
    machines: Machines, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Check:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def run(*words: str, recipe: str = "recipe.toml") -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        file = str(machines.folder / recipe)
        where = ["-i", str(machines.folder / "npudeck.toml"), "--nodes", "m1,m2", "--port", PORT]
        code = main(["check", file, *where, "--json", *words])
        return code, json.loads(capsys.readouterr().out)

    return run


def states(report: dict[str, Any]) -> dict[tuple[str, str], str]:
    return {(found["item"], found["node"]): found["state"] for found in report["findings"]}


def bad(report: dict[str, Any]) -> dict[tuple[str, str], str]:
    return {place: state for place, state in states(report).items() if state not in ("ok", "skipped")}


def said(report: dict[str, Any], item: str, node: str) -> str:
    (found,) = [one for one in report["findings"] if (one["item"], one["node"]) == (item, node)]
    return str(found["found"])


def test_two_machines_are_ready(machines: Machines, check: Check) -> None:
    code, report = check()
    assert (code, bad(report)) == (0, {}), report
    asked = {item for item, _node in states(report)}
    assert asked == {
        "ssh", "npus", "free_npus", "leases", "stale_processes", "driver", "cann", "python", "tools", "shm",
        "limits", "work_directory", "owner", "work_disk", "shared_directory", "shared", "data", "tokenizer",
        "weights", "checkpoint_disk", "roce_ip", "tls", "clock", "master_port", "reach",
    }  # fmt: skip
    assert report["took_s"] < 20
    # nothing is left behind
    assert sorted(path.name for path in machines.shared.iterdir()) == ["data.jsonl", "models"]
    assert not any(list(machine.work.iterdir()) for machine in machines.all)


BREAKAGES: dict[str, tuple[str, str]] = {
    # item: how m2 is broken, and put right
    "driver": (
        "sed -i s/23.0.5/23.0.6/ /usr/local/Ascend/driver/version.info",
        "sed -i s/23.0.6/23.0.5/ /usr/local/Ascend/driver/version.info",
    ),
    "cann": (
        "sed -i s/RC2/RC3/ /usr/local/Ascend/ascend-toolkit/latest/*/ascend_toolkit_install.info",
        "sed -i s/RC3/RC2/ /usr/local/Ascend/ascend-toolkit/latest/*/ascend_toolkit_install.info",
    ),
    "shm": ("mount -o remount,size=1g /dev/shm", "mount -o remount,size=200g /dev/shm"),
    "owner": (f"mkdir {WORK}/a && chown 4242 {WORK}/a", f"rm -r {WORK}/a"),
    "work_disk": (f"mount -t tmpfs -o size=1m full {WORK}", f"umount {WORK}"),
    "shared": (f"umount {SHARED}", f"mount --bind $SHARED_OUTSIDE {SHARED}"),
    # not executable, so none
    "tools": ("mount --bind /etc/passwd /usr/bin/sha256sum", "umount /usr/bin/sha256sum"),
    "tls": ("printf 1 >/etc/test-tls", "printf 0 >/etc/test-tls"),
    "reach": ("ip route add blackhole $FIRST/32", "ip route del blackhole $FIRST/32"),
}
# nobody knows which of two is right
BOTH = ("driver", "cann", "tls")


@pytest.mark.parametrize("item", BREAKAGES)
def test_what_is_broken_on_one_machine_is_found_there(machines: Machines, check: Check, item: str) -> None:
    first, second = machines.all
    broken, mended = (
        line.replace("$FIRST", first.address).replace("$SHARED_OUTSIDE", str(machines.shared))
        for line in BREAKAGES[item]
    )
    second.run(broken)
    try:
        code, report = check()
    finally:
        second.run(mended)
    expected = {(item, "m2"), *([(item, "m1")] if item in BOTH else [])}
    assert set(bad(report)) == expected, report
    assert code == (0 if set(bad(report).values()) == {"warning"} else 1)
    assert [found["fix"] or found["command"] for found in report["findings"] if found["item"] == item]
    assert bad(check()[1]) == {}


def test_a_recipe_for_other_machines_than_are_named(machines: Machines, check: Check) -> None:
    code, report = check("--nodes", "m1")
    assert code == 1
    (found,) = [one for one in report["findings"] if one["item"] == "plan"]
    assert (found["state"], found["fix"]) == ("wrong", "choose 2 nodes, or change the layout")
    assert "takes 2 nodes, 1 are chosen" in json.dumps(found)
    # what can be asked is asked all the same
    assert states(report)["npus", "m1"] == "ok"


def test_a_machine_that_is_off_is_not_reached(machines: Machines, check: Check) -> None:
    second = machines.all[1]
    second.run(f"ip address del {second.address}/24 dev eth0")
    try:
        code, report = check()
    finally:
        second.run(f"ip address add {second.address}/24 dev eth0")
        gateway = second._gateway
        second.run(f"ip route replace default via {gateway}")
    assert code == 4
    assert states(report)["ssh", "m2"] == "unknown"
    assert {state for (item, node), state in states(report).items() if node == "m2" and item != "ssh"} == {
        "skipped"
    }
    assert states(report)["npus", "m1"] == "ok"


def test_npus_that_are_missing_or_taken(machines: Machines, check: Check) -> None:
    second = machines.all[1]
    second.show_npus(count=7)
    code, report = check()
    assert (code, set(bad(report))) == (1, {("npus", "m2")})
    second.show_npus(busy=3)
    code, report = check()
    assert (code, set(bad(report))) == (1, {("free_npus", "m2")})
    assert said(report, "free_npus", "m2") == "process 4711 (python) is on NPU 3"
    second.tool("npu-smi", "exit 187")
    code, report = check()
    assert states(report)["npus", "m2"] == "wrong"
    assert "-8005" in said(report, "npus", "m2")
    second.run("rm /usr/local/sbin/hccn_tool /usr/local/sbin/npu-smi")
    code, report = check()
    assert said(report, "roce_ip", "m2") == "hccn_tool is not found"
    assert said(report, "npus", "m2") == "npu-smi: not found"
    second._furnish()
    assert check()[0] == 0


def test_two_npus_with_one_address(machines: Machines, check: Check) -> None:
    first, second = machines.all
    text = second.run("cat /usr/local/sbin/hccn_tool")
    number = second.address.rpartition(".")[2]
    second.tool("hccn_tool", text.replace(f"10.20.{number}.", f"10.20.{first.address.rpartition('.')[2]}."))
    code, report = check()
    second.tool("hccn_tool", 'case $3 in -tls) echo "dev_id:$2, tls switch[0](0:disable)" ;; esac')
    bare = check()[1]
    second._furnish()
    assert (code, set(bad(report))) == (1, {("roce_ip", "m2")})
    assert "is also that of an NPU of m1" in said(report, "roce_ip", "m2")
    assert said(bare, "roce_ip", "m2") == "NPU 0,1,2,3,4,5,6,7 has no address"


def test_training_from_before_is_found(machines: Machines, check: Check) -> None:
    second = machines.all[1]
    (second.work / "pretrain_gpt.py").write_text("import time\ntime.sleep(60)\n")
    left = second.background("/usr/bin/python3", f"{WORK}/pretrain_gpt.py")
    try:
        time.sleep(0.5)
        code, report = check()
        assert (code, set(bad(report))) == (1, {("stale_processes", "m2")})
        assert "pretrain_gpt.py" in said(report, "stale_processes", "m2")
        (found,) = [one for one in report["findings"] if one["state"] == "wrong"]
        assert found["safe"] is False
        # ending a process is never done by --fix
        code, report = check("--fix", "--yes")
        assert (code, report["repairs"], left.poll()) == (1, [], None)
    finally:
        left.kill()
        second.run("pkill -f pretrain_gpt.py; rm pretrain_gpt.py 2>/dev/null", check=False)
        (second.work / "pretrain_gpt.py").unlink()
        left.wait()


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


def test_limits_of_a_login(machines: Machines, check: Check) -> None:
    second = machines.all[1]
    pid = second.run("pgrep -o sshd").strip()
    before = [second.run(f"prlimit --pid {pid} --{name} -o SOFT --noheadings").strip() for name in LIMITS]
    second.run(f"prlimit --pid {pid} --nofile=256: --memlock=65536:")
    code, report = check()
    second.run(f"prlimit --pid {pid} --nofile={before[0]}: --memlock={before[1]}:")
    assert (code, bad(report)) == (0, {("limits", "m2"): "warning"})
    assert said(report, "limits", "m2") == "open files 256, locked memory 64"


def test_a_clock_that_goes_wrong(machines: Machines, check: Check) -> None:
    second = machines.all[1]
    # the machines share one clock: what tells the time is replaced
    (second.folder / "bin" / "date").write_text('#!/bin/sh\nexec /bin/date -d "+7 seconds" "$@"\n')
    (second.folder / "bin" / "date").chmod(0o755)
    code, report = check()
    (second.folder / "bin" / "date").unlink()
    assert code == 1
    # of two nobody knows which is right
    assert set(bad(report)) == {("clock", "m1"), ("clock", "m2")}
    assert said(report, "clock", "m2") == "+3.5 s"


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
    assert said(lacking, "weights", "m1") == f"{MODEL} lacks model-2.safetensors"
    assert check()[0] == 0


def test_no_room_for_the_checkpoints(check: Check) -> None:
    code, report = check(recipe="big.toml")
    assert (code, set(bad(report))) == (1, {("checkpoint_disk", "m1")})
    (found,) = [one for one in report["findings"] if one["item"] == "checkpoint_disk"]
    # 69 billion parameters, 14 bytes each, and the converted weights
    assert "3 × 14 bytes × 69.0G parameters + 1 × 2 × 69.0G of converted weights" in found["needed"]


def test_a_shared_directory_that_is_not_mounted(machines: Machines, check: Check) -> None:
    second = machines.all[1]
    second.run(f"umount {SHARED} && rmdir {SHARED}")
    code, report = check()
    second.run(f"mkdir {SHARED} && mount --bind {machines.shared} {SHARED}")
    assert (code, set(bad(report))) == (1, {("shared_directory", "m2"), ("shared", "m2")})
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


def test_the_port_and_the_address_where_ranks_meet(machines: Machines, check: Check) -> None:
    first = machines.all[0]
    taken = first.background(
        "/usr/bin/python3", "-c",
        f"import socket, time; s = socket.create_server(('', {PORT})); time.sleep(60)",
    )  # fmt: skip
    try:
        time.sleep(0.5)
        code, report = check()
        assert (code, set(bad(report))) == (1, {("master_port", "m1")})
        assert f"port {PORT} is taken" in said(report, "master_port", "m1")
    finally:
        first.run("pkill -f create_server", check=False)
        taken.wait()
    inventory(machines, address="192.0.2.77")
    code, report = check()
    inventory(machines)
    assert set(bad(report)) == {("master_port", "m1")}
    assert "192.0.2.77 is no address of this node" in said(report, "master_port", "m1")


def test_an_address_that_means_another_machine_is_not_taken_for_the_first(
    machines: Machines, check: Check
) -> None:
    """A real service at the same address and port, on the machine that calls."""
    first, second = machines.all
    second.run(f"ip address add {first.address}/32 dev lo")
    other = second.background(
        "/usr/bin/python3", "-c",
        f"import socket; s = socket.create_server(('', {PORT}))\nwhile True: s.accept()[0].send(b'hello\\n')",
    )  # fmt: skip
    try:
        time.sleep(0.5)
        code, report = check()
    finally:
        second.run("pkill -f create_server", check=False)
        second.run(f"ip address del {first.address}/32 dev lo")
        other.wait()
    assert (code, set(bad(report))) == (1, {("reach", "m2")})
    assert "somebody else answers" in said(report, "reach", "m2")


def test_fix_shows_asks_and_puts_right(machines: Machines, check: Check) -> None:
    second = machines.all[1]
    second.run(f"umount {WORK} && rmdir {WORK}")
    try:
        code, report = check("--fix")
        assert (code, report["repairs"]) == (1, [])  # nobody can be asked
        code, report = check("--fix", "--yes")
        assert (code, bad(report)) == (0, {})
        (repair,) = report["repairs"]
        assert (repair["node"], repair["command"], repair["ok"]) == ("m2", ["mkdir", "-p", "--", WORK], True)
    finally:
        second.run(f"mkdir -p {WORK} && mount --bind {second.work} {WORK}")


def test_fix_takes_back_what_root_unpacked(machines: Machines, check: Check) -> None:
    second, outside = machines.all[1], machines.folder / "outside"
    outside.write_text("")
    second.run(f"mkdir {WORK}/code && touch {WORK}/code/a && chown -R 4242 {WORK}/code")
    second.run(f"ln -s {outside} {WORK}/code/link && chown -h 4242 {WORK}/code/link {outside}")
    code, report = check("--fix", "--yes")
    assert (code, bad(report)) == (0, {})
    assert (second.work / "code" / "a").stat().st_uid == 0
    # where a link leads is not touched
    assert outside.stat().st_uid == 4242
    second.run(f"rm -r {WORK}/code")


def test_a_terminal_is_asked_before_anything_is_changed(
    machines: Machines, check: Check, tmp_path: Path
) -> None:
    second = machines.all[1]
    second.run(f"mkdir {WORK}/mine && chown 4242 {WORK}/mine")
    try:
        assert "run this command? [y/N]" in on_a_terminal(machines, tmp_path, b"n\n")
        assert (second.work / "mine").stat().st_uid == 4242
        shown = on_a_terminal(machines, tmp_path, b"y\n")
        assert "on m2: sh -c 'find" in shown
        assert (second.work / "mine").stat().st_uid == 0
    finally:
        second.run(f"rm -r {WORK}/mine")


def on_a_terminal(machines: Machines, tmp_path: Path, answer: bytes) -> str:
    ours, theirs = pty.openpty()
    argv = [sys.executable, "-P", "-m", "backend.cli", "-i", str(machines.folder / "npudeck.toml"), "check"]
    environment = {
        **os.environ,
        "XDG_STATE_HOME": str(tmp_path / "s"),
        "PYTHONPATH": str(ROOT),
        "TERM": "dumb",
    }
    words = [str(machines.folder / "recipe.toml"), "--nodes", "m1,m2", "--fix"]
    process = subprocess.Popen(
        [*argv, *words], stdin=theirs, stdout=theirs, stderr=theirs, env=environment, cwd="/"
    )
    os.close(theirs)
    said = b""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            said += os.read(ours, 65536)
        except OSError:
            break
        if said.rstrip().endswith(b"[y/N]"):
            os.write(ours, answer)
    process.wait(30)
    os.close(ours)
    return said.decode()


def test_the_table_folds_equal_answers(
    machines: Machines, check: Check, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["check", "-i", str(machines.folder / "npudeck.toml"), "--port", PORT]
    machines.all[1].show_npus(count=7)
    code = main([*words, str(machines.folder / "recipe.toml"), "--nodes", "m[1-2]"])
    machines.all[1].show_npus()
    out = capsys.readouterr().out
    assert code == 1
    rows = [line.split(None, 3) for line in out.splitlines()]
    assert ["ssh", "ok", "m[1-2]", "logged in as root"] in rows
    assert ["npus", "wrong", "m2", "7 NPUs"] in rows
    assert "  needed: 8 NPUs" in out.splitlines()


def test_yes_without_fix_makes_no_sense(check: Check) -> None:
    assert check("--yes")[0] == 2


@pytest.mark.parametrize("port", ["0", "65536"])
def test_a_port_that_is_none(check: Check, port: str) -> None:
    with contextlib.suppress(SystemExit):
        assert check("--port", port)[0] == 2


def test_another_login_user_repairs_with_sudo(machines: Machines, check: Check) -> None:
    second = machines.all[1]
    second.run("echo 'ops:x:4242:4242::/tmp:/bin/sh' >>/etc/passwd && echo 'ops:*:1::::::' >>/etc/shadow")
    second.run(f"mkdir {WORK}/of-root && chown 4242 {WORK}")
    inventory(machines, user="ops")
    machines.all[0].run("echo 'ops:x:0:0::/root:/bin/sh' >>/etc/passwd && echo 'ops:*:1::::::' >>/etc/shadow")
    try:
        code, report = check("--fix", "--yes")
    finally:
        inventory(machines)
        for machine in machines.all:
            machine.run("sed -i /^ops:/d /etc/passwd /etc/shadow")
        second.run(f"chown 0 {WORK}; rmdir {WORK}/of-root")
    assert code == 1
    (repair,) = report["repairs"]
    assert (repair["item"], repair["command"][:5]) == (
        "owner",
        ["sudo", "-n", "sh", "-c", repair["command"][4]],
    )
    # nobody allowed this user anything: said, and the item stays wrong
    assert repair["ok"] is False
    assert bad(report)["owner", "m2"] == "wrong"


def test_without_a_container_the_commands_mean_the_nodes(
    machines: Machines, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["-i", str(machines.folder / "npudeck.toml"), "--json"]
    for words in (["status"], ["start", "all"], ["stop", "all"]):
        assert main(["containers", *words, *where]) == 0
        said = capsys.readouterr()
        assert json.loads(said.out)["container"] is None
        assert "names no container" in said.err
    assert main(["containers", "exec", "m[1-2]", *where, "--", "sh", "-c", "echo $DOCKER_HOST"]) == 0
    assert "docker.sock" in capsys.readouterr().out


def test_eight_machines_are_asked_at_the_same_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "m").mkdir()
    machines = Machines(tmp_path / "m", 8)
    try:
        machines.boot()
        nodes = tuple(machine.node() for machine in machines.all)
        file = str(tmp_path / "npudeck.toml")
        save_inventory(Inventory("eight", nodes, SHARED, machines.options()), file)
        code = main(["check", "-i", file, "--json"])
    finally:
        machines.close()
    report = json.loads(capsys.readouterr().out)
    assert (code, bad(report)) == (0, {})
    assert report["took_s"] < 20
