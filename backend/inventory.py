"""What the fleet is made of, as plain data. `fleet/inventory_files.py` reads and writes it.

[fleet]     name, work_directory, shared_directory, python, device, npus_per_node
[ssh]       user, port, config, known_hosts, identity_files, proxy_jump, connect_timeout_s
[container] name, image, work_directory, what `docker run` is given (absent: commands run on the host itself)
[[nodes]]   name, host, address, port, user, npus, work_directory, groups
[groups]    name = "node set"
"""

from __future__ import annotations

from dataclasses import dataclass

ALWAYS = ("all", "drained")  # groups that every fleet has, whatever its file says


@dataclass(frozen=True, slots=True)
class SshOptions:
    """How to log in. `None` leaves the choice to `~/.ssh/config` and OpenSSH's defaults."""

    user: str | None = None
    port: int | None = None
    config: str | None = None
    known_hosts: str | None = None
    identity_files: tuple[str, ...] = ()
    proxy_jump: str | None = None
    connect_timeout_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Container:
    """The guide's container: one image, one name, the same on every node (guide, "Step3 启动容器镜像").

    `mounts`: further ones, as `docker run -v` takes them; `arguments`: further words of the `docker run`.
    """

    name: str
    image: str
    work_directory: str = "/home/ma-user/ws"
    user: str = "ma-user"
    cpus: int = 192
    memory: str = "1000g"
    shm_size: str = "200g"
    mounts: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Node:
    """One machine with NPUs.

    `host` is what SSH connects to (a name of `~/.ssh/config` works); `address` is what the other nodes use
    as MASTER_ADDR; `npus` is how many NPUs the node is expected to have; `device` is what the native engine
    computes on there: npu, cuda or cpu (a rehearsal), never silently another; `worst_health` is the worst
    that an NPU may be for a launch to take it: ok, warning, alarm or critical.
    """

    name: str
    host: str
    address: str
    npus: int
    work_directory: str
    port: int | None = None
    user: str | None = None
    python: str = "python3"
    device: str = "npu"
    worst_health: str = "warning"


@dataclass(frozen=True, slots=True)
class Inventory:
    """A fleet. `path` is the file it came from; `shared_directory` is seen by every node under one path.

    `drained`: nodes that nothing new is started on; no part of the file, an operator's word of the day.
    """

    name: str
    nodes: tuple[Node, ...]
    shared_directory: str
    ssh: SshOptions = SshOptions()
    container: Container | None = None
    groups: tuple[tuple[str, tuple[str, ...]], ...] = ()
    path: str = ""
    drained: tuple[str, ...] = ()

    def node(self, name: str) -> Node | None:
        return next((node for node in self.nodes if node.name == name), None)

    def group(self, name: str) -> tuple[str, ...] | None:
        """Names of the nodes of a group; `all` and `drained` always exist."""
        if name == "all":
            return tuple(node.name for node in self.nodes)
        if name == "drained":
            return tuple(node.name for node in self.nodes if node.name in self.drained)
        return dict(self.groups).get(name)
