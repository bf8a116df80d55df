"""The guide's `docker run` for each node (guide, "Step3 启动容器镜像")."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from backend.engines.container_options import Mount, parse_mount
from backend.engines.stages import NodeCommand, Site
from backend.inventory import Container
from backend.problems import Problem, Severity
from backend.recipes.fields import Recipe
from backend.translation import _

CONTROL_DEVICES = ("/dev/davinci_manager", "/dev/devmm_svm", "/dev/hisi_hdc")
# driver and npu-smi must both be mounted; the driver's installer puts npu-smi into one of two places
NPU_SMI_PLACES = ("/usr/local/sbin/npu-smi", "/usr/local/bin/npu-smi")
DRIVER_MOUNTS = ("/usr/local/dcmi", "/usr/local/Ascend/driver")
HOME_OF_THE_IMAGE = "/home/ma-user"
GUIDE_SHM_BYTES = 200 << 30
_SIZE = re.compile(r"(\d{1,15})([bkmgt]?)b?", re.IGNORECASE)
_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


@dataclass(frozen=True, slots=True)
class ContainerRun:
    """The container of one node: `npus` are the first so many; directories as the host names them."""

    container: Container
    work_directory: str
    shared_directory: str
    npus: int

    @property
    def devices(self) -> tuple[str, ...]:
        return (*(f"/dev/davinci{npu}" for npu in range(self.npus)), *CONTROL_DEVICES)

    @property
    def own_mounts(self) -> tuple[Mount, ...]:
        """Those that the inventory names."""
        return tuple(mount for text in self.container.mounts if (mount := parse_mount(text)) is not None)

    @property
    def work_mounts(self) -> tuple[tuple[str, str], ...]:
        """(outside, inside): the guide's mount, and what runs need to see under the host's own names."""
        inside = self.container.work_directory
        mounts = [(self.work_directory, inside)]
        if inside.rstrip("/") != self.work_directory.rstrip("/"):
            # jobs, their logs and leases are named by the host's path
            mounts.append((self.work_directory, self.work_directory))
        if not _contains(self.work_directory, self.shared_directory):
            # data, weights and results lie there, and every node must see them under one path
            mounts.append((self.shared_directory, self.shared_directory))
        return tuple(mounts)


@dataclass(frozen=True, slots=True)
class ContainerHost:
    """What `docker run` depends on, as the host has it; 0 where the host did not say."""

    npu_smi: str = NPU_SMI_PLACES[0]
    cpus: int = 0
    memory_bytes: int = 0


def docker_run(run: ContainerRun, host: ContainerHost | None = None) -> tuple[str, ...]:
    """The guide's command. CPUs and memory are cut to what the host has: Docker refuses more CPUs."""
    host = host or ContainerHost()
    container = run.container
    cpus = min(container.cpus, host.cpus) if host.cpus else container.cpus
    memory = container.memory
    if host.memory_bytes and (parse_size(memory) or 0) > host.memory_bytes:
        memory = f"{host.memory_bytes >> 20}m"
    return (
        "docker",
        "run",
        "-itd",
        *(f"--device={device}" for device in run.devices),
        *_volumes([(path, path) for path in (host.npu_smi, *DRIVER_MOUNTS)]),
        *("--cpus", str(cpus), "--memory", memory, "--shm-size", container.shm_size),
        "--net=host",
        *_volumes(run.work_mounts),
        *(part for mount in run.own_mounts for part in ("-v", mount.volume)),
        "--name",
        container.name,
        *container.arguments,
        container.image,
        "/bin/bash",
    )


def parse_size(text: str) -> int | None:
    """Docker's sizes ("200g", "512m") in bytes; None for other text."""
    match = _SIZE.fullmatch(text.strip())
    return int(match[1]) * _UNITS[match[2].lower()] if match else None


def container_commands(recipe: Recipe, site: Site) -> tuple[NodeCommand, ...]:
    """Start the container on every node, with the NPUs that the recipe uses; () without a container."""
    container = site.container
    if container is None:
        return ()
    return tuple(
        NodeCommand(
            node=node.name,
            node_rank=rank,
            argv=docker_run(
                ContainerRun(container, node.work_directory, site.shared_directory, recipe.npus_per_node)
            ),
            environment=(),
            working_directory=node.work_directory,
        )
        for rank, node in enumerate(site.nodes)
    )


def container_problems(site: Site) -> tuple[Problem, ...]:
    """What the guide and Docker forbid for the mounted directories."""
    container = site.container
    if container is None:
        return ()
    problems = []
    if container.work_directory.rstrip("/") == HOME_OF_THE_IMAGE:
        problems.append(
            Problem(
                field="container.work_directory",
                severity=Severity.ERROR,
                what=_("the container mounts {path}").format(path=HOME_OF_THE_IMAGE),
                why=_("it is the home of the image's user and must not be covered"),
                fix=_("mount a folder in it"),
                suggestion=f"{HOME_OF_THE_IMAGE}/ws",
            )
        )
    mounted = [container.work_directory, *(node.work_directory for node in site.nodes), site.shared_directory]
    for path in dict.fromkeys(mounted):
        if ":" in path:
            problems.append(
                Problem(
                    field="container.work_directory",
                    severity=Severity.ERROR,
                    what=_("{path} contains a colon").format(path=path),
                    why=_("Docker separates the two sides of a mount with one"),
                    fix=_("use a directory without a colon"),
                )
            )
    return tuple(problems)


def _contains(directory: str, path: str) -> bool:
    return f"{path.rstrip('/')}/".startswith(f"{directory.rstrip('/')}/")


def _volumes(pairs: Iterable[tuple[str, str]]) -> list[str]:
    return [part for outside, inside in pairs for part in ("-v", f"{outside}:{inside}")]
