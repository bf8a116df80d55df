"""The login itself, what it may open and lock, and training that somebody left behind. Pure."""

from __future__ import annotations

import re

from backend.fleet.transport import Completed
from backend.preflight.item import (
    Item,
    Repair,
    Verdict,
    lines_after,
    script,
    short,
    unknown,
    warning,
    well,
    wrong,
)
from backend.preflight.setting import Setting
from backend.translation import _

SSH = "ssh"
# every rank holds sockets to many others, files of data and shared memory; the usual 1024 is soon used up
LEAST_OPEN_FILES = 16_384
LEAST_LOCKED_KB = 8_192  # what Linux grants since 5.16; 64 before, too little for any registered memory
_LOGIN = 'printf "npudeck-login %s %s\\n" "$(id -u)" "$(id -un)"'
_LIMITS = 'printf "npudeck-limit %s %s\\n" nofile "$(ulimit -n)" memlock "$(ulimit -l)"'
TOOLS = ("flock", "setsid", "mktemp", "sha256sum", "tar", "timeout", "grep", "sed", "awk")
_TOOLS = """
lacking=
for tool; do command -v "$tool" >/dev/null 2>&1 || lacking="$lacking $tool"; done
printf 'npudeck-tools%s\\n' "$lacking"
"""
_PROCESSES = (
    "LC_ALL=C ps -ww -eo pid=,user=,etimes=,args= 2>/dev/null | head -c 2000000 | sed 's/^/npudeck-ps /'"
)
_TRAINING = re.compile(
    r"^(?:\S*\b(?:python[\d.]*|bash|sh)\b.*?|\S*/|)"
    r"(?P<what>\bpretrain_\w+\.py|\btorchrun\b|torch\.distributed\.(?:run|launch)\b"
    r"|0_pl_(?:pretrain|sft|lora)_\w+\.sh|\.npudeck/code/\S+/node\.zip train)"
)
_RUN = re.compile(r"\.npudeck/runs/([A-Za-z0-9._-]{1,60})/")


def login_item() -> Item:
    """The only question whose silence means that the node cannot be reached. `value`: the user's number."""

    def judge(done: Completed) -> Verdict:
        found = lines_after(done.text(), "npudeck-login ")
        number, _blank, name = found[0].partition(" ") if found else ("", "", "")
        if not number.isdecimal():
            return unknown(short(_("it runs no commands: {said}").format(said=done.complaint())))
        return well(_("logged in as {name}").format(name=short(name, 40) or number), number)

    return Item(SSH, _("a login that runs commands"), script(_LOGIN), judge, timeout_s=8.0)


def limits_item(setting: Setting) -> Item:
    def judge(done: Completed) -> Verdict:
        said = dict(line.split(" ", 1) for line in lines_after(done.text(), "npudeck-limit ") if " " in line)
        files, memory = said.get("nofile", ""), said.get("memlock", "")
        if not files:
            return unknown(short(done.complaint()))
        found = _("open files {files}, locked memory {memory}").format(
            files=short(files, 20), memory=short(memory, 20)
        )
        if not _less(files, LEAST_OPEN_FILES) and not _less(memory, LEAST_LOCKED_KB):
            return well(found)
        fix = _("in /etc/security/limits.conf: `* - nofile 65535` and `* - memlock unlimited`; log in anew")
        if setting.container is not None:
            fix = _("the container has the Docker service's limits: LimitNOFILE and LimitMEMLOCK of its unit")
        return warning(found, fix)

    needed = _("open files at least {files}, locked memory at least {memory} KiB").format(
        files=LEAST_OPEN_FILES, memory=LEAST_LOCKED_KB
    )
    return Item("limits", needed, script(_LIMITS), judge, setting.inside)


def _less(limit: str, least: int) -> bool:
    return limit.isascii() and limit.isdecimal() and len(limit) < 20 and int(limit) < least


def tools_item(setting: Setting) -> Item:
    """Jobs and leases of runs are kept with these; small images often lack them."""

    def judge(done: Completed) -> Verdict:
        said = lines_after(done.text(), "npudeck-tools")
        if not said:
            return unknown(short(done.complaint()))
        if lacking := said[0].split():
            package = _(
                "install util-linux, coreutils, grep, gawk and tar there, or take an image that has them"
            )
            return wrong(_("it lacks {names}").format(names=short(", ".join(lacking))), package)
        return well(", ".join(TOOLS))

    return Item("tools", ", ".join(TOOLS), script(_TOOLS, *TOOLS), judge, setting.inside)


def stale_item() -> Item:
    """Training that runs on the node: left over, or somebody's."""

    def judge(done: Completed) -> Verdict:
        rows = lines_after(done.text(), "npudeck-ps ")
        if not rows:
            return unknown(_("`ps` lists no processes: {said}").format(said=short(done.complaint())))
        found = [row for row in map(_training, rows) if row is not None]
        if not found:
            return well(_("none among {count} processes").format(count=len(rows)))
        pid, user, since, what, run = found[0]
        text = _("process {pid} of {user}, since {since}: {what}").format(
            pid=pid, user=user, since=since, what=what
        )
        if len(found) > 1:
            text += _(" and {count} more").format(count=len(found) - 1)
        if run:
            fix = _("`npudeck runs list` on the bastion that began run {run}; `npudeck stop` ends it").format(
                run=run
            )
            return wrong(text, fix)
        numbers = " ".join(row[0] for row in found[:32])
        repair = Repair(("kill", *numbers.split()), safe=False, as_root=True)
        return wrong(text, _("ask its owner; if it is left over: kill {pids}").format(pids=numbers), repair)

    return Item("stale_processes", _("no training from before"), script(_PROCESSES), judge)


def _training(row: str) -> tuple[str, str, str, str, str] | None:
    """Process id, user, age, what it runs and the run it belongs to, of a row of `ps`."""
    parts = row.split(None, 3)
    if len(parts) < 4 or not parts[0].isdecimal():
        return None
    match = _TRAINING.match(parts[3])
    if match is None:
        return None
    run = _RUN.search(parts[3])
    return parts[0], short(parts[1], 30), _age(parts[2]), short(match["what"], 60), run[1] if run else ""


def _age(seconds: str) -> str:
    if not (seconds.isascii() and seconds.isdecimal()) or len(seconds) > 12:
        return "?"
    total = int(seconds)
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if total >= size:
            return f"{total // size} {unit}"
    return f"{total} s"
