"""What a node says of itself in one question: who it is, since when it is up, what of ours lies there.
Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

# one line a fact, behind a word of ours: a login shell may talk too
_SCRIPT = """
fact() { printf 'npudeck-fact %s %s\\n' "$1" "$2"; }
fact host "$(uname -n)"
fact system "$(uname -sr) $(uname -m)"
fact boot "$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)"
fact up_s "$(cut -d. -f1 /proc/uptime 2>/dev/null)"
fact load "$(cut -d' ' -f1-3 /proc/loadavg 2>/dev/null)"
fact user "$(id -un 2>/dev/null || id -u)"
fact clock "$(date +%s)"
fact free_kb "$(df -Pk "$1" 2>/dev/null | awk 'NR == 2 { print $4 }')"
fact work "$([ -d "$1" ] && echo yes || echo no)"
fact shared "$([ -d "$2" ] && echo yes || echo no)"
fact docker "$(command -v docker >/dev/null 2>&1 && echo yes || echo no)"
fact runs "$(ls "$1/.npudeck/runs" 2>/dev/null | wc -l)"
"""
_LINE = re.compile(r"^npudeck-fact (\w+) ?(.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """Empty or None where the node did not say. `clock`: epoch seconds there; sizes in KiB."""

    host: str = ""
    system: str = ""
    boot: str = ""
    up_s: int | None = None
    load: str = ""
    user: str = ""
    clock: int | None = None
    free_kb: int | None = None
    work_directory: bool = False
    shared_directory: bool = False
    docker: bool = False
    runs: int | None = None


def facts_argv(work_directory: str, shared_directory: str) -> Sequence[str]:
    return ("sh", "-c", _SCRIPT, "npudeck-facts", work_directory, shared_directory)


def parse_facts(text: str) -> NodeFacts:
    said = {match[1]: match[2].strip() for match in _LINE.finditer(text)}

    def number(name: str) -> int | None:
        word = said.get(name, "")
        return int(word) if word.isascii() and word.isdecimal() else None

    return NodeFacts(
        host=said.get("host", ""),
        system=said.get("system", ""),
        boot=said.get("boot", ""),
        up_s=number("up_s"),
        load=said.get("load", ""),
        user=said.get("user", ""),
        clock=number("clock"),
        free_kb=number("free_kb"),
        work_directory=said.get("work") == "yes",
        shared_directory=said.get("shared") == "yes",
        docker=said.get("docker") == "yes",
        runs=number("runs"),
    )
