"""Leases, the code package and a run in the guide's container, on machines with real Docker engines."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ascend_package import SOURCES, bundle, llm_package
from container_machines import IMAGE, PROGRAMS, PYTHON, fill, recipe
from machines import SHARED, WORK, Machine, Machines, make_image, start_docker, why_not

from backend.cli.main import main
from backend.fleet.inventory_files import save_inventory
from backend.inventory import Container, Inventory
from backend.recipes.recipe_files import save_recipe

# the work directory under another name than the node's, as in a container that was not made for npudeck
INSIDE = "/home/ma-user/inside"


def _why_not() -> str:
    missing = [tool for tool in ("dockerd", "docker", "git") if not shutil.which(tool)]
    return f"needs {' and '.join(missing)}" if missing else why_not()


pytestmark = [
    pytest.mark.docker,
    pytest.mark.sshd,
    pytest.mark.skipif(bool(_why_not()), reason=_why_not() or "-"),
]

Ask = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    for name in ("torch", "tokenizers", "safetensors"):
        pytest.importorskip(name)
    machines = Machines(tmp_path_factory.mktemp("machines"), 2)
    try:
        machines.boot()
        fill(machines)
        for machine in machines.all:
            start_docker(machine)
        first, second = machines.all
        first.run(f"docker import {image(machines.folder)} {IMAGE}")
        first.run(f"docker save -o {machines.folder}/saved.tar {IMAGE}")
        second.run(f"docker load -i {machines.folder}/saved.tar")
        yield machines
    finally:
        machines.close()


def image(folder: Path) -> Path:
    """Programs of this machine, git too, and the libraries that its Python and torch load."""
    import torch

    names = f"{PROGRAMS} git git-upload-pack".split()
    programs = [found for name in names if (found := shutil.which(name, path="/usr/bin:/bin:/usr/sbin"))]
    extensions = sorted(Path(sys.base_prefix, "lib").glob("python3*/lib-dynload/*.so"))
    libraries = [str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"), *map(str, extensions)]
    return make_image(folder / "image.tar", programs, libraries)


@pytest.fixture
def ask(
    machines: Machines, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Ask]:
    """A fresh container of the user's on each machine, in an empty work directory."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("NPUDECK_INVENTORY", str(machines.folder / "npudeck.toml"))
    inventory(machines)

    def run(*words: str) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        place = words.index("--") if "--" in words else len(words)
        code = main([*words[:place], "--json", *words[place:]])
        return code, json.loads(capsys.readouterr().out)

    for machine in machines.all:
        machine.run(f"chown 1000:1000 {WORK}")
    assert run("containers", "start", "all")[0] == 0
    yield run
    inventory(machines)
    assert run("containers", "stop", "all", "--remove", "--grace", "1", "--force")[0] == 0
    for machine in machines.all:
        machine.run(f"find {WORK} -mindepth 1 -delete")


def inventory(machines: Machines, device: str = "npu", inside: str = WORK) -> None:
    nodes = tuple(machine.node(PYTHON, device) for machine in machines.all)
    save_inventory(
        Inventory("docker", nodes, SHARED, machines.options(), Container("trainer", IMAGE, inside)),
        str(machines.folder / "npudeck.toml"),
    )


def leases(ask: Ask, node: str = "m1") -> list[tuple[str, bool]]:
    code, answer = ask("fleet", "leases", node)
    assert code == 0, answer
    return [(lease["state"], lease["over"]) for lease in answer["nodes"][0]["leases"]]


# ---- leases


def made_anew(machine: Machine) -> None:
    inspect = "docker inspect -f '{{range .Mounts}} -v {{.Source}}:{{.Destination}}{{end}}' trainer"
    mounts = machine.run(inspect).strip()
    machine.run(f"docker rm -f trainer && docker run -itd --net=host --name trainer {mounts} {IMAGE} bash")


ENDS: dict[str, Callable[[Machine], object]] = {
    "restarted": lambda machine: machine.run("docker restart -t 0 trainer"),
    "killed and started": lambda machine: machine.run("docker kill trainer && docker start trainer"),
    "made anew": made_anew,
}


@pytest.mark.parametrize("end", ENDS)
def test_what_was_held_by_hand_ends_with_its_container(machines: Machines, ask: Ask, end: str) -> None:
    """Docker gives the new container the number of the old one's process namespace."""
    assert ask("fleet", "hold", "m1", "--for", "30d")[0] == 0
    assert leases(ask) == [("held", False)]
    ENDS[end](machines.all[0])
    assert leases(ask) == [("restart", True)]
    code, held = ask("fleet", "hold", "m1", "--npus", "0-1")
    assert code == 0
    assert [lease["npu"] for lease in held["nodes"][0]["leases"]] == ["0", "1"]


def long_run(machines: Machines) -> str:
    """A recipe that computes for as long as a test may need."""
    path = str(machines.folder / "long.toml")
    save_recipe(replace(recipe(), nodes=1, train_iterations=100_000, save_interval=50_000), path)
    return path


def until(condition: Callable[[], Any], limit_s: float = 120) -> Any:
    end = time.monotonic() + limit_s
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.2)
    return found


