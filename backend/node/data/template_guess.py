"""Which prompt template fits a tokenizer, by the tokens that only its models have."""

from __future__ import annotations

from backend.node.data.encoder import Encoder

FALLBACK = "default"
_SIGNS = (
    ("<|start_header_id|>", "llama3"),
    ("<|im_start|>", "qwen"),
    ("<start_of_turn>", "gemma"),
    ("<sop>", "glm4"),
    ("sop", "chatglm3"),
    ("[INST]", "mistral"),
)


def guess_prompt_type(encoder: Encoder) -> str:
    """A prompt type that this tokenizer can write; FALLBACK, which all can, where none stands out."""
    special = set(encoder.special_texts)
    return next((name for sign, name in _SIGNS if sign in special), FALLBACK)
