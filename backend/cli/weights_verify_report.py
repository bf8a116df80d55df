"""What `npudeck weights verify` prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from backend import number_words as words
from backend.cli.visible_text import visible
from backend.cli.weights_words import labelled
from backend.translation import _, ngettext

_SHOWN_NAMES = 10


def report_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """What was compared, the first differences, and the verdict."""
    for name, side in (("A", report["a"]), ("B", report["b"])):
        yield labelled(name, _side(side))
    yield ""
    yield from map(_difference, report["differing"])
    more = report["differing_count"] - len(report["differing"])
    if more > 0:
        yield ngettext("and {n} more tensor", "and {n} more tensors", more).format(n=words.count(more))
    for text, names in (
        (_("only in A: {names}"), report["only_a"]),
        (_("only in B: {names}"), report["only_b"]),
        (_("not the same on all ranks of a stage: {names}"), report["unequal_copies"]),
    ):
        if names:
            yield text.format(names=_names(names))
    yield from report["notes"]
    yield _verdict(report)


def _side(side: Mapping[str, Any]) -> str:
    if side["kind"] == "hf":
        return _("{folder} (Hugging Face)").format(folder=side["directory"])
    text = _("{folder} ({format}, TP {tp} × PP {pp})")
    return text.format(folder=side["directory"], format=side["format"], tp=side["tp"], pp=side["pp"])


def _difference(one: Mapping[str, Any]) -> str:
    a, b = one["a"], one["b"]
    if one["why"] == "shape":
        text = _("shape {a} and {b}").format(a=_shape(a), b=_shape(b))
    elif one["why"] == "dtype":
        text = _("{a} and {b}").format(a=a, b=b)
        if one["values"] == 0:
            text += _(", the same values")
        elif one["values"] is not None:
            text += ", " + _values(one)
    else:
        text = _values(one) + _(": {a} and {b}").format(a=_number(a), b=_number(b))
    return visible(f"{one['name']}: {text}")


def _values(one: Mapping[str, Any]) -> str:
    """`3 values differ, by 0.002 at most, first at [0, 17]`."""
    text = ngettext("{n} value differs", "{n} values differ", one["values"]).format(
        n=words.count(one["values"])
    )
    if one["largest"] is not None:
        text += _(", by {largest} at most").format(largest=_number(one["largest"]))
    if one["first"] is not None:
        text += _(", first at {place}").format(place=one["first"])
    return text


def _number(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"


def _shape(lengths: Sequence[int]) -> str:
    return " × ".join(map(str, lengths))


def _names(names: Sequence[str]) -> str:
    shown = visible(", ".join(names[:_SHOWN_NAMES]))
    more = len(names) - _SHOWN_NAMES
    return shown + (_(" and {n} more").format(n=words.count(more)) if more > 0 else "")


def _verdict(report: Mapping[str, Any]) -> str:
    compared = report["compared"]
    tensors = ngettext("{n} tensor", "{n} tensors", compared).format(n=words.count(compared))
    if report["equal"]:
        return _("equal: {tensors}, {size}").format(tensors=tensors, size=words.size(report["bytes"]))
    if report["same_values"]:
        return _("not equal: the same values in other dtypes, {tensors}").format(tensors=tensors)
    parts = []
    for count, text in (
        (report["differing_count"], _("{n} of {tensors} differ")),
        (len(report["only_a"]), _("{n} only in A")),
        (len(report["only_b"]), _("{n} only in B")),
        (len(report["unequal_copies"]), _("{n} not the same on all ranks")),
    ):
        if count:
            parts.append(text.format(n=words.count(count), tensors=tensors))
    return _("not equal: {what}").format(what=", ".join(parts))
