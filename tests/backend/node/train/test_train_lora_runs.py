"""Whole runs of LoRA: what they leave is what merging, PEFT and a resumed run take."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from native_cases import shard, start_launcher, tiny_job
from train_data_sets import write_instructions

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.torch")
pytestmark = pytest.mark.torch

DEADLINE_S = 120.0
LORA = {"rank": 4, "alpha": 8}
ITERATIONS = 8
ALONE = {"tensor_parallel": 1, "pipeline_parallel": 1, "layers_per_stage": [4], "npus_per_node": 1}
# What a config.json must say for the tiny model.
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "num_hidden_layers": 4,
    "hidden_size": 32,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "vocab_size": 67,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "max_position_embeddings": 64,
    "tie_word_embeddings": False,
    "hidden_act": "silu",
    "torch_dtype": "float32",
}


def lora_job(folder: Path) -> dict[str, Any]:
    settings = {
        "lora": LORA,
        "like_directory": str(folder / "original"),
        "train_iterations": ITERATIONS,
        "save_interval": 4,
        "warmup_iterations": 0,
        "lr": 0.05,
        "lr_decay_style": "constant",
        "data_kind": "instruction",
        "datasets": [{"prefix": str(folder / "data" / "answers")}],
    }
    return tiny_job(folder, tp=2, pp=2, **settings)


def write_original(directory: str) -> None:
    """The Hugging Face model that everything begins with: random fp32 weights."""
    chance = torch.Generator().manual_seed(5)
    kinds = {
        "self_attn.q_proj": (32, 32),
        "self_attn.k_proj": (16, 32),
        "self_attn.v_proj": (16, 32),
        "self_attn.o_proj": (32, 32),
        "mlp.gate_proj": (48, 32),
        "mlp.up_proj": (48, 32),
        "mlp.down_proj": (32, 48),
    }
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens": (67, 32), "lm_head": (67, 32)}
    norms = ["model.norm"]
    for layer in range(4):
        norms += [f"model.layers.{layer}.{name}_layernorm" for name in ("input", "post_attention")]
        shapes.update({f"model.layers.{layer}.{name}": shape for name, shape in kinds.items()})
    tensors = {f"{name}.weight": torch.randn(shape, generator=chance) * 0.1 for name, shape in shapes.items()}
    tensors.update({f"{name}.weight": 1 + torch.randn(32, generator=chance) * 0.1 for name in norms})
    folder = Path(directory)
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    safetensors.save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def convert(job: dict[str, Any], output: Path | str, **layout: Any) -> None:
    """The original for the job's layout, or another one."""
    from backend.node.weights import to_megatron

    names = ("tensor_parallel", "pipeline_parallel", "layers_per_stage")
    wanted = {"hf_directory": job["like_directory"], "output_directory": str(output), "format": "mcore"}
    cut = {name: layout.get(name, job[name]) for name in names}
    to_megatron.run({**wanted, **cut}, lambda _progress: None)


def run(folder: Path, job: dict[str, Any]) -> tuple[int, str]:
    (folder / "job.json").write_text(json.dumps(job))
    process = start_launcher(folder / "job.json")
    try:
        output, _none = process.communicate(timeout=DEADLINE_S)
    finally:
        process.kill()
    return process.returncode, output


def losses(output: str) -> list[str]:
    """Loss and norm of each iteration line, as printed."""
    lines = [line.split("|") for line in output.splitlines() if "lm loss:" in line]
    return [part[5] + part[7] for part in lines]


def problems(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines() if line.startswith('{"field"')]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], str]:
    """A finished run of four ranks in its folder, its job, and what it said."""
    folder = tmp_path_factory.mktemp("lora_run")
    # A prompt of three tokens that counts nothing, and an answer that counts upwards from its last.
    ids = [[7, 9, first, *range(first + 1, first + 10)] for first in range(10, 14)] * 10
    labels = [[-100] * 3 + one[3:] for one in ids]
    write_instructions(folder / "data" / "answers", ids, labels)
    job = lora_job(folder)
    write_original(job["like_directory"])
    convert(job, job["load_directory"])
    convert(job, folder / "whole", **ALONE)
    status, output = run(folder, job)
    assert status == 0, output
    return folder, job, output


Trained = tuple[Path, dict[str, Any], str]


def saved_rank(job: dict[str, Any], tp_rank: int, pp_rank: int) -> dict[str, Any]:
    from backend.node.weights import shards

    place = (tp_rank, pp_rank, job["tensor_parallel"], job["pipeline_parallel"])
    return shards.load_rank(job["save_directory"], *place)


def whole_weights(folder: Path) -> dict[str, Any]:
    """What the run started from, as the weights of one rank."""
    from backend.node.weights import shards

    return shards.load_rank(str(folder / "whole"), 0, 0, 1, 1)


