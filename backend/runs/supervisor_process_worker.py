"""Start a run's supervisor as a process that outlives whoever asked for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import backend
from backend.runs.supervisor_lock_files import only_supervisor
from backend.store.state_directory_files import run_directory


def ensure_supervisor(run_id: str) -> bool:
    """Start one unless one is at work; answers whether one was started. It re-checks the lock itself."""
    with only_supervisor(run_id) as free:
        if not free:
            return False
    environment = dict(os.environ)
    # the code that runs now, wherever it is installed, and never a folder `backend` of the current directory
    root = str(Path(str(backend.__file__)).resolve().parents[1])
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [root, environment.get("PYTHONPATH")]))
    with (run_directory(run_id) / "supervisor.log").open("ab") as log:
        subprocess.Popen(
            [sys.executable, "-P", "-m", "backend.cli.supervise", run_id],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=environment,
            start_new_session=True,
        )
    return True
