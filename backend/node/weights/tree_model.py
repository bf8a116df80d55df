"""Which model a Megatron tree holds, as far as the tree and the manifest beside it say."""

from __future__ import annotations

from typing import Any, Dict, Optional

from backend.node.weights.config_keys import MOST, is_number
from backend.node.weights.families.all_families import FAMILIES
from backend.node.weights.made_manifest import read_manifest
from backend.node.weights.megatron_tree import MegatronTree
from backend.node.weights.model import Model
from backend.node.weights.model_config import model_of_args

_SIZES = ("layers", "hidden", "heads", "ffn")
_FROM_MANIFEST = ("family", "rope_theta", "rotary_percent", "rope_ratio", "vocab")


def tree_model(tree: MegatronTree) -> Model:
    """The model of a tree, from its arguments, its tensors, and the manifest beside it where there is one:
    only that says the family. Where nobody knows rope theta it is a usual value, see `known_rope_theta`.
    Raises JobError."""
    tied = tree.args.get("untie_embeddings_and_output_weights") is False
    last = tree.layout.pp - 1
    bias = any("query_key_value.bias" in name or "linear_qkv.bias" in name for name in tree.names(0, 0))
    model = model_of_args(tree.args, has_qkv_bias=bias)
    head = ("language_model/output_layer/weight", "/output_layer.weight")
    if "untie_embeddings_and_output_weights" not in tree.args:
        tied = last == 0 and not any(name.endswith(head) for name in tree.names(0, last))
    model = model._replace(tie_embeddings=tied)
    known = _described(tree, model)
    kept = {name: known[name] for name in _FROM_MANIFEST if known.get(name) is not None}
    return model._replace(**kept)


def known_rope_theta(tree: MegatronTree) -> Optional[float]:
    """What the manifest beside the tree says, else its arguments; None where neither does."""
    said = _described(tree, model_of_args(tree.args)).get("rope_theta") or tree.args.get("rotary_base")
    return float(said) if said is not None and is_number(said) else None


def _described(tree: MegatronTree, model: Model) -> Dict[str, Any]:
    """The model of a manifest of ours, when it is about weights of this size."""
    described = (read_manifest(tree.root) or {}).get("model")
    if not isinstance(described, dict) or any(described.get(name) != getattr(model, name) for name in _SIZES):
        return {}
    return {str(name): value for name, value in described.items() if _is_right(str(name), value)}


def _is_right(name: str, value: Any) -> bool:
    """Whether somebody's edit has left a value of its kind."""
    if name == "family":
        return value in FAMILIES
    if name == "vocab":
        return isinstance(value, int) and not isinstance(value, bool) and 0 < value < MOST
    return is_number(value)
