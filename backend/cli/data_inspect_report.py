"""What `npudeck data inspect` prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from backend import number_words as words
from backend.cli.data_show import token_words
from backend.cli.data_text import Look, run_lines, wrapped
from backend.cli.data_verify import set_lines
from backend.cli.visible_text import visible
from backend.translation import _, ngettext

_LABEL = 12
_SHOWN_NAMES = 12


def report_lines(report: Mapping[str, Any], look: Look, command: str = "") -> Iterator[str]:
    """What it is, what becomes of it, examples, then the command that makes training data of it: on a line
    of its own however long it is, so that it can be pasted."""
    for label, text in _facts(report):
        yield from _labelled(label, text, look)
    if report.get("sets"):
        yield ""
        yield from set_lines(report["sets"])
    yield from _example_lines(report, look)
    if report["bad"]:
        yield ""
        yield from _bad_lines(report)
    for note in report["notes"]:
        yield ""
        yield from (line.text.rstrip() for line in wrapped(note, look.width))
    if command:
        yield ""
        yield _("to make training data of it:")
        yield visible(command)


def _labelled(label: str, text: str, look: Look) -> Iterator[str]:
    """The text beside its label, in as many lines as it needs."""
    for number, line in enumerate(wrapped(visible(text), look.width - _LABEL)):
        yield f"{label if number == 0 else '':<{_LABEL}}{line.text}".rstrip()


def _facts(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield _("data"), _files(report)
    yield _("what"), f"{report['title']} ({report['kind']})"
    if report["columns"]:
        yield _("columns"), _names(report["columns"])
    about = "" if report["records_exact"] else _("about ")
    yield _("records"), about + words.count(report["records"])
    yield from _handler(report)
    yield from _lengths(report)
    yield from _samples(report)


def _files(report: Mapping[str, Any]) -> str:
    files, size = report["files"], words.size(report["bytes"])
    if len(files) == 1:
        return f"{files[0]}, {size}"
    folders = dict.fromkeys(str(PurePath(path).parent) for path in files)
    text = ngettext("{n} file, {size}, in {folder}", "{n} files, {size}, in {folder}", len(files))
    return text.format(n=len(files), folder=_names(list(folders)), size=size)


def _names(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN_NAMES])
    more = len(names) - _SHOWN_NAMES
    return shown + (_(" and {n} more").format(n=more) if more > 0 else "")


def _handler(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    suggested, used = report["suggested"], report["handler"]
    if suggested and suggested["handler"]:
        yield _("suggested"), f"{suggested['handler']}: {suggested['reason']}"
    elif suggested and suggested["reason"]:
        yield _("suggested"), suggested["reason"]
    for one in report["alternatives"]:
        yield _("or"), f"{one['handler']}: {one['reason']}"
    if used and (not suggested or used != suggested["handler"]):
        yield _("handler"), _("{name}, as asked").format(name=used)


def _lengths(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    lengths = report["lengths"]
    if not lengths:
        return
    text = _("median {median} · p90 {p90} · p99 {p99} · longest {longest} {unit}")
    numbers = {key: words.count(lengths[key]) for key in ("median", "p90", "p99", "longest")}
    yield _("lengths"), text.format(unit=_unit(report), **numbers)
    yield "", _("of {n} records looked at").format(n=words.count(report["sampled"]))
    if report["beyond"] is not None and report["seq_length"]:
        text = _("{share} of the samples have {length} tokens or more and are left out")
        share = words.share(report["beyond"], 1)
        yield _("beyond"), text.format(share=share, length=words.count(report["seq_length"]))


def _unit(report: Mapping[str, Any]) -> str:
    return _("tokens") if report["unit"] == "tokens" else _("characters")


def _samples(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if report["tokens"] is not None:
        yield _("tokens"), _("about {n}").format(n=words.count(report["tokens"]))
    if report["samples"] is not None:
        about = "" if report["samples_exact"] else _("about ")
        yield _("SN"), about + _("{n} samples").format(n=words.count(report["samples"]))
    if report["iterations"] is not None:
        text = _("{n} an epoch (SN {samples} // GBS {gbs})")
        values = {"n": report["iterations"], "samples": report["samples"], "gbs": report["gbs"]}
        yield _("iterations"), text.format(**{key: words.count(value) for key, value in values.items()})


def _example_lines(report: Mapping[str, Any], look: Look) -> Iterator[str]:
    for example in report["examples"]:
        place = _short(example["place"], report["files"])
        if example["problem"]:
            yield ""
            yield visible(f"{place}: {example['problem']}")
            continue
        for part in example["parts"]:
            name = f"{place}, {part['key']}" if len(example["parts"]) > 1 else place
            for sequence in part["sequences"]:
                yield ""
                yield _example_heading(name, sequence, report)
                if any(run["text"] for run in sequence["runs"]):
                    yield from run_lines(sequence["runs"], (), look)


def _short(place: str, files: Sequence[str]) -> str:
    """`line 3 of a.jsonl`: where the file lies is said above."""
    whole = next((file for file in files if place.endswith(file)), None)
    return place.removesuffix(whole) + PurePath(whole).name if whole else place


def _example_heading(place: str, sequence: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    if report["unit"] == "tokens":
        size = token_words(sequence)
    else:
        count = sequence["tokens"]
        size = ngettext("{n} character", "{n} characters", count).format(n=words.count(count))
    return f"{place}: {size}"


def _bad_lines(report: Mapping[str, Any]) -> Iterator[str]:
    found = report["bad_found"]
    text = ngettext(
        "{n} of the records looked at cannot be used:", "{n} of the records looked at cannot be used:", found
    )
    yield text.format(n=words.count(found))
    for one in report["bad"]:
        field = _(", column {name}").format(name=one["field"]) if one["field"] else ""
        yield visible(f"  {one['place']}{field}: {one['why']}")
    more = found - len(report["bad"])
    if more > 0:
        yield "  " + _("and {n} more").format(n=words.count(more))