def computing(machine: Machine) -> bool:
    return "node.zip train" in machine.run("docker exec trainer ps -ww -eo args", check=False)


@pytest.mark.parametrize("bastion", ["there", "gone"])
def test_a_run_whose_container_was_restarted_holds_nothing(
    machines: Machines, ask: Ask, bastion: str
) -> None:
    inventory(machines, "cpu")
    first = machines.all[0]
    code, made = ask("launch", long_run(machines), "--nodes", "m1", "--detach")
    assert code == 0, made
    until(lambda: computing(first))
    [lease] = ask("fleet", "leases", "m1")[1]["nodes"][0]["leases"]
    assert (lease["state"], lease["processes"] > 0) == ("held", True)
    assert ask("fleet", "hold", "m1")[0] == 6
    if bastion == "gone":
        os.kill(supervisor(), signal.SIGKILL)
    first.run("docker restart -t 0 trainer")
    if bastion == "gone":
        assert leases(ask) == [("restart", True)]
        code, answer = ask("fleet", "hold", "m1")
        assert (code, [lease["run"][:7] for lease in answer["nodes"][0]["leases"]]) == (0, ["by-hand"])
    else:
        until(lambda: ask("runs", "show", made["run_id"])[1]["state"] == "failed")
        until(lambda: leases(ask) == [])


def supervisor() -> int:
    """The process on the bastion that watches over the run of this test."""
    mine = f"XDG_STATE_HOME={os.environ['XDG_STATE_HOME']}".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes()
                if b"supervis" in words and mine in (entry / "environ").read_bytes().split(b"\0"):
                    return int(entry.name)
            except OSError:
                continue
    raise AssertionError("no supervisor")


# ---- the code package


def package(folder: Path, **changed: str) -> str:
    path = folder / "AscendCloud-LLM-6.3.907.zip"
    path.write_bytes(llm_package(**changed))
    return str(path)


def owners(machine: Machine, *names: str) -> set[str]:
    listed = " ".join(f"{WORK}/{name}" for name in names)
    return set(machine.run(f"find {listed} -printf '%U:%G\\n'").split())


@pytest.mark.parametrize("inside", [WORK, INSIDE])
def test_installed_once_in_the_container_without_a_network(
    machines: Machines, ask: Ask, tmp_path: Path, inside: str
) -> None:
    """The login is root's, the container's user another: what was sent belongs to that one."""
    if inside != WORK:
        assert ask("containers", "stop", "all", "--remove", "--grace", "1")[0] == 0
        inventory(machines, inside=inside)
        assert ask("containers", "start", "all")[0] == 0
    words = ["fleet", "push", "code", package(tmp_path), "--install"]
    code, said = ask(*words)
    assert (code, "install.sh failed" in str(said)) == (4, True), said
    words += ["--bundle", str(bundle(tmp_path / "bundle"))]
    code, said = ask(*words)
    assert code == 0, said
    assert [(part["nodes"], part["installed"]) for part in said["folders"]] == [
        (["m1"], "now"),
        (["m2"], "now"),
    ]
    code, said = ask(*words)
    assert [part["installed"] for part in said["folders"]] == ["before", "before"]
    first, second = machines.all
    # once for the try that failed, once for the one that did not
    assert (first.work / "installs").read_text() == "run\nrun\n"
    settings = (first.work / "llm_train/AscendSpeed/pip-settings").read_text()
    assert settings == f"1 {inside}/.npudeck/bundle/wheels\n"
    assert owners(first, ".npudeck", "llm_train", "llm_inference", "installs") == {"1000:1000"}
    code, compared = ask("fleet", "code")
    assert (code, compared["same"]) == (0, True)
    commits = compared["groups"][0]["commits"]
    assert [len(commits[name]) for name in SOURCES] == [40, 40, 40]
    # somebody's commit on one node, made in its container
    second.run(
        "docker exec -u 1000 trainer git -c user.name=t -c user.email=t@t.invalid "
        f"-C {inside}/llm_train/AscendSpeed/MindSpeed commit -q --allow-empty -m two"
    )
    code, compared = ask("fleet", "code")
    assert (code, compared["same"], len(compared["groups"])) == (1, False, 2)
    # and everything else that works in the container does so afterwards
    assert ask("fleet", "hold", "all")[0] == 0
    assert ask("fleet", "release", "all")[0] == 0


def test_code_that_comes_before_the_container(machines: Machines, ask: Ask, tmp_path: Path) -> None:
    assert ask("containers", "stop", "m1", "--remove", "--grace", "1")[0] == 0
    code, said = ask("fleet", "push", "code", package(tmp_path), "--nodes", "m1")
    assert (code, said["folders"][0]["owner"]) == (0, None)
    code, said = ask("fleet", "push", "code", package(tmp_path), "--nodes", "m1", "--install")
    assert code == 4
    [problem] = said["folders"][0]["problems"]
    assert "no command runs in the container trainer" in problem["what"]
    assert "containers start" in problem["fix"]
    assert ask("containers", "start", "m1")[0] == 0
    assert owners(machines.all[0], ".npudeck", "llm_train") == {"0:0"}
    code, said = ask("fleet", "push", "code", package(tmp_path), "--nodes", "m1")
    assert (code, said["folders"][0]["owner"]) == (0, "1000:1000")
    assert owners(machines.all[0], ".npudeck", "llm_train") == {"1000:1000"}


