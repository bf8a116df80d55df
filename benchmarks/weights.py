"""How fast weights are converted, and in how much memory, against a plain copy of the same bytes.

Every measurement is a whole process of the command line, imports included: what a user waits for. The copy
reads the same files in pieces, writes them and waits until they are on disk; both begin with nothing of them
in memory, and they take turns. The figures of the peers (ModelLink of September 2024, MindSpeed-LLM v2; a
model of 1.22 GB, two cores) were taken beforehand and are not measured again.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import _weights_model as model
from _figures import Figure, figure, options, report

_HERE = Path(__file__).resolve().parent
_COPY = str(_HERE / "_weights_copy.py")
_MODEL = str(_HERE / "_weights_model.py")
_ENVIRONMENT = dict(os.environ, PYTHONPATH=str(_HERE.parent))
_TP, _PP = 2, 2
_LEAST_RATIO = 0.5
# most memory: so many times the largest file of one rank, and so much for Python and its libraries
_SHARDS, _BASE_MB = 1.3, 300.0
# direction -> peer -> seconds, megabytes
_PEERS = {
    "to Megatron": {"ModelLink": (42.9, 4900.0), "MindSpeed-LLM v2": (7.1, 1700.0)},
    "to Hugging Face": {"ModelLink": (42.0, 4100.0), "MindSpeed-LLM v2": (6.2, 1000.0)},
}
_HUGE_TP, _HUGE_PP = 8, 8


@dataclass
class Run:
    """The best of several processes: wall seconds; the most memory that any of them took, in MB."""

    seconds: float = float("inf")
    memory_mb: float = 0.0


@dataclass
class Direction:
    """One way of converting: the words of the command, what it reads, what it writes."""

    name: str
    words: list[str]
    source: Path
    target: Path


def measure(run: Run, argv: list[str]) -> None:
    """Run a process and put its time and memory into `run`."""
    started = time.perf_counter()
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, env=_ENVIRONMENT)
    _pid, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{argv} ended with {process.returncode}")
    run.seconds = min(run.seconds, seconds)
    run.memory_mb = max(run.memory_mb, usage.ru_maxrss * 1024 / 1e6)


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "backend.cli", "weights", *words]


def forget(folder: Path) -> None:
    """Nothing of these files is in memory any more: the next reader waits for the disk."""
    os.sync()
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def make(folder: Path, kind: str, shape: str, layers: int) -> None:
    """In a process of its own: a process's memory is never less than its parent's was."""
    subprocess.run([sys.executable, _MODEL, kind, str(folder), shape, str(layers)], check=True)


def directions(folder: Path) -> tuple[Direction, Direction]:
    original, tree, back = folder / "hf", folder / "megatron", folder / "back"
    there = ["to-megatron", str(original), str(tree), "--tp", str(_TP), "--pp", str(_PP), "--quiet"]
    back_again = ["to-hf", str(tree), str(back), "--like", str(original), "--quiet"]
    return (
        Direction("to Megatron", there, original, tree),
        Direction("to Hugging Face", back_again, tree, back),
    )


def both_ways(folder: Path, layers: int, rounds: int, *, as_peers: bool) -> list[Figure]:
    make(folder / "hf", "random", "1b", layers)
    ways = directions(folder)
    runs = {way.name: Run() for way in ways}
    copies = {way.name: Run() for way in ways}
    for _round in range(rounds):
        for way in ways:
            one_round(folder, way, runs[way.name], copies[way.name])
    check_back(folder)
    most = _SHARDS * largest(folder / "megatron") / 1e6 + _BASE_MB
    figures = []
    for way in ways:
        run, copy = runs[way.name], copies[way.name]
        megabytes = size_of(way.source) / 1e6
        figures.append(
            figure(
                way.name,
                megabytes / run.seconds,
                "MB/s",
                reference="plain copy",
                reference_value=megabytes / copy.seconds,
                least_ratio=_LEAST_RATIO,
            )
        )
        figures.append(figure(f"memory, {way.name}", run.memory_mb, "MB", goal=round(most, 1)))
        if as_peers:
            figures += against_peers(way.name, run)
    return figures


def one_round(folder: Path, way: Direction, run: Run, copy: Run) -> None:
    plain = folder / "plain"
    forget(way.source)
    measure(copy, [sys.executable, _COPY, str(way.source), str(plain)])
    shutil.rmtree(plain)
    shutil.rmtree(way.target, ignore_errors=True)
    forget(way.source)
    measure(run, command(*way.words))


def check_back(folder: Path) -> None:
    """What went there and back is what it was; a figure of wrong work would be worth nothing."""
    verify = command("verify", str(folder / "hf"), str(folder / "back"), "--quiet")
    if subprocess.run(verify, stdout=subprocess.DEVNULL, env=_ENVIRONMENT, check=False).returncode:
        raise SystemExit("the model that came back is not the one that went")


def largest(folder: Path) -> int:
    return max(path.stat().st_size for path in folder.rglob("*.pt"))


def against_peers(name: str, run: Run) -> list[Figure]:
    figures = []
    for peer, (seconds, megabytes) in _PEERS[name].items():
        reference = f"{peer} (recorded)"
        for what, value, unit, theirs in (
            ("time", run.seconds, "s", seconds),
            ("memory", run.memory_mb, "MB", megabytes),
        ):
            figures.append(
                figure(
                    f"{what}, {name}, against {peer}",
                    value,
                    unit,
                    reference=reference,
                    reference_value=theirs,
                    goal=theirs,
                )
            )
    return figures


class Holes(threading.Thread):
    """Gives the room of finished files back while the rest is written: zeros, which stay zeros."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self._folder = folder
        self._done: set[Path] = set()
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(0.2):
            # at the end the folder gets another name under our feet
            with contextlib.suppress(FileNotFoundError):
                self._dig()

    def _dig(self) -> None:
        for pattern in ("megatron*/*/*/*.pt", "back*/*.safetensors"):
            for path in self._folder.glob(pattern):
                if path not in self._done:
                    subprocess.run(["fallocate", "--dig-holes", str(path)], check=False)
                    self._done.add(path)

    def stop(self) -> None:
        self._over.set()
        self.join()


