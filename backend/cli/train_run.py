"""Carry out a local plan: stage after stage, each said on stderr, the training's log passed on."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import signal
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from backend.cli import diagnostics
from backend.cli.output import print_bytes
from backend.cli.train_plan import LocalRun, write_files
from backend.cli.train_process import StopRequests, run_process, stop_requests
from backend.cli.train_record import FAILED, FINISHED, STOPPED, TrainRecord
from backend.engines.job_fields import recipe_field
from backend.engines.stages import StagePlan
from backend.events import StageName
from backend.node.train.stopping import LOST_PEER_STATUS
from backend.problems import ConflictError, LocalError, Problem, Severity
from backend.runs.verdict import SAVED_AND_STOPPED, NodeEvidence, how_it_ended
from backend.telemetry.training_log import LogRecord, NodeLine, TrainingLogParser
from backend.translation import _

# how torchrun tells of ranks that did not end well
_RANK_EXIT = re.compile(rb"exitcode\s*:\s*(-?\d+)")
_SIGNALLED = 128
_TERMINATED = _SIGNALLED + signal.SIGTERM


def run_to_end(run: LocalRun, *, log_to_stderr: bool) -> TrainRecord:
    """Every stage of the plan. Raises `ConflictError` where another training works in the same directory,
    `LocalError` where that cannot be written."""
    record = TrainRecord()
    try:
        with _alone(run), stop_requests() as requests:
            _run_stages(run, record, requests, log_to_stderr)
    except OSError as error:
        raise LocalError.because(
            _("cannot work in {path}").format(path=run.work_directory),
            error.strerror or str(error),
            _("give another --work-directory"),
        ) from error
    record.look_at(run.checkpoint_directory)
    return record


@contextlib.contextmanager
def _alone(run: LocalRun) -> Iterator[None]:
    place = Path(run.work_directory) / ".npudeck"
    place.mkdir(parents=True, exist_ok=True)
    with (place / "train.lock").open("w") as lock, contextlib.ExitStack() as held:
        _hold(lock.fileno(), run.work_directory, _("wait for it, or give another --work-directory"))
        saved = Path(run.checkpoint_directory)
        if not saved.is_relative_to(run.work_directory):
            # a recipe that names it may be trained in another work directory too
            saved.mkdir(parents=True, exist_ok=True)
            folder = os.open(saved, os.O_RDONLY)
            held.callback(os.close, folder)
            _hold(folder, run.checkpoint_directory, _("wait for it, or give another checkpoint_directory"))
        yield


def _hold(descriptor: int, path: str, fix: str) -> None:
    """Raises `ConflictError` where another has it. Some shared disks lock no folder: there nobody has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ConflictError.because(
            _("another `npudeck train` works in {path}").format(path=path),
            _("two would overwrite each other's checkpoints"),
            fix,
        ) from None
    except OSError:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise


def _run_stages(run: LocalRun, record: TrainRecord, requests: StopRequests, log_to_stderr: bool) -> None:
    for stage in run.plan.stages:
        if not stage.commands:
            diagnostics.say(f"– {stage.name.value} {stage.skip}".rstrip())
            continue
        started = time.monotonic()
        diagnostics.say(f"● {stage.name.value}")
        ended = _Stage(run, stage, record, log_to_stderr and stage.name is StageName.TRAIN).run(requests)
        if not ended:
            return
        diagnostics.say(f"✔ {stage.name.value} {time.monotonic() - started:.1f} s")
        if stage.name is StageName.EXPORT:
            record.exported = stage.result
    record.state, record.exit_code = FINISHED, diagnostics.OK


