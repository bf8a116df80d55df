"""The same training by hand: `python _train_reference.py transformers|plain JOB STEPS`, one JSON line.

Same weights, same micro batches in the same order, fp32, one thread, AdamW and clipping from torch: what
somebody writes who has no trainer. `seconds` of every step, `losses` of every step.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PlainAttention(nn.Module):
    def __init__(self, hidden: int, heads: int, kv_heads: int) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.width = heads, kv_heads, hidden // heads
        self.q_proj = nn.Linear(hidden, hidden, bias=False)
        self.k_proj = nn.Linear(hidden, kv_heads * self.width, bias=False)
        self.v_proj = nn.Linear(hidden, kv_heads * self.width, bias=False)
        self.o_proj = nn.Linear(hidden, hidden, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        batch, seq, _hidden = x.shape
        q = turn(self.q_proj(x).view(batch, seq, self.heads, self.width).transpose(1, 2), cos, sin)
        k = turn(self.k_proj(x).view(batch, seq, self.kv_heads, self.width).transpose(1, 2), cos, sin)
        v = self.v_proj(x).view(batch, seq, self.kv_heads, self.width).transpose(1, 2)
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        return self.o_proj(seen.transpose(1, 2).reshape(batch, seq, -1))


class PlainMLP(nn.Module):
    def __init__(self, hidden: int, ffn: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(hidden, ffn, bias=False)
        self.up_proj = nn.Linear(hidden, ffn, bias=False)
        self.down_proj = nn.Linear(ffn, hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class PlainLayer(nn.Module):
    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        hidden, eps = config["hidden_size"], config["rms_norm_eps"]
        self.input_layernorm = nn.RMSNorm(hidden, eps)
        self.self_attn = PlainAttention(hidden, config["num_attention_heads"], config["num_key_value_heads"])
        self.post_attention_layernorm = nn.RMSNorm(hidden, eps)
        self.mlp = PlainMLP(hidden, config["intermediate_size"])

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))


class PlainModel(nn.Module):
    """The decoder under Hugging Face's names."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        hidden, vocab = config["hidden_size"], config["vocab_size"]
        self.width, self.theta = hidden // config["num_attention_heads"], config["rope_theta"]
        self.model = nn.Module()
        self.model.embed_tokens = nn.Embedding(vocab, hidden)
        self.model.layers = nn.ModuleList(PlainLayer(config) for _ in range(config["num_hidden_layers"]))
        self.model.norm = nn.RMSNorm(hidden, config["rms_norm_eps"])
        self.lm_head = nn.Linear(hidden, vocab, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        places = torch.arange(tokens.shape[1], dtype=torch.float32)
        turns = self.theta ** (-torch.arange(0, self.width, 2, dtype=torch.float32) / self.width)
        angles = torch.outer(places, turns).repeat(1, 2)
        cos, sin = angles.cos(), angles.sin()
        x = self.model.embed_tokens(tokens)
        for layer in self.model.layers:
            x = layer(x, cos, sin)
        return self.lm_head(self.model.norm(x))


def turn(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    left, right = x.chunk(2, -1)
    return x * cos + torch.cat((-right, left), -1) * sin


def make(kind: str, folder: Path) -> nn.Module:
    from safetensors.torch import load_file

    if kind == "transformers":
        import transformers

        return transformers.LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).train()
    model = PlainModel(json.loads((folder / "config.json").read_text()))
    model.load_state_dict(load_file(folder / "model.safetensors"))
    return model


def main() -> None:
    kind, job_path, steps = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(1)
    from backend.node.train.batches import BatchSource
    from backend.node.train.train_job_reader import read_train_job

    job = read_train_job(json.loads(job_path.read_text()))
    source = BatchSource(job, 0, torch.device("cpu"))
    model = make(kind, job_path.parent / "hf")
    optimizer = torch.optim.AdamW(model.parameters(), lr=job.lr, betas=(0.9, 0.95), weight_decay=0.1)
    seconds, losses = [], []
    for step in range(steps):
        began = time.perf_counter()
        loss = one_step(model, source.micro_batches(step * job.global_batch_size))
        nn.utils.clip_grad_norm_(model.parameters(), job.clip_grad)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss)
        seconds.append(time.perf_counter() - began)
    print(json.dumps({"seconds": seconds, "losses": losses}))


def one_step(model: nn.Module, batches: list[Any]) -> float:
    total = 0.0
    for tokens, labels in batches:
        found = model(tokens)
        logits = found if isinstance(found, Tensor) else found.logits
        loss = F.cross_entropy(logits.view(-1, logits.shape[-1]), labels.view(-1)) / len(batches)
        loss.backward()
        total += loss.item()
    return total


if __name__ == "__main__":
    main()
