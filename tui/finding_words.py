"""Findings and concerns as a person reads them: what, since when, why, what to do first; pure."""

from __future__ import annotations

from rich.text import Text

from backend.events import Finding, Level
from backend.translation import _
from tui.concerns import Concern
from tui.formats import clean, clock, hang, plural, since
from tui.inks import GLYPHS, WORDS, Inks

INDENT = 9


def append_finding(
    text: Text,
    finding: Finding,
    now: float,
    width: int,
    inks: Inks,
    *,
    place: str = "",
    then: str = "",
    or_before: bool = False,
) -> None:
    """One finding in full: what, since when (`or_before`: nobody looked earlier), what to do, why."""
    append_head(text, finding.level, f"{place}{finding.what}", width, inks)
    append_line(text, _("since"), since(finding.since, now, or_before=or_before), width, inks)
    append_line(text, _("first"), finding.fix, width, inks, strong=True)
    append_line(text, _("then"), then, width, inks)
    append_line(text, _("why"), finding.why, width, inks)


def append_brief(text: Text, finding: Finding, now: float, width: int, inks: Inks) -> None:
    """One finding in a line: what, and since when."""
    began = clock(finding.since) if finding.since else ""
    what = finding.what + (_(", since {clock}").format(clock=began) if began else "")
    append_head(text, finding.level, what, width, inks)


def concern_text(concern: Concern, inks: Inks) -> Text:
    """Three lines at most: where and what, since when and how much more, what to do first."""
    text = Text()
    text.append(GLYPHS[concern.level], inks.mark(concern.level))
    text.append(f" {concern.place} ", inks["strong"])
    text.append(clean(concern.what), inks.level(concern.level) if concern.node else inks["text"])
    began = clock(concern.since) if concern.since else ""
    before = _(" or before") if concern.or_before else ""
    known = [_("since {clock}{before}").format(clock=began, before=before)] if began else []
    if concern.more:
        known.append(plural(concern.more, _("one more finding on it"), _("{n} more findings on it")))
    known += [_("drained")] if concern.drained else []
    if known:
        text.append("\n  " + "; ".join(known), inks["dim"])
    if concern.fix:
        text.append("\n  " + _("first: {fix}").format(fix=clean(concern.fix)), inks["text"])
    return text


def append_head(text: Text, level: Level, what: str, width: int, inks: Inks) -> None:
    """A mark, the level in a word, and one sentence."""
    word = WORDS[level]
    start = len(text)
    text.append(hang(f"{GLYPHS[level]} {word}", clean(what), width, len(word) + 4) + "\n", inks.level(level))
    text.stylize(inks.mark(level), start, start + 1)


def append_line(text: Text, label: str, body: str, width: int, inks: Inks, *, strong: bool = False) -> None:
    """A label and what belongs to it; nothing for an empty body."""
    if not body:
        return
    start = len(text)
    text.append(hang(f"  {label}", clean(body), width, INDENT) + "\n", inks["strong" if strong else "text"])
    text.stylize(inks["dim"], start, start + INDENT)