def test_the_loss_falls_and_no_weight_moves(trained: Trained) -> None:
    folder, job, output = trained
    found = [float(loss.split()[2]) for loss in losses(output)]
    assert len(found) == ITERATIONS
    assert found[-1] < found[0] - 0.5, found
    assert problems(output) == []
    whole = whole_weights(folder)
    for pp_rank in range(2):
        for tp_rank in range(2):
            saved = saved_rank(job, tp_rank, pp_rank)
            base = {name.replace(".base_layer.", "."): t for name, t in saved.items() if ".lora_" not in name}
            expected = shard(whole, job, tp_rank, pp_rank)
            assert set(base) == set(expected)
            assert all(torch.equal(base[name], expected[name]) for name in expected)
            ups = [tensor for name, tensor in saved.items() if ".lora_B." in name]
            assert len(ups) == 8
            assert all(tensor.abs().max() > 0 for tensor in ups)


def whole_logits(job: dict[str, Any], weights: dict[str, Any], lora: Any, tokens: Any) -> Any:
    from backend.node.train.grid import Grid
    from backend.node.train.process_groups import Groups
    from backend.node.train.replica import Replica
    from backend.node.train.train_job_reader import read_train_job

    alone = {**job, **ALONE, "lora": lora}
    groups = Groups(None, None, None, None)
    replica = Replica(read_train_job(alone), Grid(0, 1, 1, 1), groups, torch.device("cpu"), weights)
    with torch.no_grad():
        return replica.stage(tokens)


def joined(job: dict[str, Any]) -> dict[str, Any]:
    """The weights of all ranks as those of one, adapter and all."""
    whole: dict[str, Any] = {}
    tp, first = job["tensor_parallel"], 0
    for pp_rank, layers in enumerate(job["layers_per_stage"]):
        parts = [saved_rank(job, tp_rank, pp_rank) for tp_rank in range(tp)]
        for name in parts[0]:
            number = int(name.split(".")[2]) + first if name.startswith("decoder.layers.") else 0
            key = name.replace(f"layers.{number - first}.", f"layers.{number}.")
            whole[key] = _join(name, [part[name] for part in parts])
        first += layers
    for name in ("embedding.word_embeddings.weight", "output_layer.weight"):
        whole[name] = whole[name][: job["architecture"]["vocab"]]
    return whole


def _join(name: str, parts: list[Any]) -> Any:
    if "layernorm" in name:
        return parts[0]
    columns = "linear_proj" in name or "linear_fc2" in name
    if ".lora_" in name and ((".lora_B." in name) if columns else (".lora_A." in name)):
        assert torch.equal(parts[0], parts[1]), name
        return parts[0]
    if "linear_fc1" in name:
        halves = [part.chunk(2) for part in parts]
        return torch.cat([half[side] for side in (0, 1) for half in halves])
    return torch.cat(parts, 1 if columns else 0)


TOKENS = [[5 * place % 67 for place in range(16)], [place + 3 for place in range(16)]]


def test_merged_weights_give_the_adapted_model(trained: Trained, tmp_path: Path) -> None:
    from backend.node.weights import merge_lora, shards

    folder, job, _output = trained
    merge_lora.run(
        {
            "megatron_directory": job["load_directory"],
            "lora_directory": job["save_directory"],
            "output_directory": str(tmp_path / "merged"),
            "lora_r": LORA["rank"],
            "lora_alpha": LORA["alpha"],
            "tensor_parallel": 1,
            "pipeline_parallel": 1,
        },
        lambda _progress: None,
    )
    tokens = torch.tensor(TOKENS)
    merged = whole_logits(job, shards.load_rank(str(tmp_path / "merged"), 0, 0, 1, 1), None, tokens)
    adapted = whole_logits(job, joined(job), LORA, tokens)
    plain = whole_logits(job, whole_weights(folder), None, tokens)
    assert (merged - adapted).abs().max() < 1e-5
    assert (adapted - plain).abs().max() > 1e-2


def test_the_merged_hugging_face_model_has_the_adapter_in_it(trained: Trained, tmp_path: Path) -> None:
    from backend.node.weights import to_hf

    folder, job, _output = trained
    wanted = {
        "megatron_directory": job["load_directory"],
        "lora_directory": job["save_directory"],
        "like_directory": job["like_directory"],
        "output_directory": str(tmp_path / "merged"),
    }
    to_hf.run(wanted, lambda _progress: None)
    found = safetensors.load_file(tmp_path / "merged" / "model.safetensors")
    ours, module = joined(job), "decoder.layers.2.mlp.linear_fc2"
    change = ours[module + ".lora_B.default.weight"] @ ours[module + ".lora_A.default.weight"]
    expected = whole_weights(folder)[module + ".weight"] + LORA["alpha"] / LORA["rank"] * change
    assert torch.allclose(found["model.layers.2.mlp.down_proj.weight"], expected, atol=1e-6)


