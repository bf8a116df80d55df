"""Mounts and options that an inventory adds to the `docker run`."""

from __future__ import annotations

import pytest

from backend.engines.container import ContainerRun, docker_run
from backend.engines.container_options import Mount, parse_mount, refused_arguments
from backend.inventory import Container


@pytest.mark.parametrize(
    ("text", "mount"),
    [
        ("/data:/data", Mount("/data", "/data")),
        ("/data/:/in/../d/:ro", Mount("/data", "/d", ("ro",))),
        ("//data:/d:ro,rslave", Mount("/data", "/d", ("ro", "rslave"))),
        ("/data", None),
        ("data:/data", None),
        ("/data:data", None),
        ("/data:/data:readonly", None),
        ("/data:/data:", None),
        ("/data:/data:ro:z", None),
        ("", None),
    ],
)
def test_what_is_a_mount(text: str, mount: Mount | None) -> None:
    assert parse_mount(text) == mount


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--ipc=host", "--init", "-e", "HCCL_SOCKET_IFNAME=eth1", "--ulimit", "memlock=-1"),
        ("-eA=-it", "-uroot", "-Pq", "--env", "--name", "--read-only", "--cpuset-cpus=0-3"),
        ("--security-opt", "label=disable; rm -rf $(pwd) 'x'"),
    ],
)
def test_words_that_docker_run_takes_besides(arguments: tuple[str, ...]) -> None:
    assert list(refused_arguments(arguments)) == []
    argv = docker_run(ContainerRun(Container("c", "image", arguments=arguments), "/w", "/w", 1))
    # each is a word of its own, in front of the image
    assert argv[-2 - len(arguments) :] == (*arguments, "image", "/bin/bash")


@pytest.mark.parametrize(
    ("arguments", "number", "what"),
    [
        (("--init", "--name", "x"), 2, "--name is set by npudeck"),
        (("--name=x",), 1, "--name is set by npudeck"),
        (("--device", "/dev/fuse"), 1, "--device is set by npudeck"),
        (("-v", "/a:/b"), 1, "-v is set by npudeck"),
        (("-v/a:/b",), 1, "-v is set by npudeck"),
        (("--mount=type=bind",), 1, "--mount is set by npudeck"),
        (("-qt",), 1, "-t is set by npudeck"),
        (("--rm",), 1, "--rm is set by npudeck"),
        (("-m", "9g"), 1, "-m is set by npudeck"),
        (("ubuntu:22.04",), 1, "'ubuntu:22.04' is no option"),
        (("--init", "sh"), 2, "'sh' is no option"),
        (("--",), 1, "'--' is no option"),
        (("-e",), 1, "-e lacks its value"),
        (("--ipc=host", "--ulimit"), 2, "--ulimit lacks its value"),
    ],
)
def test_words_that_would_change_what_npudeck_relies_on(
    arguments: tuple[str, ...], number: int, what: str
) -> None:
    ((at, said, why),) = refused_arguments(arguments)
    assert (at, said) == (number, what)
    assert why


def test_mounts_stand_in_the_command() -> None:
    container = Container("c", "image", mounts=("/data/:/data:ro", "/fast:/scratch"))
    argv = docker_run(ContainerRun(container, "/w", "/w", 1))
    assert argv[argv.index("/data:/data:ro") - 1] == "-v"
    assert argv[argv.index("/fast:/scratch") - 1] == "-v"
