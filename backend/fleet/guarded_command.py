"""A command for a node that may never end, and whose login shell may talk before it runs."""

from __future__ import annotations

import math
from collections.abc import Sequence

from backend.translation import _

TIMED_OUT = 124  # what timeout(1) answers
_KILLED = 137

# The mark on both streams says where the command's own words begin. The limit is kept on the node, and so is
# the end when whoever asked goes away, which shows as the end of stdin: sshd leaves a command alone when its
# channel is closed, and forwards no signals to root's.
_SCRIPT = """
printf '%s\\n' "$1"; printf '%s\\n' "$1" >&2
limit=$2; shift 2
exec 3<&0
group=
if command -v timeout >/dev/null 2>&1; then
    # timeout makes itself the leader of a group, with all that it starts
    timeout -k 3 "$limit" "$@" </dev/null 3<&- &
    group=-
else
    "$@" </dev/null 3<&- &
fi
job=$!
gone() {
    kill -TERM "$job"
    # what does not listen, and what was started while the signal came
    sleep 2
    kill -KILL "$group$job"
    exit 143
}
trap gone USR1
(
    cat <&3
    kill -USR1 $$
) >/dev/null 2>&1 &
watch=$!
# shells say on stderr what they killed
exec 3<&- 2>/dev/null
wait "$job"
code=$?
kill -KILL "$watch"
exit "$code"
"""


def guarded(argv: Sequence[str], mark: str, limit_s: float) -> tuple[str, ...]:
    """The argv that prints `mark` on a line of each stream and then does `argv`, which gets no stdin.

    It is ended after `limit_s`, or when stdin ends. A signal shows as 128 and its number.
    """
    # whole seconds: not every timeout(1) knows fractions
    return ("sh", "-c", _SCRIPT, "npudeck", mark, str(math.ceil(limit_s)), *argv)


class AfterMark:
    """Passes on what comes after the line with the mark; `noise` is what a login shell said before it."""

    _MOST_NOISE = 1 << 16

    def __init__(self, mark: str) -> None:
        self._mark = mark.encode() + b"\n"
        self._waiting = bytearray()
        self.noise = b""
        self.begun = False

    def take(self, data: bytes) -> bytes:
        """What of `data` is the command's own. Raises `ValueError` when the mark is long overdue."""
        if self.begun:
            return data
        self._waiting += data
        place = self._waiting.find(self._mark)
        if place < 0:
            self.noise = bytes(self._waiting)
            if len(self._waiting) > self._MOST_NOISE:
                raise ValueError(_("the login shell talks without end"))
            return b""
        self.begun = True
        self.noise = bytes(self._waiting[:place])
        rest = bytes(self._waiting[place + len(self._mark) :])
        self._waiting.clear()
        return rest


def timed_out(exit_code: int, took_s: float, limit_s: float) -> bool:
    """Whether timeout(1) ended it: a command may answer 124 by itself, but not at that moment."""
    return exit_code in (TIMED_OUT, _KILLED) and took_s >= limit_s
