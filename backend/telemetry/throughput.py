"""Tokens per second and NPU, as AscendCloud's training guides compute it."""

from __future__ import annotations


def tokens_per_s_per_npu(gbs: int, seq_length: int, npus: int, elapsed_ms: float) -> float:
    """GBS * SEQ_LEN / (NPUs * elapsed_ms) * 1000.

    `gbs` samples an iteration, `seq_length` tokens a sample, `elapsed_ms` per iteration as Megatron prints
    it (evaluation and saving are not in it). ValueError if `npus` or `elapsed_ms` is not above zero.
    """
    if npus <= 0 or not elapsed_ms > 0:
        raise ValueError(f"npus and elapsed_ms must be above zero, not {npus} and {elapsed_ms}")
    return gbs * seq_length / (npus * elapsed_ms) * 1000.0
