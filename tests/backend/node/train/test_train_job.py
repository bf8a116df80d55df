"""What a training job may say, and how what it may not say is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from native_cases import tiny_job

from backend.node.job_lines import JobError
from backend.node.train.train_job_reader import read_train_job
from backend.node.train.train_job_rules import check_world


def test_reads_the_job(tmp_path: Path) -> None:
    job = read_train_job(tiny_job(tmp_path, tp=2, dp=2, lr=1))
    assert (job.world_size, job.num_micro_batches, job.layers_per_stage) == (4, 2, (4,))
    assert isinstance(job.lr, float)
    assert job.shape.ffn == 48
    check_world(job, 1)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"seq_length": 0}, "seq_length"),
        ({"seq_length": "16"}, "seq_length"),
        ({"seq_length": True}, "seq_length"),
        ({"global_batch_size": 3, "micro_batch_size": 2}, "global_batch_size"),
        ({"layers_per_stage": [2, 2]}, "layers_per_stage"),
        ({"layers_per_stage": "4"}, "layers_per_stage"),
        ({"layers_per_stage": [5]}, "layers_per_stage"),
        ({"dtype": "fp16"}, "dtype"),
        ({"architecture": {"family": "gpt2"}}, "architecture"),
        ({"architecture": {"kv_heads": 3}}, "architecture.kv_heads"),
        ({"architecture": {"hidden": -1}}, "architecture.hidden"),
        ({"architecture": {"norm_eps": None}}, "architecture.norm_eps"),
        ({"tensor_parallel": 4}, "tensor_parallel"),
        ({"datasets": []}, "datasets"),
        ({"datasets": [{"weight": 1.0}]}, "datasets.0.prefix"),
        ({"datasets": [{"prefix": "/d", "weight": 0}]}, "datasets.0.weight"),
        ({"datasets": [{"prefix": "/d", "weight": float("inf")}]}, "datasets.0.weight"),
        ({"data_kind": "chat"}, "data_kind"),
        ({"split": [1, 2]}, "split"),
        ({"split": [0, 1, 0]}, "split"),
        ({"split": [1, float("inf"), 0]}, "split"),
        ({"split": [1, float("nan"), 0]}, "split"),
        ({"lr_decay_style": "steps"}, "lr_decay_style"),
        ({"keep_last": -1}, "keep_last"),
        ({"lora": {"alpha": 8}}, "lora.rank"),
        ({"lora": {"rank": 0, "alpha": 8}}, "lora.rank"),
        ({"lora": {"rank": 8, "alpha": 0}}, "lora.alpha"),
        ({"lora": {"rank": 8, "alpha": 8, "target_modules": ["head"]}}, "lora.target_modules"),
        ({"lora": {"rank": 8, "alpha": 8}, "load_directory": ""}, "load_directory"),
    ],
)
def test_refuses_with_the_field(tmp_path: Path, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(JobError) as caught:
        read_train_job(tiny_job(tmp_path, **changes))
    assert caught.value.field == field
    assert caught.value.what


@pytest.mark.parametrize("name", ["architecture", "lr", "seed", "layers_per_stage"])
def test_a_missing_key_is_named(tmp_path: Path, name: str) -> None:
    job = tiny_job(tmp_path)
    del job[name]
    with pytest.raises(JobError) as caught:
        read_train_job(job)
    assert caught.value.field == name


def test_the_layout_must_fill_the_nodes(tmp_path: Path) -> None:
    job = read_train_job(tiny_job(tmp_path, tp=2, pp=2))
    with pytest.raises(JobError, match="TP x PP x DP = 2 x 2 x 1, but 8 ranks"):
        check_world(job, 2)
