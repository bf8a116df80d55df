"""Where a text may be cut so that the ids of the pieces are the ids of the whole, read off a tokenizer.json.

A byte-level BPE that a regex cuts into words merges only within a word. A SentencePiece-like BPE without
pre-tokenizer sees the whole text as one word, but a merge must give a vocabulary entry: where no entry joins
a newline with anything, no merge crosses one."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from backend.node.data.encoder import AT_NEWLINES, AT_WORDS, NOWHERE

_BLANK = "▁"
_NEWLINE_BYTE = "<0x0A>"
_BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
# The only ASCII characters that NFC makes of others (the Kelvin sign and two marks), and the blank.
_OTHER_SPELLINGS = set("K;` ")
_TO_BLANK = {"type": "Replace", "pattern": {"String": " "}, "content": _BLANK}


def cuts_of(content: Dict[str, Any]) -> str:
    """AT_WORDS, AT_NEWLINES or NOWHERE for a parsed tokenizer.json."""
    model = content["model"]
    if model.get("type") != "BPE" or any(
        model.get(key) for key in ("dropout", "continuing_subword_prefix", "end_of_word_suffix")
    ):
        return NOWHERE
    if any(not is_plainly_found(token) for token in content.get("added_tokens") or ()):
        return NOWHERE
    if _is_cut_into_words(content):
        return AT_WORDS
    if _blank_in_front(content) is not None and not model.get("ignore_merges") and _keeps_newlines(model):
        return AT_NEWLINES
    return NOWHERE


def without_blank_in_front(content: Dict[str, Any]) -> Dict[str, Any]:
    """The tokenizer.json of pieces that stand inside a text, for one that is cut AT_NEWLINES."""
    if content.get("pre_tokenizer"):
        return {**content, "pre_tokenizer": {**content["pre_tokenizer"], "prepend_scheme": "never"}}
    return {**content, "normalizer": _TO_BLANK}


def is_plainly_found(token: Dict[str, Any]) -> bool:
    """Whether a text that holds the token surely holds its characters: one that is looked for in the
    normalized text could also stand there in another spelling."""
    text = token["content"]
    return not token.get("normalized") or (text.isascii() and not _OTHER_SPELLINGS & set(text))


def _is_cut_into_words(content: Dict[str, Any]) -> bool:
    before, normalizer = content.get("pre_tokenizer"), content.get("normalizer")
    steps = (normalizer or {}).get("normalizers", [normalizer])
    if not before or any(step and step.get("type") != "NFC" for step in steps):
        return False
    parts: List[Dict[str, Any]] = before.get("pretokenizers") or [before]
    levels = [part for part in parts if part.get("type") == "ByteLevel"]
    if len(levels) != 1 or levels[0] is not parts[-1] or levels[0].get("add_prefix_space"):
        return False
    splits = [part for part in parts[:-1] if _splits(part)]
    if len(splits) != len(parts) - 1:
        return False
    return bool(levels[0].get("use_regex", True)) or any(part["type"] == "Split" for part in splits)


def _splits(part: Dict[str, Any]) -> bool:
    """Whether a step only puts borders into the text, and takes nothing away."""
    if part.get("type") == "Split":
        kept = "Removed" if part.get("invert") else "Isolated"
        return part.get("behavior") == kept
    return part.get("type") == "Digits"


def _blank_in_front(content: Dict[str, Any]) -> Optional[bool]:
    """Whether a SentencePiece-like tokenizer.json puts a blank before a text, None if it is not one."""
    before, normalizer = content.get("pre_tokenizer"), content.get("normalizer")
    if before:
        fits = before.get("type") == "Metaspace" and before.get("replacement") == _BLANK and not normalizer
        if not fits or before.get("split", True):
            return None
        return {"first": True, "never": False}.get(str(before.get("prepend_scheme")))
    steps = (normalizer or {}).get("normalizers") or [normalizer]
    if steps == [_TO_BLANK]:
        return False
    return True if steps == [{"type": "Prepend", "prepend": _BLANK}, _TO_BLANK] else None


def _keeps_newlines(model: Dict[str, Any]) -> bool:
    """Whether no entry joins a newline, or the byte of one, with anything, and no character is unknown:
    unknown ones next to each other could be joined across a cut."""
    vocabulary = model["vocab"]
    if not model.get("byte_fallback") or any(entry not in vocabulary for entry in _BYTES):
        return False
    return not any(
        ("\n" in entry and entry != "\n") or (_NEWLINE_BYTE in entry and entry != _NEWLINE_BYTE)
        for entry in vocabulary
    )
