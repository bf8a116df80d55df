"""Masked labels count nothing, from the files to the gradients, in every layout."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from layout_runs import assert_same_steps, run_layouts
from native_cases import VOCAB, tiny_job, whole_weights
from train_data_sets import write_instructions

from backend.node.train.micro_batch import IGNORED

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

LAYOUTS: dict[str, dict[str, Any]] = {
    "one": {},
    "dp2": {"dp": 2},
    "tp2_pp2": {"tp": 2, "pp": 2},
    "pp4": {"pp": 4},
}


def write_masked(folder: Path) -> None:
    """Eight sequences, all taken by one iteration, with prompts of many lengths; one has no answer left."""
    chance = random.Random(4)
    ids, labels = [], []
    for prompt in (0, 1, 3, 5, 8, 11, 14, 25):
        sequence = [chance.randrange(VOCAB) for _place in range(prompt + chance.randrange(2, 9))]
        ids.append(sequence)
        labels.append([IGNORED] * prompt + sequence[prompt:])
    write_instructions(folder / "masked", ids, labels)


def masked_job(folder: Path, **changes: Any) -> dict[str, Any]:
    settings = {
        "data_kind": "instruction",
        "datasets": [{"prefix": str(folder / "masked")}],
        "global_batch_size": 8,
        # The same means whatever the layout.
        "micro_batch_size": 1,
        **changes,
    }
    return tiny_job(folder, **settings)


@pytest.mark.parametrize("micro_batch_size", [1, 2, 8])
def test_gradients_are_those_of_pytorch_s_loss(tmp_path: Path, micro_batch_size: int) -> None:
    from backend.node.train.batches import BatchSource
    from backend.node.train.grid import Grid
    from backend.node.train.process_groups import Groups
    from backend.node.train.replica import Replica
    from backend.node.train.train_job_reader import read_train_job

    write_masked(tmp_path)
    job_json = masked_job(tmp_path, micro_batch_size=micro_batch_size)
    job, cpu = read_train_job(job_json), torch.device("cpu")
    whole = whole_weights(job_json["architecture"])
    replica = Replica(job, Grid(0, 1, 1, 1), Groups(None, None, None, None), cpu, whole)
    batches = BatchSource(job, 0, cpu).micro_batches(0)
    masked = [bool((labels == IGNORED).all()) for _tokens, labels in batches]
    assert any(masked) == (micro_batch_size == 1)
    flat = replica.parameters

    expected = torch.zeros(())
    for (tokens, labels), nothing_counts in zip(batches, masked, strict=True):
        if not nothing_counts:
            logits = replica.stage(tokens).flatten(0, 1)
            expected = expected + torch.nn.functional.cross_entropy(
                logits, labels.flatten(), ignore_index=IGNORED
            )
    expected = expected / len(batches)
    expected.backward()
    gradient = flat.gradient.clone()
    assert gradient.abs().max() > 1e-3

    flat.gradient.zero_()
    loss = replica.compute_gradients(batches)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    assert (flat.gradient - gradient).abs().max() < 2e-6 * gradient.abs().max()


def test_what_stands_under_the_mask_teaches_nothing(tmp_path: Path) -> None:
    from backend.node.train.grid import Grid
    from backend.node.train.micro_batch import MicroBatch
    from backend.node.train.process_groups import Groups
    from backend.node.train.replica import Replica
    from backend.node.train.train_job_reader import read_train_job

    job_json = masked_job(tmp_path, global_batch_size=1)
    whole = whole_weights(job_json["architecture"])
    replica = Replica(
        read_train_job(job_json), Grid(0, 1, 1, 1), Groups(None, None, None, None), torch.device("cpu"), whole
    )
    flat = replica.parameters
    tokens = torch.randint(0, VOCAB, (1, 16), generator=torch.Generator().manual_seed(2))
    labels = torch.full((1, 16), IGNORED)
    labels[0, 4:8] = 5
    found = []
    for padding in (0, 13):
        tokens[0, 8:] = padding
        flat.gradient.zero_()
        loss = replica.compute_gradients([MicroBatch(tokens.clone(), labels)])
        found.append((loss.item(), flat.gradient.clone()))
    assert found[0][0] == found[1][0]
    rows = flat.view(found[0][1] - found[1][1], "embedding.word_embeddings.weight")
    assert rows.abs().max() == 0.0
    replica.compute_gradients([MicroBatch(tokens, torch.full((1, 16), IGNORED))])
    assert torch.equal(flat.gradient, found[1][1])


@pytest.fixture(scope="module")
def computed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("masked")
    write_masked(folder)
    jobs = {name: masked_job(folder, **changes) for name, changes in LAYOUTS.items()}
    run_layouts(folder, jobs)
    return folder, jobs


@pytest.mark.parametrize("name", [name for name in LAYOUTS if name != "one"])
def test_layouts_equal_one_process(name: str, computed: tuple[Path, dict[str, dict[str, Any]]]) -> None:
    folder, jobs = computed
    one, job = torch.load(folder / "one-0.pt"), jobs[name]
    for rank in range(job["npus_per_node"]):
        found = torch.load(folder / f"{name}-{rank}.pt")
        assert found["loss"] == pytest.approx(one["loss"], rel=1e-6)
        assert_same_steps(found, one, job, rank, gradient_bound=5e-6)
