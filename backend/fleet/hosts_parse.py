"""Lists of hosts as other tools have them, turned into nodes: host files, ssh configs. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from backend.fleet.inventory_words import wrong_host, wrong_name
from backend.fleet.node_sets import expand
from backend.problems import InputError, Problem, Severity
from backend.translation import _

_SLOTS = re.compile(r"slots\s*=\s*(\d+)", re.IGNORECASE)
LINES = _("write one host or node set a line: n01, n[01-64], n01 slots=8, n01:8 or 10.0.0.1 n01")
# ip6-localnet of Debian's hosts(5), and the broadcast address of macOS'
_OF_MANY = (ipaddress.ip_network("fe00::/16"), ipaddress.ip_network("255.255.255.255"))
_PATTERN = re.compile(r"[*?!]")


@dataclass(frozen=True, slots=True)
class Found:
    """One host: its name, what SSH connects to, and how many NPUs (slots) its line promises."""

    name: str
    host: str
    npus: int | None = None


def parse_hostfile(text: str, path: str) -> tuple[list[Found], list[Found]]:
    """One host or node set a line, `#` for remarks: `n[01-04]`, `n01 slots=8` (mpirun, deepspeed), `n01:8`
    (MPICH), `10.0.0.1 n01` (hosts(5)); headings in brackets are left out.

    The second list holds what hosts(5) gives addresses that no machine has for others (loopback, multicast).
    Raises `InputError`, by line.
    """
    found: dict[str, Found] = {}
    left_out: dict[str, Found] = {}
    problems: list[Problem] = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].split()
        if not words or re.fullmatch(r"\[[A-Za-z_][^\]]*\]", words[0]):
            continue
        place = f"{path}:{number}"
        try:
            hosts = list(_of_line(words))
        except ValueError as error:
            what = _("{text!r} is not a host").format(text=words[0])
            problems.append(Problem(place, Severity.ERROR, what, str(error), LINES))
            continue
        # one for all members of a set
        if wrong := next(
            filter(None, (wrong_host(host.host) or wrong_name(host.name) for host in hosts)), None
        ):
            what, why, fix = wrong
            problems.append(Problem(place, Severity.ERROR, what, why, fix or LINES))
            continue
        into = left_out if _is_hosts_line(words) and _is_nobodys(words[0]) else found
        for host in hosts:
            into.setdefault(host.name, host)
    if problems:
        raise InputError(*problems)
    return list(found.values()), list(left_out.values())


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
    if _is_hosts_line(words):
        yield Found(words[1].partition(".")[0], words[0])
        return
    slots = _SLOTS.search(" ".join(words[1:]))
    count = int(slots[1]) if slots else None
    name, colon, behind = words[0].rpartition(":")
    if colon and behind.isdecimal() and "[" not in behind and not _is_address(words[0]):
        words, count = [name], int(behind)
    for host in expand(words[0]):
        yield Found(_name_of(host), host, count or None)


def _is_hosts_line(words: list[str]) -> bool:
    """As hosts(5) has them: an address and its names."""
    return len(words) > 1 and _is_address(words[0]) and "=" not in words[1]


def _is_nobodys(address: str) -> bool:
    """No address at which another machine answers alone: each one's own, or that of many at once."""
    found = ipaddress.ip_address(address)
    own = found.is_loopback or found.is_unspecified or address.lower() == "fe80::1%lo0"
    return own or found.is_multicast or any(found in network for network in _OF_MANY)


def _name_of(host: str) -> str:
    """A name for a node that has only an address: letters, digits, `.`, `_` and `-` are what names have."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", host).strip("-.")


def _is_address(word: str) -> bool:
    try:
        ipaddress.ip_address(word)
    except ValueError:
        return False
    return True
