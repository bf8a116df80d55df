"""The NPUs: as many as needed, nobody on them, and their driver. Pure."""

from __future__ import annotations

import re
from dataclasses import replace

from backend.events import NodeObserved
from backend.fleet.transport import Completed
from backend.inventory import Node
from backend.preflight.item import (
    Item,
    Status,
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
from backend.probes.probe_plan import judge_answer
from backend.translation import _, ngettext

_PATH = "PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/local/Ascend/driver/tools"
# the reply begins behind a mark: a login shell may talk, and the table has no line of its own to begin with
_INFO = f"{_PATH}; LC_ALL=C; export PATH LC_ALL; echo npudeck-table; exec npu-smi info 2>&1"
_VERSIONS = """
ascend=${ASCEND_ROOT:-/usr/local/Ascend}
for name in driver firmware; do
    grep -i '^version=' "$ascend/$name/version.info" 2>/dev/null | head -n 1 |
        sed "s/^/npudeck-version $name /"
done
"""
_CANN = """
ascend=${ASCEND_ROOT:-/usr/local/Ascend}
for file in "$ascend"/ascend-toolkit/latest/*/ascend_toolkit_install.info \
    "$ascend"/cann/*/ascend_toolkit_install.info; do
    [ -r "$file" ] && grep -i '^version=' "$file" | head -n 1 | sed 's/^/npudeck-version cann /'
done
"""
ON_PROCESSORS = _("none: it computes on its processors")
_NOT_FOUND = 127
_VERSION = re.compile(r"(\w+) version=([A-Za-z0-9._+-]{1,60})", re.IGNORECASE)


def npus_item(node: Node, setting: Setting) -> Item:
    needed = setting.npus(node)

    def judge(done: Completed) -> Verdict:
        if computes_on_processors(node, done):
            return well(ON_PROCESSORS)
        seen = observed(node, done)
        if not isinstance(seen, NodeObserved):
            return wrong(short(seen), _("run `npu-smi info` there; see `npudeck health`"))
        found = npus(len(seen.devices))
        if len(seen.devices) < needed:
            return wrong(found, _("choose other nodes, or lower npus_per_node; see `npudeck health`"))
        return well(found)

    return Item("npus", npus(needed), ask_table(), judge, timeout_s=15.0)


def free_npus_item(node: Node) -> Item:
    def judge(done: Completed) -> Verdict:
        if computes_on_processors(node, done):
            return well(ON_PROCESSORS)
        seen = observed(node, done)
        if not isinstance(seen, NodeObserved):
            return unknown(short(seen))
        if not seen.processes:
            return well(_("no process on them"))
        owner = seen.processes[0]
        name, npu = short(owner.name, 40), owner.npu_id
        more = len(seen.processes) - 1
        others = _(" and {count} more").format(count=more) if more else ""
        text = _("process {pid} ({name}) is on NPU {npu}").format(pid=owner.pid, name=name, npu=npu)
        alike = _("{name} is on NPU {npu}").format(name=name, npu=npu)
        verdict = wrong(text + others, _("wait for it, stop it, or choose other nodes"))
        return replace(verdict, alike=alike + others)

    return Item("free_npus", _("no process on the NPUs"), ask_table(), judge, timeout_s=15.0)


def inside_npus_item(node: Node, setting: Setting) -> Item:
    """What the container itself sees: the driver answers there, for as many NPUs."""
    needed = setting.npus(node)

    def judge(done: Completed) -> Verdict:
        seen = observed(node, done)
        if not isinstance(seen, NodeObserved):
            fix = _("mount npu-smi, dcmi and driver into it; one container alone may have an NPU")
            return wrong(short(seen), fix)
        found = npus(len(seen.devices))
        if len(seen.devices) < needed:
            return wrong(found, _("start the container with as many devices: `npudeck containers start`"))
        return well(found)

    what = _("npu-smi in the container lists {npus}").format(npus=npus(needed))
    return Item("npus_inside", what, ask_table(), judge, setting.inside, 15.0)


def driver_item() -> Item:
    def judge(done: Completed) -> Verdict:
        versions = _versions(done)
        if "driver" not in versions:
            return wrong(
                _("no driver/version.info"), _("install driver and firmware of the release on the node")
            )
        found = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
        return well(found, found)

    return Item("driver", _("one version on all nodes"), script(_VERSIONS), judge, same=Status.WRONG)


def cann_item(setting: Setting) -> Item:
    def judge(done: Completed) -> Verdict:
        version = _versions(done).get("cann")
        if version is None:
            return warning(
                _("no toolkit is found below /usr/local/Ascend"),
                _("install CANN where the training runs, or start from an image that has it"),
            )
        return well(version, version)

    needed = _("one version on all nodes")
    return Item("cann", needed, script(_CANN), judge, setting.inside, same=Status.WRONG)


def ask_table() -> tuple[str, ...]:
    """What `observed` reads the answer of."""
    return script(_INFO)


def npus(count: int) -> str:
    """ "1 NPU", "8 NPUs"."""
    return ngettext("{n} NPU", "{n} NPUs", count).format(n=count)


def computes_on_processors(node: Node, done: Completed) -> bool:
    """A rehearsal on a machine without NPUs: none are missing there. Where npu-smi is, they count."""
    return node.device == "cpu" and done.exit_code == _NOT_FOUND


def observed(node: Node, done: Completed) -> NodeObserved | str:
    """What npu-smi says, or why it says nothing."""
    _noise, mark, table = done.text().partition("npudeck-table\n")
    if not mark:
        return done.complaint()
    seen = judge_answer(node.name, 0.0, 0.0, done.exit_code, table)
    return seen if isinstance(seen, NodeObserved) else seen.reason


def _versions(done: Completed) -> dict[str, str]:
    matches = (_VERSION.match(line) for line in lines_after(done.text(), "npudeck-version "))
    return {match[1]: match[2] for match in matches if match}
