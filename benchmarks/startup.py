"""How soon npudeck answers: CPU of `--help` and `--version`, and the console's first paint in a terminal.

The references are measured in the same run: a Python that only imports argparse, and Textual's smallest app.
"""

from __future__ import annotations

import os
import pty
import re
import select
import statistics
import sys
import tempfile
import time
from collections.abc import Callable

from _figures import Figure, figure, options, report
from _process import ENVIRONMENT, spend

_HELP = [sys.executable, "-c", "from tui.command import main; main()"]
_ARGPARSE = [sys.executable, "-c", "import argparse; argparse.ArgumentParser().parse_args([])"]
_SMALLEST_APP = (
    "from textual.app import App\n"
    "from textual.widgets import Static\n"
    "class A(App):\n"
    "    def compose(self):\n"
    "        yield Static('Fleet')\n"
    "A().run()\n"
)


def cpu_ms(argv: list[str]) -> float:
    return 1000 * spend(argv).cpu_seconds


def paint_ms(argv: list[str], word: bytes) -> float:
    """From start to the first output that shows `word`, in a terminal of 160x45."""
    started = time.perf_counter()
    pid, terminal = pty.fork()
    if pid == 0:
        environment = dict(ENVIRONMENT, TERM="xterm-256color", COLUMNS="160", LINES="45")
        environment["XDG_STATE_HOME"] = tempfile.mkdtemp()
        os.execvpe(argv[0], argv, environment)
    seen = b""
    while time.perf_counter() - started < 20:
        ready, _write, _error = select.select([terminal], [], [], 0.05)
        if ready:
            try:
                seen += os.read(terminal, 65536)
            except OSError:
                break
            if word in re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", seen):
                break
    took = 1000 * (time.perf_counter() - started)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    os.close(terminal)
    return took


def middle(measure: Callable[[], float], count: int) -> float:
    measure()
    return statistics.median(measure() for _ in range(count))


def main() -> int:
    chosen = options(__doc__ or "")
    count = 3 if chosen.quick else 9
    reference = round(middle(lambda: cpu_ms(_ARGPARSE), count), 1)
    figures: list[Figure] = []
    for option in ("--help", "--version"):
        value = middle(lambda option=option: cpu_ms([*_HELP, option]), count)  # type: ignore[misc]
        figures.append(
            figure(
                f"npudeck {option}, CPU",
                value,
                "ms",
                reference="python with argparse alone",
                reference_value=reference,
                goal=150,
            )
        )
    smallest = round(middle(lambda: paint_ms([sys.executable, "-c", _SMALLEST_APP], b"Fleet"), count), 1)
    figures.append(
        figure(
            "console, first paint",
            middle(lambda: paint_ms(_HELP, b"Fleet"), count),
            "ms",
            reference="Textual's smallest app",
            reference_value=smallest,
            goal=600,
        )
    )
    return report(figures, chosen)


if __name__ == "__main__":
    sys.exit(main())
