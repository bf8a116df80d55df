"""The arithmetic of a merge: against plain torch, and against what the reference converter merged."""

from __future__ import annotations

import argparse
import enum
from pathlib import Path
from typing import Any

import pytest

from backend.node.job_lines import JobError
from backend.node.weights.arrays import STORAGE, Array
from backend.node.weights.lora import DOWN, UP, merged

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.torch

GOLDEN = Path(__file__).resolve().parents[4] / ".." / "shared" / "golden" / "checkpoints" / "llama2"
NAMES = {torch.bfloat16: "bf16", torch.float16: "fp16", torch.float32: "fp32"}


class ModelType(enum.Enum):
    encoder_or_decoder = 1


def array(tensor: Any) -> Array:
    name = NAMES[tensor.dtype]
    return Array(tensor.contiguous().view(torch.uint8).numpy().view(STORAGE[name]), name)


def zeros(*shape: int) -> Array:
    return array(torch.zeros(shape))


def as_peft(base: Any, down: Any, up: Any, scale: float) -> Any:
    """What the library does with tensors on a CPU."""
    if up.dtype == torch.float16:
        return base + ((up.float() @ down.float()) * scale).to(torch.float16)
    return base + (up @ down) * scale


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize(("rank", "alpha"), [(4, 8), (8, 16), (3, 32)])
def test_it_rounds_as_the_library_does(dtype: Any, rank: int, alpha: int) -> None:
    chance = torch.Generator().manual_seed(rank)
    base, down, up = (
        torch.randn(shape, generator=chance).to(dtype) for shape in ((48, 20), (rank, 20), (48, rank))
    )
    found = merged(array(base), array(down), array(up), alpha / rank)
    wanted = as_peft(base, down, up, alpha / rank)
    assert found.data.tobytes() == array(wanted).data.tobytes()


def test_blocks_of_rows_join_to_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = torch.Generator().manual_seed(0)
    base, down, up = (
        array(torch.randn(shape, generator=chance).bfloat16()) for shape in ((37, 200), (4, 200), (37, 4))
    )
    whole = merged(base, down, up, 2.0)
    for values in (1000, 7400, 200, 400):
        monkeypatch.setattr("backend.node.weights.lora._BLOCK", values)
        assert merged(base, down, up, 2.0).data.tobytes() == whole.data.tobytes()


def chain(up: Any, down: Any) -> Any:
    """The product as fused multiply-adds in the order of the rank. fp64 holds a product of two fp32."""
    sums = torch.zeros(up.shape[0], down.shape[1])
    for place in range(up.shape[1]):
        sums = (sums.double() + up[:, place : place + 1].double() * down[place].double()).float()
    return sums


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("rank", [1, 3, 8, 16, 64])
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (4, 8), (40, 24), (16, 64), (7, 130)])
def test_the_product_is_the_same_on_every_machine(dtype: Any, rank: int, rows: int, columns: int) -> None:
    chance = torch.Generator().manual_seed(rank)
    down, up = (torch.randn(shape, generator=chance).to(dtype) for shape in ((rank, columns), (rows, rank)))
    # fp32 shows every digit of what the adapter's dtype rounds
    base = torch.zeros(rows, columns)
    wanted = chain(up, down).to(dtype).float()
    assert merged(array(base), array(down), array(up), 1.0).data.tobytes() == array(wanted).data.tobytes()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_a_cut_of_the_weights_is_merged_as_in_the_whole(dtype: Any) -> None:
    chance = torch.Generator().manual_seed(2)
    base, down, up = (
        torch.randn(shape, generator=chance).to(dtype) for shape in ((96, 72), (16, 72), (96, 16))
    )
    whole = merged(array(base), array(down), array(up), 2.0).data.reshape(96, 72)
    for rows, columns in ((slice(8, 12), slice(0, 72)), (slice(0, 96), slice(64, 72)), (slice(5, 6),) * 2):
        cut = merged(array(base[rows, columns]), array(down[:, columns]), array(up[rows]), 2.0)
        assert cut.data.tobytes() == whole[rows, columns].tobytes()


def test_an_adapter_of_zeros_changes_nothing() -> None:
    base = array(torch.randn(6, 4).bfloat16())
    nothing = array(torch.zeros(2, 4).bfloat16()), array(torch.zeros(6, 2).bfloat16())
    assert merged(base, *nothing, 2.0).data.tobytes() == base.data.tobytes()


@pytest.mark.parametrize("shapes", [((3, 4), (6, 3)), ((2, 5), (6, 2)), ((2, 4), (5, 2))])
def test_halves_that_do_not_fit_are_refused(shapes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    down, up = shapes
    if down == (3, 4):
        up = (6, 2)
    with pytest.raises(JobError, match="does not fit") as caught:
        merged(zeros(6, 4), zeros(*down), zeros(*up), 1.0)
    assert caught.value.field == "lora_directory"


def test_halves_in_two_dtypes_are_refused() -> None:
    with pytest.raises(JobError, match="fp32 and fp16 beside weights in bf16"):
        merged(
            array(torch.zeros(6, 4).bfloat16()), array(torch.zeros(2, 4)), array(torch.zeros(6, 2).half()), 1
        )


def golden_files() -> list[Path]:
    return sorted(GOLDEN.glob("lora_*/megatron_merged/iter_*/*/model_optim_rng.pt"))


def load(path: Path) -> dict[str, Any]:
    allowed = [argparse.Namespace, (ModelType, "megatron.core.enums.ModelType")]
    with torch.serialization.safe_globals(allowed):
        model: dict[str, Any] = torch.load(path, weights_only=True)["model"]
    return dict(flat(model))


def flat(tree: dict[str, Any], above: str = "") -> Any:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from flat(value, f"{above}{key}/")
        else:
            yield above + key, value


@pytest.mark.skipif(not golden_files(), reason="the reference trees are not on this machine")
@pytest.mark.parametrize("path", golden_files(), ids=lambda path: f"{path.parts[-5]}-{path.parts[-2]}")
def test_every_reference_merge_comes_out_bit_for_bit(path: Path) -> None:
    rank = Path(*path.parts[-3:])
    case = path.parents[3]
    base, adapter, wanted = (load(case / kind / rank) for kind in ("megatron", "lora", "megatron_merged"))
    modules = [name[: -len(DOWN)] for name in adapter if name.endswith(DOWN)]
    assert modules
    for module in modules:
        down, up = adapter[module + DOWN], adapter[module + UP]
        found = merged(array(base[module + ".weight"]), array(down), array(up), 2.0)
        assert found.data.tobytes() == array(wanted[module + ".weight"]).data.tobytes()
        assert found.data.tobytes() != array(base[module + ".weight"]).data.tobytes()
