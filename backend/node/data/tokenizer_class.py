"""What the tokenizer classes of transformers 4.43 add to a tokenizer.json: one table and four rules."""

from __future__ import annotations

from gettext import gettext as _
from typing import Any, Dict, List, NamedTuple, Optional

from backend.node.job_lines import JobError

_SUFFIXES = ("TokenizerFast", "Tokenizer")
_BLANK = "▁"
_TOKEN_KEYS = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")


class _Frame(NamedTuple):
    """A class that builds its own frame [bos] text [eos], whatever tokenizer.json says; its defaults."""

    add_bos: bool
    add_eos: bool
    tokens: Dict[str, str]


_LLAMA_TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
_NEOX_TOKENS = dict.fromkeys(("bos_token", "eos_token", "unk_token"), "<|endoftext|>")
_FRAMES = {
    "Llama": _Frame(True, False, _LLAMA_TOKENS),
    "CodeLlama": _Frame(True, False, _LLAMA_TOKENS),
    "Gemma": _Frame(True, False, {"bos_token": "<bos>", "eos_token": "<eos>", "unk_token": "<unk>"}),
    "Cohere": _Frame(True, False, {"bos_token": "<BOS_TOKEN>", "eos_token": "<|END_OF_TURN_TOKEN|>"}),
    "GPTNeoX": _Frame(False, False, _NEOX_TOKENS),
}
_DEFAULT_TOKENS = {"Qwen2": {"eos_token": "<|endoftext|>"}}
_MODEL_CLASSES = {
    "llama": "Llama",
    "mistral": "Llama",
    "mixtral": "Llama",
    "gemma": "Gemma",
    "gemma2": "Gemma",
    "cohere": "Cohere",
    "gpt_neox": "GPTNeoX",
    "qwen2": "Qwen2",
}


def name_of(tokenizer_config: Dict[str, Any], model_config: Dict[str, Any]) -> str:
    """The class without its ending ("Llama"), from the tokenizer's config or else the model's; "" if
    unknown."""
    name = tokenizer_config.get("tokenizer_class") or model_config.get("tokenizer_class")
    if not name:
        return _MODEL_CLASSES.get(str(model_config.get("model_type")), "")
    for suffix in _SUFFIXES:
        if str(name).endswith(suffix):
            return str(name)[: -len(suffix)]
    return str(name)


def token_text(config: Dict[str, Any], key: str) -> Optional[str]:
    """The text of a special token such as "eos_token"; the class's own where the config names none."""
    kind = config["tokenizer_class"]
    frame = _FRAMES.get(kind)
    default = frame.tokens.get(key) if frame else _DEFAULT_TOKENS.get(kind, {}).get(key)
    value = config.get(key, default)
    return value["content"] if isinstance(value, dict) else value


def apply_prefix_rule(content: Dict[str, Any], config: Dict[str, Any]) -> None:
    """Set how tokenizer.json (`content`, changed in place) treats blanks where a Llama config says it.

    `add_prefix_space` in the config makes the class build its tokenizer anew from tokenizer.model: the model
    is the same, the normalizer and the pre-tokenizer follow from the config alone."""
    prefix = config.get("add_prefix_space")
    if prefix is None or config["tokenizer_class"] not in ("Llama", "CodeLlama"):
        return
    replace = {"type": "Replace", "pattern": {"String": " "}, "content": _BLANK}
    if config.get("legacy", True) is not False:
        prepend = [{"type": "Prepend", "prepend": _BLANK}] if prefix else []
        content["normalizer"] = {"type": "Sequence", "normalizers": [*prepend, replace]}
        content["pre_tokenizer"] = None
    else:
        content["normalizer"] = None
        content["pre_tokenizer"] = {
            "type": "Metaspace",
            "replacement": _BLANK,
            "prepend_scheme": "first" if prefix else "never",
            "split": False,
        }


def add_named_tokens(tokenizer: Any, config: Dict[str, Any]) -> None:
    """Add the tokens that the config names and tokenizer.json lacks: known texts keep their id, others get
    one."""
    from tokenizers import AddedToken

    known = list(tokenizer.get_added_tokens_decoder().values())
    listed = config.get("added_tokens_decoder") or {}
    for _number, entry in sorted(listed.items(), key=lambda item: int(item[0])):
        token = AddedToken(**{key: value for key, value in entry.items() if key != "__type"})
        if token not in known:
            add = tokenizer.add_special_tokens if entry.get("special") else tokenizer.add_tokens
            add([token])
    texts = {token.content for token in tokenizer.get_added_tokens_decoder().values()}
    missing = [text for text in dict.fromkeys(_named(config)) if text not in texts]
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in missing])


def _named(config: Dict[str, Any]) -> List[str]:
    """The texts of all special tokens, the additional ones last."""
    single = [text for text in (token_text(config, key) for key in _TOKEN_KEYS) if text]
    additional = config.get("additional_special_tokens") or []
    return single + [entry["content"] if isinstance(entry, dict) else entry for entry in additional]


def apply_post_processor(tokenizer: Any, config: Dict[str, Any]) -> None:
    """Replace the frame of special tokens where the class builds its own. Raises JobError."""
    from tokenizers import processors

    frame = _FRAMES.get(config["tokenizer_class"])
    if frame is None:
        return
    bos = _wanted(tokenizer, config, "bos_token", bool(config.get("add_bos_token", frame.add_bos)))
    eos = _wanted(tokenizer, config, "eos_token", bool(config.get("add_eos_token", frame.add_eos)))
    special = {text: tokenizer.token_to_id(text) for text in bos + eos}
    tokenizer.post_processor = processors.TemplateProcessing(
        single=[*bos, "$A", *eos],
        pair=[*bos, "$A", *eos, *(f"{text}:1" for text in bos), "$B:1", *(f"{text}:1" for text in eos)],
        special_tokens=list(special.items()),
    )


def _wanted(tokenizer: Any, config: Dict[str, Any], key: str, wanted: bool) -> List[str]:
    text = token_text(config, key)
    if not wanted:
        return []
    if not text or tokenizer.token_to_id(text) is None:
        what = _("the tokenizer adds {key} to every text but has none").format(key=key)
        raise JobError("tokenizer", what, "", _("name {key} in tokenizer_config.json").format(key=key))
    return [text]
