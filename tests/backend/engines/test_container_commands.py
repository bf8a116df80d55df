"""The guide's `docker run`."""

from __future__ import annotations

import shlex
from dataclasses import replace

from backend.engines.container import container_commands, container_problems

GUIDE = """docker run -itd
--device=/dev/davinci0 --device=/dev/davinci1 --device=/dev/davinci2 --device=/dev/davinci3
--device=/dev/davinci4 --device=/dev/davinci5 --device=/dev/davinci6 --device=/dev/davinci7
--device=/dev/davinci_manager --device=/dev/devmm_svm --device=/dev/hisi_hdc
-v /usr/local/sbin/npu-smi:/usr/local/sbin/npu-smi -v /usr/local/dcmi:/usr/local/dcmi
-v /usr/local/Ascend/driver:/usr/local/Ascend/driver
--cpus 192 --memory 1000g --shm-size 200g --net=host
-v /home/ma-user/ws:/home/ma-user/ws --name ascendspeed registry/image:tag /bin/bash"""


def test_is_the_guides_command(recipe, site):
    inside = replace(site, shared_directory="/home/ma-user/ws/shared")
    commands = container_commands(recipe, inside)
    assert [command.node for command in commands] == ["n00", "n01", "n02", "n03"]
    for command in commands:
        assert command.argv == tuple(shlex.split(GUIDE))


def test_takes_only_the_npus_in_use(recipe, site):
    argv = container_commands(replace(recipe, npus_per_node=2), site)[0].argv
    assert [word for word in argv if "davinci" in word] == [
        "--device=/dev/davinci0",
        "--device=/dev/davinci1",
        "--device=/dev/davinci_manager",
    ]


def test_mounts_a_shared_directory_that_lies_elsewhere(recipe, site):
    assert "/shared:/shared" in container_commands(recipe, site)[0].argv
    beside = replace(site, shared_directory="/home/ma-user/ws-shared")
    assert "/home/ma-user/ws-shared:/home/ma-user/ws-shared" in container_commands(recipe, beside)[0].argv


def test_no_container_no_command(recipe, site):
    assert container_commands(recipe, replace(site, container=None)) == ()
    assert container_problems(replace(site, container=None)) == ()


def test_forbidden_mounts(site):
    home = replace(site, container=replace(site.container, work_directory="/home/ma-user/"))
    (problem,) = container_problems(home)
    assert problem.suggestion == "/home/ma-user/ws"
    (problem,) = container_problems(replace(site, shared_directory="/a:b"))
    assert "colon" in problem.what
    assert container_problems(site) == ()
