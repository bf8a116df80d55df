"""What a training must be told of a model's rotary positions: a Megatron tree does not say it."""

from __future__ import annotations

import json
from gettext import gettext as _
from typing import Any, Dict, List

from backend.node.weights.config_keys import is_number, shown
from backend.node.weights.model import Model

# Source: the Llama 3.1 scripts of ModelLink, and Megatron-LM's own argument for linear scaling.
_LLAMA3 = {
    "factor": "--rope-scaling-factor",
    "low_freq_factor": "--low-freq-factor",
    "high_freq_factor": "--high-freq-factor",
    "original_max_position_embeddings": "--original-max-position-embeddings",
}
_LINEAR = {"factor": "--rotary-seq-len-interpolation-factor"}


def rope_notes(model: Model) -> List[str]:
    """A sentence where config.json scales the positions."""
    if not model.rope_scaling:
        return []
    scaling: Dict[str, Any] = json.loads(model.rope_scaling)
    kind = scaling.get("rope_type", scaling.get("type"))
    flags = {"llama3": _LLAMA3, "linear": _LINEAR}.get(str(kind))
    if flags is None or any(not is_number(scaling.get(key)) for key in flags):
        text = _(
            "config.json scales rotary positions ({kind}): no flag of the training is known here for that"
        )
        return [text.format(kind=shown(kind))]
    words = [f"{flag} {_number(scaling[key])}" for key, flag in flags.items()]
    if kind == "llama3":
        words.insert(0, "--rope-scaling-type llama3")
    text = _("config.json scales rotary positions, which the tree does not say: train with {flags}")
    return [text.format(flags=" ".join(words))]


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)