def test_peft_gets_the_adapter_of_the_last_checkpoint(trained: Trained) -> None:
    _folder, job, _output = trained
    adapter = Path(job["save_directory"]) / "adapter"
    config = json.loads((adapter / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"]) == (4, 8)
    assert config["base_model_name_or_path"] == job["like_directory"]
    tensors = safetensors.load_file(adapter / "adapter_model.safetensors")
    assert len(tensors) == 2 * 7 * 4
    ours = joined(job)
    down = tensors["base_model.model.model.layers.3.mlp.down_proj.lora_A.weight"]
    assert torch.equal(down, ours["decoder.layers.3.mlp.linear_fc2.lora_A.default.weight"])
    gate = tensors["base_model.model.model.layers.1.mlp.gate_proj.lora_B.weight"]
    assert torch.equal(gate, ours["decoder.layers.1.mlp.linear_fc1.lora_B.default.weight"][:48])


def test_peft_s_model_has_the_same_logits(trained: Trained) -> None:
    peft = pytest.importorskip("peft")
    transformers = pytest.importorskip("transformers")
    _folder, job, _output = trained
    model = transformers.LlamaForCausalLM.from_pretrained(job["like_directory"], dtype=torch.float32)
    adapted = peft.PeftModel.from_pretrained(model, str(Path(job["save_directory"]) / "adapter"))
    tokens = torch.tensor(TOKENS)
    with torch.no_grad():
        found = adapted(tokens).logits
    assert (found - whole_logits(job, joined(job), LORA, tokens)).abs().max() < 1e-5


def test_a_resumed_run_goes_on_bit_for_bit(trained: Trained, tmp_path: Path) -> None:
    _folder, job, output = trained
    saved = tmp_path / "saved"
    shutil.copytree(job["save_directory"], saved)
    (saved / "latest_checkpointed_iteration.txt").write_text("4")
    status, again = run(tmp_path, {**job, "save_directory": str(saved)})
    assert status == 0, again
    assert len(losses(output)) == ITERATIONS
    assert losses(again) == losses(output)[4:]
    # What was at iteration 8 is written anew, and replaces the exported adapter.
    one = (Path(job["save_directory"]) / "adapter" / "adapter_model.safetensors").read_bytes()
    assert (saved / "adapter" / "adapter_model.safetensors").read_bytes() == one


@pytest.mark.parametrize(
    ("lora", "field"),
    [
        ({**LORA, "rank": 2}, "lora.rank"),
        ({**LORA, "target_modules": ["linear_qkv"]}, "lora.target_modules"),
        (None, "lora"),
    ],
)
def test_another_adapter_than_the_saved_one_is_refused(trained: Trained, lora: Any, field: str) -> None:
    from backend.node.job_lines import JobError

    _folder, job, _output = trained
    with pytest.raises(JobError) as caught:
        whole_logits(job, joined(job), lora, torch.tensor(TOKENS))
    assert caught.value.field == field


def test_another_alpha_than_the_saved_one_is_refused(trained: Trained, tmp_path: Path) -> None:
    _folder, job, _output = trained
    status, output = run(tmp_path, {**job, "lora": {**LORA, "alpha": 16}, "train_iterations": 9})
    assert status == 1
    assert problems(output)[0]["field"] == "lora.alpha"
    assert "has alpha 8, the job says 16" in problems(output)[0]["what"]
    assert "Traceback" not in output


def test_another_original_is_refused_before_the_training(trained: Trained, tmp_path: Path) -> None:
    _folder, job, _output = trained
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text(json.dumps({**CONFIG, "num_hidden_layers": 5}))
    changes = {"like_directory": str(tmp_path / "other"), "save_directory": str(tmp_path / "saved")}
    status, output = run(tmp_path, {**job, **ALONE, **changes})
    assert status == 1
    assert problems(output)[0]["field"] == "like_directory"
    assert "layers = 5" in problems(output)[0]["what"]


def test_an_adapter_that_cannot_be_exported_is_a_warning(trained: Trained, tmp_path: Path) -> None:
    _folder, job, _output = trained
    saved = tmp_path / "saved"
    (saved / "adapter").mkdir(parents=True)
    (saved / "adapter" / "notes.txt").write_text("mine")
    weights = {"load_directory": str(tmp_path / "weights"), "save_directory": str(saved)}
    alone = {**job, **ALONE, **weights, "train_iterations": 1}
    convert(alone, alone["load_directory"])
    status, output = run(tmp_path, alone)
    assert status == 0, output
    (problem,) = problems(output)
    assert (problem["severity"], problem["field"]) == ("warning", "output_directory")
    assert (saved / "adapter" / "notes.txt").read_text() == "mine"
    assert (saved / "latest_checkpointed_iteration.txt").read_text() == "1"
