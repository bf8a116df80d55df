"""A local run carried out by stand-ins for its processes: what is told, written down and answered."""

from __future__ import annotations

import dataclasses
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from backend.cli import train_run
from backend.cli.train_plan import LocalRun
from backend.cli.train_process import StopRequests, run_process, stop_requests
from backend.cli.train_record import TrainRecord
from backend.cli.train_run import run_to_end
from backend.engines.stages import LaunchPlan, NodeCommand, Requirements, Site, StagePlan
from backend.events import StageName
from backend.inventory import Node
from backend.problems import ConflictError, LocalError

ITERATION = (
    " [2026-01-01 00:00:00] iteration {0:8d}/{1:8d} | consumed samples: {0:12d} | "
    "elapsed time per iteration (ms): 10.0 | learning rate: 1.0E-03 | global batch size:     1 | "
    "lm loss: {2:.6E} | loss scale: 1.0 | "
    "grad norm: 1.000 | number of skipped iterations:   0 | number of nan iterations:   0 |"
)
SAVED = "  successfully saved checkpoint at iteration      2 to /x"
# waits for SIGTERM as a rank does: it saves, and says that it was stopped
RANK = """
import signal, sys, time
def end(*_):
    print("saved", flush=True)
    sys.exit(75)
signal.signal(signal.SIGTERM, signal.SIG_IGN if "deaf" in sys.argv else end)
print("rank ready", flush=True)
time.sleep(60)
"""
# a rank that finds no room for its checkpoint when it is asked to save and end
FULL = """
import json, signal, sys, time
def end(*_):
    problem = {"field": "", "severity": "error", "what": "cannot write", "why": "", "fix": ""}
    print(json.dumps(problem), file=sys.stderr, flush=True)
    sys.exit(1)
signal.signal(signal.SIGTERM, end)
print("rank ready", flush=True)
time.sleep(60)
"""
# starts its rank in a session of its own and tells of its end, as torchrun does
TORCHRUN = f"""
import subprocess, sys
rank = subprocess.Popen([sys.executable, "-c", {RANK!r}, "train-rank", *sys.argv[1:]], start_new_session=True)
code = rank.wait()
print(f"  exitcode  : {{code}} (pid: 1)", file=sys.stderr)
sys.exit(1 if code else 0)
"""


def command(script: str, directory: Path, *words: str) -> NodeCommand:
    return NodeCommand("localhost", 0, (sys.executable, "-c", script, *words), (), str(directory))


@pytest.fixture
def run(tmp_path: Path) -> LocalRun:
    node = Node("localhost", "localhost", "127.0.0.1", 1, str(tmp_path), device="cpu")
    plan = LaunchPlan("native", (), Requirements((), (), 0, ()), "localhost")
    site = Site("local", (node,), str(tmp_path), "code")
    return LocalRun(site, plan, str(tmp_path), str(tmp_path / "saved"), 2)


def with_stages(run: LocalRun, **scripts: str) -> LocalRun:
    stages = tuple(
        StagePlan(
            StageName(name),
            (command(script, Path(run.work_directory)),) if script else (),
            skip="" if script else "not wanted",
            result="/exported" if name == "export" else "",
        )
        for name, script in scripts.items()
    )
    return dataclasses.replace(run, plan=dataclasses.replace(run.plan, stages=stages))


def printing(*lines: str, code: int = 0, to: str = "stdout") -> str:
    return f"import sys\nfor line in {lines!r}: print(line, file=sys.{to})\nsys.exit({code})"


