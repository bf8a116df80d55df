"""Entry point of everything that runs on a training node: one task and its job file."""

from __future__ import annotations

import io
import json
import os
import sys
import traceback
from gettext import gettext as _
from typing import Any, Callable, Dict, List

from backend.node.job_lines import JobError, print_problem

SELF_CHECK = "--self-check"


def main(argv: List[str]) -> int:
    """Run `TASK job.json` and answer the exit status: 0, or 1 after one JSON line on stderr.

    `train` answers what launcher.run does, `train-rank` what train.run_rank does. `--self-check` imports what
    it can and says so.
    """
    for stream in (sys.stdout, sys.stderr):
        # A file's name may be of any bytes, and a node's locale of any kind.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if argv == [SELF_CHECK]:
        from backend.node.self_check import run_self_check

        return run_self_check()
    status = _run_task(argv)
    if status != 0 and argv[:1] == ["train-rank"]:
        # With connections open torch's threads may abort an orderly end, and the status would be theirs.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    return status


def _run_task(argv: List[str]) -> int:
    try:
        if len(argv) != 2 or argv[0] not in TASKS:
            tasks = ", ".join(TASKS)
            raise JobError("task", _("usage: TASK job.json"), _("the tasks are: {tasks}").format(tasks=tasks))
        return TASKS[argv[0]](argv[1], read_job(argv[1]))
    except JobError as error:
        print_problem(error.field, error.what, error.why, error.fix)
    except ModuleNotFoundError as error:
        what = _("the Python of this node has no {name}").format(name=error.name)
        print_problem("", what, _("the task {task} needs it").format(task=argv[0]), _("install it there"))
    except Exception as error:
        traceback.print_exc()
        kind, first_line = type(error).__name__, str(error).partition("\n")[0]
        print_problem(
            "",
            _("the task {task} stopped unexpectedly").format(task=argv[0]),
            f"{kind}: {first_line}",
            _("the lines above say where"),
        )
    return 1


def read_job(path: str) -> Dict[str, Any]:
    """The job file: a JSON object. Raises JobError."""
    try:
        with open(path, encoding="utf-8") as stream:
            job = json.load(stream)
    except (OSError, ValueError) as error:
        raise JobError("job", _("cannot read the job file {path}").format(path=path), str(error)) from error
    if not isinstance(job, dict):
        raise JobError("job", _("the job file {path} does not hold a JSON object").format(path=path))
    return job


def _data(_path: str, job: Dict[str, Any]) -> int:
    from backend.node.data.preprocess import finished_words, run

    outcome = run(job)
    if not outcome.up_to_date:
        print(finished_words(outcome.manifest["counts"]), flush=True)
    return 0


def _weights(_path: str, job: Dict[str, Any]) -> int:
    from backend.node.ending import ended_by_signals
    from backend.node.weights.convert import run

    with ended_by_signals():
        run(job)
    return 0


def _export(_path: str, job: Dict[str, Any]) -> int:
    from backend.node.ending import ended_by_signals
    from backend.node.weights.export import run

    with ended_by_signals():
        run(job)
    return 0


def _train(path: str, job: Dict[str, Any]) -> int:
    from backend.node.train.launcher import run

    return run(path, job)


def _train_rank(_path: str, job: Dict[str, Any]) -> int:
    from backend.node.train.stopping import take_stop_signals

    # Before torch, which takes its time to import.
    take_stop_signals()
    from backend.node.train.train import run_rank

    return run_rank(job)


TASKS: Dict[str, Callable[[str, Dict[str, Any]], int]] = {
    "data": _data,
    "weights": _weights,
    "export": _export,
    "train": _train,
    "train-rank": _train_rank,
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
