"""What the tokenizer classes of transformers 4.43 add to a tokenizer.json: a table and four rules."""

from __future__ import annotations

from gettext import gettext as _
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from backend.node.data.tokenizer_config import ADDITIONAL, CLASS, OLDER_FILES, token_of
from backend.node.job_lines import JobError

_BLANK = "▁"
_TOKEN_KEYS = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
_PROPERTIES = ("lstrip", "normalized", "rstrip", "single_word", "special")


class _Class(NamedTuple):
    """What a class decides itself.

    `tokens`: its special tokens where the config names none, `additional`: those that it always adds;
    `frame`: (bos, eos) that it puts around every text whatever tokenizer.json says, None: it does not;
    `blank`: what `add_prefix_space` (default false) does: "set" it in a plain pre-tokenizer, only turn it
    "on" at any depth, "rebuild" the model, or nothing."""

    tokens: Dict[str, str] = {}  # noqa: RUF012 - never written to
    additional: Tuple[str, ...] = ()
    frame: Optional[Tuple[bool, bool]] = None
    blank: str = ""


_LLAMA = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
_END = "<|endoftext|>"
_GPT = dict.fromkeys(("bos_token", "eos_token", "unk_token"), _END)
_CLASSES = {
    "Llama": _Class(_LLAMA, frame=(True, False), blank="rebuild"),
    "CodeLlama": _Class(_LLAMA, ("▁<PRE>", "▁<MID>", "▁<SUF>", "▁<EOT>"), (True, False)),
    "Gemma": _Class(
        {"bos_token": "<bos>", "eos_token": "<eos>", "unk_token": "<unk>", "pad_token": "<pad>"},
        frame=(True, False),
    ),
    "Cohere": _Class(
        {"bos_token": "<BOS_TOKEN>", "eos_token": "<|END_OF_TURN_TOKEN|>", "unk_token": "<UNK>"},
        frame=(True, False),
        blank="on",
    ),
    "GPTNeoX": _Class(_GPT, frame=(False, False), blank="set"),
    "GPT2": _Class(_GPT, blank="set"),
    "CodeGen": _Class(_GPT, blank="set"),
    "Bloom": _Class({**_LLAMA, "pad_token": "<pad>"}, blank="on"),
    "Qwen2": _Class(dict.fromkeys(("eos_token", "unk_token", "pad_token"), _END)),
}
_PLAIN = _Class()


def token_text(config: Dict[str, Any], key: str) -> Optional[str]:
    """The text of a special token such as "eos_token"; the class's own where the config names none."""
    return token_of(config.get(key, _CLASSES.get(config[CLASS], _PLAIN).tokens.get(key)))


def apply_prefix_rule(content: Dict[str, Any], config: Dict[str, Any], converted: bool = False) -> None:
    """Set in tokenizer.json (`content`, changed in place) whether a blank is put before a text; `converted`:
    it was made from tokenizer.model."""
    rule = _CLASSES.get(config[CLASS], _PLAIN).blank
    wanted = config.get("add_prefix_space")
    before = content.get("pre_tokenizer")
    if rule == "rebuild" and (converted or wanted is not None):
        _rebuild_blanks(content, wanted is None or bool(wanted), config.get("legacy") is not False)
    elif rule == "set" and before and "add_prefix_space" in before:
        before["add_prefix_space"] = bool(wanted)
    elif rule == "on" and wanted:
        _turn_on(before)


def apply_padding_token(content: Dict[str, Any], config: Dict[str, Any]) -> None:
    """The padding that tokenizer.json asks for names the pad token where nothing else does."""
    padding = content.get("padding")
    if padding and "pad_token" not in _CLASSES.get(config[CLASS], _PLAIN).tokens:
        config.setdefault("pad_token", padding.get("pad_token"))


def _turn_on(value: Any) -> None:
    """Set every "add_prefix_space" in a pre-tokenizer, in place."""
    if isinstance(value, dict):
        if "add_prefix_space" in value:
            value["add_prefix_space"] = True
        value = list(value.values())
    for part in value if isinstance(value, list) else ():
        _turn_on(part)


