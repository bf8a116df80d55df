"""Start the hosts of a demo fleet as a process of their own, find a living fleet again, and end it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from backend.demo.demo_control import ask
from backend.demo.demo_layout import DemoLayout
from backend.demo.marked_processes import FLEET, NODE, end_all
from backend.problems import ConflictError, LocalError, Problem, Severity
from backend.translation import _

# the default fleet ends by itself after so long without any connection and any job
IDLE_LIMIT_S = 900.0
START_DEADLINE_S = 30.0
END_DEADLINE_S = 15.0
POLL_S = 0.05


def is_living(layout: DemoLayout) -> bool:
    """Whether hosts live in this directory and answer."""
    return bool(ask(layout, "status"))


def ensure_running(layout: DemoLayout, count: int) -> bool:
    """Start detached hosts unless some live here already, and wait until they answer; False: found living."""
    if is_living(layout):
        return False
    process = _start(layout, count, ["--idle-limit-s", str(IDLE_LIMIT_S)], subprocess.DEVNULL)
    wait_until_up(layout, process)
    return True


def start_temporary(layout: DemoLayout, count: int) -> subprocess.Popen[bytes]:
    """Hosts that end with this process, however it ends, and remove their directory."""
    return _start(layout, count, ["--temporary"], subprocess.PIPE)


def end_temporary(layout: DemoLayout, process: subprocess.Popen[bytes]) -> None:
    """Nothing of it is left when this comes back."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(END_DEADLINE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        end_all(str(layout.root))
    shutil.rmtree(layout.root, ignore_errors=True)


def wait_until_up(layout: DemoLayout, process: subprocess.Popen[bytes]) -> None:
    """Raises `LocalError` with the hosts' last words when they do not come up."""
    until = time.monotonic() + START_DEADLINE_S
    while not is_living(layout):
        # hosts that found the directory taken leave it to the others, who may need a moment to answer
        ended = process.poll() not in (None, ConflictError.exit_code)
        if ended or time.monotonic() > until:
            raise LocalError(
                Problem(
                    "",
                    Severity.ERROR,
                    _("the demo fleet did not start"),
                    _last_words(layout.log),
                    _("see {path}").format(path=layout.log),
                )
            )
        time.sleep(POLL_S)


def stop(layout: DemoLayout) -> bool:
    """End the hosts and everything that runs on them; False when none lived."""
    lived = _is_locked(layout)
    ask(layout, "stop")
    until = time.monotonic() + END_DEADLINE_S
    while _is_locked(layout):
        if time.monotonic() > until:
            _kill(layout)
            break
        time.sleep(POLL_S)
    # also without hosts: jobs of hosts that were killed may live on
    end_all(str(layout.root))
    return lived


def _start(layout: DemoLayout, count: int, options: list[str], stdin: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "backend.demo.hosts_process", str(layout.root), "--nodes", str(count)]
    environment = {name: value for name, value in os.environ.items() if name not in (FLEET, NODE)}
    root = str(Path(__file__).resolve().parents[2])
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (root, environment.get("PYTHONPATH"))))
    with layout.log.open("ab") as log:
        return subprocess.Popen(
            [*command, *options],
            stdin=stdin,
            stdout=log,
            stderr=log,
            cwd=layout.root,
            env=environment,
            start_new_session=True,
        )


def _is_locked(layout: DemoLayout) -> bool:
    try:
        with layout.lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _kill(layout: DemoLayout) -> None:
    """The last resort for hosts that hold their lock and do not answer."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        os.kill(int(json.loads(layout.record.read_text())["pid"]), signal.SIGKILL)


def _last_words(log: Path) -> str:
    try:
        return " ".join(log.read_text(errors="replace").split("\n")[-4:]).strip()
    except OSError:
        return ""
