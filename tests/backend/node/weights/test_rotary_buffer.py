from __future__ import annotations

import pytest
from hf_models import ARCHITECTURE

from backend.node.weights.arrays import STORAGE
from backend.node.weights.model_config import model_of_architecture
from backend.node.weights.rotary_buffer import inverse_frequencies

np = pytest.importorskip("numpy")


@pytest.mark.torch
@pytest.mark.parametrize("name", ["bfloat16", "float16", "float32"])
@pytest.mark.parametrize("head_dim", [4, 64, 128, 256])
def test_it_is_what_the_model_computes(name: str, head_dim: int) -> None:
    torch = pytest.importorskip("torch")
    dtype = getattr(torch, name)
    key = {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32"}[name]
    model = model_of_architecture({**ARCHITECTURE, "family": "glm4", "head_dim": head_dim})
    found = inverse_frequencies(model, key)
    half = head_dim // 2
    expected = 1.0 / (10000 ** (torch.arange(0, half, 2).to(dtype) / half))
    assert found.dtype == key
    assert found.data.dtype == np.dtype(STORAGE[key])
    bits = expected.view(torch.int32 if key == "fp32" else torch.int16).numpy()
    difference = found.data.view(bits.dtype).astype(int) - bits
    # Powers of two libraries differ by a last bit of fp32; rounded to half the digits they agree.
    assert abs(difference).max() <= (2 if key == "fp32" else 0)