def _rebuild_blanks(content: Dict[str, Any], prefix: bool, legacy: bool) -> None:
    """`add_prefix_space` in a Llama config makes the class build its tokenizer anew from tokenizer.model: the
    model is the same, the normalizer and the pre-tokenizer follow from the config alone. A byte-level
    tokenizer.json has no such model behind it and stays as it is."""
    if not content.get("model", {}).get("byte_fallback") and content.get("pre_tokenizer"):
        return
    if legacy:
        prepend = [{"type": "Prepend", "prepend": _BLANK}] if prefix else []
        replace = {"type": "Replace", "pattern": {"String": " "}, "content": _BLANK}
        content["normalizer"] = {"type": "Sequence", "normalizers": [*prepend, replace]}
        content["pre_tokenizer"] = None
        return
    content["normalizer"] = None
    content["pre_tokenizer"] = {
        "type": "Metaspace",
        "replacement": _BLANK,
        "prepend_scheme": "first" if prefix else "never",
        "split": False,
    }


def add_named_tokens(tokenizer: Any, config: Dict[str, Any]) -> None:
    """Add the tokens that the config names and tokenizer.json lacks: known texts keep their id, others get
    the next one."""
    from tokenizers import AddedToken

    there = tokenizer.get_added_tokens_decoder()
    known = {token.content: token for token in there.values()}
    texts = set(known)
    named = dict(_named(config))
    table = {int(number): entry for number, entry in (config.get("added_tokens_decoder") or {}).items()}
    for number, entry in sorted(table.items()):
        if config[OLDER_FILES] and number in there:
            continue
        properties = {key: entry[key] for key in _PROPERTIES if key in entry}
        text = entry["content"]
        texts.add(text)
        before = known.get(text)
        if repr(AddedToken(text, **properties)) == repr(before):
            continue
        if before is not None and before.special:
            # tokenizers 0.19 goes on to look for it where it did; newer releases would not.
            properties["normalized"] = before.normalized
        token = AddedToken(text, **properties)
        special = token.special or text in named
        (tokenizer.add_special_tokens if special else tokenizer.add_tokens)([token])
    for text, properties in named.items():
        if text not in texts:
            tokenizer.add_special_tokens(
                [AddedToken(text, **{"normalized": False, "special": True, **properties})]
            )


def _named(config: Dict[str, Any]) -> List[Tuple[str, Dict[str, bool]]]:
    """The texts of all special tokens with the properties that the config gives, the additional ones last."""
    kind = _CLASSES.get(config[CLASS], _PLAIN)
    values = [config.get(key, kind.tokens.get(key)) for key in _TOKEN_KEYS]
    values += [*(config.get(ADDITIONAL) or ()), *kind.additional]
    found: Dict[str, Dict[str, bool]] = {}
    for value in values:
        text = token_of(value)
        if text and text not in found:
            given = value if isinstance(value, dict) else {}
            found[text] = {key: bool(given[key]) for key in _PROPERTIES[:-1] if key in given}
    return list(found.items())


def additional_texts(config: Dict[str, Any]) -> List[str]:
    """The texts of the additional special tokens."""
    listed = [*(config.get(ADDITIONAL) or ()), *_CLASSES.get(config[CLASS], _PLAIN).additional]
    return [text for text in map(token_of, listed) if text]


def apply_post_processor(tokenizer: Any, config: Dict[str, Any]) -> None:
    """Replace the frame of special tokens where the class builds its own. Raises JobError."""
    from tokenizers import processors

    frame = _CLASSES.get(config[CLASS], _PLAIN).frame
    if frame is None:
        return
    bos = _wanted(tokenizer, config, "bos_token", bool(config.get("add_bos_token", frame[0])))
    eos = _wanted(tokenizer, config, "eos_token", bool(config.get("add_eos_token", frame[1])))
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
