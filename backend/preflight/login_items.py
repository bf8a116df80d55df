"""The login itself, what it may open and lock, and the programs that jobs need. Pure."""

from __future__ import annotations

from backend.fleet.login_shell_client import no_commands
from backend.fleet.transport import Completed
from backend.inventory import Node
from backend.preflight.item import (
    Item,
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


def login_item(node: Node) -> Item:
    """The only question whose silence means that the node cannot be reached. `value`: the user's number."""

    def judge(done: Completed) -> Verdict:
        found = lines_after(done.text(), "npudeck-login ")
        number, _blank, name = found[0].partition(" ") if found else ("", "", "")
        if not number.isdecimal():
            refused = no_commands(node, done.stdout + done.stderr, done.exit_code)
            return unknown(short(refused.problems[0].what))
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
