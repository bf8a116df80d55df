from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.node.job_lines import JobError
from backend.node.weights.arrays import ITEM_BYTES, STORAGE, Array
from backend.node.weights.casting import cast

FLOATS = ("bf16", "fp16", "fp32", "fp64")
PAIRS = list(permutations(FLOATS, 2))


def awkward(dtype: str) -> Array:
    """All 16-bit codes; of wider dtypes random bits, and the values of both 16-bit dtypes with neighbours in
    the middle between two of them."""
    rng = np.random.default_rng(0)
    codes = np.arange(1 << 16, dtype="<u2")
    if ITEM_BYTES[dtype] == 2:
        return Array(codes.view(STORAGE[dtype]), dtype)
    with np.errstate(all="ignore"):
        halves = codes.view("<f2").astype("<f4").view("<u4")
        brains = codes.astype("<u4") << 16
        close = [
            base + np.uint32(step) for base in (halves, brains) for step in (0, 1, 0x1000, 0x1001, 0x8000)
        ]
        singles = np.concatenate([*close, rng.integers(0, 1 << 32, 1 << 16, dtype="<u4")]).view("<f4")
        if dtype == "fp32":
            return Array(singles, dtype)
        doubles = singles.astype("<f8").view("<u8")
    bits = [doubles, doubles + np.uint64(1), doubles + np.uint64(1 << 28), rng.integers(0, 1 << 63, 1 << 16)]
    return Array(np.concatenate([part.astype("<u8") for part in bits]).view("<f8"), dtype)


def torch_tensor(torch: Any, array: Array) -> Any:
    kinds = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32, "fp64": torch.float64}
    return torch.from_numpy(array.data.view(f"<i{array.data.itemsize}").copy()).view(kinds[array.dtype])


def torch_bits(torch: Any, tensor: Any) -> Any:
    kinds = {2: torch.int16, 4: torch.int32, 8: torch.int64}
    return tensor.view(kinds[tensor.element_size()])


@pytest.mark.torch
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_every_bit_is_that_of_torch(source: str, target: str) -> None:
    torch = pytest.importorskip("torch")
    array = awkward(source)
    made, lost, overflowed = cast(array, target)
    before, found = torch_tensor(torch, array), torch_tensor(torch, made)
    wanted = before.to(found.dtype)
    nan = torch.isnan(before)
    # The bits of torch's own NaN depend on its version and on how many values are cast at once.
    assert torch.equal(torch_bits(torch, found)[~nan], torch_bits(torch, wanted)[~nan])
    assert torch.equal(torch.isnan(found), nan)
    back = wanted.to(before.dtype)
    assert lost == int(((torch_bits(torch, back) != torch_bits(torch, before)) & ~nan).sum())
    assert overflowed == int((torch.isinf(wanted) & torch.isfinite(before)).sum())


@pytest.mark.parametrize("dtype", FLOATS)
def test_the_same_dtype_is_the_same_array(dtype: str) -> None:
    array = awkward(dtype)
    made, lost, overflowed = cast(array, dtype)
    assert made is array
    assert (lost, overflowed) == (0, 0)


@pytest.mark.parametrize(("source", "target"), [("bf16", "fp32"), ("fp16", "fp64"), ("bf16", "fp64")])
def test_wider_dtypes_lose_nothing(source: str, target: str) -> None:
    made, lost, _overflowed = cast(awkward(source), target)
    back, _lost, _over = cast(made, source)
    numbers = ~np.isnan(cast(awkward(source), "fp64").array.data)
    assert lost == 0
    assert (back.data[numbers].tobytes()) == awkward(source).data[numbers].tobytes()


@given(st.sampled_from(PAIRS), st.integers(0, 5), st.integers(0, 300), st.integers(0, 1 << 31))
def test_views_of_any_shape_are_cast_as_their_copies(
    pair: tuple[str, str], rows: int, columns: int, seed: int
) -> None:
    source, target = pair
    raw = np.random.default_rng(seed).integers(0, 256, rows * columns * ITEM_BYTES[source], dtype="u1")
    whole = raw.view(STORAGE[source]).reshape(rows, columns)
    for view in (whole.T, whole[:, ::2], whole[1:]):
        made = cast(Array(view, source), target)
        copied = cast(Array(np.ascontiguousarray(view), source), target)
        assert made.array.data.shape == view.shape
        assert made.array.data.tobytes() == copied.array.data.tobytes()
        assert made[1:] == copied[1:]


def test_a_nan_is_quiet_and_keeps_what_fits_of_its_bits() -> None:
    signalling = Array(np.array([0x7F802000, 0xFF800001, 0x7FFFFFFF], "<u4").view("<f4"), "fp32")
    assert cast(signalling, "bf16").array.data.tolist() == [0x7FC0] * 3
    assert cast(signalling, "fp16").array.data.view("<u2").tolist() == [0x7E01, 0xFE00, 0x7FFF]
    assert cast(signalling, "bf16")[1:] == (0, 0)


def test_a_scalar_and_an_empty_array_are_cast() -> None:
    assert cast(Array(np.array(1.5, "<f4"), "fp32"), "bf16").array.data == 0x3FC0
    assert cast(Array(np.zeros((0, 3), "<f2"), "fp16"), "bf16").array.data.shape == (0, 3)


@pytest.mark.parametrize(("source", "target"), [("int64", "bf16"), ("fp32", "int32"), ("bool", "fp16")])
def test_other_dtypes_are_refused(source: str, target: str) -> None:
    with pytest.raises(JobError, match=f"cannot turn {source} into {target}"):
        cast(Array(np.zeros(2, STORAGE[source]), source), target)
