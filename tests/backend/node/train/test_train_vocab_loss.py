"""The loss over a spread vocabulary is cross entropy over the real one, whatever padding a rank holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from layout_runs import run_layouts
from native_cases import shard, tiny_job, write_data

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

VOCAB = 5  # padded to 8 for four ranks: half of one rank's rows, and all of the last one's


def logits_and_labels(rows: int, dtype: Any = None) -> tuple[Any, Any]:
    chance = torch.Generator().manual_seed(4)
    logits = (3.0 * torch.randn(2, 6, rows, generator=chance)).to(dtype or torch.float32)
    labels = torch.randint(0, VOCAB, (2, 6), generator=chance)
    labels[0, 2:4] = -100
    return logits.requires_grad_(), labels


@pytest.mark.parametrize("rows", [VOCAB, 8])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_is_cross_entropy(rows: int, dtype: Any) -> None:
    from backend.node.train.vocab_loss import vocab_parallel_loss

    logits, labels = logits_and_labels(rows, dtype)
    loss = vocab_parallel_loss(logits, labels, 0, VOCAB, None)
    (3.0 * loss).backward()
    plain, _labels = logits_and_labels(rows, dtype)
    real = plain[..., :VOCAB].flatten(0, 1).float()
    expected = torch.nn.functional.cross_entropy(real, labels.flatten())
    (3.0 * expected).backward()
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    assert logits.grad.dtype == dtype
    assert torch.allclose(logits.grad, plain.grad, rtol=1e-5 if dtype == torch.float32 else 1e-2, atol=1e-7)


def test_nothing_to_learn_is_no_loss() -> None:
    from backend.node.train.vocab_loss import vocab_parallel_loss

    logits, labels = logits_and_labels(VOCAB)
    loss = vocab_parallel_loss(logits, torch.full_like(labels, -100), 0, VOCAB, None)
    loss.backward()
    assert loss.item() == 0.0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_ranks_with_padding_alone_compute_the_same(tmp_path: Path) -> None:
    write_data(tmp_path, vocab=VOCAB)
    architecture = {"vocab": VOCAB, "kv_heads": 4}
    jobs = {
        "one": tiny_job(tmp_path, architecture=architecture),
        "tp4": tiny_job(tmp_path, tp=4, architecture=architecture),
    }
    run_layouts(tmp_path, jobs)
    one = torch.load(tmp_path / "one-0.pt")
    for rank in range(4):
        found = torch.load(tmp_path / f"tp4-{rank}.pt")
        assert found["loss"] == pytest.approx(one["loss"], rel=1e-6)
        gradients = shard(one["gradients"], jobs["tp4"], rank, 0, pad_with_last=False)
        for key, expected in gradients.items():
            scale = expected.abs().max().item() + 1e-12
            assert (found["gradients"][key] - expected).abs().max().item() < 2e-6 * scale, (rank, key)
