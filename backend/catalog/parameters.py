"""How many parameters a model has, from its dimensions."""

from __future__ import annotations

from backend.catalog.model import Architecture


def parameter_count(architecture: Architecture) -> int:
    """All weights of the decoder: embedding, layers, final norm, and the head where it is not tied."""
    head = 0 if architecture.tie_embeddings else architecture.vocab * architecture.hidden
    embedding = architecture.vocab * architecture.hidden
    return embedding + architecture.layers * layer_parameters(architecture) + architecture.hidden + head


def layer_parameters(architecture: Architecture) -> int:
    """Weights of one decoder layer: attention, gated feed-forward, two norms."""
    queries = architecture.heads * architecture.head_dim
    keys_values = 2 * architecture.kv_heads * architecture.head_dim
    attention = architecture.hidden * (queries + keys_values) + queries * architecture.hidden
    bias = queries + keys_values if architecture.qkv_bias else 0
    feed_forward = 3 * architecture.hidden * architecture.ffn
    norms = 2 * architecture.hidden
    return attention + bias + feed_forward + norms
