"""A disk that is filled by somebody else while weights are written: nothing is left that looks whole, and the
next run goes through."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from random_adapter import write_adapter
from random_llama import llama_config, quiet, to_tree_job, write_llama

from backend.node.weights import merge_lora, split_adapter, to_megatron
from backend.node.weights.verify_weights import verify_weights

ROOT = Path(__file__).resolve().parents[4]
pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="mounting a file system needs root")

# The model has 4 MB; 64 MB more must be free for a conversion to begin.
SIZES = {"num_hidden_layers": 4, "hidden_size": 256, "intermediate_size": 512, "vocab_size": 1000}
DISK = "size=80m"
# At a moment of the work ("first", "last": of all tensors; "manifest") a file takes all but some bytes.
PROGRAM = """
import os, sys
from backend.cli.main import main
from backend.node.weights import tally, weights_manifest

moment, left, filler = sys.argv[1], int(sys.argv[2]), sys.argv[3]

def fill():
    if os.path.exists(filler):
        return
    with open(filler, "wb", buffering=0) as stream:
        try:
            while stream.write(bytes(4096)):
                pass
        except OSError:
            stream.truncate(stream.tell() - left)

def filling(function, due):
    def filled(*arguments):
        if due(*arguments):
            fill()
        return function(*arguments)
    return filled

if moment == "manifest":
    weights_manifest.write = filling(weights_manifest.write, lambda *arguments: True)
else:
    share = 0 if moment == "first" else 1
    due = lambda self, nbytes: self.done_bytes + nbytes >= share * self.total_bytes
    tally.Tally.add = filling(tally.Tally.add, due)
sys.exit(main(sys.argv[4:]))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """hf, tree, peft (an adapter), lora (the same as a tree) and merged (tree with lora)."""
    folder = tmp_path_factory.mktemp("whole")
    write_llama(folder / "hf", **SIZES)
    to_megatron.run(to_tree_job(folder / "hf", folder / "tree"), quiet)
    write_adapter(folder / "peft", llama_config(**SIZES), rank=32)
    job = to_tree_job(folder / "hf", folder / "lora")
    job["like_directory"] = job.pop("hf_directory")
    split_adapter.run({**job, "lora_directory": str(folder / "peft")}, quiet)
    directories = {"megatron": "tree", "lora": "lora", "output": "merged"}
    merge = {f"{key}_directory": str(folder / name) for key, name in directories.items()}
    merge_lora.run(merge, quiet)
    return folder


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    target = tmp_path / "small"
    target.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", DISK, "tmpfs", str(target)], check=False)
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield target
    finally:
        subprocess.run(["umount", str(target)], check=True)


# The words of the command, with folders of the fixture as {…}, and what its result is equal to.
COMMANDS = {
    "to-megatron": ("{hf} {out} --tp 2 --pp 2", "hf"),
    "to-hf": ("{tree} {out} --like {hf}", "hf"),
    "to-hf with an adapter": ("{tree} {out} --like {hf} --lora {lora}", "merged"),
    "reshard": ("{tree} {out} --tp 1 --pp 4 --format mcore", "tree"),
    "merge-lora": ("{tree} {out} --lora {lora}", "merged"),
    "split-lora": ("{peft} {out} --like {hf} --tp 2 --pp 2", "lora"),
    "export-lora": ("{lora} {out} --like {hf}", ""),
}


def run(folder: Path, disk: Path, name: str, moment: str, left: int) -> subprocess.CompletedProcess[str]:
    places = {one.name: str(one) for one in folder.iterdir()}
    command = COMMANDS[name][0].format(out=disk / "out", **places)
    words = ["weights", name.split()[0], *command.split(), "--quiet"]
    filler = str(disk / "filler")
    argv = [sys.executable, "-c", PROGRAM, moment, str(left), filler, *words]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)


CASES = [(name, "first", 100_000) for name in COMMANDS]
CASES += [(name, moment, 0) for name in ("to-megatron", "to-hf") for moment in ("last", "manifest")]


@pytest.mark.parametrize(("name", "moment", "left"), CASES)
def test_a_disk_that_fills_up(folder: Path, small_disk: Path, name: str, moment: str, left: int) -> None:
    done = run(folder, small_disk, name, moment, left)
    assert done.returncode == 5, done.stderr
    assert str(small_disk / "out") in done.stderr
    assert "No space left on device" in done.stderr
    assert "fix: make room" in done.stderr
    assert "Traceback" not in done.stderr
    assert os.listdir(small_disk) == ["filler"]
    (small_disk / "filler").unlink()
    # Now it is there from the beginning, and takes no room.
    (small_disk / "filler").touch()
    after = run(folder, small_disk, name, moment, left)
    assert after.returncode == 0, after.stderr
    assert sorted(os.listdir(small_disk)) == ["filler", "out"]
    equal_to = COMMANDS[name][1]
    assert not equal_to or verify_weights(str(folder / equal_to), str(small_disk / "out"))["equal"]


def test_a_disk_that_is_full_already(folder: Path, small_disk: Path) -> None:
    (small_disk / "other").write_bytes(bytes(30_000_000))
    done = run(folder, small_disk, "to-megatron", "first", 0)
    assert done.returncode == 5, done.stderr
    assert f"{small_disk} has " in done.stderr
    assert "free, the weights need " in done.stderr
    assert "fix: make room" in done.stderr
    assert os.listdir(small_disk) == ["other"]
