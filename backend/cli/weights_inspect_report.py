"""What `npudeck weights inspect` prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from backend import number_words as words
from backend.cli.visible_text import visible
from backend.cli.weights_words import adapter_words, labelled, layout_words, model_words, rope_words
from backend.translation import _, ngettext

_SHOWN_ITERATIONS = 6
# where a manifest has another name for what was done
_COMMANDS = {"export-adapter": "export-lora", "split-adapter": "split-lora"}


def report_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """What is known of the weights, what is wrong with them, and the verdict."""
    for label, text in _facts(report):
        yield visible(labelled(label, text))
    if report["kind"] == "megatron":
        yield from rope_words(report)
    yield from map(visible, report["notes"])
    yield ""
    for problem in report["problems"]:
        yield from _problem(problem)
    yield _("complete") if report["complete"] else _("not complete")


def _facts(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield _("what"), report["title"]
    if report["model"]:
        yield _("model"), model_words(report)
        yield "", _dimensions(report["model"])
    if len(report["dtypes"]) > 1 or (report["dtype"] and not report["model"]):
        yield _("values"), _dtypes(report["dtypes"])
    if report["layout"]:
        yield _("layout"), layout_words(report, report["format"])
    if report["lora"]:
        lora = report["lora"]
        yield _("adapter"), adapter_words(lora["rank"], lora["alpha"], lora["targets"])
    if report["iterations"]:
        yield _("iteration"), _iterations(report)
    if report["tensors"]:
        yield _("size"), _size(report)
    made = report["made_from"]
    if made and made["action"]:
        yield _("made by"), _made(made)


def _dimensions(model: Mapping[str, Any]) -> str:
    """`40 layers, hidden 5120, 40 heads with 8 for keys and values, ffn 13824, vocabulary 32000`."""
    text = _(
        "{layers} layers, hidden {hidden}, {heads} heads, {kv_heads} of keys, ffn {ffn}, vocabulary {vocab}"
    )
    names = ("layers", "hidden", "heads", "kv_heads", "ffn", "vocab")
    parts = text.format(**{name: model[name] for name in names})
    if model["tie_embeddings"]:
        parts += _(", tied embeddings")
    if model["qkv_bias"]:
        parts += _(", biases on q, k and v")
    return parts


def _dtypes(counts: Mapping[str, int]) -> str:
    ordered = sorted(counts, key=lambda dtype: -counts[dtype])
    return ", ".join(f"{words.count(counts[dtype])} {dtype}" for dtype in ordered)


def _iterations(report: Mapping[str, Any]) -> str:
    found = report["iterations"]
    if report["iteration"] is not None:
        text = words.count(report["iteration"])
    elif report["layout"]:
        text = _("none is current")
    else:
        # of a checkpoint that cannot be opened it is not known
        return ", ".join(map(words.count, found[-_SHOWN_ITERATIONS:]))
    if len(found) > 1:
        shown = ", ".join(map(words.count, found[-_SHOWN_ITERATIONS:]))
        text += _(" ({n} are there, the last ones {shown})").format(n=len(found), shown=shown)
    if report["optimizer"]:
        text += _(", with the optimizer's state")
    return text


def _size(report: Mapping[str, Any]) -> str:
    tensors = report["tensors"]
    text = ngettext("{size} in {n} tensor", "{size} in {n} tensors", tensors)
    text = text.format(size=words.size(report["weight_bytes"]), n=words.count(tensors))
    return text + _(", {size} with everything else").format(size=words.size(report["bytes"]))


def _made(made: Mapping[str, Any]) -> str:
    settings = made["settings"]
    keys = ("hf_directory", "megatron_directory", "lora_directory")
    source = next((settings[key] for key in keys if settings.get(key)), "")
    action = _COMMANDS.get(made["action"], made["action"])
    text = _("npudeck, {action}").format(action=action)
    return text + (_(" from {folder}").format(folder=source) if source else "")


def _problem(problem: Mapping[str, str]) -> Iterator[str]:
    yield visible(problem["what"])
    if problem["why"]:
        yield visible(f"  {_('why')}: {problem['why']}")
    if problem["fix"]:
        yield visible(f"  {_('fix')}: {problem['fix']}")
