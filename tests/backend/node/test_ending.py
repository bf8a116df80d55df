"""Work that a signal ends."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

import pytest

from backend.node.ending import ended_by_signals


def ended_by(number: int, at_the_end: Callable[[], None] = lambda: None) -> None:
    with ended_by_signals():
        try:
            os.kill(os.getpid(), number)
            signal.pause()
        finally:
            at_the_end()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_is_an_exit(number: int, code: int) -> None:
    with pytest.raises(SystemExit) as caught:
        ended_by(number)
    assert caught.value.code == code
    assert signal.getsignal(number) is signal.SIG_DFL


def test_the_next_one_does_not_cut_the_end_short() -> None:
    steps = []

    def at_the_end() -> None:
        steps.append("begun")
        os.kill(os.getpid(), signal.SIGHUP)
        steps.append("done")

    with pytest.raises(SystemExit) as caught:
        ended_by(signal.SIGTERM, at_the_end)
    assert (caught.value.code, steps) == (143, ["begun", "done"])


def test_one_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ended_by_signals():
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_another_thread_changes_nothing() -> None:
    found = []

    def work() -> None:
        with ended_by_signals():
            found.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [signal.getsignal(signal.SIGTERM)]
