"""Token files that the reference program wrote train as they are."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from native_cases import start_launcher, tiny_job, whole_weights, write_weights

from backend.node.data import preprocess

pytest.importorskip("torch")
pytestmark = pytest.mark.torch

GOLDEN = Path(__file__).resolve().parents[4] / ".." / "shared" / "golden" / "preprocess"
if not GOLDEN.is_dir():
    pytest.skip("the reference files are not on this machine", allow_module_level=True)
LOSS = re.compile(r"lm loss: ([0-9.E+-]+)")


def test_trains_without_conversion(tmp_path: Path) -> None:
    files = GOLDEN / "pretrain" / "plain" / "out_text_document.idx"
    data = {"input": str(files), "output_prefix": str(tmp_path / "data" / "plain")}
    outcome = preprocess.run(data)
    assert outcome.manifest["counts"]["tokens"] * 4 == files.with_suffix(".bin").stat().st_size
    prefix = str(tmp_path / "data" / "plain_text_document")
    job = tiny_job(
        tmp_path,
        datasets=[{"prefix": prefix, "weight": 1.0}],
        train_iterations=12,
        architecture={"vocab": 4096},
    )
    write_weights(tmp_path, job, whole_weights(job["architecture"]))
    losses = _train(tmp_path, job)
    assert len(losses) == 12
    assert losses[-1] < losses[0]


def test_instructions_train_without_conversion(tmp_path: Path) -> None:
    names = ("instruction/eod-seq1024/out", "instruction/pack512/out")
    job = tiny_job(
        tmp_path,
        datasets=[{"prefix": str(GOLDEN / name), "weight": 1.0} for name in names],
        data_kind="instruction",
        seq_length=256,
        train_iterations=12,
        architecture={"vocab": 4096, "max_position": 256},
    )
    write_weights(tmp_path, job, whole_weights(job["architecture"]))
    losses = _train(tmp_path, job)
    assert len(losses) == 12
    assert losses[-1] < losses[0]


def _train(folder: Path, job: dict[str, Any]) -> list[float]:
    path = folder / "job.json"
    path.write_text(json.dumps(job))
    process = start_launcher(path)
    text, _nothing = process.communicate(timeout=120)
    assert process.returncode == 0, text
    return [float(loss) for loss in LOSS.findall(text)]
