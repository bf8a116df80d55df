"""What a data job has made, for people and as JSON."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from backend import number_words as words
from backend.cli.diagnostics import printable
from backend.cli.report_output import print_report
from backend.translation import _, ngettext

_LABEL = 10
_NUMBER = 15
_PACKED = "_packed_"
_TELLING_S = 5.0


def print_outcome(
    manifest: Mapping[str, Any], job: Mapping[str, Any], *, seconds: float | None, json: bool
) -> None:
    """The manifest as JSON with `up_to_date` and `output_prefix`, or the counts and files.

    `seconds`: how long it took; None when it was up to date."""
    prefix = str(job["output_prefix"])
    report = {"up_to_date": seconds is None, "output_prefix": str(Path(prefix).absolute()), **manifest}
    print_report(report, outcome_lines(manifest, job, seconds=seconds), json=json)


def outcome_lines(
    manifest: Mapping[str, Any], job: Mapping[str, Any], *, seconds: float | None
) -> Iterator[str]:
    """Counts that are not zero, each with what it means, then the files."""
    counts = manifest["counts"]
    outputs = {str(output["path"]).rpartition(".")[0] for output in manifest.get("outputs", ())}
    yield _line(_("records"), counts["records"])
    yield from _sample_lines(counts, outputs, job.get("seq_length"))
    yield from _left_out_lines(counts, job.get("seq_length"), pack=bool(job.get("pack")))
    yield ""
    folder = str(Path(job["output_prefix"]).parent)
    yield from _file_lines(manifest.get("outputs", ()), folder)
    versions = ", ".join(f"{name} {version}" for name, version in manifest.get("versions", {}).items())
    if versions:
        yield _("ids by {versions}").format(versions=versions)
    if seconds is not None:
        text = _("made in {time}").format(time=words.span(seconds))
        # in less than that, loading the tokenizer is what takes the time
        yield text if seconds < _TELLING_S else f"{text}, {words.token_rate(counts['tokens'] / seconds)}"


def _sample_lines(
    counts: Mapping[str, Any], outputs: Collection[str], seq_length: int | None
) -> Iterator[str]:
    """Sequences and tokens, and SN where it follows from them: instruction data has one sample a sequence,
    pretraining cuts one out of every SEQ_LEN tokens but the last, which has nothing to predict."""
    sequences, tokens = int(counts["sequences"]), int(counts["tokens"])
    if outputs and all(_PACKED in output for output in outputs):
        yield _line(_("samples"), sequences, _("SN of the recipe"))
    else:
        yield _line(_("sequences"), sequences, _in_documents(counts))
        if len(outputs) == 1 and seq_length:
            yield _line(_("samples"), max(0, tokens - 1) // seq_length, _("SN of the recipe"))
    yield _line(_("tokens"), tokens, _longest_kept(counts))


def _left_out_lines(counts: Mapping[str, Any], seq_length: int | None, *, pack: bool) -> Iterator[str]:
    limit = _("longer than {length} tokens") if pack else _("{length} tokens or more")
    why_dropped = limit.format(length=words.count(seq_length or 0))
    for name, label, remark in (
        ("empty", _("empty"), _("no text: nothing is written for them")),
        ("dropped", _("dropped"), f"{why_dropped}; {_longest_seen(counts)}"),
        ("skipped", _("skipped"), _("by the handler's rules; listed in the manifest")),
        ("bad", _("bad"), _("left out as asked; listed in the manifest")),
    ):
        if counts.get(name):
            yield _line(label, counts[name], remark)


def _line(label: str, number: int, remark: str = "") -> str:
    return f"{label:<{_LABEL}}{words.count(number):>{_NUMBER}}  {remark}".rstrip()


def _in_documents(counts: Mapping[str, Any]) -> str:
    documents = counts.get("documents")
    if documents is None or documents == counts["sequences"]:
        return ""
    return _("in {documents} documents").format(documents=words.count(documents))


def _longest_kept(counts: Mapping[str, Any]) -> str:
    """`counts["longest"]` is of all that was seen: where some were dropped, it is said with them."""
    if not counts.get("dropped"):
        return _longest(_("the longest sequence has {tokens}"), counts)
    kept = counts.get("longest_kept")
    return _("the longest kept has {tokens}").format(tokens=words.count(kept)) if kept else ""


def _longest_seen(counts: Mapping[str, Any]) -> str:
    return _longest(_("the longest has {tokens}"), counts)


def _longest(text: str, counts: Mapping[str, Any]) -> str:
    text = text.format(tokens=words.count(counts["longest"]))
    record = counts.get("longest_record")
    return text + (_(" (record {number})").format(number=words.count(record)) if record else "")


def _file_lines(outputs: Sequence[Mapping[str, Any]], folder: str) -> Iterator[str]:
    """One line a pair: its name without ending, and the size of both."""
    sizes: dict[str, int] = {}
    for output in outputs:
        stem = str(output["path"]).rpartition(".")[0]
        sizes[stem] = sizes.get(stem, 0) + int(output["size"])
    yield ngettext("{n} pair of files in {folder}", "{n} pairs of files in {folder}", len(sizes)).format(
        n=len(sizes), folder=printable(folder)
    )
    names = {stem: printable(stem) for stem in sizes}
    width = max(map(len, names.values()), default=0)
    for stem, size in sizes.items():
        yield f"  {names[stem]:<{width}}  .bin .idx  {words.size(size):>7}"


def print_merged(results: Sequence[Mapping[str, Any]], *, json: bool) -> None:
    """What `merge` answers, one or several."""
    report = {"sets": [one for result in results for one in result["sets"]]}
    print_report(report, chain.from_iterable(map(merged_lines, results)), json=json)


def merged_lines(result: Mapping[str, Any]) -> Iterator[str]:
    """One block a joined pair."""
    for one in result["sets"]:
        parts = ngettext("{n} part", "{n} parts", one["parts"]).format(n=words.count(one["parts"]))
        text = _("{parts}: {sequences} sequences, {tokens} tokens, {size}")
        yield printable(one["path"])
        yield "  " + text.format(
            parts=parts,
            sequences=words.count(one["sequences"]),
            tokens=words.count(one["tokens"]),
            size=words.size(one["bytes"]),
        )