def test_stages_follow_each_other_and_the_log_is_passed_on(
    run: LocalRun, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    lines = (ITERATION.format(1, 2, 5.0), ITERATION.format(2, 2, 4.0), SAVED)
    whole = with_stages(run, data=printing("read it"), weights="", train=printing(*lines), export=printing())
    record = run_to_end(whole, log_to_stderr=False)
    assert (record.state, record.exit_code, record.iterations) == ("finished", 0, 2)
    assert (record.first_loss, record.last_loss, record.checkpoint_iteration) == (5.0, 4.0, 2)
    assert record.exported == "/exported"
    captured = capfdbinary.readouterr()
    assert captured.out.decode().splitlines() == list(lines)
    told = captured.err.decode()
    assert [line.split()[:2] for line in told.splitlines()] == [
        ["●", "data"],
        ["✔", "data"],
        ["–", "weights"],
        ["●", "train"],
        ["✔", "train"],
        ["●", "export"],
        ["✔", "export"],
    ]
    assert Path(run.log).read_text().splitlines() == list(lines)


def test_with_json_the_log_goes_to_stderr(run: LocalRun, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    run_to_end(with_stages(run, train=printing("training ...")), log_to_stderr=True)
    captured = capfdbinary.readouterr()
    assert captured.out == b""
    assert b"training ...\n" in captured.err


def test_the_problem_of_a_rank_is_the_message_and_nothing_follows(run: LocalRun) -> None:
    problem = '{"field": "lora.rank", "severity": "error", "what": "no", "why": "too low", "fix": "raise it"}'
    broken = with_stages(
        run,
        train=printing("Traceback", problem, "  exitcode  : 1 (pid: 3)", code=1, to="stderr"),
        export="1/0",
    )
    record = run_to_end(broken, log_to_stderr=False)
    assert (record.state, record.exit_code, record.exported) == ("failed", 1, "")
    assert [(one.field, one.what, one.fix) for one in record.problems] == [("lora_rank", "no", "raise it")]


@pytest.mark.parametrize(
    ("exits", "said"),
    [((69, -9), "killed by SIGKILL"), ((69, 3), "exit code 3"), ((-15, -11), "killed by SIGSEGV")],
)
def test_a_rank_without_a_word_is_told_by_its_end(run: LocalRun, exits: tuple[int, ...], said: str) -> None:
    lines = [f"  exitcode  : {code} (pid: 3)" for code in exits]
    record = run_to_end(with_stages(run, train=printing(*lines, code=1, to="stderr")), log_to_stderr=False)
    (problem,) = record.problems
    assert said in problem.what
    assert run.log in problem.fix


def test_a_signal_reaches_the_ranks_and_the_run_is_stopped(run: LocalRun) -> None:
    record = interrupted(with_stages(run, train=TORCHRUN, export="1/0"), signal.SIGTERM)
    assert (record.state, record.exit_code, record.problems) == ("stopped", 143, [])
    assert "saved" in Path(run.log).read_text()


def test_ctrl_c_answers_130(run: LocalRun) -> None:
    assert interrupted(with_stages(run, train=TORCHRUN), signal.SIGINT).exit_code == 130


def test_a_stop_that_could_not_save_has_failed(run: LocalRun) -> None:
    record = interrupted(with_stages(run, train=TORCHRUN.replace(repr(RANK), repr(FULL))), signal.SIGTERM)
    assert (record.state, record.exit_code) == ("failed", 1)
    assert [problem.what for problem in record.problems] == ["cannot write"]


def test_a_stop_in_which_a_rank_was_killed_has_failed(run: LocalRun) -> None:
    killed = RANK.replace("sys.exit(75)", "import os; os.kill(os.getpid(), 9)")
    record = interrupted(with_stages(run, train=TORCHRUN.replace(repr(RANK), repr(killed))), signal.SIGTERM)
    assert (record.state, record.exit_code) == ("failed", 1)
    assert "SIGKILL" in record.problems[0].what


def interrupted(run: LocalRun, number: signal.Signals) -> TrainRecord:
    def send() -> None:
        log = Path(run.log)
        while not (log.is_file() and "rank ready" in log.read_text()):
            time.sleep(0.05)
        os.kill(os.getpid(), number)

    threading.Thread(target=send).start()
    return run_to_end(run, log_to_stderr=False)


def test_ranks_that_somebody_else_stopped_are_stopped(run: LocalRun) -> None:
    lines = (SAVED, "  exitcode  : 75 (pid: 3)")
    record = run_to_end(with_stages(run, train=printing(*lines, code=1, to="stderr")), log_to_stderr=False)
    assert (record.state, record.exit_code) == ("stopped", 143)


def test_the_second_request_kills(tmp_path: Path) -> None:
    requests, asked = StopRequests(), []

    def ready(data: bytes) -> None:
        if b"rank ready" in data:
            requests.ask(signal.SIGINT)
            requests.ask(signal.SIGINT)

    deaf = command(TORCHRUN, tmp_path, "deaf")
    started = time.monotonic()
    code = run_process(deaf, ready, lambda _data: None, requests, lambda: asked.append(1))
    assert code == -signal.SIGKILL
    assert len(asked) == 2
    assert time.monotonic() - started < 20


def test_an_error_of_ours_leaves_nothing_running(tmp_path: Path) -> None:
    ready: list[bytes] = []

    def full(data: bytes) -> None:
        ready.append(data)
        raise OSError(28, "No space left on device")

    deaf = command(TORCHRUN, tmp_path, "deaf")
    started = time.monotonic()
    with pytest.raises(OSError, match="No space left"):
        run_process(deaf, full, full, StopRequests(), lambda: None)
    assert len(ready) == 1
    assert time.monotonic() - started < 20
    assert not [child for child in psutil.Process().children(recursive=True) if "deaf" in child.cmdline()]


def test_a_stage_ends_with_us_however_we_end(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    alone = "import os, sys, time\nopen(sys.argv[1], 'w').write(str(os.getpid()))\ntime.sleep(60)"
    ours = f"""
from pathlib import Path
from tests.backend.cli.test_train_run import *
run_process(command({alone!r}, Path({str(tmp_path)!r}), {str(pid)!r}), print, print, StopRequests(), print)
"""
    with subprocess.Popen([sys.executable, "-c", ours], cwd=Path(__file__).parents[3]) as process:
        while not (pid.is_file() and pid.read_text()):
            time.sleep(0.05)
        stage = psutil.Process(int(pid.read_text()))
        process.kill()
    stage.wait(10)


def test_a_stdout_that_cannot_be_written_is_not_called_the_work_directory(
    run: LocalRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(train_run, "print_bytes", full)
    with pytest.raises(LocalError, match="cannot be written to stdout"):
        run_to_end(with_stages(run, train=printing("training ...")), log_to_stderr=False)


def test_signals_are_as_before_afterwards() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stop_requests() as requests:
        os.kill(os.getpid(), signal.SIGTERM)
        assert (requests.first, requests.exit_code) == (signal.SIGTERM, 143)
    assert signal.getsignal(signal.SIGTERM) == before


def test_one_training_a_directory(run: LocalRun) -> None:
    place = Path(run.work_directory) / ".npudeck"
    place.mkdir()
    with (place / "train.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ConflictError):
            run_to_end(with_stages(run, train=printing()), log_to_stderr=False)
    assert run_to_end(with_stages(run, train=printing()), log_to_stderr=False).state == "finished"


def test_one_training_a_checkpoint_directory_wherever_it_works(run: LocalRun, tmp_path: Path) -> None:
    saved = tmp_path / "elsewhere" / "saved"
    first, second = (
        with_stages(
            dataclasses.replace(run, work_directory=str(tmp_path / name), checkpoint_directory=str(saved)),
            train=printing(),
        )
        for name in ("w1", "w2")
    )
    saved.mkdir(parents=True)
    held = os.open(saved, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    with pytest.raises(ConflictError, match="elsewhere"):
        run_to_end(first, log_to_stderr=False)
    os.close(held)
    assert run_to_end(first, log_to_stderr=False).state == "finished"
    assert run_to_end(second, log_to_stderr=False).state == "finished"


def test_a_directory_that_cannot_be_written_is_one_message(run: LocalRun, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    nowhere = dataclasses.replace(run, work_directory=str(tmp_path / "taken"))
    with pytest.raises(LocalError, match="cannot work in"):
        run_to_end(nowhere, log_to_stderr=False)
