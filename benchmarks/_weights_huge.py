"""Memory at the widths of a 70B model: it follows the file of one rank, and not the number of layers.

The models are files of holes, which read as zeros. What is written is zeros on a real disk; finished files
are made holes again, so that only the conversion that is in work takes room. All the room of its result must
be free when it begins: where it is not, a model of fewer layers is converted, and the figures say how many.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import _weights_model as model
from _figures import Figure, figure
from _weights_measure import Run, command, make, measure, memory_figure

LAYERS = 80
_SHAPE = "70b"
_TP, _PP = 8, 8
# for what merges, which is slow: layers and stages of two sizes, whose ranks have files of one size
_MERGED = ((2, 2), (6, 6))
# times that the smaller one is run, of which the most counts: malloc keeps up to 50 MB of freed tensors, and
# where few files are written it happens that it keeps none
_TIMES = 3
# of the free room, for whoever else uses the disk
_USED = 0.9
# more memory than with fewer layers: what the system gives in blocks, names of more tensors
_MORE, _MORE_MB = 1.1, 20.0


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
        for pattern in ("tree*/*/*/*.pt", "out*/*/*/*.pt", "out*/*.safetensors"):
            for path in self._folder.glob(pattern):
                if path not in self._done:
                    dig = ["fallocate", "--dig-holes", str(path)]
                    # which may be gone by now
                    subprocess.run(dig, check=False, stderr=subprocess.DEVNULL)
                    self._done.add(path)

    def stop(self) -> None:
        self._over.set()
        self.join()


def huge(folder: Path, *, quick: bool) -> list[Figure]:
    """Conversions at the widths of a 70B; `quick`: of one small size, with nothing merged."""
    if not shutil.which("fallocate"):
        print("there is no fallocate here: the widths of a 70B are left out", file=sys.stderr)
        return []
    if quick:
        return _named(*_converted(folder, 2, 2))
    most = _fitting(folder.parent)
    if most < LAYERS:
        _say_less(folder.parent, most)
    found = _both_sizes([_converted(folder, *size) for size in _two_sizes(most)])
    if most < _MERGED[1][0]:
        print("there is no room to merge adapters at these widths: left out", file=sys.stderr)
        return found
    sizes = [_merged(folder, *size, times=times) for size, times in zip(_MERGED, (_TIMES, 1), strict=True)]
    return found + _both_sizes(sizes)


def _fitting(folder: Path) -> int:
    """How many of the layers the disk has room for: as many in each stage."""
    free = shutil.disk_usage(folder).free
    layers = LAYERS
    while layers > 2 and model.total_bytes(_SHAPE, layers) > _USED * free:
        layers -= _PP if layers > _PP else 1
    return layers


def _say_less(folder: Path, layers: int) -> None:
    sizes = [model.total_bytes(_SHAPE, count) / 1e9 for count in (layers, LAYERS)]
    free = shutil.disk_usage(folder).free / 1e9
    print(
        f"{folder} has {free:.0f} GB free: of the {LAYERS} layers of a 70B ({sizes[1]:.0f} GB) "
        f"{layers} are converted ({sizes[0]:.0f} GB)",
        file=sys.stderr,
    )


def _two_sizes(most: int) -> list[tuple[int, int]]:
    """Layers and stages: as many layers in a stage, as the memory may follow the file of a rank."""
    stages = min(_PP, most)
    fewer = 2 if stages > 2 else 1
    return [(most // stages * fewer, fewer), (most, stages)]


# what was done -> its figure and its run, and in words the size that it was done with
Measured = tuple[dict[str, tuple[Figure, Run]], str]


def _converted(folder: Path, layers: int, pp: int) -> Measured:
    """To Megatron and back."""
    return _measured(
        folder,
        layers,
        pp,
        {"to Hugging Face": ("to-hf", "{tree}", "{out}", "--like", "{hf}")},
    )


def _merged(folder: Path, layers: int, pp: int, *, times: int) -> Measured:
    """An adapter merged into a tree, in its layout and in another, and on the way to Hugging Face; another
    layout of the tree."""
    lora = ("--lora", "{lora}")
    other = ("--tp", str(_TP // 2))
    return _measured(
        folder,
        layers,
        pp,
        {
            "merge-lora": ("merge-lora", "{tree}", "{out}", *lora),
            "merge-lora, another layout": ("merge-lora", "{tree}", "{out}", *lora, *other),
            "to Hugging Face with an adapter": ("to-hf", "{tree}", "{out}", "--like", "{hf}", *lora),
            "reshard": ("reshard", "{tree}", "{out}", *other),
            "verify": ("verify", "{hf}", "{tree}"),
        },
        with_adapter=True,
        times=times,
    )


def _measured(
    folder: Path,
    layers: int,
    pp: int,
    actions: dict[str, tuple[str, ...]],
    *,
    with_adapter: bool = False,
    times: int = 1,
) -> Measured:
    """A tree is made, and the words of `actions` are run with it, each `times` times; each result goes before
    the next one."""
    folder.mkdir()
    at = {name: str(folder / name) for name in ("hf", "tree", "out", "peft", "lora")}
    layout = ("--tp", str(_TP), "--pp", str(pp))
    make(folder / "hf", "holes", _SHAPE, layers)
    holes = Holes(folder)
    holes.start()
    runs: dict[str, Run] = {"to Megatron": Run()}
    try:
        measure(runs["to Megatron"], command("to-megatron", at["hf"], at["tree"], *layout, "--quiet"))
        if with_adapter:
            make(folder / "peft", "adapter", _SHAPE, layers)
            like = ("--like", at["hf"])
            measure(Run(), command("split-lora", at["peft"], at["lora"], *like, *layout, "--quiet"))
        for name, asked in actions.items():
            runs[name] = Run()
            for _time in range(times):
                measure(runs[name], command(*(word.format(**at) for word in asked), "--quiet"))
                shutil.rmtree(folder / "out", ignore_errors=True)
    finally:
        holes.stop()
    size = model.total_bytes(_SHAPE, layers) / 1e9
    words = f"70B's widths, {layers} of its {LAYERS} layers, {size:.0f} GB, TP {_TP} x PP {pp}"
    found = {
        name: (memory_figure(f"{name}, {words}", run, folder / "tree"), run) for name, run in runs.items()
    }
    shutil.rmtree(folder)
    return found, f"{layers} layers"


def _named(found: dict[str, tuple[Figure, Run]], _size: str) -> list[Figure]:
    return [made for made, _run in found.values()]


def _both_sizes(sizes: list[Measured]) -> list[Figure]:
    """The figures of both, and for each action how the memory of the one is to that of the other."""
    (few, few_layers), (many, many_layers) = sizes
    figures = [*_named(few, few_layers), *_named(many, many_layers)]
    for name, (_made, run) in many.items():
        least = few[name][1].memory_mb
        figures.append(
            figure(
                f"memory, {name}, {many_layers} against {few_layers}",
                run.memory_mb,
                "MB",
                reference=few_layers,
                reference_value=least,
                goal=round(_MORE * least + _MORE_MB, 1),
            )
        )
    return figures
