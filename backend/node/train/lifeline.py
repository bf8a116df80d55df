"""A rank does not outlive its launcher, however that ends."""

from __future__ import annotations

import ctypes
import os
import signal

LAUNCHER_PID = "NPUDECK_LAUNCHER_PID"
# for a launcher that does not say its pid, as torchrun
END_WITH_PARENT = "NPUDECK_END_WITH_PARENT"
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_launcher() -> None:
    """Ask the kernel to kill this process when its parent is gone; nothing to do without a launcher."""
    launcher = os.environ.get(LAUNCHER_PID)
    if launcher is None:
        if END_WITH_PARENT in os.environ:
            end_with_parent()
        return
    end_with_parent()
    if os.getppid() != int(launcher):
        # It ended before we asked.
        os.kill(os.getpid(), signal.SIGKILL)


def end_with_parent() -> None:
    """Ask the kernel to kill this process when the thread that started it is gone."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
