"""Text and Hugging Face weights in, a trained checkpoint out: the staged zip does all three stages."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from backend.fleet.node_code_files import load_node_code

ITERATION = re.compile(
    r"^ \[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] iteration +(\d+)/ +(\d+) \| consumed samples: +(\d+) \| .*"
    r"lm loss: (\d\.\d{6}E[+-]\d\d) \| loss scale: 1\.0 \| grad norm: (\d+\.\d{3}) \|"
)
ARCHITECTURE = {
    "family": "llama2",
    "layers": 4,
    "hidden": 32,
    "heads": 4,
    "kv_heads": 2,
    "head_dim": 8,
    "ffn": 64,
    "vocab": 300,
    "rope_theta": 10000.0,
    "max_position": 64,
    "norm_eps": 1e-5,
    "tie_embeddings": False,
    "qkv_bias": False,
    "hf_dtype": "float32",
}


@pytest.fixture
def node_zip(tmp_path: Path) -> Path:
    path = tmp_path / "node.zip"
    path.write_bytes(load_node_code().files["node.zip"])
    return path


def _free_port() -> int:
    """A free port below those that the kernel hands out, because gloo itself takes many of these."""
    while True:
        port = random.randrange(15000, 32000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("", port))
            return port


def _make_model(folder: Path) -> None:
    """A tiny Llama and a byte-level tokenizer of 300 tokens, as Hugging Face saves them."""
    import tokenizers
    import transformers

    config = transformers.LlamaConfig(
        vocab_size=300,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        rms_norm_eps=1e-5,
        max_position_embeddings=64,
        tie_word_embeddings=False,
    )
    transformers.set_seed(1)
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<unk>", "<s>", "</s>"],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_sentences(), trainer)
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )
    fast.save_pretrained(folder)


def _sentences() -> list[str]:
    return [f"the ship number {number} sails to the harbour and comes back" for number in range(200)]


def _run(node_zip: Path, task: str, job: dict[str, Any], folder: Path) -> subprocess.CompletedProcess[str]:
    job_file = folder / f"{task}.json"
    job_file.write_text(json.dumps(job))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(_free_port()), NNODES="1", NODE_RANK="0")
    return subprocess.run(
        [sys.executable, "-u", str(node_zip), task, str(job_file)],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=180,
        check=False,
    )


def _train_job(folder: Path) -> dict[str, Any]:
    return {
        "architecture": ARCHITECTURE,
        "datasets": [{"prefix": str(folder / "processed" / "ships_text_document"), "weight": 1.0}],
        "load_directory": str(folder / "weights"),
        "save_directory": str(folder / "saved"),
        "tensor_parallel": 2,
        "pipeline_parallel": 2,
        "data_parallel": 1,
        "layers_per_stage": [2, 2],
        "npus_per_node": 4,
        "device": "cpu",
        "micro_batch_size": 1,
        "global_batch_size": 4,
        "seq_length": 32,
        "train_iterations": 8,
        "warmup_iterations": 1,
        "lr": 1e-2,
        "min_lr": 1e-3,
        "weight_decay": 0.1,
        "clip_grad": 1.0,
        "seed": 1234,
        "log_interval": 2,
        "save_interval": 5,
        "dtype": "fp32",
    }


@pytest.mark.torch
def test_from_text_and_weights_to_a_checkpoint(tmp_path: Path, node_zip: Path) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    model = tmp_path / "model"
    _make_model(model)
    (tmp_path / "ships.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in _sentences()))
    data = {
        "input": str(tmp_path / "ships.jsonl"),
        "output_prefix": str(tmp_path / "processed" / "ships"),
        "tokenizer": str(model),
        "tokenizer_type": "PretrainedFromHF",
        "handler": "GeneralPretrainHandler",
        "json_keys": ["text"],
        "append_eod": True,
        "workers": 1,
    }
    weights = {
        "hf_directory": str(model),
        "output_directory": str(tmp_path / "weights"),
        "architecture": ARCHITECTURE,
        "tensor_parallel": 2,
        "pipeline_parallel": 2,
        "layers_per_stage": [2, 2],
        "format": "mcore",
        "dtype": "fp32",
    }
    for task, job in (("data", data), ("weights", weights)):
        done = _run(node_zip, task, job, tmp_path)
        assert done.returncode == 0, done.stdout
    done = _run(node_zip, "train", _train_job(tmp_path), tmp_path)
    assert done.returncode == 0, done.stdout
    found = [match.groups() for match in map(ITERATION.match, done.stdout.splitlines()) if match]
    assert [(iteration, samples) for iteration, _total, samples, _loss, _norm in found] == [
        ("2", "8"),
        ("4", "16"),
        ("6", "24"),
        ("8", "32"),
    ]
    assert float(found[-1][3]) < float(found[0][3])
    assert done.stdout.rstrip().splitlines()[-1].startswith("[after training is done] datetime: ")
    assert (tmp_path / "saved" / "latest_checkpointed_iteration.txt").read_text() == "8"
    saved = sorted(path.parent.name for path in tmp_path.glob("saved/iter_0000005/*/model_optim_rng.pt"))
    assert saved == ["mp_rank_00_000", "mp_rank_00_001", "mp_rank_01_000", "mp_rank_01_001"]
    from backend.node.weights.shards import load_rank

    before = load_rank(str(tmp_path / "weights"), 1, 1, 2, 2)
    after = load_rank(str(tmp_path / "saved"), 1, 1, 2, 2)
    assert {name: tensor.shape for name, tensor in before.items()} == {
        name: tensor.shape for name, tensor in after.items()
    }
    assert not torch.equal(before["output_layer.weight"], after["output_layer.weight"])


def test_a_wrong_task_ends_in_one_line(tmp_path: Path, node_zip: Path) -> None:
    done = _run(node_zip, "dance", {}, tmp_path)
    assert done.returncode == 1
    assert json.loads(done.stdout)["field"] == "task"


def test_a_broken_job_file_ends_in_one_line(tmp_path: Path, node_zip: Path) -> None:
    (tmp_path / "job.json").write_text("[1, 2")
    done = subprocess.run(
        [sys.executable, str(node_zip), "train", str(tmp_path / "job.json")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert json.loads(done.stderr)["field"] == "job"


def _python39() -> str:
    found = shutil.which("python3.9")
    # pyenv's shim is on PATH even where no version is chosen: its answer decides.
    for candidate in [found, *sorted(map(str, Path.home().glob(".pyenv/versions/3.9*/bin/python3.9")))]:
        if candidate and subprocess.run([candidate, "-V"], capture_output=True, check=False).returncode == 0:
            return candidate
    pytest.skip("no python3.9 on PATH")


@pytest.mark.python39
def test_the_zip_runs_under_the_oldest_python(tmp_path: Path, node_zip: Path) -> None:
    done = subprocess.run(
        [_python39(), "-I", str(node_zip), "--self-check"], capture_output=True, text=True, check=False
    )
    report = json.loads(done.stdout)
    assert report["failed"] == {}
    assert done.returncode == 0
    assert report["python"].startswith("3.9.")
    for name in ("main", "job_lines", "train.launcher", "train.train_job", "weights.shards", "data.indexed"):
        assert f"backend.node.{name}" in report["imported"]
    assert report["needs"].get("backend.node.train.replica", "torch") in ("torch", "numpy")


@pytest.mark.python39
def test_every_node_module_compiles_under_the_oldest_python(tmp_path: Path) -> None:
    source = Path(__file__).resolve().parents[2] / "backend" / "node"
    done = subprocess.run(
        [_python39(), "-m", "compileall", "-q", str(source)],
        env={**os.environ, "PYTHONPYCACHEPREFIX": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
