"""The layout of the guide's code package, as names in an archive or in a folder. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from backend.translation import _

CODE = "llm_train/AscendSpeed"
INSTALL = "scripts/install.sh"
# of the guide's table "模型软件包结构说明"; install.sh adds the three sources later
NEEDED = ("ascendcloud_patch/", "scripts/dev_pipeline.sh", INSTALL)
SOURCES = ("Megatron-LM", "MindSpeed", "ModelLink")
_INNER = re.compile(r"(?:.*/)?AscendCloud-LLM-[^/]*\.zip")
_MOST_BYTES = 64 << 30
_LONGEST_NAME = 255  # bytes, of one part of a path: NAME_MAX of Linux
_MARKER = f"{CODE}/"


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive. `mode`: permission and kind bits of Unix, 0 where the archive has none."""

    name: str
    size: int
    mode: int = 0


@dataclass(frozen=True, slots=True)
class Layout:
    """`prefix`: what stands before llm_train, "" or "folder/". `families`: folders of scripts, one a
    family.
    """

    prefix: str
    families: tuple[str, ...]
    missing: tuple[str, ...]


def inner_package(names: Iterable[str]) -> str | None:
    """The LLM package inside the whole of AscendCloud, which holds packages and no code itself."""
    return next((name for name in names if _INNER.fullmatch(name)), None)


def layout_of(names: Iterable[str]) -> Layout:
    """Where the code is in an archive, and what of it is missing; of several places where least is."""
    listed = list(names)
    prefixes = {name.partition(_MARKER)[0] for name in listed if _MARKER in name} or {""}
    layouts = [_layout_at(prefix, listed) for prefix in prefixes]
    return min(layouts, key=lambda layout: (len(layout.missing), len(layout.prefix), layout.prefix))


def _layout_at(prefix: str, listed: list[str]) -> Layout:
    inside = {name.removeprefix(prefix + _MARKER) for name in listed if name.startswith(prefix + _MARKER)}
    missing = [
        f"{CODE}/{needed}"
        for needed in NEEDED
        if not any(name == needed or (needed.endswith("/") and name.startswith(needed)) for name in inside)
    ]
    families = sorted(
        {
            parts[1]
            for parts in (PurePosixPath(name).parts for name in inside)
            if len(parts) > 2 and parts[0] == "scripts" and parts[2].startswith("0_pl_")
        }
    )
    if not families:
        missing.append(f"{CODE}/scripts/*/0_pl_*.sh")
    return Layout(prefix, tuple(families), tuple(missing))


def complaints(members: Iterable[Member]) -> list[str]:
    """What must not be unpacked: names that lead out of the folder or to what npudeck keeps there, links, one
    name for two things, more than any package holds.
    """
    found, total = [], 0
    files: set[str] = set()
    folders: set[str] = set()
    for member in members:
        total += member.size
        name = member.name
        path = PurePosixPath(name.replace("\\", "/"))
        if name.startswith("/") or ".." in path.parts or "\\" in name or re.match(r"[A-Za-z]:", name):
            found.append(_("{name!r} leads out of the folder").format(name=name))
        elif any(ord(character) < 32 for character in name):
            found.append(_("{name!r} holds a control character").format(name=name))
        elif member.mode & 0o170000 not in (0, 0o100000, 0o040000):
            found.append(_("{name!r} is a link or a device").format(name=name))
        elif any(part.startswith(".npudeck") for part in path.parts):
            found.append(_("{name!r} is npudeck's own on a node").format(name=name))
        elif any(len(part.encode()) > _LONGEST_NAME for part in path.parts):
            found.append(_("{name!r} is too long for a file's name").format(name=f"{name[:60]}…"))
        elif not name.endswith("/") and str(path) in files:
            found.append(_("{name!r} is there twice").format(name=name))
        folders.update(str(parent) for parent in path.parents)
        (folders if name.endswith("/") else files).add(str(path))
    found += [_("{name!r} is both a file and a folder").format(name=name) for name in sorted(files & folders)]
    if total > _MOST_BYTES:
        found.append(_("it would unpack to {size} GB").format(size=total >> 30))
    return found
