"""What Docker's own words mean for the guide's container."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backend.engines.container import ContainerHost, ContainerRun, docker_run, parse_size
from backend.fleet.transport import Completed
from backend.inventory import Container
from backend.preflight.docker_items import (
    bound_by_others,
    container_faults,
    install_words,
    judge_container,
    judge_docker,
    judge_forward,
)
from backend.preflight.docker_state import DockerState, FoundContainer, docker_argv, read_docker
from backend.preflight.item import Status

RUN = ContainerRun(Container("trainer", "image:1"), "/home/ma-user/ws", "/mnt/sfs", 2)
STATE = DockerState(
    present=True,
    version="24.0.7",
    image="sha256:aa",
    system="debian",
    tools=("apt-get",),
    paths=("/usr/local/sbin/npu-smi", "/usr/local/dcmi", "/usr/local/Ascend/driver"),
    cpus=192,
    memory_bytes=1500 << 30,
)
RIGHT = FoundContainer(
    name="trainer",
    image="sha256:aa",
    running=True,
    npus=frozenset({0, 1}),
    devices=frozenset(RUN.devices),
    mounts=frozenset(
        {
            ("/usr/local/bin/npu-smi", "/usr/local/bin/npu-smi"),
            ("/usr/local/Ascend/driver", "/usr/local/Ascend/driver"),
            *RUN.work_mounts,
        }
    ),
    shm_bytes=200 << 30,
    network="host",
)


def with_containers(*found: FoundContainer, **changes: Any) -> DockerState:
    return replace(STATE, containers=found, **changes)


def test_the_right_container_is_well() -> None:
    assert judge_container(with_containers(RIGHT), RUN).status is Status.OK
    assert container_faults(RIGHT, STATE, RUN) == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"image": "sha256:bb"}, "it is of another image (bb)"),
        ({"devices": frozenset({"/dev/davinci0"})}, "it lacks /dev/davinci1,/dev/davinci_manager"),
        ({"mounts": frozenset()}, "it does not mount /home/ma-user/ws:/home/ma-user/ws, /mnt/sfs:/mnt/sfs"),
        ({"shm_bytes": 64 << 20}, "its shm is 64 MiB"),
        ({"network": "bridge"}, "its network is bridge"),
    ],
)
def test_what_is_wrong_with_a_container(changes: dict[str, Any], fault: str) -> None:
    found = replace(RIGHT, **changes)
    verdict = judge_container(with_containers(found), RUN)
    assert verdict.status is Status.WRONG
    assert fault in verdict.found
    # it would have to be removed first
    assert verdict.repair is None


def test_a_privileged_container_has_every_device() -> None:
    assert container_faults(replace(RIGHT, devices=frozenset(), npus=None), STATE, RUN) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"image": ""}, "there is none"),
        ({"lacking": ("/dev/davinci1",)}, "there is none, and the host lacks /dev/davinci1"),
        ({"paths": ()}, "there is none, and the host has no npu-smi"),
    ],
)
def test_a_container_that_could_not_start_is_not_started(changes: dict[str, Any], words: str) -> None:
    verdict = judge_container(with_containers(**changes), RUN)
    assert (verdict.found, verdict.repair) == (words, None)
    assert verdict.fix


OWN = replace(RUN, container=replace(RUN.container, mounts=("/data:/data:ro", "/fast:/scratch")))
OWN_MOUNTS = RIGHT.mounts | {("/data", "/data"), ("/fast", "/scratch")}


@pytest.mark.parametrize(
    ("mounts", "closed", "faults"),
    [
        (OWN_MOUNTS, {"/data"}, []),
        (RIGHT.mounts, set(), ["it does not mount /data:/data:ro", "it does not mount /fast:/scratch"]),
        (OWN_MOUNTS, set(), ["/data can be written in it"]),
        (OWN_MOUNTS, {"/data", "/scratch"}, ["/scratch cannot be written in it"]),
    ],
)
def test_mounts_of_the_inventory(
    mounts: frozenset[tuple[str, str]], closed: set[str], faults: list[str]
) -> None:
    found = replace(RIGHT, mounts=mounts, closed=frozenset(closed))
    assert container_faults(found, STATE, OWN) == faults


def test_docker_is_not_left_to_make_what_should_be_mounted() -> None:
    """It would be an empty folder that belongs to root."""
    assert docker_argv(OWN)[-2:] == ("/data", "/fast")
    verdict = judge_container(replace(STATE, lacking=("/data",)), OWN)
    assert (verdict.found, verdict.repair) == ("there is none, and the host lacks /data", None)
    assert "`mounts`" in verdict.fix


def test_an_absent_container_is_started_with_the_guides_command() -> None:
    repair = judge_container(STATE, RUN).repair
    assert repair is not None
    assert repair.safe
    assert repair.argv == docker_run(RUN, STATE.host())


def test_the_command_takes_what_the_host_has() -> None:
    small = docker_run(RUN, ContainerHost("/usr/local/bin/npu-smi", 64, 512 << 30))
    assert small[small.index("--cpus") + 1] == "64"
    assert small[small.index("--memory") + 1] == f"{512 << 10}m"
    assert "/usr/local/bin/npu-smi:/usr/local/bin/npu-smi" in small
    large = docker_run(RUN, ContainerHost(cpus=256, memory_bytes=2000 << 30))
    assert (large[large.index("--cpus") + 1], large[large.index("--memory") + 1]) == ("192", "1000g")


def test_runs_find_their_folders_under_the_hosts_own_name() -> None:
    elsewhere = replace(RUN, work_directory="/data/ws")
    assert elsewhere.work_mounts == (
        ("/data/ws", "/home/ma-user/ws"),
        ("/data/ws", "/data/ws"),
        ("/mnt/sfs", "/mnt/sfs"),
    )


def test_other_containers_on_the_same_npus() -> None:
    others = (
        replace(RIGHT, name="a", npus=frozenset({1, 5})),
        replace(RIGHT, name="b", npus=frozenset({6, 7})),
        replace(RIGHT, name="c", npus=None),
        replace(RIGHT, name="d", running=False),
    )
    assert bound_by_others(with_containers(RIGHT, *others), RUN) == [("a", (1,)), ("c", (0, 1))]


@pytest.mark.parametrize(
    ("changes", "status", "fix"),
    [
        ({}, Status.OK, ""),
        ({"version": "1.13.1"}, Status.WRONG, "update it"),
        ({"version": "", "complaint": "permission denied on the socket"}, Status.WRONG, "group docker"),
        ({"version": "", "complaint": "Cannot connect"}, Status.WRONG, "systemctl enable --now docker"),
        ({"version": ""}, Status.WRONG, "systemctl enable --now docker"),
        ({"present": False}, Status.WRONG, "apt-get install -y docker.io"),
    ],
)
def test_docker_itself(changes: dict[str, Any], status: Status, fix: str) -> None:
    verdict = judge_docker(replace(STATE, **changes))
    assert verdict.status is status
    assert fix in verdict.fix


@pytest.mark.parametrize(
    ("system", "tools", "command"),
    [
        ("openEuler", ("dnf", "yum"), "dnf install -y docker-engine docker-engine-selinux docker-runc"),
        ("hce", ("yum",), "yum install -y docker-engine docker-engine-selinux docker-runc"),
        ("centos", ("yum",), "yum install -y docker"),
        ("fedora", ("dnf", "yum"), "dnf install -y docker"),
        ("ubuntu", ("apt-get",), "apt-get install -y docker.io"),
        ("plan9", (), "install docker with the tools of this system"),
    ],
)
def test_the_systems_own_way_to_install(system: str, tools: tuple[str, ...], command: str) -> None:
    assert install_words(replace(STATE, system=system, tools=tools)) == command


@pytest.mark.parametrize(
    ("text", "status", "edits"),
    [
        ("npudeck-forward 1\nnpudeck-forward-file /etc/sysctl.d/a.conf 1\n", Status.OK, False),
        ("npudeck-forward 1\n", Status.WARNING, False),
        ("npudeck-forward 0\n", Status.WRONG, False),
        # the last one read counts, and /etc/sysctl.conf is read last
        (
            "npudeck-forward 1\nnpudeck-forward-file /etc/sysctl.d/z.conf 1\n"
            "npudeck-forward-file /etc/sysctl.conf 0\n",
            Status.WARNING,
            True,
        ),
        (
            "npudeck-forward 1\nnpudeck-forward-file /usr/lib/sysctl.d/90-a.conf 0\n"
            "npudeck-forward-file /etc/sysctl.d/99-b.conf 1\n",
            Status.OK,
            False,
        ),
        ("hello", Status.UNKNOWN, False),
    ],
)
def test_forwarding_now_and_after_a_boot(text: str, status: Status, edits: bool) -> None:
    verdict = judge_forward(Completed(0, text.encode(), b""))
    assert verdict.status is status
    if status in (Status.WARNING, Status.WRONG):
        assert verdict.repair is not None
        assert verdict.repair.safe
        assert verdict.repair.as_root
        assert ("sed -i" in verdict.repair.argv[-1]) is edits


def test_the_answer_of_a_node_is_read() -> None:
    said = {
        "name": "/trainer", "id": "1", "image": "sha256:aa", "running": True,
        "devices": [{"PathOnHost": "/dev/davinci3", "PathInContainer": "/dev/davinci0"}],
        "privileged": False, "mounts": [{"Source": "/a", "Destination": "/b", "RW": False}],
        "shm": 64, "network": "host",
        "environment": ["ASCEND_VISIBLE_DEVICES=5-6", "ASCEND_RT_VISIBLE_DEVICES=0"],
    }  # fmt: skip
    text = (
        "Welcome\nnpudeck-fact cpus 8\nnpudeck-fact memory_kb 1024\nnpudeck-fact docker present\n"
        "npudeck-fact daemon 0 20.10.24\nnpudeck-fact image sha256:aa\n"
        f"npudeck-container {json.dumps(said)}\n"
        "npudeck-container {broken\n"
    )
    state = read_docker(Completed(0, text.encode(), b""))
    assert state is not None
    assert (state.cpus, state.memory_bytes, state.version) == (8, 1 << 20, "20.10.24")
    (found,) = state.containers
    assert found.npus == {3, 5, 6}  # by device file, and by the variable of Ascend's runtime
    assert (found.mounts, found.closed) == ({("/a", "/b")}, {"/b"})
    assert read_docker(Completed(0, b"something else", b"")) is None


def test_what_docker_says_after_an_empty_line_is_its_complaint(tmp_path: Path) -> None:
    """`docker version --format` of a client whose daemon is down prints the version first: nothing."""
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\n[ $1 = version ] || exit 1\necho\necho Cannot connect. >&2\nexit 1\n")
    docker.chmod(0o755)
    argv = docker_argv(RUN)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(argv, env=environment, stdout=subprocess.PIPE, check=True)
    state = read_docker(Completed(0, done.stdout, b""))
    assert state is not None
    assert (state.present, state.version, state.complaint) == (True, "", "Cannot connect.")


@pytest.mark.parametrize(
    ("text", "size"), [("200g", 200 << 30), ("512M", 512 << 20), ("7", 7), ("1gb", 1 << 30), ("much", None)]
)
def test_sizes_of_docker(text: str, size: int | None) -> None:
    assert parse_size(text) == size
