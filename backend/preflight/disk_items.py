"""Room on disks and in shared memory. Pure."""

from __future__ import annotations

from backend.engines.container import GUIDE_SHM_BYTES, parse_size
from backend.fleet.transport import Completed
from backend.inventory import Node
from backend.number_words import size
from backend.preflight.item import (
    Item,
    Place,
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

# logs, the code, the job's own files
LEAST_WORK_BYTES = 5 * 10**9
_SHM = "/dev/shm"  # noqa: S108 -- only its size is asked for
# word: a directory that need not be there yet; the nearest one above it counts
_FREE = """
at=$1
while [ ! -d "$at" ] && [ "$at" != / ] && [ "$at" != . ]; do at=$(dirname -- "$at"); done
LC_ALL=C df -Pk -- "$at" 2>/dev/null | awk 'NR == 2 { print "npudeck-free", $2, $4 }'
"""


def work_disk_item(node: Node, setting: Setting) -> Item:
    return _item("work_disk", setting.inside, node.work_directory, LEAST_WORK_BYTES, "")


def checkpoint_disk_item(setting: Setting) -> Item | None:
    """On rank 0's node: checkpoints lie on the shared directory. None where nothing is known of them."""
    need = setting.checkpoints
    if need is None:
        return None
    return _item("checkpoint_disk", setting.inside, need.directory, need.size, f" ({need.formula})")


def _item(name: str, place: Place, directory: str, least: int, why: str) -> Item:
    def judge(done: Completed) -> Verdict:
        sizes = _sizes(done)
        if sizes is None:
            return unknown(short(done.complaint()))
        found = _("{free} free of {size}").format(free=size(sizes[1]), size=size(sizes[0]))
        if sizes[1] >= least:
            return well(found)
        if name == "work_disk":
            return wrong(found, _("remove what is no longer needed in {path}").format(path=directory))
        fix = _("make room, keep fewer checkpoints (keep_last), or save elsewhere (checkpoint_directory)")
        return wrong(found, fix)

    needed = _("{size} free in {path}{why}").format(size=size(least), path=directory, why=why)
    return Item(name, needed, script(_FREE, directory), judge, place)


def shm_item(node: Node, setting: Setting) -> Item:
    """Ranks hand data over in /dev/shm, wherever they run."""
    container = setting.container
    least = (parse_size(container.shm_size) or 0) if container is not None else GUIDE_SHM_BYTES
    if node.device != "npu" and container is None:
        least = 64 << 20

    def judge(done: Completed) -> Verdict:
        sizes = _sizes(done)
        if sizes is None:
            return unknown(short(done.complaint()))
        found = _("{size:.0f} MiB").format(size=sizes[0] / 2**20)
        if sizes[0] >= least:
            return well(found)
        if container is not None:
            return wrong(found, _("make the container anew: npudeck containers stop --remove, then start"))
        return warning(found, _("mount -o remount,size={size}g /dev/shm").format(size=least >> 30))

    needed = _("{path} of {size:.0f} MiB").format(path=_SHM, size=least / 2**20)
    return Item("shm", needed, script(_FREE, _SHM), judge, setting.inside)


def _sizes(done: Completed) -> tuple[int, int] | None:
    """Size and free bytes."""
    for line in lines_after(done.text(), "npudeck-free "):
        parts = line.split()
        if len(parts) == 2 and all(part.isascii() and part.isdecimal() and len(part) < 19 for part in parts):
            return int(parts[0]) << 10, int(parts[1]) << 10
    return None