class _Stage:
    """One stage: its process, its log file, and what its lines mean."""

    def __init__(self, run: LocalRun, stage: StagePlan, record: TrainRecord, to_stderr: bool) -> None:
        self._run = run
        self._stage = stage
        self._record = record
        self._trains = stage.name is StageName.TRAIN
        self._to_stderr = to_stderr
        self._parsers = (TrainingLogParser(), TrainingLogParser())
        self._problems: list[Problem] = []
        self._err = bytearray()
        self._said = ""
        directory = Path(run.site.job_directory(run.site.nodes[0], stage.name))
        directory.mkdir(parents=True, exist_ok=True)
        self._path = directory / "out.log"

    def run(self, requests: StopRequests) -> bool:
        """Whether it ended well; otherwise the record says how it ended."""
        (command,) = self._stage.commands
        write_files(self._run, command)
        with self._path.open("ab", buffering=0) as log:
            code = run_process(
                command,
                lambda data: self._out(data, log),
                lambda data: self._error(data, log),
                requests,
                lambda: self._tell_request(requests),
            )
        for parser in self._parsers:
            self._take(parser.close())
        if code == 0:
            return True
        self._ended_badly(code, requests)
        return False

    def _out(self, data: bytes, log: BinaryIO) -> None:
        log.write(data)
        if self._trains:
            _write_stderr(data) if self._to_stderr else _write_stdout(data)
        self._take(self._parsers[0].feed(data))

    def _error(self, data: bytes, log: BinaryIO) -> None:
        log.write(data)
        self._err += data
        self._take(self._parsers[1].feed(data))

    def _take(self, records: list[LogRecord]) -> None:
        for record in records:
            if not isinstance(record, NodeLine):
                self._record.take(record)
            elif record.kind == "problem":
                self._take_problem(record)
            elif record.kind == "progress":
                self._tell_progress(str(record.payload.get("text") or ""))

    def _take_problem(self, line: NodeLine) -> None:
        words = {name: str(line.payload.get(name) or "") for name in ("field", "what", "why", "fix")}
        warns = line.payload.get("severity") == "warning"
        severity = Severity.WARNING if warns else Severity.ERROR
        problem = Problem(recipe_field(words["field"]), severity, words["what"], words["why"], words["fix"])
        if warns:
            diagnostics.say_problem(problem)
        else:
            self._problems.append(problem)

    def _tell_progress(self, text: str) -> None:
        if text and text != self._said:
            self._said = text
            diagnostics.say(f"  {self._stage.name.value}: {text}")

    def _tell_request(self, requests: StopRequests) -> None:
        if not self._trains:
            words = _("ending the stage {stage}").format(stage=self._stage.name.value)
        elif requests.count == 1:
            words = _("finishing the iteration and saving; asked once more it ends at once")
        else:
            words = _("ending at once")
        diagnostics.say(words)

    def _ended_badly(self, code: int, requests: StopRequests) -> None:
        exits = [int(found[1]) for found in _RANK_EXIT.finditer(bytes(self._err))]
        if SAVED_AND_STOPPED in exits or (requests.first and not self._failed_to_save(exits, requests)):
            self._record.state = STOPPED
            self._record.exit_code = requests.exit_code if requests.first else _TERMINATED
            return
        self._record.state, self._record.exit_code = FAILED, diagnostics.NO
        self._record.problems = self._problems[:1] or [self._unexplained(_root([*exits, code]))]

    def _failed_to_save(self, exits: list[int], requests: StopRequests) -> bool:
        """Whether ranks that were asked to save and end have met with something else."""
        return self._trains and requests.count == 1 and bool(self._problems or _killed(exits))

    def _unexplained(self, code: int) -> Problem:
        how = NodeEvidence("", exit_code=code if code >= 0 else _SIGNALLED - code)
        last = bytes(self._err).decode("utf-8", "replace").strip().splitlines()[-1:]
        return Problem(
            "",
            Severity.ERROR,
            f"{self._stage.name.value}: {how_it_ended(how)}",
            # torchrun's last line is a line of signs
            last[0].strip() if last and not self._trains else "",
            _("its log says more: {path}").format(path=self._path),
        )


def _root(exits: list[int]) -> int:
    """The end that explains the others: a kill from outside, else what is no answer to another's end."""
    own = [code for code in exits if code > 0 and code != LOST_PEER_STATUS]
    return (_killed(exits) or own or exits)[0]


def _killed(exits: list[int]) -> list[int]:
    """Not by SIGTERM: that is what torchrun and we end a rank with."""
    return [code for code in exits if code < 0 and code != -signal.SIGTERM]


def _write_stdout(data: bytes) -> None:
    """Raises `LocalError`: an `OSError` from here would read as one of the work directory."""
    try:
        print_bytes(data)
    except OSError as error:
        raise LocalError.because(
            _("the training's log cannot be written to stdout"),
            error.strerror or str(error),
            _("send it elsewhere; the same command goes on from the last checkpoint"),
        ) from error


def _write_stderr(data: bytes) -> None:
    """As it is; a closed stderr changes nothing else."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            sys.stderr.buffer.write(data)
            sys.stderr.buffer.flush()
