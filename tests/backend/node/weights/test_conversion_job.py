from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backend.node.job_lines import JobError
from backend.node.weights.conversion_job import ConversionJob, read_conversion_job

NEEDED = ("hf_directory", "output_directory")


def job(**changes: Any) -> dict[str, Any]:
    return {"hf_directory": "/models/a", "output_directory": "/trees/a", **changes}


def test_what_is_not_said_has_its_default() -> None:
    found = read_conversion_job(job(dtype=None, layers_per_stage=[1, 2]), NEEDED)
    assert found == ConversionJob("/trees/a", "/models/a", layers_per_stage=(1, 2))
    assert (found.format, found.dtype, found.tensor_parallel) == (None, None, 1)


def test_how_the_work_is_done_decides_nothing() -> None:
    quick = read_conversion_job(job(memory_bytes=1, overwrite=True, output_directory="/b"), NEEDED)
    assert quick.settings() == read_conversion_job(job(), NEEDED).settings()
    assert quick.settings() != read_conversion_job(job(tensor_parallel=2), NEEDED).settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tensor_parallel", 0),
        ("tensor_parallel", True),
        ("pipeline_parallel", "2"),
        ("layers_per_stage", [1, 0]),
        ("layers_per_stage", "1,2"),
        ("layers_per_virtual_stage", -1),
        ("format", "torch"),
        ("format", 3),
        ("dtype", "int8"),
        ("max_shard_bytes", 1.5),
        ("overwrite", "yes"),
        ("architecture", []),
        ("lora_r", 0),
        ("lora_target_modules", "linear_qkv"),
        ("hf_directory", ""),
        ("hf_directory", None),
        ("output_directory", ["/a"]),
    ],
)
def test_a_wrong_value_is_named(name: str, value: Any) -> None:
    with pytest.raises(JobError) as caught:
        read_conversion_job(job(**{name: value}), NEEDED)
    assert caught.value.field == name


def test_a_missing_key_is_named() -> None:
    with pytest.raises(JobError) as caught:
        read_conversion_job({"output_directory": "/a"}, NEEDED)
    assert caught.value.field == "hf_directory"


def test_the_target_is_outside_of_its_sources(tmp_path: Path) -> None:
    source = tmp_path / "models" / "a"
    source.mkdir(parents=True)
    (tmp_path / "link").symlink_to(source)
    for output in (source, source.parent, tmp_path / "link"):
        with pytest.raises(JobError, match="is what the weights are made from") as caught:
            read_conversion_job(job(hf_directory=str(source), output_directory=str(output)), NEEDED)
        assert caught.value.field == "output_directory"
    read_conversion_job(job(hf_directory=str(source), output_directory=str(source / "tree")), NEEDED)
    read_conversion_job(job(hf_directory=str(source), output_directory=str(source) + "-tree"), NEEDED)


def test_where_a_job_is_started_decides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = read_conversion_job(job(hf_directory="a/../b"), NEEDED)
    assert found.hf_directory == str(tmp_path / "b")
