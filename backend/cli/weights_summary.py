"""What a conversion has made, or would make, for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from backend import number_words as words
from backend.cli.report_output import print_report
from backend.cli.weights_words import adapter_words, labelled, layout_words, model_words, rope_words
from backend.translation import _, ngettext

_TELLING_S = 1.0


def print_outcome(
    manifest: Mapping[str, Any],
    job: Mapping[str, Any],
    *,
    seconds: float | None,
    json: bool,
) -> None:
    """The manifest as JSON with `up_to_date` and `output_directory`, or what it says.

    `seconds`: how long it took; None when it was up to date."""
    output = str(job["output_directory"])
    report = {"up_to_date": seconds is None, "output_directory": str(Path(output).absolute()), **manifest}
    print_report(report, outcome_lines(manifest, output, seconds=seconds), json=json)


def outcome_lines(manifest: Mapping[str, Any], output: str, *, seconds: float | None) -> Iterator[str]:
    """What it is, how it is cut, then the files."""
    adapter = manifest.get("lora")
    if adapter:
        text = adapter_words(adapter["r"], adapter["lora_alpha"], adapter["target_modules"])
        yield labelled(_("adapter"), f"{text}, {manifest['dtype']}")
    else:
        yield labelled(_("model"), model_words(manifest))
    if manifest.get("layout"):
        yield labelled(_("layout"), layout_words(manifest, manifest["kind"]))
    yield from rope_words(manifest)
    yield ""
    if manifest.get("dry_run"):
        yield from _plan_lines(manifest, output)
        return
    yield _files(manifest, output)
    copied = manifest.get("copied_files")
    if copied:
        yield _("brought along: {names}").format(names=", ".join(copied))
    if seconds is not None:
        text = _("made in {time}").format(time=words.span(seconds))
        if seconds >= _TELLING_S:
            text += ", " + words.byte_rate(manifest["counts"]["bytes"] / seconds)
        yield text


def _files(manifest: Mapping[str, Any], output: str) -> str:
    counts = manifest["counts"]
    size = words.size(counts["bytes"])
    if "rank_files" in counts:
        text = ngettext(
            "{n} rank file, {size}, in {folder}", "{n} rank files, {size}, in {folder}", counts["rank_files"]
        )
        return text.format(n=counts["rank_files"], size=size, folder=output)
    files = counts.get("shards", len(manifest["outputs"]))
    text = ngettext("{n} file, {size}, in {folder}", "{n} files, {size}, in {folder}", files)
    return text.format(n=files, size=size, folder=output)


def _plan_lines(manifest: Mapping[str, Any], output: str) -> Iterator[str]:
    rows = [(_("file"), _("tensors"), _("size"))]
    for one in manifest["files"]:
        rows.append((one["path"], words.count(one["tensors"]), words.size(one["bytes"])))
    yield from words.columns(rows)
    yield ""
    text = _("{size} would be written to {folder}; nothing has been")
    yield text.format(size=words.size(manifest["counts"]["bytes"]), folder=output)
