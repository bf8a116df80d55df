"""The guide's `docker run` for each node (guide, "Step3 启动容器镜像")."""

from __future__ import annotations

from backend.engines.stages import NodeCommand, Site
from backend.inventory import Container, Node
from backend.problems import Problem, Severity
from backend.recipes.fields import Recipe
from backend.translation import _

CONTROL_DEVICES = ("/dev/davinci_manager", "/dev/devmm_svm", "/dev/hisi_hdc")
# driver and npu-smi must both be mounted
DRIVER_MOUNTS = ("/usr/local/sbin/npu-smi", "/usr/local/dcmi", "/usr/local/Ascend/driver")
HOME_OF_THE_IMAGE = "/home/ma-user"


def container_commands(recipe: Recipe, site: Site) -> tuple[NodeCommand, ...]:
    """Start the container on every node, with the NPUs that the recipe uses; () without a container."""
    container = site.container
    if container is None:
        return ()
    return tuple(
        NodeCommand(
            node=node.name,
            node_rank=rank,
            argv=_docker_run(container, node, recipe.npus_per_node, site.shared_directory),
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


def _docker_run(container: Container, node: Node, npus: int, shared: str) -> tuple[str, ...]:
    devices = [f"/dev/davinci{npu}" for npu in range(npus)] + list(CONTROL_DEVICES)
    mounts = [(path, path) for path in DRIVER_MOUNTS]
    limits = ["--cpus", str(container.cpus), "--memory", container.memory, "--shm-size", container.shm_size]
    work = [(node.work_directory, container.work_directory)]
    if not _contains(node.work_directory, shared):
        # data, weights and results lie there, and every node must see them under one path
        work.append((shared, shared))
    return (
        "docker",
        "run",
        "-itd",
        *(f"--device={device}" for device in devices),
        *_volumes(mounts),
        *limits,
        "--net=host",
        *_volumes(work),
        "--name",
        container.name,
        container.image,
        "/bin/bash",
    )


def _contains(directory: str, path: str) -> bool:
    return f"{path.rstrip('/')}/".startswith(f"{directory.rstrip('/')}/")


def _volumes(pairs: list[tuple[str, str]]) -> list[str]:
    return [part for outside, inside in pairs for part in ("-v", f"{outside}:{inside}")]
