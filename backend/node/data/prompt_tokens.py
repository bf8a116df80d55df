"""What a prompt template changes in a tokenizer before it encodes: end of text, stop words."""

from __future__ import annotations

from typing import Any, Callable, List, NamedTuple, Optional, Sequence

from backend.node.data.encoder import TokenizerOptions

_END = "<|endoftext|>"


class NamedTokens(NamedTuple):
    """The texts of a tokenizer's special tokens that have a meaning here; None: it has none."""

    bos: Optional[str]
    eos: Optional[str]
    unknown: Optional[str]
    pad: Optional[str]
    additional: Sequence[str] = ()


def asks_for_changes(options: TokenizerOptions) -> bool:
    """Whether a template changes a tokenizer, whatever that has."""
    return options.replace_eos or bool(options.stop_words)


def apply_template(
    named: NamedTokens, options: TokenizerOptions, add: Callable[[List[str]], Any]
) -> NamedTokens:
    """The tokens after the template's changes, in the order of ModelLink's own: the end of text, the stop
    words. `add` gives texts an id as special tokens where they have none. No change without a template."""
    if not options.with_template and not asks_for_changes(options):
        return named
    stop_words = list(options.stop_words)
    eos = named.eos
    if options.replace_eos:
        eos = stop_words.pop(0)
        add([eos])
    if eos is None:
        eos = _END
        add([eos])
    new = [word for word in stop_words if word not in named.additional]
    add(new)
    return named._replace(eos=eos, pad=named.pad or eos, additional=[*named.additional, *new])
