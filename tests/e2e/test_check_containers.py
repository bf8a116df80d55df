"""The guide's container on machines with real Docker engines: started by `check --fix`, a run inside it."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from container_machines import IMAGE, fill, image_tar, inventory
from machines import SHARED, WORK, Machine, Machines, start_docker, why_not

from backend.cli.main import main

OTHER = "registry.example/other:test"
CONTAINER_ITEMS = {"docker", "ip_forward", "image", "container", "bound_npus", "npus_inside", "shared_inside"}


def _why_not() -> str:
    missing = [tool for tool in ("dockerd", "docker") if not shutil.which(tool)]
    return f"needs {' and '.join(missing)}" if missing else why_not()


pytestmark = [
    pytest.mark.docker,
    pytest.mark.sshd,
    pytest.mark.skipif(bool(_why_not()), reason=_why_not() or "-"),
]


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    for name in ("torch", "tokenizers", "safetensors"):
        pytest.importorskip(name)
    machines = Machines(tmp_path_factory.mktemp("machines"), 2)
    try:
        machines.boot()
        fill(machines)
        first, second = machines.all
        for machine in machines.all:
            start_docker(machine)
        # imported once: a second import would be another image
        first.run(f"docker import {image_tar(machines.folder)} {IMAGE}")
        first.run(f"docker save -o {machines.folder}/saved.tar {IMAGE}")
        second.run(f"docker load -i {machines.folder}/saved.tar")
        yield machines
    finally:
        machines.close()


Ask = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def ask(
    machines: Machines, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Ask:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("NPUDECK_INVENTORY", str(machines.folder / "npudeck.toml"))

    def run(*words: str) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        place = words.index("--") if "--" in words else len(words)
        code = main([*words[:place], "--json", *words[place:]])
        return code, json.loads(capsys.readouterr().out)

    return run


@pytest.fixture
def check(ask: Ask, machines: Machines) -> Ask:
    return lambda *words: ask("check", str(machines.folder / "recipe.toml"), "--nodes", "m1,m2", *words)


def bad(report: dict[str, Any]) -> dict[tuple[str, str], str]:
    """What is not well: its state and what was found."""
    return {
        (found["item"], found["node"]): f"{found['state']}: {found['found']}"
        for found in report["findings"]
        if found["state"] not in ("ok", "skipped")
    }


def said(report: dict[str, Any], item: str, node: str) -> str:
    (found,) = [one for one in report["findings"] if (one["item"], one["node"]) == (item, node)]
    return str(found["found"])


def running(machine: Machine) -> str:
    return machine.run("docker ps --format '{{.Names}}'").strip()


def test_fix_starts_the_guides_container_and_everything_is_green(machines: Machines, check: Ask) -> None:
    code, report = check()
    assert code == 1
    assert set(bad(report)) == {("container", "m1"), ("container", "m2")}
    assert all(running(machine) == "" for machine in machines.all)
    (machines.all[0].work / "code").mkdir()
    code, report = check("--fix", "--yes")
    assert bad(report) == {}, str(bad(report))
    assert code == 0
    assert {found["item"] for found in report["findings"]} >= CONTAINER_ITEMS
    first, *others = [each for each in report["repairs"] if each["node"] == "m1"]
    command = first["command"]
    assert command[:3] == ["docker", "run", "-itd"]
    assert [word for word in command if "davinci" in word] == [
        "--device=/dev/davinci0",
        "--device=/dev/davinci1",
        "--device=/dev/davinci_manager",
    ]
    # as many CPUs and as much memory as the host has, not as the guide's machine
    assert command[command.index("--cpus") + 1] == str(os.cpu_count())
    assert command[command.index("--memory") + 1].endswith("m")
    # then what root had made is given to the container's user
    assert [each["item"] for each in others] == ["owner"]
    assert (machines.all[0].work / "code").stat().st_uid == 1000
    inside = machines.all[0].run("docker exec trainer sh -c 'ls /dev/davinci*; df -Pk /dev/shm | tail -n 1'")
    assert inside.split()[:3] == ["/dev/davinci0", "/dev/davinci1", "/dev/davinci_manager"]
    assert str(200 << 20) in inside


def test_a_container_that_was_stopped_is_started_again(machines: Machines, check: Ask, ask: Ask) -> None:
    machines.all[1].run("docker stop -t 0 trainer")
    code, report = check()
    assert (code, set(bad(report))) == (1, {("container", "m2")})
    assert said(report, "python", "m2") == "the container does not run"
    code, told = ask("containers", "start", "m2", "--npus", "2", "--dry-run")
    assert (code, told["exit_code"], told["nodes"][0]["start"]) == (0, 0, ["docker", "start", "trainer"])
    code, report = check("--fix", "--yes")
    assert [each["command"] for each in report["repairs"]] == [["docker", "start", "trainer"]]
    assert (code, bad(report)) == (0, {}), str(bad(report))


def test_a_second_container_on_an_npu_is_found(machines: Machines, check: Ask, ask: Ask) -> None:
    second = machines.all[1]
    devices = "--device=/dev/davinci1 --device=/dev/davinci5"
    second.run(f"docker run -d --network=none --name squatter {devices} {IMAGE} sleep 600")
    try:
        code, report = check()
        shown = ask("containers", "status", "--npus", "2")
    finally:
        second.run("docker rm -f squatter")
    assert (code, set(bad(report))) == (1, {("bound_npus", "m2")})
    assert said(report, "bound_npus", "m2") == "container squatter binds NPU 1"
    assert shown[0] == 1
    assert shown[1]["nodes"][1]["others_on_its_npus"] == [{"name": "squatter", "npus": [1]}]


def test_a_container_with_the_wrong_devices_mounts_and_shm(machines: Machines, check: Ask, ask: Ask) -> None:
    second = machines.all[1]
    second.run(
        "docker rm -f trainer && docker run -itd --name trainer --network=none --shm-size 1g "
        f"--device=/dev/davinci0 -v {WORK}:{WORK} {IMAGE} bash"
    )
    code, report = check("--fix", "--yes")
    words = said(report, "container", "m2")
    parts = ("/dev/davinci1", f"{SHARED}:{SHARED}", "npu-smi", "driver", "shm is 1024 MiB", "network is none")
    assert [part for part in parts if part not in words] == []
    # making it anew would end what runs in it: not for --fix
    assert (code, report["repairs"]) == (1, [])
    assert ask("containers", "stop", "m2", "--remove", "--grace", "1")[0] == 0
    assert ask("containers", "start", "m2", "--npus", "2")[0] == 0
    assert check()[0] == 0


def test_images_that_differ_or_lack(machines: Machines, check: Ask) -> None:
    second = machines.all[1]
    (machines.folder / "label").write_text("x")
    second.run(
        f"docker tag {IMAGE} {OTHER} && tar -C {machines.folder} -cf - label | docker import - {IMAGE}"
    )
    try:
        differ = check()[1]
        second.run(f"docker rmi {IMAGE}")
        lacking = check()[1]
    finally:
        second.run(f"docker tag {OTHER} {IMAGE} && docker rmi {OTHER}")
    assert {("image", "m1"), ("image", "m2"), ("container", "m2")} <= set(bad(differ))
    assert said(lacking, "image", "m2") == "not there"
    assert check()[0] == 0


def test_packets_that_are_not_forwarded(machines: Machines, check: Ask) -> None:
    second = machines.all[1]
    second.run("sysctl -qw net.ipv4.ip_forward=0; rm /etc/sysctl.d/90-test.conf")
    second.run("echo 'net.ipv4.ip_forward = 0' >>/etc/sysctl.conf")
    code, report = check()
    assert (code, set(bad(report))) == (1, {("ip_forward", "m2")})
    code, report = check("--fix", "--yes")
    assert (code, bad(report)) == (0, {})
    assert second.run("sysctl -n net.ipv4.ip_forward").strip() == "1"
    # what a boot would do
    second.run("sysctl -qw net.ipv4.ip_forward=0 && sysctl --system")
    assert second.run("sysctl -n net.ipv4.ip_forward").strip() == "1"


def test_npus_that_the_container_does_not_see(machines: Machines, check: Ask) -> None:
    second = machines.all[1]
    second.tool("npu-smi", "exit 172")
    try:
        report = check()[1]
    finally:
        second.show_npus()
    assert "-8020" in said(report, "npus_inside", "m2")


def test_a_missing_docker_is_named_with_the_systems_own_command(machines: Machines, check: Ask) -> None:
    second = machines.all[1]
    nothing = machines.folder / "nothing"
    nothing.write_text("")
    second.run("[ ! -e /usr/local/bin/docker ] || mv /usr/local/bin/docker /usr/local/docker.away")
    second.run(f"[ ! -e /usr/bin/docker ] || mount --bind {nothing} /usr/bin/docker")
    try:
        code, report = check("--fix", "--yes")
    finally:
        second.run("[ ! -e /usr/local/docker.away ] || mv /usr/local/docker.away /usr/local/bin/docker")
        second.run("umount /usr/bin/docker 2>/dev/null", check=False)
    assert (code, set(bad(report)), report["repairs"]) == (1, {("docker", "m2")}, [])
    (found,) = [one for one in report["findings"] if one["item"] == "docker" and one["node"] == "m2"]
    assert (found["found"], found["fix"]) == ("docker is not installed", "apt-get install -y docker.io")


def test_a_daemon_that_does_not_answer(machines: Machines, check: Ask, ask: Ask) -> None:
    second = machines.all[1]
    second.run(f"mv {second.folder}/docker.sock {second.folder}/away")
    try:
        code, report = check()
        commands = [
            ask("containers", *words)
            for words in (("status", "m2"), ("start", "m2", "--dry-run"), ("stop", "m2", "--remove"))
        ]
    finally:
        second.run(f"mv {second.folder}/away {second.folder}/docker.sock")
    assert (code, set(bad(report))) == (1, {("docker", "m2")})
    assert said(report, "container", "m2") == "docker does not answer"
    # the container may run on: it did
    for code, told in commands:
        (node,) = told["nodes"]
        assert (code, told["exit_code"], node["state"]) == (4, 4, None)
        assert node["problems"][0]["what"] == said(report, "docker", "m2")
        assert node["problems"][0]["fix"] == "start it: systemctl enable --now docker"
    assert running(second) == "trainer"


def test_mounts_and_arguments_of_the_inventory(machines: Machines, check: Ask, ask: Ask) -> None:
    note = 'it\'s $(id) "of" nobody; exit'
    for machine in machines.all:
        machine.run("mkdir -p /home/sets && echo words >/home/sets/file")
    inventory(
        machines,
        mounts=("/home/sets:/sets:ro",),
        arguments=("-e", f"NOTE={note}", "--ulimit", "nofile=20000:20000"),
    )
    try:
        code, report = check("--fix", "--yes")
        assert (code, set(bad(report))) == (1, {("container", "m1"), ("container", "m2")})
        assert said(report, "container", "m1") == "it does not mount /home/sets:/sets:ro"
        made_anew(ask)
        code, report = check()
        assert (code, bad(report)) == (0, {}), str(bad(report))
        asked = 'cat /sets/file; touch /sets/new 2>/dev/null || echo closed; echo "$NOTE"; ulimit -n'
        inside = machines.all[0].run(f"docker exec trainer sh -c '{asked}'").splitlines()
        assert inside == ["words", "closed", note, "20000"]
        # what is not there would be made by Docker, as root, and look like an empty data set
        assert ask("containers", "stop", "m2", "--remove", "--grace", "1")[0] == 0
        machines.all[1].run("rm -r /home/sets")
        code, report = check("--fix", "--yes")
        assert said(report, "container", "m2") == "there is none, and the host lacks /home/sets"
        assert (code, report["repairs"]) == (1, [])
    finally:
        inventory(machines)
        made_anew(ask)
    assert check()[0] == 0


def made_anew(ask: Ask) -> None:
    assert ask("containers", "stop", "m[1-2]", "--remove", "--grace", "1")[0] == 0
    assert ask("containers", "start", "m[1-2]", "--npus", "2")[0] == 0


def test_exec_runs_in_the_container(machines: Machines, ask: Ask) -> None:
    code, report = ask("containers", "exec", "m[1-2]", "--", "sh", "-c", "id -un; ls -d /usr/local/Ascend/*")
    assert code == 0
    assert "ma-user" in json.dumps(report)
    code, report = ask("containers", "start", "m1", "--dry-run")
    assert code == 0


def test_a_container_in_which_a_run_lives_is_not_stopped(machines: Machines, ask: Ask) -> None:
    assert ask("fleet", "hold", "m1")[0] == 0
    try:
        code, _report = ask("containers", "stop", "m1")
        assert code == 6
        assert running(machines.all[0]) == "trainer"
    finally:
        ask("fleet", "release", "m1")


def test_a_run_lives_in_the_container(machines: Machines, ask: Ask, tmp_path: Path) -> None:
    """From the check to the checkpoint: every process of it is the container's, and the user's."""
    inventory(machines, device="cpu")
    try:
        code, made = ask("launch", str(machines.folder / "one.toml"), "--nodes", "m1", "--detach")
        assert code == 0, made
        end = time.monotonic() + 240
        seen: set[str] = set()
        while (run := ask("runs", "show", made["run_id"])[1])["state"] not in (
            "finished",
            "failed",
            "stopped",
        ):
            assert time.monotonic() < end, run["stages"]
            listed = machines.all[0].run("docker exec trainer ps -ww -eo user,args")
            seen |= {line.split()[0] for line in listed.splitlines() if "node.zip train" in line}
            time.sleep(0.3)
        assert run["state"] == "finished", run["reason"]
        assert [one["iteration"] for one in run["iteration_log"]] == [1, 2, 3, 4]
        saved = list((machines.shared / "saved_dir_for_output").rglob("latest_checkpointed_iteration.txt"))
        assert [(path.read_text().strip(), path.stat().st_uid) for path in saved] == [("4", 1000)]
        assert seen == {"ma-user"}
    finally:
        inventory(machines)
