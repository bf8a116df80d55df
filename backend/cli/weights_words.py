"""Models and layouts as people read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from backend import number_words as words
from backend.translation import _, ngettext

_LABEL = 12
_MANY_STAGES = 8


def labelled(label: str, text: str) -> str:
    """One line: the text beside its label."""
    return f"{label:<{_LABEL}}{text}".rstrip()


def parameters(number: float) -> str:
    """`6.74 B parameters`, `494 M parameters`."""
    for scale, mark in ((1e9, "B"), (1e6, "M")):
        if number >= scale:
            return _("{number} {mark} parameters").format(number=f"{number / scale:.3g}", mark=mark)
    return _("{number} parameters").format(number=words.count(number))


def model_words(found: Mapping[str, Any]) -> str:
    """`llama2, 6.74 B parameters, bf16`; without what is not known."""
    parts = [found.get("family") or _("family not said")]
    if found.get("parameters"):
        parts.append(parameters(found["parameters"]))
    if found.get("dtype"):
        parts.append(found["dtype"])
    return ", ".join(parts)


def layout_words(found: Mapping[str, Any], tree_format: str) -> str:
    """`mcore, TP 2 × PP 4, 9+9+7+7 layers`."""
    layout = found["layout"]
    text = _("{format}, TP {tp} × PP {pp}").format(format=tree_format, tp=layout["tp"], pp=layout["pp"])
    if layout["pp"] > 1:
        text += ", " + stage_words(layout["layers_per_stage"])
    if layout.get("layers_per_virtual_stage"):
        text += _(", virtual stages of {layers}").format(layers=layout["layers_per_virtual_stage"])
    padded = found.get("padded_vocab_size")
    vocabulary = (found.get("model") or {}).get("vocab")
    if padded and vocabulary and padded != vocabulary:
        text += _(", vocabulary {rows} padded to {padded}").format(
            rows=words.count(vocabulary), padded=words.count(padded)
        )
    return text


def stage_words(layers: Sequence[int]) -> str:
    """`10 layers a stage`, `9+9+7+7 layers`; `4×8+2×7 layers` where there are many stages."""
    if len(set(layers)) == 1:
        return ngettext("{n} layer a stage", "{n} layers a stage", layers[0]).format(n=layers[0])
    text = "+".join(map(str, layers))
    if len(layers) > _MANY_STAGES:
        runs = [(count, len(list(group))) for count, group in groupby(layers)]
        text = "+".join(str(count) if times == 1 else f"{times}×{count}" for count, times in runs)
    return _("{counts} layers").format(counts=text)


def adapter_words(rank: object, alpha: object, targets: Sequence[str] | None) -> str:
    """`rank 8, alpha 16, on linear_proj, linear_qkv`; what nobody says is None."""
    parts = []
    for text, value in ((_("rank {value}"), rank), (_("alpha {value}"), alpha)):
        parts.append(text.format(value=_("not said") if value is None else value))
    if targets:
        parts.append(_("on {names}").format(names=", ".join(targets)))
    return ", ".join(parts)


def rope_words(found: Mapping[str, Any]) -> Iterator[str]:
    """For Megatron trees, which do not say it themselves. Nothing for a model without rotary embedding, nor
    where nobody knows the family: theta is not known either."""
    if found.get("layout") and found.get("family") and found.get("rope_theta"):
        text = _("{theta}; train with --rotary-base {theta}")
        yield labelled(_("rope theta"), text.format(theta=f"{found['rope_theta']:.0f}"))
