"""Are the devices of `npudeck train` there? Asked before data and weights are made, which may take long."""

from __future__ import annotations

import json
import subprocess
import sys

from backend.problems import Problem, Severity
from backend.translation import _

# what a rank itself does first; in a process of its own, because torch and a driver are loaded for it
_SCRIPT = (
    "import sys\n"
    "from backend.node.job_lines import JobError, print_problem\n"
    "from backend.node.train.device import choose_device\n"
    "try: choose_device(sys.argv[1], 0, int(sys.argv[2]))\n"
    "except JobError as error: print_problem(error.field, error.what, error.why, error.fix)\n"
)


def device_problem(device: str, ranks: int) -> Problem | None:
    """What keeps `ranks` from a `device` (cpu, cuda, npu) each, or None."""
    if device == "cpu":
        return None
    asked = subprocess.run(
        [sys.executable, "-c", _SCRIPT, device, str(ranks)], capture_output=True, text=True, check=False
    )
    for line in asked.stderr.splitlines():
        if line.startswith("{"):
            words = json.loads(line)
            return Problem("nproc", Severity.ERROR, words["what"], words["why"], words["fix"])
    if asked.returncode:
        said = asked.stderr.strip().rpartition("\n")[2]
        return Problem(
            "device", Severity.ERROR, _("{device} cannot be used here").format(device=device), said
        )
    return None
