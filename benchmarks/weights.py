"""How fast weights are converted, and in how much memory, against a plain copy of the same bytes.

Every measurement is a whole process of the command line, imports included: what a user waits for. The copy
reads the same files in pieces, writes them and waits until they are on disk; both begin with nothing of them
in memory, and they take turns. The figures of the peers (ModelLink of September 2024, MindSpeed-LLM v2; a
model of 1.22 GB, two cores) were taken beforehand and are not measured again.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from _figures import Figure, figure, options, report
from _weights_huge import huge
from _weights_measure import ENVIRONMENT, Run, command, make, measure, memory_figure

_HERE = Path(__file__).resolve().parent
_COPY = str(_HERE / "_weights_copy.py")
_TP, _PP = 2, 2
_LEAST_RATIO = 0.5
# direction -> peer -> seconds, megabytes
_PEERS = {
    "to Megatron": {"ModelLink": (42.9, 4900.0), "MindSpeed-LLM v2": (7.1, 1700.0)},
    "to Hugging Face": {"ModelLink": (42.0, 4100.0), "MindSpeed-LLM v2": (6.2, 1000.0)},
}


@dataclass
class Direction:
    """One way of converting: the words of the command, what it reads, what it writes."""

    name: str
    words: list[str]
    source: Path
    target: Path


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
        figures.append(memory_figure(way.name, run, folder / "megatron"))
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
    if subprocess.run(verify, stdout=subprocess.DEVNULL, env=ENVIRONMENT, check=False).returncode:
        raise SystemExit("the model that came back is not the one that went")


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


def main() -> int:
    chosen = options("speed and memory of the conversion of weights")
    # 10 layers: 1.27 GB, as the peers had
    layers, rounds = (2, 1) if chosen.quick else (10, 3)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures = both_ways(folder, layers, rounds, as_peers=not chosen.quick)
        figures += huge(folder / "huge", quick=chosen.quick)
    return report(figures, chosen)


if __name__ == "__main__":
    sys.exit(main())
