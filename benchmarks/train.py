"""How fast the native engine trains, against the same model by hand in PyTorch and in transformers.

Every contestant is a process of its own with one thread, on the same weights and the same micro batches of
1,024 tokens an iteration; they take turns, and their losses must agree. A step is everything: data, forward,
backward, clipping, AdamW. The engine runs as a user runs it, and its steps are those of its own log.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from _figures import Figure, figure, options, report
from _train_model import SIZES, parameters, prepare, train_job

_HERE = Path(__file__).resolve().parent
_ROOT = _HERE.parent
_REFERENCE = str(_HERE / "_train_reference.py")
_LINE = re.compile(r"elapsed time per iteration \(ms\): ([\d.]+) .*lm loss: (\S+) ")
_WARM_UP = 2  # iterations in which memory is taken and tables are made
_LEAST = 0.95
_LEAST_OF_FOUR = 0.7  # four processes share the cores that the machine has


@dataclass
class Steps:
    """Seconds of the steps of all rounds, and the losses of the last."""

    seconds: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)

    def add(self, seconds: list[float], losses: list[float]) -> None:
        self.seconds += seconds[_WARM_UP:]
        self.losses = losses

    @property
    def per_second(self) -> float:
        return 1.0 / statistics.median(self.seconds)


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "GLOO_SOCKET_IFNAME"}
    return {**kept, "PYTHONPATH": str(_ROOT), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def engine(job_file: Path, port: int) -> tuple[list[float], list[float]]:
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "NNODES": "1", "NODE_RANK": "0"}
    words = [sys.executable, "-u", "-m", "backend.node.main", "train", str(job_file)]
    done = subprocess.run(
        words, env={**environment(), **meeting}, cwd=_ROOT, capture_output=True, text=True, check=False
    )
    lines = _LINE.findall(done.stdout)
    if done.returncode or not lines:
        raise SystemExit(f"the engine ended with {done.returncode}: {done.stderr.strip()[-400:]}")
    return [float(elapsed) / 1000.0 for elapsed, _loss in lines], [float(loss) for _elapsed, loss in lines]


def by_hand(kind: str, job_file: Path, steps: int) -> tuple[list[float], list[float]]:
    words = [sys.executable, _REFERENCE, kind, str(job_file), str(steps)]
    done = subprocess.run(words, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{kind} ended with {done.returncode}: {done.stderr.strip()[-400:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    return found["seconds"], found["losses"]


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def agree(name: str, found: list[float], wanted: list[float]) -> None:
    """A figure of other work would be worth nothing."""
    worst = max(abs(one - other) / other for one, other in zip(found, wanted, strict=True))
    if worst > 1e-4:
        raise SystemExit(f"the losses of {name} differ from those of the engine by {worst:.1e}")


def measure(folder: Path, size: str, steps: int, rounds: int, kinds: list[str]) -> list[Figure]:
    prepare(folder, size, [(1, 1), (2, 2)])
    jobs = {}
    for tp, pp in ((1, 1), (2, 2)):
        jobs[tp] = folder / f"job-{tp}.json"
        jobs[tp].write_text(json.dumps(train_job(folder, size, tp, pp, steps)))
    one, four, others = Steps(), Steps(), {kind: Steps() for kind in kinds}
    for _round in range(rounds):
        for kind in kinds:
            others[kind].add(*by_hand(kind, jobs[1], steps))
        one.add(*fresh_engine(folder, jobs[1]))
        four.add(*fresh_engine(folder, jobs[2]))
    words = f"{parameters(size) / 1e6:.1f}M parameters"
    figures = []
    for kind in kinds:
        agree(kind, others[kind].losses, one.losses)
        against = "transformers, hand loop" if kind == "transformers" else "plain PyTorch"
        figures.append(
            figure(
                f"{words}, one process, against {against}",
                one.per_second,
                "steps/s",
                reference=against,
                reference_value=others[kind].per_second,
                least_ratio=_LEAST,
            )
        )
    agree("TP 2 x PP 2", four.losses, one.losses)
    figures.append(
        figure(
            f"{words}, TP 2 x PP 2 in four processes",
            four.per_second,
            "steps/s",
            reference="one process of the engine",
            reference_value=one.per_second,
            least_ratio=_LEAST_OF_FOUR,
        )
    )
    return figures


def fresh_engine(folder: Path, job_file: Path) -> tuple[list[float], list[float]]:
    """From the first iteration: a checkpoint of the round before would be gone on with."""
    import shutil

    shutil.rmtree(json.loads(job_file.read_text())["save_directory"], ignore_errors=True)
    return engine(job_file, free_port())


def main() -> int:
    chosen = options("speed of the native engine")
    kinds = ["plain"]
    if importlib.util.find_spec("transformers"):
        kinds.append("transformers")
    else:
        print("transformers is not installed: left out", file=sys.stderr)
    figures: list[Figure] = []
    sizes = ["1m"] if chosen.quick else list(SIZES)
    for size in sizes:
        with tempfile.TemporaryDirectory() as name:
            steps, rounds = (10, 1) if chosen.quick else (14, 3)
            figures += measure(Path(name), size, steps, rounds, kinds)
    return report(figures, chosen)


if __name__ == "__main__":
    sys.exit(main())
