"""Which model a config.json, the `args` of a Megatron tree or a recipe's architecture describe."""

from __future__ import annotations

from gettext import gettext as _
from typing import Any, Mapping, Optional

from backend.node.job_lines import JobError, require
from backend.node.weights.config_keys import MOST, MOST_LAYERS, ConfigKeys, is_number, shown
from backend.node.weights.config_readers import ARCHITECTURES, DEFAULT_THETA, FAMILY_READERS, MODEL_TYPES
from backend.node.weights.families.all_families import FAMILIES
from backend.node.weights.model import HF_NAMES, Model

_ACTIVATIONS = ("silu", "swiglu", "swish")
# What the first fourteen fields are called in a job's JSON.
_ARCHITECTURE = tuple(name for name in Model._fields if name not in Model._field_defaults)


def read_model(config: Mapping[str, Any], field: str = "hf_directory", family: str = "") -> Model:
    """The model of a config.json, its family from `architectures`, `model_type` and the numbers.

    `family`: what is known from elsewhere, for a config.json that names neither.

    Raises JobError for an unknown architecture, and for a key that is missing, wrong or not supported; its
    `field` is the given one."""
    keys = ConfigKeys(config, field)
    names = config.get("architectures")
    names = [str(name) for name in names] if isinstance(names, list) else []
    model_type = str(config.get("model_type", ""))
    reader = next((ARCHITECTURES[name] for name in names if name in ARCHITECTURES), None)
    # Some configs of a fine-tuned model name no architecture, or a class of their own.
    if reader is None and not names:
        reader = MODEL_TYPES.get(model_type) if model_type else FAMILY_READERS.get(family)
    if reader is None:
        what = _("config.json describes an unknown model: architectures {names}, model_type {kind}").format(
            names=", ".join(names) or _("none"), kind=model_type or _("none")
        )
        why = _("known: {names}").format(names=", ".join(ARCHITECTURES))
        raise JobError(field, what, why, _("give the folder of a model of these"))
    _check_kind(keys)
    model = reader(keys)
    if model.heads % model.kv_heads:
        what = _("{kv} key-value heads do not divide {heads} attention heads").format(
            kv=model.kv_heads, heads=model.heads
        )
        raise JobError(field, what, _("config.json says so"))
    return model


def _check_kind(keys: ConfigKeys) -> None:
    """A tree has no place for scales of quantized weights, and training knows one activation."""
    if keys.config.get("quantization_config"):
        what = _("config.json says that the weights are quantized")
        raise keys.error(what, _("a Megatron tree holds bf16, fp16 or fp32"), _("fetch the plain model"))
    activation = keys.config.get("hidden_act")
    if activation not in (None, *_ACTIVATIONS):
        raise keys.wrong("hidden_act", _("training here knows {names}").format(names=", ".join(_ACTIVATIONS)))


def model_of_architecture(architecture: Mapping[str, Any]) -> Model:
    """The model of a job's `architecture`. Raises JobError."""
    require(dict(architecture), _ARCHITECTURE)
    family = architecture["family"]
    if family not in FAMILIES:
        what = _("{value} is not known here").format(value=family)
        raise JobError("architecture", what, _("known: {names}").format(names=", ".join(FAMILIES)))
    half = family in ("chatglm3", "glm4")
    fields = {name: architecture[name] for name in _ARCHITECTURE}
    return Model(**fields, rotary_percent=0.5 if half else 1.0)


def model_of_args(args: Mapping[str, Any], has_qkv_bias: Optional[bool] = None) -> Model:
    """The model of a tree's `args`, with no family. `has_qkv_bias`: what its tensors say, which counts more.

    Where nothing says the vocabulary it is the padded one. Raises JobError for a missing field."""
    said = _Args(args)
    layers = said.count("num_layers", most=MOST_LAYERS)
    hidden, heads = said.count("hidden_size"), said.count("num_attention_heads")
    groups = said.count("num_query_groups", heads)
    grouped = args.get("group_query_attention", groups > 1)
    vocab = said.count("vocab_size", said.count("padded_vocab_size", 0))
    if not vocab:
        raise JobError("megatron_directory", _("the checkpoint's args do not say the size of the vocabulary"))
    bias = bool(args.get("add_qkv_bias")) if has_qkv_bias is None else has_qkv_bias
    return Model(
        family="",
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=groups if grouped else heads,
        head_dim=said.count("kv_channels", hidden // heads),
        ffn=said.count("ffn_hidden_size"),
        vocab=vocab,
        rope_theta=said.number("rotary_base", DEFAULT_THETA),
        max_position=said.count("max_position_embeddings", said.count("seq_length", 0)),
        norm_eps=said.number("norm_epsilon", 0.0),
        tie_embeddings=not args.get("untie_embeddings_and_output_weights", True),
        qkv_bias=bias,
        hf_dtype=_dtype_of_args(args),
        rotary_percent=said.number("rotary_percent", 1.0),
    )


class _Args:
    """Numbers of a tree's `args`, each checked when it is taken; 0 and None are the same as not said."""

    def __init__(self, args: Mapping[str, Any]) -> None:
        self._args = args

    def count(self, name: str, default: Optional[int] = None, most: int = MOST) -> int:
        value = self._args.get(name) or None
        if value is None and default is not None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= most:
            if value is None:
                raise self._wrong(name, _("the checkpoint's args have no {name}").format(name=name))
            raise self._wrong(name, _("the checkpoint's args have a wrong {name}").format(name=name))
        return value

    def number(self, name: str, default: float) -> float:
        value = self._args.get(name) or None
        if value is None:
            return default
        if not is_number(value):
            raise self._wrong(name, _("the checkpoint's args have a wrong {name}").format(name=name))
        return float(value)

    def _wrong(self, name: str, what: str) -> JobError:
        why = _("found: {value}").format(value=shown(self._args.get(name)))
        return JobError("megatron_directory", what, why)


def _dtype_of_args(args: Mapping[str, Any]) -> str:
    for key in ("bf16", "fp16"):
        if args.get(key):
            return HF_NAMES[key]
    return "float32" if "bf16" in args else ""
