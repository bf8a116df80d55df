"""A node that is powered off has no process left, also none that was between fork and exec just then."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.demo import marked_processes
from backend.demo.marked_processes import FLEET, end_all, marked

ROUNDS = 40


def test_no_process_escapes_between_fork_and_exec(tmp_path: Path) -> None:
    """A process that execs shows an empty environment for a moment, and a parent may be gone before its child
    was looked at: either was taken for the end."""
    fleet = str(tmp_path / "fleet")
    escaped = 0
    for _ in range(ROUNDS):
        subprocess.run(
            ["sh", "-c", "for i in 1 2 3 4; do setsid sh -c 'setsid sleep 60 & setsid sleep 60' & done"],
            env={**os.environ, FLEET: fleet},
            check=True,
        )
        end_all(fleet)
        time.sleep(0.02)
        escaped += any(marked(fleet))
    end_all(fleet)
    assert not escaped


def test_a_process_in_the_middle_of_exec_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = str(tmp_path / "fleet")
    with subprocess.Popen(["sleep", "60"]) as process:
        looks = iter([{}, {}, {}, {FLEET: fleet}])

        def environments() -> Iterator[tuple[int, dict[str, str]]]:
            yield process.pid, next(looks, {})

        monkeypatch.setattr(marked_processes, "_environments", environments)
        end_all(fleet)
        assert process.wait(5) == -9


def test_a_process_without_any_environment_holds_nothing_up(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"], env={}) as process:
        time.sleep(marked_processes.YOUNG_S)
        before = time.monotonic()
        end_all(str(tmp_path / "fleet"))
        assert time.monotonic() - before < 1
        assert process.poll() is None
        process.kill()
