"""What Docker says of a node in one answer: version, image, containers, and what the host has. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from backend.engines.container import DRIVER_MOUNTS, NPU_SMI_PLACES, ContainerHost, ContainerRun
from backend.fleet.transport import Completed
from backend.preflight.item import lines_after, script, short

_FORMAT = (
    '{"name":{{json .Name}},"id":{{json .Id}},"image":{{json .Image}},"running":{{json .State.Running}},'
    '"paused":{{json .State.Paused}},'
    '"devices":{{json .HostConfig.Devices}},"privileged":{{json .HostConfig.Privileged}},'
    '"mounts":{{json .Mounts}},"shm":{{json .HostConfig.ShmSize}},"network":{{json .HostConfig.NetworkMode}},'
    '"environment":{{json .Config.Env}}}'
)
# words: container, image, then what must be there: device files, sources of mounts. Asks only.
_SCRIPT = f"""
fact() {{ printf 'npudeck-fact %s %s\\n' "$1" "$2"; }}
fact cpus "$(getconf _NPROCESSORS_ONLN 2>/dev/null)"
fact memory_kb "$(awk '$1 == "MemTotal:" {{ print $2 }}' /proc/meminfo 2>/dev/null)"
for path in {" ".join((*NPU_SMI_PLACES, *DRIVER_MOUNTS))}; do [ -e "$path" ] && fact path "$path"; done
name=$1 image=$2
shift 2
for path; do [ -e "$path" ] || fact lacking "$path"; done
fact system "$(sed -n 's/^ID=//p' /etc/os-release 2>/dev/null | tr -d '"')"
for tool in apt-get dnf yum zypper; do command -v $tool >/dev/null 2>&1 && fact tool $tool; done
command -v docker >/dev/null 2>&1 || exit 0
fact docker present
version=$(docker version --format '{{{{.Server.Version}}}}' 2>&1)
# without a daemon the version is an empty line before the complaint
fact daemon "$? $(printf %s "$version" | tr '\\n' ' ')"
fact image "$(docker image inspect --format '{{{{.Id}}}}' "$image" 2>/dev/null)"
all=$(docker ps -aq --no-trunc --filter "name=$name" 2>/dev/null; docker ps -q --no-trunc 2>/dev/null)
all=$(printf '%s\\n' "$all" | sort -u)
[ -z "$all" ] || docker container inspect --format 'npudeck-container {_FORMAT}' $all 2>/dev/null
exit 0
"""
_NPU = re.compile(r"/dev/davinci(\d{1,4})")
_VISIBLE = re.compile(r"ASCEND_(?:RT_)?VISIBLE_DEVICES=([\d,\- ]{1,200})")


@dataclass(frozen=True, slots=True)
class FoundContainer:
    """One container of a node. `npus`: of those it binds, None for all of them (--privileged).

    `mounts`: (outside, inside); `closed`: the places inside that cannot be written.
    """

    name: str
    image: str
    running: bool
    npus: frozenset[int] | None
    devices: frozenset[str]
    mounts: frozenset[tuple[str, str]]
    shm_bytes: int
    network: str
    closed: frozenset[str] = frozenset()
    paused: bool = False  # it runs, and nothing in it moves

    def binds(self, npu: int) -> bool:
        return self.npus is None or npu in self.npus


@dataclass(frozen=True, slots=True)
class DockerState:
    """`version` "" without a daemon that answers, then `complaint` says why; `image`: its id, "" where it is
    not there; `lacking`: device files and sources of mounts that the host does not have."""

    present: bool = False
    version: str = ""
    complaint: str = ""
    image: str = ""
    system: str = ""
    tools: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    cpus: int = 0
    memory_bytes: int = 0
    containers: tuple[FoundContainer, ...] = field(default=())

    def named(self, name: str) -> FoundContainer | None:
        return next((found for found in self.containers if found.name == name), None)

    @property
    def npu_smi(self) -> str:
        return next((path for path in NPU_SMI_PLACES if path in self.paths), "")

    def host(self) -> ContainerHost:
        return ContainerHost(self.npu_smi or NPU_SMI_PLACES[0], self.cpus, self.memory_bytes)


def docker_argv(run: ContainerRun) -> tuple[str, ...]:
    sources = (mount.outside for mount in run.own_mounts)
    return script(_SCRIPT, run.container.name, run.container.image, *run.devices, *sources)


def read_docker(done: Completed) -> DockerState | None:
    """None when the node answered something else."""
    text = done.text()
    facts: dict[str, list[str]] = {}
    for line in lines_after(text, "npudeck-fact "):
        name, _blank, value = line.partition(" ")
        facts.setdefault(name, []).append(short(value))
    if "cpus" not in facts:
        return None
    code, _blank, version = _one(facts, "daemon").partition(" ")
    return DockerState(
        present="docker" in facts,
        version=version if code == "0" else "",
        complaint="" if code == "0" else version,
        image=_one(facts, "image"),
        system=_one(facts, "system"),
        tools=tuple(facts.get("tool", ())),
        paths=tuple(facts.get("path", ())),
        lacking=tuple(facts.get("lacking", ())),
        cpus=_number(_one(facts, "cpus")),
        memory_bytes=_number(_one(facts, "memory_kb")) << 10,
        containers=tuple(_containers(text)),
    )


def _one(facts: dict[str, list[str]], name: str) -> str:
    return facts.get(name, [""])[0]


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else 0


def _containers(text: str) -> Iterator[FoundContainer]:
    for line in lines_after(text, "npudeck-container "):
        try:
            yield _container(json.loads(line))
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
            continue


def _container(said: dict[str, Any]) -> FoundContainer:
    devices = frozenset(str(device["PathInContainer"]) for device in said["devices"] or ())
    outside = [str(device["PathOnHost"]) for device in said["devices"] or ()]
    npus = {int(match[1]) for path in outside if (match := _NPU.fullmatch(path))}
    for word in said["environment"] or ():
        if match := _VISIBLE.fullmatch(str(word)):
            # Ascend's own runtime binds what this names
            npus |= _listed(match[1]) if str(word).startswith("ASCEND_VISIBLE") else set()
    return FoundContainer(
        name=short(str(said["name"]).lstrip("/"), 80),
        image=str(said["image"]),
        running=said["running"] is True,
        npus=None if said["privileged"] is True else frozenset(npus),
        devices=devices,
        mounts=frozenset(
            (str(one.get("Source", "")), str(one["Destination"])) for one in said["mounts"] or ()
        ),
        shm_bytes=int(said["shm"] or 0),
        network=short(str(said["network"]), 40),
        closed=frozenset(str(one["Destination"]) for one in said["mounts"] or () if one.get("RW") is False),
        paused=said.get("paused") is True,
    )


def _listed(text: str) -> set[int]:
    """0,2-4 as numbers."""
    found: set[int] = set()
    for part in text.replace(" ", "").split(","):
        first, dash, last = part.partition("-")
        if first.isdecimal() and (not dash or last.isdecimal()):
            found |= set(range(int(first), min(int(last or first), int(first) + 64) + 1))
    return found