def huge(folder: Path, layers: int) -> list[Figure]:
    """A model of 70B's widths, of zeros: the memory follows the shard of a rank, not the model."""
    folder.mkdir()
    original, tree = str(folder / "hf"), str(folder / "megatron")
    make(folder / "hf", "holes", "70b", layers)
    holes = Holes(folder)
    holes.start()
    there, back = Run(), Run()
    layout = ["--tp", str(_HUGE_TP), "--pp", str(min(_HUGE_PP, layers)), "--quiet"]
    try:
        measure(there, command("to-megatron", original, tree, *layout))
        measure(back, command("to-hf", tree, str(folder / "back"), "--like", original, "--quiet"))
    finally:
        holes.stop()
    most = round(_SHARDS * largest(folder / "megatron") / 1e6 + _BASE_MB, 1)
    shutil.rmtree(folder)
    name = f"70B's widths, {layers} layers, {model.total_bytes('70b', layers) / 1e9:.0f} GB"
    return [
        figure(f"memory, to Megatron, {name}", there.memory_mb, "MB", goal=most),
        figure(f"memory, to Hugging Face, {name}", back.memory_mb, "MB", goal=most),
    ]


def main() -> int:
    chosen = options("speed and memory of the conversion of weights")
    # 10 layers: 1.27 GB, as the peers had; 80 layers: the whole of a 70B
    layers, rounds, huge_layers = (2, 1, 2) if chosen.quick else (10, 3, 80)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures = both_ways(folder, layers, rounds, as_peers=not chosen.quick)
        if shutil.which("fallocate"):
            figures += huge(folder / "huge", huge_layers)
        else:
            print("there is no fallocate here: the 70B is left out", file=sys.stderr)
    return report(figures, chosen)


if __name__ == "__main__":
    sys.exit(main())
