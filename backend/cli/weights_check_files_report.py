"""What `npudeck weights check-files` prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from backend import number_words as words
from backend.cli.visible_text import visible
from backend.cli.weights_words import labelled
from backend.translation import _, ngettext

_INDENT = "    "


def report_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """Every file, the known changes, what was written, and the verdict."""
    yield labelled(_("model"), report["family"] or report["model_type"] or _("not known"))
    yield ""
    yield from _file_lines(report)
    if report["lacking"]:
        yield ""
        yield _("{folder} has these too: {names}").format(
            folder=report["like"], names=", ".join(report["lacking"])
        )
    for one in report["fix_ups"]:
        yield ""
        yield from _fix_up_lines(one)
    if report["fixed_into"]:
        yield ""
        yield _written(report)
    yield ""
    yield _verdict(report)
    yield from _advice(report)


def _file_lines(report: Mapping[str, Any]) -> Iterator[str]:
    width = max(map(len, (one["name"] for one in report["files"])), default=0)
    for one in report["files"]:
        if one["there"]:
            state, remark = words.size(one["size"]), one["fault"]
        elif one["needed"]:
            state, remark = _("missing"), one["why"]
        else:
            state, remark = "–", _("not there; {why}").format(why=one["why"])
        yield visible(f"{one['name']:<{width}}  {state:>7}  {remark}".rstrip())


def _fix_up_lines(one: Mapping[str, Any]) -> Iterator[str]:
    state = {
        "needed": _("to be changed"),
        "done": _("changed already"),
        "setting": _("to be set"),
    }[one["state"]]
    yield f"{one['file'] or one['key']}: {state}"
    yield _INDENT + one["why"]
    yield _INDENT + one["how"]
    for line in one["diff"].splitlines():
        yield _INDENT + visible(line)


def _written(report: Mapping[str, Any]) -> str:
    if report["up_to_date"]:
        return _("up to date: {folder} was made from the same files").format(folder=report["fixed_into"])
    count = len(report["written"])
    text = ngettext("{n} file written to {folder}", "{n} files written to {folder}", count)
    changed = ", ".join(report["fixed"]) or _("none")
    return text.format(n=count, folder=report["fixed_into"]) + _("; changed: {names}").format(names=changed)


def _verdict(report: Mapping[str, Any]) -> str:
    there = sum(one["there"] for one in report["files"])
    if report["sound"]:
        return ngettext("whole: {n} file", "whole: {n} files", there).format(n=there)
    faults = sum(bool(one["fault"]) for one in report["files"])
    parts = []
    if report["missing"]:
        parts.append(_("{n} missing").format(n=len(report["missing"])))
    if faults:
        parts.append(_("{n} with a fault").format(n=faults))
    return _("not whole: {what}").format(what=", ".join(parts))


def _advice(report: Mapping[str, Any]) -> Iterator[str]:
    needed = [one for one in report["fix_ups"] if one["state"] == "needed"]
    if needed and not report["fixed_into"]:
        yield _("--fix-into OUT_DIR writes a copy of the files with these changes")