# ---- a run


def test_from_bare_nodes_to_a_checkpoint(machines: Machines, ask: Ask) -> None:
    """`check --fix` starts the guide's container with its NPUs on both nodes, and two nodes train in it."""
    assert ask("containers", "stop", "all", "--remove", "--grace", "1")[0] == 0
    for machine in machines.all:
        machine.run(f"chown 0:0 {WORK}")
    words = ["check", str(machines.folder / "recipe.toml"), "--nodes", "m1,m2"]
    assert ask(*words)[0] == 1
    code, report = ask(*words, "--fix", "--yes")
    assert code == 0, [found for found in report["findings"] if found["state"] not in ("ok", "skipped")]
    repairs = {(each["item"], each["node"]) for each in report["repairs"]}
    assert repairs == {(item, node) for item in ("container", "owner") for node in ("m1", "m2")}
    for machine in machines.all:
        assert machine.run("docker exec trainer sh -c 'echo /dev/davinci[0-9]'").split() == [
            "/dev/davinci0",
            "/dev/davinci1",
        ]
    # there is nothing to compute on in these NPUs
    inventory(machines, "cpu")
    assert ask(*words)[0] == 0
    code, made = ask("launch", str(machines.folder / "recipe.toml"), "--nodes", "m1,m2", "--detach")
    assert code == 0, made
    seen: dict[str, set[str]] = {machine.name: set() for machine in machines.all}

    def ended() -> dict[str, Any] | None:
        for machine in machines.all:
            inside = machine.run("docker exec trainer ps -ww -eo user,args")
            seen[machine.name] |= {
                line.split()[0] for line in inside.splitlines() if "node.zip train" in line
            }
        run = ask("runs", "show", made["run_id"])[1]
        return run if run["state"] in ("finished", "failed", "stopped") else None

    run = until(ended, 300)
    assert run["state"] == "finished", run["reason"]
    assert seen == {"m1": {"ma-user"}, "m2": {"ma-user"}}
    assert [one["iteration"] for one in run["iteration_log"]] == [1, 2, 3, 4]
    saved = list((machines.shared / "saved_dir_for_output").rglob("latest_checkpointed_iteration.txt"))
    assert [(path.read_text().strip(), path.stat().st_uid) for path in saved] == [("4", 1000)]
    assert leases(ask, "m1") == leases(ask, "m2") == []


# ---- the container itself


def test_a_container_with_more_npus_than_asked_for_is_not_well(machines: Machines, ask: Ask) -> None:
    code, started = ask("containers", "start", "m1", "--npus", "4")
    assert (code, started["nodes"][0]["well"]) == (1, False)
    assert "it has NPU 4,5,6,7 too" in started["nodes"][0]["faults"][0]
    assert ask("containers", "status", "m1", "--npus", "4")[0] == 1
    # as many as the inventory says, or as a run may leave alone
    assert ask("containers", "status", "m1")[0] == 0
    assert ask("containers", "stop", "m1", "--remove", "--grace", "1")[0] == 0
    assert ask("containers", "start", "m1", "--npus", "4")[0] == 0


def test_only_what_will_be_done_is_shown(
    machines: Machines, ask: Ask, capsys: pytest.CaptureFixture[str]
) -> None:
    def shown(*words: str) -> list[str]:
        capsys.readouterr()
        assert main(["containers", *words]) == 0
        return capsys.readouterr().err.splitlines()

    machines.all[0].run("docker stop -t 0 trainer")
    words = ["stop", "all", "--remove", "--grace", "1"]
    commands = ["on m2: docker stop -t 1 trainer", "on m[1-2]: docker rm trainer"]
    assert shown(*words, "--dry-run") == commands
    assert shown("stop", "m1") == []
    assert shown(*words) == commands
    assert shown(*words) == []


def test_a_container_that_is_paused_is_not_well(machines: Machines, ask: Ask) -> None:
    first = machines.all[0]
    first.run("docker pause trainer")
    try:
        code, shown = ask("containers", "status", "m1")
        leases_code, leases_said = ask("fleet", "leases", "m1")
    finally:
        first.run("docker unpause trainer")
    assert (code, shown["nodes"][0]["faults"]) == (1, ["it is paused: docker unpause trainer"])
    assert leases_code == 4
    assert "is paused" in leases_said["nodes"][0]["problems"][0]["what"]


def test_why_a_container_is_not_stopped(
    machines: Machines, ask: Ask, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask("fleet", "hold", "m1", "--as", "ann", "--reason", "soldering")[0] == 0
    capsys.readouterr()
    assert main(["containers", "stop", "m1"]) == 6
    out = capsys.readouterr().out
    assert "holds m1 by hand: soldering" in out
    assert "m1: ask them, or give back what is yours; --force stops the container all the same" in out
