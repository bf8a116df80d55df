"""Lists of hosts as other tools have them, turned into nodes: host files, ssh configs. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from backend.fleet.node_sets import expand
from backend.problems import InputError, Problem, Severity
from backend.translation import _

_SLOTS = re.compile(r"slots\s*=\s*(\d+)", re.IGNORECASE)
LINES = _("write one host or node set a line: n01, n[01-64], n01 slots=8, n01:8 or 10.0.0.1 n01")
_PATTERN = re.compile(r"[*?!]")


@dataclass(frozen=True, slots=True)
class Found:
    """One host: its name, what SSH connects to, and how many NPUs (slots) its line promises."""

    name: str
    host: str
    npus: int | None = None


def parse_hostfile(text: str, path: str) -> list[Found]:
    """One host or node set a line, `#` for remarks: `n[01-04]`, `n01 slots=8` (mpirun, deepspeed), `n01:8`
    (MPICH), `10.0.0.1 n01` (hosts(5)); headings in brackets are left out. Raises `InputError`, by line.
    """
    found: dict[str, Found] = {}
    problems: list[Problem] = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].split()
        if not words or re.fullmatch(r"\[[A-Za-z_][^\]]*\]", words[0]):
            continue
        try:
            hosts = list(_of_line(words))
        except ValueError as error:
            what = _("{text!r} is not a host").format(text=words[0])
            problems.append(Problem(f"{path}:{number}", Severity.ERROR, what, str(error), LINES))
            continue
        for host in hosts:
            found.setdefault(host.name, host)
    if problems:
        raise InputError(*problems)
    return list(found.values())


def parse_ssh_config(text: str) -> tuple[list[str], list[str]]:
    """Names of `Host` lines that stand for one host each, and what the file includes, in order.

    `Host n01 n02` are two hosts with the same settings, unless a HostName without `%h` makes them one.
    """
    blocks: list[list[str]] = []
    included: list[str] = []
    for line in text.splitlines():
        parts = line.strip().replace("=", " ", 1).split(None, 1)
        keyword, rest = (parts[0].lower(), parts[1]) if len(parts) == 2 else ("", "")
        words = [word.strip('"') for word in rest.split()]
        if keyword == "include":
            included += words
        elif keyword == "host":
            blocks.append([] if any(_PATTERN.search(word) for word in words) else words)
        elif keyword == "match":
            blocks.append([])
        elif keyword == "hostname" and blocks and "%" not in rest:
            del blocks[-1][1:]
    return list(dict.fromkeys(name for names in blocks for name in names)), included


def _of_line(words: list[str]) -> Iterable[Found]:
    if len(words) > 1 and _is_address(words[0]) and "=" not in words[1]:
        yield Found(words[1].partition(".")[0], words[0])
        return
    slots = _SLOTS.search(" ".join(words[1:]))
    count = int(slots[1]) if slots else None
    name, colon, behind = words[0].rpartition(":")
    if colon and behind.isdecimal() and "[" not in behind and not _is_address(words[0]):
        words, count = [name], int(behind)
    for host in expand(words[0]):
        yield Found(_name_of(host), host, count or None)


def _name_of(host: str) -> str:
    """A name for a node that has only an address: letters, digits, `.`, `_` and `-` are what names have."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", host).strip("-.")


def _is_address(word: str) -> bool:
    try:
        ipaddress.ip_address(word)
    except ValueError:
        return False
    return True
