"""How a run is asked to stop: the step is finished and saved, and the status says that it can go on."""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import Optional

from backend.node.train.lifeline import LAUNCHER_PID

STOPPED_STATUS = 75  # EX_TEMPFAIL of sysexits.h: stopped as asked, after a checkpoint
LOST_PEER_STATUS = 69  # EX_UNAVAILABLE of sysexits.h: this rank ended because another one did


class _Request:
    asked = False


def take_stop_signals() -> None:
    """From now on the first SIGTERM only asks; the second ends the process at once, as it does by default.

    SIGINT asks too, except below the launcher: a terminal sends it to all processes, and the launcher
    forwards it as SIGTERM.
    """
    signal.signal(signal.SIGTERM, _ask)
    if os.environ.get(LAUNCHER_PID) is None:
        signal.signal(signal.SIGINT, _ask)
    else:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def stop_is_asked() -> bool:
    """Whether this rank was asked; the others hear of it with the next step's sums."""
    return _Request.asked


def _ask(number: int, _frame: Optional[FrameType]) -> None:
    _Request.asked = True
    # The default action works even while the rank waits inside a library.
    signal.signal(number, signal.SIG_DFL)
