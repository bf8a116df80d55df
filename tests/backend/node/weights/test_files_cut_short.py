"""Somebody cuts a file short while it is read: one message with its name, and never the end by a signal."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from random_adapter import write_adapter
from random_llama import llama_config, quiet, to_tree_job, write_llama

from backend.node.weights import split_adapter, to_megatron

ROOT = Path(__file__).resolve().parents[4]
SIZES = {"num_hidden_layers": 2, "hidden_size": 128, "intermediate_size": 256, "vocab_size": 500}
# When the first tensor is asked for, the files whose path holds the word lose all but their first bytes.
PROGRAM = """
import json, os, sys
from pathlib import Path
from backend.node import main
from backend.node.weights import (
    export_adapter, merge_lora, pt_file, reshard, safetensors_file, split_adapter, to_hf, to_megatron,
    verify_weights,
)

action, word, job = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
waiting = [path for path in Path(job.pop("folder")).rglob("*") if word in str(path)]
waiting = [path for path in waiting if path.suffix in (".pt", ".safetensors")]
assert waiting

def cutting(method):
    def cut_first(self, *arguments):
        while waiting:
            os.truncate(waiting.pop(), 100)
        return method(self, *arguments)
    return cut_first

for kind in (pt_file.PtFile, safetensors_file.SafetensorsFile):
    kind.get, kind.read = cutting(kind.get), cutting(kind.read)

def run(_path, job):
    if action == "verify_weights":
        return 0 if verify_weights.verify_weights(job["a"], job["b"])["equal"] else 7
    globals()[action].run(job, lambda progress: None)
    return 0

main.TASKS["try"] = run
main.read_job = lambda path: job
sys.exit(main.main(["try", "job.json"]))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """hf, tree, peft (an adapter) and lora (the same as a tree): all files of several pages."""
    folder = tmp_path_factory.mktemp("whole")
    write_llama(folder / "hf", **SIZES)
    to_megatron.run(to_tree_job(folder / "hf", folder / "tree"), quiet)
    write_adapter(folder / "peft", llama_config(**SIZES))
    job = to_tree_job(folder / "hf", folder / "lora")
    job["like_directory"] = job.pop("hf_directory")
    split_adapter.run({**job, "lora_directory": str(folder / "peft")}, quiet)
    return folder


WHERE = {
    "hf_directory": "hf",
    "like_directory": "hf",
    "megatron_directory": "tree",
    "lora_directory": "lora",
    "a": "hf",
    "b": "tree",
}
ADAPTER = ("lora_directory", "like_directory")
LAYOUT = {"tensor_parallel": 1, "pipeline_parallel": 1}


@pytest.mark.parametrize(
    ("action", "needed", "word", "changes"),
    [
        ("verify_weights", ("a", "b"), "hf/", {}),
        ("verify_weights", ("a", "b"), "tree/", {}),
        ("verify_weights", ("a", "b"), "tree/", {"a": "tree_too"}),
        (
            "split_adapter",
            ("lora_directory", "like_directory"),
            "peft/",
            {"lora_directory": "peft", **LAYOUT},
        ),
        ("export_adapter", ("lora_directory", "like_directory"), "lora/", {}),
        ("merge_lora", ("megatron_directory", "lora_directory"), "lora/", {}),
        ("merge_lora", ("megatron_directory", "lora_directory"), "tree/", {}),
        ("to_hf", ("megatron_directory", "lora_directory", "like_directory"), "lora/", {}),
        ("to_hf", ("megatron_directory", "like_directory"), "tree/", {}),
        ("to_megatron", ("hf_directory",), "hf/", LAYOUT),
        ("reshard", ("megatron_directory",), "tree/", LAYOUT),
    ],
)
def test_a_file_that_is_cut_short(
    folder: Path, tmp_path: Path, action: str, needed: tuple[str, ...], word: str, changes: dict[str, Any]
) -> None:
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-r", str(folder), str(copy)], check=True)
    subprocess.run(["cp", "-r", str(folder / "tree"), str(copy / "tree_too")], check=True)
    job = {name: WHERE[name] for name in needed} | changes
    job = {name: str(copy / value) if name in needed else value for name, value in job.items()}
    job |= {"folder": str(copy), "output_directory": str(tmp_path / "out" / "weights")}
    argv = [sys.executable, "-c", PROGRAM, action, f"copy/{word}", json.dumps(job)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    said = json.loads(done.stderr)
    assert said["what"].startswith("cannot read ")
    assert f"/copy/{word}" in said["what"]
    assert "shorter" in said["why"]
    assert said["fix"]
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []
