"""How fast checkpoints would be written: the real trial, and what its figure means for a recipe."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from backend.fleet.transport import Completed
from backend.inventory import Node
from backend.preflight.item import Status, Verdict
from backend.preflight.setting import CheckpointNeed, Setting
from backend.preflight.write_speed_item import MOST_BYTES, write_speed_item
from backend.recipes.fields import Recipe

NODES = tuple(Node(f"n{number}", "h", "192.0.2.1", 8, "/ws", python=sys.executable) for number in range(4))
ALONE = Setting(NODES[:1], "/s", None, 6000)
RECIPE = Recipe(model="m", data_path="/d", hf_weights="/w", tensor_parallel=8, npus_per_node=8)


def setting(one: int, **changes: int) -> Setting:
    need = CheckpointNeed("/s", 5 * one, "formula", one)
    return Setting(NODES, "/s", None, 6000, replace(RECIPE, **changes), checkpoints=need)


def tried(shared: Path | str, save: Path | str | None = None) -> Completed:
    need = CheckpointNeed(str(save or shared), 1, "", 1)
    item = write_speed_item(replace(ALONE, shared_directory=str(shared), checkpoints=need))
    done = subprocess.run(item.argv, capture_output=True, check=False)
    return Completed(done.returncode, done.stdout, done.stderr)


def at(rate: float, where: Setting) -> Verdict:
    text = f'npudeck-speed {{"bytes": {rate}, "seconds": 1.0}}\n'
    return write_speed_item(where).judge(Completed(0, text.encode(), b""))


def test_a_trial_is_short_and_leaves_nothing(tmp_path: Path) -> None:
    began = time.monotonic()
    done = tried(tmp_path, tmp_path / "not" / "yet" / "there")
    assert time.monotonic() - began < 15
    verdict = write_speed_item(ALONE).judge(done)
    assert verdict.status is Status.OK
    assert verdict.found.endswith("/s from n0")
    said = json.loads(done.text().removeprefix("npudeck-speed "))
    assert 8 << 20 <= said["bytes"] <= MOST_BYTES
    assert list(tmp_path.iterdir()) == []


def test_a_trial_that_is_killed_leaves_nothing(tmp_path: Path) -> None:
    item = write_speed_item(replace(ALONE, shared_directory=str(tmp_path)))
    with subprocess.Popen(item.argv, stdout=subprocess.DEVNULL) as trial:
        end = time.monotonic() + 20
        while not any("(deleted)" in name for name in open_files(trial.pid)):
            assert time.monotonic() < end
            assert trial.poll() is None
        trial.kill()
    assert list(tmp_path.iterdir()) == []


def open_files(pid: int) -> list[str]:
    try:
        return [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return []


def test_where_there_is_no_room_nothing_is_tried() -> None:
    verdict = write_speed_item(ALONE).judge(tried("/proc"))
    assert (verdict.status, verdict.found) == (Status.UNKNOWN, "/proc: too little room to try it")


def test_nothing_is_written_beside_a_directory_that_is_not_there(tmp_path: Path) -> None:
    """The disk of the node would be tried in place of a file system that is not mounted."""
    for shared, save in (("sfs", "sfs/saved"), ("sfs", "elsewhere/of/runs")):
        verdict = write_speed_item(ALONE).judge(tried(tmp_path / shared, tmp_path / save))
        assert verdict.status is Status.UNKNOWN
        assert verdict.found.endswith(": No such file or directory")
    (tmp_path / "elsewhere").mkdir()
    assert (
        write_speed_item(ALONE).judge(tried(tmp_path / "sfs", tmp_path / "elsewhere" / "of")).status
        is Status.OK
    )


@pytest.mark.parametrize(
    ("rate", "where", "status", "found"),
    [
        (2.5e9, ALONE, Status.OK, "2.5 GB/s from n0"),
        (1e9, setting(98 * 10**9), Status.OK, "1.0 GB/s from n0: a checkpoint of 98 GB takes 98 s"),
        (80e6, setting(98 * 10**9), Status.WARNING, "80 MB/s from n0: a checkpoint of 98 GB takes 20 min"),
        (
            1e9,
            setting(980 * 10**9, pipeline_parallel=4),
            Status.OK,
            "1.0 GB/s from n0: a checkpoint of 980 GB takes 4 min if all 4 nodes write as fast",
        ),
        (1e6, setting(98 * 10**9), Status.WARNING, "1.0 MB/s from n0: a checkpoint of 98 GB takes 27.2 h"),
        (1e9, setting(1000), Status.OK, "1.0 GB/s from n0: a checkpoint of 1.0 kB takes 1 s"),
    ],
)
def test_what_it_means_for_a_recipe(rate: float, where: Setting, status: Status, found: str) -> None:
    verdict = at(rate, where)
    assert (verdict.status, verdict.found) == (status, found)
    assert bool(verdict.fix) is (status is Status.WARNING)


@pytest.mark.parametrize(
    "text", ["", "{", '{"bytes": 1e400, "seconds": 1}', '{"bytes": 5, "seconds": 0}', "[]"]
)
def test_no_figure_is_no_answer(text: str) -> None:
    done = Completed(0, f"npudeck-speed {text}\n".encode(), b"")
    assert write_speed_item(ALONE).judge(done).status is Status.UNKNOWN
