"""Findings and concerns as a person reads them: what, since when, why, what to do first; pure."""

from __future__ import annotations

from rich.text import Text

from backend.cli.own_commands import pasteable
from backend.events import Finding, Level
from backend.translation import _
from tui.concerns import Concern
from tui.formats import clean, clock, hang, plural, since
from tui.inks import GLYPHS, WORDS, Inks

INDENT, WIDE_INDENT, WIDE = 9, 12, 60  # from that width on all words stand under each other


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
    append_trouble(text, finding, now, width, inks, place=place, or_before=or_before)
    append_line(text, _("then"), then, width, inks)
    append_line(text, _("why"), finding.why, width, inks)


def append_trouble(
    text: Text,
    finding: Finding,
    now: float,
    width: int,
    inks: Inks,
    *,
    place: str = "",
    or_before: bool = False,
) -> None:
    """What one must know at once: what, since when, what to do first."""
    append_head(text, finding.level, f"{place}{finding.what}", width, inks)
    append_line(text, _("since"), since(finding.since, now, or_before=or_before), width, inks)
    append_line(text, _("first"), pasteable(finding.fix), width, inks, strong=True)


def append_brief(text: Text, finding: Finding, width: int, inks: Inks, place: str = "") -> None:
    """One finding in a line: what, and since when."""
    began = clock(finding.since) if finding.since else ""
    what = place + finding.what + (_(", since {clock}").format(clock=began) if began else "")
    append_head(text, finding.level, what, width, inks)


def concern_text(concern: Concern, inks: Inks, width: int) -> Text:
    """Where and what, since when and how much more, what to do first; what is long hangs under its start."""
    mark, place = GLYPHS[concern.level], clean(concern.place)
    head = hang(mark, f"{place}: {clean(concern.what)}", width, 2)
    text = Text(head, inks.level(concern.level) if concern.node else inks["text"])
    text.stylize(inks["strong"], 2, 2 + len(place))
    text.stylize(inks.mark(concern.level), 0, 1)
    began = clock(concern.since) if concern.since else ""
    before = _(" or before") if concern.or_before else ""
    known = [_("since {clock}{before}").format(clock=began, before=before)] if began else []
    if concern.more:
        known.append(plural(concern.more, _("one more finding on it"), _("{n} more findings on it")))
    known += [_("drained")] if concern.drained else []
    if known:
        text.append("\n" + hang("", "; ".join(known), width, 2), inks["dim"])
    if concern.fix:
        words = _("first: {fix}").format(fix=clean(pasteable(concern.fix)))
        text.append("\n" + hang("", words, width, 2), inks["text"])
    return text


def append_head(text: Text, level: Level, what: str, width: int, inks: Inks) -> None:
    """A mark, the level in a word, and one sentence."""
    word = WORDS[level]
    start, indent = len(text), WIDE_INDENT if width >= WIDE else len(word) + 4
    text.append(hang(f"{GLYPHS[level]} {word}", clean(what), width, indent) + "\n", inks.level(level))
    text.stylize(inks.mark(level), start, start + 1)


def append_line(text: Text, label: str, body: str, width: int, inks: Inks, *, strong: bool = False) -> None:
    """A label and what belongs to it; nothing for an empty body."""
    if not body:
        return
    start, indent = len(text), WIDE_INDENT if width >= WIDE else INDENT
    text.append(hang(f"  {label}", clean(body), width, indent) + "\n", inks["strong" if strong else "text"])
    text.stylize(inks["dim"], start, start + indent)
