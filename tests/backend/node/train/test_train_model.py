"""The model here is Hugging Face's Llama and Qwen2: the same logits, the same loss, from the same weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from native_cases import hugging_face_model, micro_batch, tiny_job, whole_weights

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.torch


def as_hugging_face(whole: dict[str, Any], a: dict[str, Any]) -> dict[str, Any]:
    """The same weights under Hugging Face's names."""
    per_group, d = a["heads"] // a["kv_heads"], a["head_dim"]
    found = {"model.embed_tokens.weight": whole["embedding.word_embeddings.weight"]}
    found["lm_head.weight"] = whole.get("output_layer.weight", found["model.embed_tokens.weight"])
    found["model.norm.weight"] = whole["decoder.final_layernorm.weight"]
    for number in range(a["layers"]):
        theirs, ours = f"model.layers.{number}.", f"decoder.layers.{number}."
        kinds = ("weight", "bias") if a["qkv_bias"] else ("weight",)
        for kind in kinds:
            blocks = whole[f"{ours}self_attention.linear_qkv.{kind}"]
            blocks = blocks.reshape(a["kv_heads"], per_group + 2, d, *blocks.shape[1:])
            parts = (blocks[:, :per_group], blocks[:, per_group], blocks[:, per_group + 1])
            for letter, part in zip("qkv", parts, strict=True):
                flat = part.reshape(-1, *blocks.shape[3:])
                found[f"{theirs}self_attn.{letter}_proj.{kind}"] = flat
        gate, up = whole[ours + "mlp.linear_fc1.weight"].chunk(2)
        found[theirs + "mlp.gate_proj.weight"], found[theirs + "mlp.up_proj.weight"] = gate, up
        found[theirs + "mlp.down_proj.weight"] = whole[ours + "mlp.linear_fc2.weight"]
        found[theirs + "self_attn.o_proj.weight"] = whole[ours + "self_attention.linear_proj.weight"]
        found[theirs + "input_layernorm.weight"] = whole[ours + "input_layernorm.weight"]
        found[theirs + "post_attention_layernorm.weight"] = whole[ours + "pre_mlp_layernorm.weight"]
    return found


def reference_model(a: dict[str, Any], whole: dict[str, Any]) -> Any:
    model = hugging_face_model(a)
    model.load_state_dict(as_hugging_face(whole, a), strict=True)
    return model.float().eval()


@pytest.mark.parametrize(
    "architecture",
    [
        {},
        {"kv_heads": 4, "rope_theta": 500000.0},
        {"family": "qwen2", "qkv_bias": True, "tie_embeddings": True, "kv_heads": 1},
    ],
    ids=["grouped", "multi_head", "like_qwen"],
)
def test_logits_and_loss_equal_hugging_face(tmp_path: Path, architecture: dict[str, Any]) -> None:
    from backend.node.train.grid import Grid
    from backend.node.train.process_groups import Groups
    from backend.node.train.replica import Replica
    from backend.node.train.train_job_reader import read_train_job

    job_json = tiny_job(tmp_path, architecture=architecture, global_batch_size=1)
    whole = whole_weights(job_json["architecture"])
    replica = Replica(
        read_train_job(job_json), Grid(0, 1, 1, 1), Groups(None, None, None, None), torch.device("cpu"), whole
    )
    model = reference_model(job_json["architecture"], whole)
    tokens = torch.randint(0, 67, (1, 17), generator=torch.Generator().manual_seed(1))
    expected = model(tokens[:, :-1]).logits
    with torch.no_grad():
        found = replica.stage(tokens[:, :-1])
    assert torch.allclose(found, expected, atol=2e-5)
    loss = torch.nn.functional.cross_entropy(expected[0], tokens[0, 1:])
    loss.backward()
    assert replica.compute_gradients([micro_batch(tokens)]).item() == pytest.approx(loss.item(), rel=1e-5)
    flat = replica.parameters
    down = flat.view(flat.gradient, "decoder.layers.2.mlp.linear_fc2.weight")
    assert torch.allclose(down, model.model.layers[2].mlp.down_proj.weight.grad, atol=1e-5)
    embedding = flat.view(flat.gradient, "embedding.word_embeddings.weight")
    assert torch.allclose(embedding, model.model.embed_tokens.weight.grad, atol=1e-5)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda w: w.pop("decoder.layers.1.mlp.linear_fc2.weight"), "lack the tensor decoder.layers.1.mlp"),
        (lambda w: w.pop("embedding.word_embeddings.weight"), "lack the tensor embedding"),
        (lambda w: w.update({"decoder.layers.4.x": torch.zeros(1)}), "too many: decoder.layers.4.x"),
        (lambda w: w.update({"decoder.final_layernorm.weight": torch.ones(31)}), r"\[31\], not \[32\]"),
        (lambda w: w.update({"embedding.word_embeddings.weight": torch.ones(60, 32)}), "has 60 rows"),
    ],
)
def test_wrong_weights_are_named(tmp_path: Path, spoil: Any, words: str) -> None:
    from backend.node.job_lines import JobError
    from backend.node.train.grid import Grid
    from backend.node.train.process_groups import Groups
    from backend.node.train.replica import Replica
    from backend.node.train.train_job_reader import read_train_job

    job_json = tiny_job(tmp_path)
    whole = whole_weights(job_json["architecture"])
    spoil(whole)
    with pytest.raises(JobError, match=words) as caught:
        Replica(
            read_train_job(job_json),
            Grid(0, 1, 1, 1),
            Groups(None, None, None, None),
            torch.device("cpu"),
            whole,
        )
    assert caught.value.field == "load_directory"


