"""Tokens per second and NPU."""

from __future__ import annotations

import pytest

from backend.telemetry.throughput import tokens_per_s_per_npu


def test_the_guide_s_formula() -> None:
    assert tokens_per_s_per_npu(gbs=64, seq_length=4096, npus=8, elapsed_ms=8000.0) == 4096.0
    # 768 samples of 4096 tokens in 14287.5 ms on 192 devices were printed as 1146.7
    assert tokens_per_s_per_npu(768, 4096, 192, 14287.5) == pytest.approx(1146.7, abs=0.05)


@pytest.mark.parametrize(("npus", "elapsed_ms"), [(0, 1.0), (8, 0.0), (8, -1.0), (8, float("nan"))])
def test_no_answer_without_npus_or_time(npus: int, elapsed_ms: float) -> None:
    with pytest.raises(ValueError, match="above zero"):
        tokens_per_s_per_npu(64, 4096, npus, elapsed_ms)
