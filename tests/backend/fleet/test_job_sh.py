"""job.sh on this machine: exit codes, one start of many, stops that leave nothing, honest losses."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backend.fleet.jobs import JobStatus, parse_status

JOB_SH = Path(__file__).resolve().parents[3] / "backend" / "node" / "agents" / "job.sh"
SHELLS = [shell for shell in ("dash", "bash") if shutil.which(shell)]

pytestmark = pytest.mark.skipif(not shutil.which("setsid"), reason="needs setsid (util-linux)")


class Jobs:
    def __init__(self, root: Path, shell: str) -> None:
        self.root = root
        self.shell = shell

    def call(self, *words: str) -> str:
        argv = [self.shell, str(JOB_SH), words[0], str(self.root), *words[1:]]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, job: str, *argv: str, options: tuple[str, ...] = ()) -> JobStatus:
        return parse_status(self.call("start", job, *options, "--", *argv))

    def status(self, job: str) -> JobStatus:
        return parse_status(self.call("status", job))

    def stop(self, job: str, grace: int = 2) -> JobStatus:
        return parse_status(self.call("stop", job, str(grace)))

    def procs(self, job: str) -> list[int]:
        return [int(line) for line in self.call("procs", job).split()]

    def end(self, job: str) -> JobStatus:
        wait_for(lambda: not self.status(job).alive)
        return self.status(job)

    def log(self, job: str) -> str:
        return (self.root / job / "out.log").read_text()

    def pids(self, job: str) -> list[str]:
        return (self.root / job / "pid").read_text().split()


def wait_for(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@pytest.fixture(params=SHELLS)
def jobs(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Jobs]:
    jobs = Jobs(tmp_path / "r7-3f2a91", request.param)
    yield jobs
    if jobs.root.exists():
        for job in jobs.root.iterdir():
            jobs.call("stop", job.name, "0")


@pytest.mark.parametrize(
    ("argv", "code", "signal_name"),
    [
        (("true",), 0, ""),
        (("sh", "-c", "exit 7"), 7, ""),
        (("sh", "-c", "kill -SEGV $$"), 139, "SIGSEGV"),
        (("/no/such/program",), 127, ""),
        (("/etc/passwd",), 126, ""),
    ],
)
def test_exit_codes(jobs: Jobs, argv: tuple[str, ...], code: int, signal_name: str) -> None:
    jobs.start("train", *argv)
    ended = jobs.end("train")
    assert (ended.kind, ended.exit_code, ended.signal) == ("exited", code, signal_name)
    assert ended.at is not None
    assert abs(ended.at - time.time()) < 60


def test_missing_directory_is_recorded(jobs: Jobs) -> None:
    jobs.start("train", "true", options=("-C", "/no/such/directory"))
    assert jobs.end("train").exit_code == 126
    assert "/no/such/directory" in jobs.log("train")


def test_words_environment_and_directory_arrive(jobs: Jobs, tmp_path: Path) -> None:
    value = "a b\"c'$HOME`x`\\"
    jobs.start(
        "train",
        "sh",
        "-c",
        'printf "%s|" "$VALUE" "$PWD" "$NPUDECK_JOB" "$@"; env | grep -c NPUDECK_ENV_',
        "sh",
        "-e",
        "--",
        "x y",
        options=("-e", f"VALUE={value}", "-C", str(tmp_path), "-e", "OTHER=1"),
    )
    jobs.end("train")
    assert jobs.log("train") == f"{value}|{tmp_path}|r7-3f2a91.train|-e|--|x y|0\n"


def test_values_are_not_on_any_command_line(jobs: Jobs) -> None:
    jobs.start("train", "sleep", "30", options=("-e", "TOKEN=hf_verysecret"))
    lines = b"".join(
        path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if os.access(path, os.R_OK)
    )
    assert b"hf_verysecret" not in lines
    assert "hf_verysecret" not in (jobs.root / "train" / "cmd").read_text()


def test_other_files_in_the_folder_do_not_count_as_a_start(jobs: Jobs) -> None:
    (jobs.root / "train").mkdir(parents=True)
    (jobs.root / "train" / "job.json").write_text("{}")
    assert jobs.status("train").kind == "none"
    jobs.start("train", "true")
    assert jobs.end("train").exit_code == 0


def test_twenty_starts_run_once(jobs: Jobs) -> None:
    argv = [
        jobs.shell,
        str(JOB_SH),
        "start",
        str(jobs.root),
        "train",
        "--",
        "sh",
        "-c",
        "echo ran; sleep 0.3",
    ]
    starts = [subprocess.Popen(argv, stdout=subprocess.PIPE) for _number in range(20)]
    answers = [start.communicate(timeout=60)[0].decode() for start in starts]
    assert {parse_status(answer).kind for answer in answers} <= {"running", "starting", "exited", "exiting"}
    assert jobs.end("train").exit_code == 0
    assert jobs.log("train") == "ran\n"


def test_stop_lets_the_job_end_itself(jobs: Jobs) -> None:
    jobs.start("train", "sh", "-c", 'trap "echo bye; exit 3" TERM; echo up; while :; do sleep 0.05; done')
    wait_for(lambda: jobs.log("train") == "up\n")
    assert jobs.stop("train", 10).exit_code == 3
    assert jobs.log("train").endswith("bye\n")


def test_stop_kills_after_the_grace(jobs: Jobs) -> None:
    jobs.start("train", "sh", "-c", 'trap "" TERM; echo up; while :; do sleep 0.05; done')
    wait_for(lambda: jobs.log("train") == "up\n")
    began = time.monotonic()
    stopped = jobs.stop("train", 1)
    assert (stopped.exit_code, stopped.signal, stopped.left) == (137, "SIGKILL", 0)
    assert 0.9 < time.monotonic() - began < 10


def test_stop_sweeps_other_sessions_and_dropped_marks(jobs: Jobs) -> None:
    script = "setsid sleep 301 & (setsid setsid sleep 302 &) ; env -i sleep 303 & echo up; wait"
    jobs.start("train", "sh", "-c", script)
    wait_for(lambda: len(jobs.procs("train")) == 4)
    jobs.stop("train")
    assert jobs.procs("train") == []


def test_what_a_finished_job_left_behind_is_swept(jobs: Jobs) -> None:
    jobs.start("train", "sh", "-c", "setsid sleep 304 & exit 5")
    assert jobs.end("train").exit_code == 5
    wait_for(lambda: len(jobs.procs("train")) == 1)
    assert jobs.stop("train").exit_code == 5
    assert jobs.procs("train") == []


def test_jobs_of_one_run_do_not_touch_each_other(jobs: Jobs) -> None:
    jobs.start("train", "sleep", "60")
    jobs.start("train2", "sleep", "60")
    jobs.stop("train")
    assert jobs.status("train2").kind == "running"
    assert len(jobs.procs("train2")) == 1


def test_lost_supervisor_is_not_a_lost_job(jobs: Jobs) -> None:
    jobs.start("train", "sleep", "60")
    pid, _start, supervisor = jobs.pids("train")[:3]
    os.kill(int(supervisor), signal.SIGKILL)
    wait_for(lambda: not jobs.status("train").supervised)
    assert jobs.status("train").kind == "running"
    os.kill(int(pid), signal.SIGKILL)
    wait_for(lambda: jobs.status("train").kind == "lost")
    assert jobs.status("train").why == "supervisor-killed"


def test_stop_of_an_unsupervised_job(jobs: Jobs) -> None:
    jobs.start("train", "sleep", "60")
    os.kill(int(jobs.pids("train")[2]), signal.SIGKILL)
    wait_for(lambda: not jobs.status("train").supervised)
    stopped = jobs.stop("train")
    assert (stopped.kind, stopped.why) == ("exited", "stopped-unsupervised")


def test_reused_process_id_is_left_alone(jobs: Jobs) -> None:
    innocent = subprocess.Popen(["sleep", "60"], start_new_session=True)
    jobs.start("train", "true")
    jobs.end("train")
    words = jobs.pids("train")
    (jobs.root / "train" / "exit").unlink()
    (jobs.root / "train" / "pid").write_text(
        f"{innocent.pid} 12345 {innocent.pid} 12345 {words[4]} {words[5]}\n"
    )
    assert jobs.status("train").kind == "lost"
    assert jobs.procs("train") == []
    jobs.stop("train", 0)
    assert innocent.poll() is None
    innocent.kill()
    innocent.wait()


def test_reboot_and_crash_before_the_job(jobs: Jobs) -> None:
    jobs.start("train", "sleep", "60")
    words = jobs.pids("train")
    jobs.stop("train", 0)
    (jobs.root / "train" / "exit").unlink()
    (jobs.root / "train" / "pid").write_text(" ".join([*words[:5], "another-boot:pid:[1]"]) + "\n")
    assert jobs.status("train") == JobStatus("lost", why="reboot")
    # Docker gives a restarted container the namespace number that it had: its first process started later
    (jobs.root / "train" / "pid").write_text(
        " ".join([*words[:5], words[5].rpartition(":")[0] + ":1"]) + "\n"
    )
    assert jobs.status("train") == JobStatus("lost", why="container")
    (jobs.root / "train" / "pid").unlink()
    assert jobs.status("train").kind == "starting"
    minute_ago = time.time() - 60
    os.utime(jobs.root / "train" / "lock", (minute_ago, minute_ago))
    assert jobs.status("train") == JobStatus("lost", why="never-started")


def test_job_outlives_the_session_that_started_it(jobs: Jobs) -> None:
    argv = [
        jobs.shell,
        str(JOB_SH),
        "start",
        str(jobs.root),
        "train",
        "--",
        "sh",
        "-c",
        "sleep 0.5; echo done",
    ]
    session = subprocess.Popen(argv, stdout=subprocess.DEVNULL, start_new_session=True)
    session.wait(timeout=30)
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(session.pid, number)
        except ProcessLookupError:
            break
    assert jobs.end("train").exit_code == 0
    assert jobs.log("train") == "done\n"


@pytest.mark.parametrize(
    "words",
    [
        ["start", "/tmp/r", "../x", "--", "true"],
        ["start", "/tmp/r", "a", "-e", "1X=2", "--", "true"],
        ["start", "/tmp/r", "a", "-e", "X;reboot=2", "--", "true"],
        ["start", "/tmp/r", "a", "true"],
        ["start", "/tmp/r", "a", "--"],
        ["start", "relative", "a", "--", "true"],
        ["stop", "/tmp/r", "a", "1;2"],
        ["dance", "/tmp/r", "a"],
        ["status"],
    ],
)
def test_nonsense_is_refused(words: list[str]) -> None:
    done = subprocess.run(["sh", str(JOB_SH), *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr


def test_unknown_job_is_none(jobs: Jobs) -> None:
    assert jobs.status("train") == JobStatus("none")
    assert jobs.stop("train") == JobStatus("none")
