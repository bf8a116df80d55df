"""How fast training data is made, and in how much memory, against the plain loop over the tokenizers library.

Every measurement is a whole process, start-up included: what a user waits for. The loop reads the same lines,
encodes the same texts with as many threads and writes nothing. The figure of ModelLink (preprocess_data.py of
September 2024, two workers, two cores) was taken beforehand and is not measured again.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import _process
from _figures import Figure, figure, options, report
from _process import measure

_HERE = Path(__file__).resolve().parent
_LOOP = str(_HERE / "_data_loop.py")
_CORPUS = str(_HERE / "_data_corpus.py")
_STAGE = "import sys; from backend.node.main import main; sys.exit(main(sys.argv[1:]))"
_THREADS = 2
_MOST_MEMORY_MB = 400.0
# what 500 MB of input may take beyond 50 MB of it
_FLAT_MB = 60.0
_MODELLINK_MTOKENS = 0.40
_ENCODERS = ("tokenizers", "gigatoken")
# vocabulary, kind of data, megabytes of input
Case = tuple[str, str, float]
# vocabulary -> kind of data -> encoder -> least ratio to the loop
_GOALS = {
    "byte-level": {
        "pretrain": {"tokenizers": 0.9, "gigatoken": 2.0},
        "instruction": {"tokenizers": 1.2, "gigatoken": 2.0},
    },
    "llama-like": {
        "pretrain": {"tokenizers": 0.85, "gigatoken": 1.5},
        "instruction": {"tokenizers": 1.2, "gigatoken": 1.5},
    },
}


@dataclass
class Run(_process.Run):
    """As there, and how many ids each of the processes made."""

    tokens: int = 0

    @property
    def rate(self) -> float:
        """Millions of ids a second."""
        return self.tokens / self.seconds / 1e6


class Bench:
    """The corpus, made by processes of their own: a process's memory is never less than its parent's was."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def made(self, kind: str, megabytes: float = 0) -> Path:
        """A file of records or a tokenizer's folder; made once."""
        path = self.folder / (f"{kind}-{megabytes:g}.jsonl" if megabytes else kind)
        if not path.exists():
            subprocess.run([sys.executable, _CORPUS, kind, str(path), str(megabytes)], check=True)
        return path

    def loop(self, run: Run, vocabulary: str, kind: str, megabytes: float) -> None:
        tokenizer = str(self.made(vocabulary) / "tokenizer.json")
        data = str(self.made(kind, megabytes))
        run.tokens = int(measure(run, [sys.executable, _LOOP, kind, data, tokenizer, str(_THREADS)]))

    def stage(self, run: Run, vocabulary: str, kind: str, megabytes: float, encoder: str) -> None:
        """The data stage as a training node runs it."""
        prefix = self.folder / f"out-{kind}"
        job = {
            "input": str(self.made(kind, megabytes)),
            "output_prefix": str(prefix),
            "tokenizer": str(self.made(vocabulary)),
            "handler": "GeneralPretrainHandler" if kind == "pretrain" else "GeneralInstructionHandler",
            "encoder": encoder,
            "workers": _THREADS,
        }
        for left in self.folder.glob(prefix.name + "*"):
            left.unlink()
        job_path = self.folder / "job.json"
        job_path.write_text(json.dumps(job))
        measure(run, [sys.executable, "-c", _STAGE, "data", str(job_path)])
        manifest = json.loads(Path(str(prefix) + ".json").read_text())
        if manifest["encoder"] != encoder:
            raise SystemExit(f"{encoder} was not used: {manifest['notes']}")
        run.tokens = manifest["counts"]["tokens"]


def present_encoders() -> list[str]:
    found = [name for name in _ENCODERS if importlib.util.find_spec(name)]
    for name in sorted(set(_ENCODERS) - set(found)):
        print(f"{name} is not installed: its figures are left out", file=sys.stderr)
    return found


def speed(bench: Bench, encoders: list[str], cases: list[Case], rounds: int) -> list[Figure]:
    figures = []
    most = Run()
    for vocabulary, kind, megabytes in cases:
        loop = Run()
        runs = {encoder: Run() for encoder in encoders}
        for _round in range(rounds):
            bench.loop(loop, vocabulary, kind, megabytes)
            for encoder, run in runs.items():
                bench.stage(run, vocabulary, kind, megabytes, encoder)
        for encoder, run in runs.items():
            most.memory_mb = max(most.memory_mb, run.memory_mb)
            least = _GOALS[vocabulary][kind][encoder]
            figures.append(_against_loop(f"{kind}, {vocabulary}, {encoder}", run, loop, least))
            if (vocabulary, kind, encoder) == ("byte-level", "pretrain", "gigatoken"):
                figures.append(_against_modellink(run))
    figures.append(figure("most memory", most.memory_mb, "MB", goal=_MOST_MEMORY_MB))
    return figures


def _against_loop(name: str, run: Run, loop: Run, least: float) -> Figure:
    reference = f"tokenizers loop, {_THREADS} threads"
    return figure(
        name, run.rate, "M tokens/s", reference=reference, reference_value=loop.rate, least_ratio=least
    )


def _against_modellink(run: Run) -> Figure:
    reference = "ModelLink, 2 workers (recorded)"
    return figure(
        "pretrain, byte-level, gigatoken, against ModelLink",
        run.rate,
        "M tokens/s",
        reference=reference,
        reference_value=_MODELLINK_MTOKENS,
        least_ratio=8.0,
    )


def flatness(bench: Bench, encoders: list[str], small: float, large: float) -> list[Figure]:
    """Memory at a small and at a large input."""
    figures = []
    for encoder in encoders:
        memory = []
        for megabytes in (small, large):
            run = Run()
            bench.stage(run, "byte-level", "pretrain", megabytes, encoder)
            memory.append(run.memory_mb)
        name = f"memory at {large:g} MB of input, {encoder}"
        figures.append(
            figure(
                name,
                memory[1],
                "MB",
                reference=f"at {small:g} MB of input",
                reference_value=memory[0],
                goal=round(min(_MOST_MEMORY_MB, memory[0] + _FLAT_MB), 1),
            )
        )
    return figures


def main() -> int:
    chosen = options("speed and memory of the data stage")
    encoders = present_encoders()
    cases: list[Case] = [(vocabulary, kind, 200.0) for vocabulary in _GOALS for kind in _GOALS[vocabulary]]
    small, large, rounds = 50.0, 500.0, 2
    if chosen.quick:
        cases = [("byte-level", "pretrain", 48.0), ("llama-like", "instruction", 28.0)]
        small, large, rounds = 10.0, 48.0, 1
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        figures = speed(bench, encoders, cases, rounds)
        figures += flatness(bench, encoders[-1:] if chosen.quick else encoders, small, large)
    return report(figures, chosen)


if __name__ == "__main__":
    sys.exit(main())
