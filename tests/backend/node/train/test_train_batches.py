"""Batches of every rank: together the global batch, each sample once, the same ones after a resume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from native_cases import tiny_job
from train_data_sets import write_instructions, write_sequences

from backend.node.job_lines import JobError
from backend.node.train.micro_batch import IGNORED

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

SEQ_LENGTH = 4
CPU = "cpu"


def source(folder: Path, rank: int = 0, **changes: Any) -> Any:
    from backend.node.train.batches import BatchSource

    job = job_of(folder, **changes)
    return BatchSource(job, rank, torch.device(CPU))


def job_of(folder: Path, **changes: Any) -> Any:
    from backend.node.train.train_job_reader import read_train_job

    settings = {"seq_length": SEQ_LENGTH, "architecture": {"vocab": 100_000}, **changes}
    settings.setdefault("datasets", [{"prefix": str(folder / "a")}])
    return read_train_job(tiny_job(folder, **settings))


def write_ramp(prefix: Path, documents: int, start: int = 0, size: int = SEQ_LENGTH) -> None:
    """Documents of distinct tokens from `start` on: a token says where it comes from."""
    rows = np.arange(start, start + documents * size).reshape(documents, size)
    write_sequences(prefix, rows.tolist())


def firsts(batches: Any) -> list[int]:
    return [int(row[0]) for batch in batches for row in batch.tokens]


def everything(batches: Any) -> list[list[Any]]:
    return [[batch.tokens.tolist(), batch.labels.tolist()] for batch in batches]


def test_a_batch_is_tokens_and_what_follows_them(tmp_path: Path) -> None:
    write_ramp(tmp_path / "a", 64, size=16)
    batches = source(tmp_path, micro_batch_size=2).micro_batches(0)
    assert len(batches) == 2
    for tokens, labels in batches:
        assert tokens.dtype == labels.dtype == torch.int64
        assert tokens.shape == labels.shape == (2, SEQ_LENGTH)
        assert tokens.is_contiguous()
        assert labels.is_contiguous()
        assert torch.equal(tokens[:, 1:], labels[:, :-1])


@pytest.mark.parametrize("kind", ["pretrain", "instruction"])
def test_ranks_share_the_global_batch(tmp_path: Path, kind: str) -> None:
    rows = np.arange(64 * SEQ_LENGTH).reshape(64, SEQ_LENGTH).tolist()
    write_sequences(tmp_path / "a", rows)
    write_instructions(tmp_path / "a", rows, rows)
    changes: dict[str, Any] = {"data_kind": kind, "global_batch_size": 8, "micro_batch_size": 2}
    alone = everything(source(tmp_path, **changes).micro_batches(16))
    ranks = [everything(source(tmp_path, rank, dp=2, **changes).micro_batches(16)) for rank in range(2)]
    # Micro batch m of rank r is micro batch 2 m + r of the only rank.
    assert [ranks[number % 2][number // 2] for number in range(4)] == alone
    seen = [row[0] for tokens, _labels in alone for row in tokens]
    assert len(set(seen)) == 8


@pytest.mark.parametrize("kind", ["pretrain", "instruction"])
def test_a_resumed_run_goes_on_with_the_same_batches(tmp_path: Path, kind: str) -> None:
    rows = np.arange(30 * SEQ_LENGTH).reshape(30, SEQ_LENGTH).tolist()
    for name in ("a", "b"):
        write_sequences(tmp_path / name, rows)
        write_instructions(tmp_path / name, rows, rows)
    changes: dict[str, Any] = {
        "data_kind": kind,
        "datasets": [
            {"prefix": str(tmp_path / "a"), "weight": 3.0},
            {"prefix": str(tmp_path / "b"), "weight": 1.0},
        ],
    }
    first = source(tmp_path, **changes)
    whole = [everything(first.micro_batches(consumed)) for consumed in range(0, 200, 4)]
    resumed = source(tmp_path, train_iterations=9999, **changes)
    assert [everything(resumed.micro_batches(consumed)) for consumed in range(100, 200, 4)] == whole[25:]


def test_data_sets_are_blended_by_weight(tmp_path: Path) -> None:
    write_ramp(tmp_path / "a", 10)
    write_ramp(tmp_path / "b", 1000, start=50_000)
    both = [{"prefix": str(tmp_path / "a"), "weight": 1.0}, {"prefix": str(tmp_path / "b"), "weight": 3.0}]
    batches = source(tmp_path, datasets=both, global_batch_size=40).micro_batches(0)
    small = [token for token in firsts(batches) if token < 50_000]
    assert len(small) == 10
    # The small one comes again in its next epoch: all its documents first.
    assert sorted(small) == list(range(0, 40, 4))


def test_each_part_has_its_own_documents(tmp_path: Path) -> None:
    from backend.node.train.splits import TEST, TRAINING, VALIDATION
    from backend.node.train.training_data import TrainingData

    write_ramp(tmp_path / "a", 100)
    job = job_of(tmp_path, split=[80.0, 15.0, 5.0])
    data = TrainingData(job)
    for part, documents in ((TRAINING, range(80)), (VALIDATION, range(80, 95)), (TEST, range(95, 100))):
        tokens, _labels = data.part(part).rows(range(len(documents)))
        assert sorted(tokens.ravel().tolist()) == list(range(documents[0] * 4, (documents[-1] + 1) * 4))


def test_evaluations_go_on_through_the_validation_documents(tmp_path: Path) -> None:
    write_ramp(tmp_path / "a", 100)
    changes: dict[str, Any] = {"split": [84.0, 16.0, 0.0], "eval_interval": 2, "eval_iterations": 2}
    one = source(tmp_path, **changes)
    seen = [one.validation_micro_batches(number, step) for number in range(4) for step in range(2)]
    epochs = [[token for batches in seen[at : at + 4] for token in firsts(batches)] for at in (0, 4)]
    for epoch in epochs:
        assert sorted(epoch) == list(range(84 * 4, 100 * 4, 4))
    assert epochs[0] != epochs[1]
    assert everything(source(tmp_path, **changes).validation_micro_batches(2, 1)) == everything(seen[5])
    training = source(tmp_path, **changes)
    assert all(max(firsts(training.micro_batches(at))) < 84 * 4 for at in range(0, 84, 4))


def test_short_sequences_are_padded_at_the_end(tmp_path: Path) -> None:
    ids = [[5, 6, 7], [8], []]
    write_instructions(tmp_path / "a", ids, [[IGNORED, IGNORED, 7], [IGNORED], []])
    batches = source(tmp_path, data_kind="instruction", global_batch_size=3).micro_batches(0)
    rows = sorted((batch.tokens.tolist(), batch.labels.tolist()) for batch in batches)
    assert rows == [
        ([[0, 0, 0, 0]], [[IGNORED] * 4]),
        ([[0, 0, 0, 0]], [[IGNORED] * 4]),
        ([[5, 6, 0, 0]], [[IGNORED, 7, IGNORED, IGNORED]]),
    ]


def test_samples_of_an_epoch(tmp_path: Path) -> None:
    from backend.node.train.training_data import samples_per_epoch

    write_ramp(tmp_path / "a", 10)
    write_sequences(tmp_path / "b", [[1, 2]])
    names = [{"prefix": str(tmp_path / name)} for name in ("a", "b")]
    assert samples_per_epoch(job_of(tmp_path, datasets=names)) == (9, 0)
    assert samples_per_epoch(job_of(tmp_path, split=[70.0, 30.0, 0.0])) == (6,)
    write_instructions(tmp_path / "a", [[1, 2]] * 10, [[1, 2]] * 10)
    job = job_of(tmp_path, data_kind="instruction", split=[70.0, 30.0, 0.0])
    assert samples_per_epoch(job) == (7,)


def test_rank_0_says_what_the_data_are(tmp_path: Path) -> None:
    write_ramp(tmp_path / "a", 10)
    write_instructions(tmp_path / "a", [[1, 2]] * 10, [[1, 2]] * 10)
    changes: dict[str, Any] = {"split": [8.0, 2.0, 0.0], "eval_interval": 2, "eval_iterations": 1}
    assert source(tmp_path, **changes).describe() == [
        "> building train, validation, and test datasets ...",
        " > datasets target sizes (minimum size):",
        "    train:      24",
        "    validation: 16",
        "    test:       0",
        f" > data set 0: {tmp_path / 'a'}",
        " > dataset split:",
        "    train:",
        "     document indices in [0, 8) total of 8 documents",
        "    total number of samples: 31",
        "    total number of epochs: 4",
        "    validation:",
        "     document indices in [8, 10) total of 2 documents",
        "    total number of samples: 17",
        "    total number of epochs: 9",
        "    test:",
        "     document indices in [10, 10) total of 0 documents",
        "> finished creating GPT datasets ...",
    ]
    lines = source(tmp_path, data_kind="instruction", **changes).describe()
    assert lines[9:11] == ["    total number of samples: 24", "    total number of epochs: 3"]


@pytest.mark.parametrize("kind", ["pretrain", "instruction"])
def test_a_part_without_documents_is_refused(tmp_path: Path, kind: str) -> None:
    write_ramp(tmp_path / "a", 10)
    write_instructions(tmp_path / "a", [[1, 2]] * 10, [[1, 2]] * 10)
    source(tmp_path, data_kind=kind)
    with pytest.raises(
        JobError, match=r"split 100,0,0 leaves no validation data of the 10 documents of .*a$"
    ):
        source(tmp_path, data_kind=kind, eval_interval=5)
    with pytest.raises(JobError, match="split 1,99,0 leaves no training data") as raised:
        source(tmp_path, data_kind=kind, split=[1.0, 99.0, 0.0])
    assert raised.value.field == "split"


def _no_index(folder: Path) -> None:
    (folder / "b.idx").unlink()


def _broken_index(folder: Path) -> None:
    content = (folder / "b.idx").read_bytes()
    (folder / "b.idx").write_bytes(content[:-1])


def _short_tokens(folder: Path) -> None:
    content = (folder / "b.bin").read_bytes()
    (folder / "b.bin").write_bytes(content[:-4])


def _no_documents(folder: Path) -> None:
    write_sequences(folder / "b", [])


def _no_tokens(folder: Path) -> None:
    write_sequences(folder / "b", [[], []])


def _unreadable(folder: Path) -> None:
    # A folder in the place of a file fails for every user, root too.
    (folder / "b.bin").unlink()
    (folder / "b.bin").mkdir()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_no_index, r"no such file: .*b\.idx"),
        (_broken_index, r"b\.idx is not whole"),
        (_short_tokens, r"b\.idx is not whole"),
        (_no_documents, r"there are no documents in .*b$"),
        (_no_tokens, r"there are no tokens in .*b$"),
        (_unreadable, r"no such file: .*b\.bin"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, damage: Any, said: str) -> None:
    write_ramp(tmp_path / "a", 10)
    write_ramp(tmp_path / "b", 10)
    damage(tmp_path)
    with pytest.raises(JobError, match=said) as raised:
        source(tmp_path, datasets=[{"prefix": str(tmp_path / name)} for name in ("a", "b")])
    assert raised.value.field == "datasets.1.prefix"


@pytest.mark.parametrize("token", [-1, IGNORED, 67, 2**31 - 1])
@pytest.mark.parametrize("kind", ["pretrain", "ids", "labels"])
def test_tokens_that_the_model_has_not(tmp_path: Path, token: int, kind: str) -> None:
    good = [[1, 2, 3, 4, 5]] * 8
    bad = [[1, 2, token, 4, 5]] * 8
    write_sequences(tmp_path / "a", good)
    write_instructions(tmp_path / "a", good, good)
    write_sequences(tmp_path / "b", bad)
    write_instructions(tmp_path / "b", good if kind == "labels" else bad, bad if kind == "labels" else good)
    found = source(
        tmp_path,
        datasets=[{"prefix": str(tmp_path / name)} for name in ("a", "b")],
        data_kind="pretrain" if kind == "pretrain" else "instruction",
        architecture={"vocab": 67},
        global_batch_size=8,
    )
    if kind == "labels" and token == IGNORED:
        assert len(found.micro_batches(0)) == 8
        return
    with pytest.raises(JobError, match=rf"b has the token {token}$") as raised:
        found.micro_batches(0)
    assert raised.value.field == "datasets.1.prefix"
    assert "67 tokens" in raised.value.why


def test_the_job_says_when_nothing_is_learned(tmp_path: Path) -> None:
    write_instructions(tmp_path / "a", [[1, 2]] * 4, [[IGNORED, IGNORED]] * 4)
    with pytest.raises(JobError, match=r"no token of .*a_packed_labels_document is learned") as raised:
        source(tmp_path, data_kind="instruction")
    assert raised.value.field == "datasets.0.prefix"


def test_a_job_that_does_not_validate_has_no_validation(tmp_path: Path) -> None:
    write_ramp(tmp_path / "a", 10)
    with pytest.raises(ValueError, match="eval_interval is 0"):
        source(tmp_path).validation_micro_batches(0, 0)