def test_bf16_adds_gradients_in_fp32(tmp_path: Path) -> None:
    from backend.node.train.grid import Grid
    from backend.node.train.process_groups import Groups
    from backend.node.train.replica import Replica
    from backend.node.train.train_job_reader import read_train_job

    job_json = tiny_job(tmp_path, dtype="bf16", global_batch_size=2)
    whole = whole_weights(job_json["architecture"])
    replica = Replica(
        read_train_job(job_json), Grid(0, 1, 1, 1), Groups(None, None, None, None), torch.device("cpu"), whole
    )
    tokens = torch.randint(0, 67, (2, 17), generator=torch.Generator().manual_seed(1))
    loss = replica.compute_gradients([micro_batch(tokens[:1]), micro_batch(tokens[1:])])
    flat = replica.parameters
    assert flat.gradient.dtype == torch.float32
    assert flat.gradient.abs().sum() > 0
    assert all(parameter.grad is None for parameter in replica.stage.parameters())
    replica.optimizer.step(1e-6, 1.0)
    # A step far below bf16's resolution is kept in the master copy.
    kept = flat.view(flat.master, "decoder.final_layernorm.weight")
    assert (kept - whole["decoder.final_layernorm.weight"]).abs().max() > 0
    assert flat.state()["decoder.final_layernorm.weight"].dtype == torch.bfloat16
    assert 3.0 < loss.item() < 6.0


def test_converted_weights_give_the_same_logits(tmp_path: Path) -> None:
    """Through the files: Hugging Face's folder, the weights stage, the shard of one rank."""
    pytest.importorskip("safetensors")
    from backend.node.train.grid import Grid
    from backend.node.train.process_groups import Groups
    from backend.node.train.replica import Replica
    from backend.node.train.train_job_reader import read_train_job
    from backend.node.weights import convert, shards

    job_json = tiny_job(tmp_path, global_batch_size=1, architecture={"hf_dtype": "float32"})
    a = job_json["architecture"]
    model = reference_model(a, whole_weights(a))
    model.save_pretrained(tmp_path / "model")
    convert.run(
        {
            "hf_directory": str(tmp_path / "model"),
            "output_directory": job_json["load_directory"],
            "architecture": a,
            "tensor_parallel": 1,
            "pipeline_parallel": 1,
            "layers_per_stage": [4],
            "format": "mcore",
            "dtype": "fp32",
        }
    )
    weights = shards.load_rank(job_json["load_directory"], 0, 0, 1, 1)
    replica = Replica(
        read_train_job(job_json),
        Grid(0, 1, 1, 1),
        Groups(None, None, None, None),
        torch.device("cpu"),
        weights,
    )
    tokens = torch.randint(0, 67, (2, 16), generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        assert torch.allclose(replica.stage(tokens), model(tokens).logits, atol=2e-5)
