"""How fast checkpoints will be written, tried out where they will lie. Pure."""

from __future__ import annotations

import json
from typing import Any

from backend.fleet.transport import Completed
from backend.number_words import byte_rate, size
from backend.preflight.item import Item, Verdict, lines_after, short, unknown, warning, well
from backend.preflight.python_item import unusable_python
from backend.preflight.setting import Setting
from backend.translation import _

WRITE_SPEED = "write_speed"
MOST_BYTES = 256 << 20
MOST_S = 3.0
# all ranks wait for a save: one of ten minutes every hour is a sixth of the NPUs
LONGEST_SAVE_S = 600.0
# words: directory, the one above it that must be there (between them the nearest one counts), files, bytes in
# all, seconds. Several ranks of a node write at the same time. The files have no name while they are written:
# whatever happens, nothing is left
_SCRIPT = r"""
import json, os, sys, threading, time
at, top = sys.argv[1:3]
count, most, seconds = int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])
while not os.path.isdir(at) and at.startswith(top + "/"): at = os.path.dirname(at)
block = os.urandom(1 << 20)
def say(**found): print("npudeck-speed " + json.dumps(found), flush=True)
def nameless(number):
    path = os.path.join(at, ".npudeck-check-%s-%d" % (os.urandom(8).hex(), number))
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.unlink(path)
    return file
def write(file, size, faults):
    try:
        while size > 0: size -= os.write(file, block[:size])
        os.fsync(file)
    except OSError as error:
        faults.append(error)
def tried(files, size):
    faults, began = [], time.monotonic()
    threads = [threading.Thread(target=write, args=(file, size // len(files), faults)) for file in files]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    if faults: raise faults[0]
    return max(time.monotonic() - began, 1e-6)
try:
    free = os.statvfs(at)
    if free.f_bavail * free.f_frsize < 4 * most: raise OSError(0, "too little room to try it")
    files = [nameless(number) for number in range(count)]
    size = count << 20
    took = tried(files, size)
    more = int(min(most, size / took * seconds * 0.8))
    if more > 2 * size: size, took = more, tried(files, more)
    say(bytes=size, seconds=took)
except OSError as error:
    say(error="%s: %s" % (at, error.strerror))
"""


def write_speed_item(setting: Setting) -> Item:
    """On rank 0's node. Without a recipe there is no checkpoint to reckon with: only the speed is told."""
    need, first = setting.checkpoints, setting.first
    directory = need.directory if need is not None else setting.shared_directory

    def judge(done: Completed) -> Verdict:
        lines = lines_after(done.text(), "npudeck-speed ")
        rate = _rate(lines[0]) if lines else None
        if isinstance(rate, float):
            return _judge(rate, setting)
        if rate is None and done.exit_code in (126, 127):
            return unusable_python(first)
        return unknown(short(rate or done.complaint()))

    needed = _("a checkpoint within {minutes:g} min").format(minutes=LONGEST_SAVE_S / 60)
    ranks = setting.recipe.npus_per_node if setting.recipe is not None else first.npus
    # a file system that is not mounted leaves a folder of another one: nothing is written there
    inside = f"{directory}/".startswith(f"{setting.shared_directory.rstrip('/')}/")
    top = setting.shared_directory if inside else directory.rpartition("/")[0]
    words = (
        directory,
        top.rstrip("/"),
        str(min(8, ranks)),
        str(MOST_BYTES),
        f"{MOST_S:g}",
    )
    return Item(WRITE_SPEED, needed, (first.python, "-c", _SCRIPT, *words), judge, setting.inside, 20.0)


def _judge(rate: float, setting: Setting) -> Verdict:
    """`rate`: bytes/s of one node."""
    need, recipe = setting.checkpoints, setting.recipe
    found = _("{rate} from {node}").format(rate=byte_rate(rate), node=setting.first.name)
    if need is None or recipe is None:
        return well(found)
    ranks = recipe.tensor_parallel * recipe.pipeline_parallel
    writers = max(1, min(len(setting.nodes), -(-ranks // max(1, recipe.npus_per_node))))
    save_s = need.one / (rate * writers)
    words = _("{found}: a checkpoint of {size} takes {time}")
    if writers > 1:
        words = _("{found}: a checkpoint of {size} takes {time} if all {writers} nodes write as fast")
    found = words.format(found=found, size=size(need.one), time=_time(save_s), writers=writers)
    if save_s <= LONGEST_SAVE_S:
        return well(found)
    return warning(
        found, _("save less often (save_interval), or to a faster file system (checkpoint_directory)")
    )


def _rate(text: str) -> float | str | None:
    """Bytes/s, or why there is no figure; None for anything but an answer of the script."""
    try:
        said: dict[str, Any] = json.loads(text)
        if "error" in said:
            return str(said["error"])
        rate = float(said["bytes"]) / float(said["seconds"])
    except (ValueError, TypeError, KeyError, ZeroDivisionError, OverflowError, RecursionError):
        return None
    return rate if 1.0 <= rate < 1e15 else None


def _time(seconds: float) -> str:
    if seconds < 180:
        return _("{count:.0f} s").format(count=max(1.0, seconds))
    if seconds < 7200:
        return _("{count:.0f} min").format(count=seconds / 60)
    return _("{count:.1f} h").format(count=seconds / 3600)
