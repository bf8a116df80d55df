"""Work that is told to end by a signal ends as by an error: what it has half done is taken away."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import Any, Iterator, List

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """While the block runs, SIGTERM and SIGHUP raise SystemExit with 128 + the signal's number, as a shell
    shows it; those that follow change nothing, so that the end is not cut short. One that is ignored (nohup)
    stays so; outside the main thread nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: List[int] = []

    def end(number: int, _frame: Any) -> None:
        received.append(number)
        if len(received) == 1:
            raise SystemExit(128 + number)

    taken = [number for number in _SIGNALS if signal.getsignal(number) == signal.SIG_DFL]
    for number in taken:
        signal.signal(number, end)
    try:
        yield
    except BaseException as error:
        # Raised amid an import, it comes out as another error.
        if received and not isinstance(error, SystemExit):
            raise SystemExit(128 + received[0]) from error
        raise
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)
