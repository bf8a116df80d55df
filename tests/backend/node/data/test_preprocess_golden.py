"""The data stage against files that the reference program wrote: every recorded command, byte for byte."""

from __future__ import annotations

import hashlib
import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from backend.node.data import preprocess

pytest.importorskip("tokenizers")

pytestmark = pytest.mark.torch

GOLDEN = Path(__file__).resolve().parents[4] / ".." / "shared" / "golden" / "preprocess"
if not GOLDEN.is_dir():
    pytest.skip("the reference files are not on this machine", allow_module_level=True)

CASES = sorted(str(path.parent.relative_to(GOLDEN)) for path in GOLDEN.glob("*/*/cmd.txt"))
_FLAGS = {"append_eod", "pack"}
_NUMBERS = {"seq_length", "workers"}
_LISTS = {"json_keys"}
_NAMES = {"handler_name": "handler", "tokenizer_name_or_path": "tokenizer"}
_PATHS = {"input", "tokenizer"}
_UNUSED = {"log_interval"}


def job_of(case: str, prefix: Path) -> dict[str, Any]:
    """The recorded command as a job of the stage, writing to `prefix`."""
    words = shlex.split((GOLDEN / case / "cmd.txt").read_text(), comments=True)
    values: dict[str, list[str]] = {}
    for word in words[words.index("preprocess_data.py") + 1 :]:
        if word.startswith("--"):
            name = word[2:].replace("-", "_")
            values[_NAMES.get(name, name)] = []
        else:
            values[list(values)[-1]].append(word)
    job: dict[str, Any] = {}
    for name, given in values.items():
        if name in _FLAGS:
            job[name] = True
        elif name in _LISTS:
            job[name] = given
        elif name not in _UNUSED:
            job[name] = int(given[0]) if name in _NUMBERS else given[0]
    for name in _PATHS:
        job[name] = str(GOLDEN / job[name])
    if "map_keys" in job:
        job["map_keys"] = json.loads(job["map_keys"])
    return job | {"output_prefix": str(prefix)}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def compare(case: str, prefix: Path) -> None:
    expected = sorted((GOLDEN / case).glob("out_*"))
    assert expected
    for path in expected:
        assert digest(prefix.parent / path.name) == digest(path), path.name
    made = [path.name for path in prefix.parent.glob("out_*")]
    assert sorted(made) == [path.name for path in expected]


@pytest.mark.parametrize("encoder", ["tokenizers", "gigatoken"])
@pytest.mark.parametrize("case", CASES)
def test_writes_the_same_bytes(case: str, encoder: str, tmp_path: Path) -> None:
    if encoder == "gigatoken":
        pytest.importorskip("gigatoken")
    prefix = tmp_path / "made" / "out"
    outcome = preprocess.run(job_of(case, prefix) | {"encoder": encoder})
    assert outcome.manifest["encoder"] == encoder
    compare(case, prefix)


@pytest.mark.parametrize("workers", [1, 5])
@pytest.mark.parametrize("case", ["instruction/eod-seq1024", "moss/seq512", "prompt-type/sharegpt-qwen"])
def test_workers_do_not_change_a_byte(case: str, workers: int, tmp_path: Path) -> None:
    prefix = tmp_path / "out"
    preprocess.run(job_of(case, prefix) | {"workers": workers})
    compare(case, prefix)


@pytest.mark.parametrize("subsets", [2, 3, 5])
@pytest.mark.parametrize("case", ["instruction/eod-seq1024", "pretrain/plain", "moss/multiturn"])
def test_subsets_do_not_change_a_byte(case: str, subsets: int, tmp_path: Path) -> None:
    prefix = tmp_path / "out"
    preprocess.run(job_of(case, prefix) | {"n_subs": subsets})
    compare(case, prefix)
