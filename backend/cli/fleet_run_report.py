"""What `npudeck fleet run` prints: one block for each distinct answer, or JSON with every node's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from backend.cli.own_commands import pasteable
from backend.cli.visible_text import visible
from backend.fleet.capture_client import Captured
from backend.fleet.gather import by_equality
from backend.fleet.kept_output import Output
from backend.fleet.node_sets import folded
from backend.number_words import size
from backend.problems import NpudeckError
from backend.state.name_in_text import renamed
from backend.translation import _, ngettext

_WIDEST = 2000  # characters of a line; some logs have lines of megabytes
_NOTHING = Output()
Answer = Captured | NpudeckError


@dataclass(frozen=True, slots=True)
class _Said:
    """What makes two answers equal, and what is shown of them."""

    heading: str  # HOST where it names the node's host
    stdout: Output = _NOTHING
    stderr: Output = _NOTHING
    # a greeting may hold the time of day: it makes no difference
    noise: bytes = field(default=b"", compare=False)
    # they may name the node
    fix: str = field(default="", compare=False)
    own: str = field(default="", compare=False)

    def words(self, count: int) -> str:
        """The heading of a block of so many nodes."""
        return self.own if count == 1 and self.own else self.heading


def lines_of(answers: Mapping[str, Answer], hosts: Mapping[str, str]) -> Iterator[str]:
    """For people. Nothing that a node says steers the terminal. `hosts`: what SSH connects to, by node."""
    groups = _groups(answers, hosts)
    for names, said in groups:
        count = ngettext("{n} node", "{n} nodes", len(names)).format(n=len(names))
        yield f"── {folded(names)} ({count}): {visible(said.words(len(names)))}"
        if said.fix:
            yield visible(_("   fix: {text}").format(text=pasteable(said.fix)))
        yield from _lines(said.stdout, "")
        yield from _lines(said.stderr, "! ")
        if said.noise:
            yield _("   the login shell printed {size} before the command").format(size=size(len(said.noise)))
    yield _summary(answers)


def to_json(argv: Sequence[str], answers: Mapping[str, Answer], hosts: Mapping[str, str]) -> dict[str, Any]:
    """`state`: exit, timeout, flood or unreachable. Bytes that are no UTF-8 become U+FFFD."""
    groups = _groups(answers, hosts)
    number = {name: index for index, (names, _said_) in enumerate(groups) for name in names}
    return {
        "argv": list(argv),
        "groups": [
            {"nodes": folded(names), "count": len(names), "answer": said.words(len(names))}
            for names, said in groups
        ],
        "nodes": [
            {"node": name, "group": number[name]} | _answer_json(answer) for name, answer in answers.items()
        ],
    }


def _groups(answers: Mapping[str, Answer], hosts: Mapping[str, str]) -> list[tuple[tuple[str, ...], _Said]]:
    return by_equality({name: _said(answer, hosts[name]) for name, answer in answers.items()})


def _said(answer: Answer, host: str) -> _Said:
    if isinstance(answer, NpudeckError):
        problem = answer.problems[0]
        what = f"{problem.what}: {problem.why}" if problem.why else problem.what
        # many that are off are one block
        return _Said(renamed(what, host, "HOST"), fix=problem.fix, own=what)
    return _Said(_ended(answer), answer.stdout, answer.stderr, answer.noise)


def _ended(answer: Captured) -> str:
    if answer.ended == "timeout":
        return _("ended after {seconds:.0f} s: it took too long").format(seconds=answer.took_s)
    if answer.ended == "flood":
        return _("ended: it printed without end")
    if answer.exit_code < 0:
        # not the command: its guard
        return _("ended by signal {number}").format(number=-answer.exit_code)
    text = _("exit code {code}").format(code=answer.exit_code)
    if answer.exit_code == 127:
        text += _(" (no such program; shell syntax needs -- sh -c '…')")
    if answer.is_open:
        text += _("; a process that it left behind may print more")
    return text


def _lines(output: Output, mark: str) -> Iterator[str]:
    if not output.left_out:
        yield from (_cut(mark + line) for line in _text(output.head + output.tail).splitlines())
        return
    yield from (_cut(mark + line) for line in _text(output.head).splitlines())
    yield _("   … {size} left out …").format(size=size(output.left_out))
    yield from (_cut(mark + line) for line in _text(output.tail).splitlines())


def _text(data: bytes) -> str:
    # a carriage return of a progress bar is a new line to a reader of the log
    return visible(data.decode("utf-8", "replace").replace("\r\n", "\n"))


def _cut(line: str) -> str:
    if len(line) <= _WIDEST:
        return line
    return line[:_WIDEST] + _(" … {count} more characters").format(count=len(line) - _WIDEST)


def _summary(answers: Mapping[str, Answer]) -> str:
    failed = [
        name
        for name, answer in answers.items()
        if isinstance(answer, Captured) and answer.ended == "exit" and answer.exit_code > 0
    ]
    silent = [
        name for name, answer in answers.items() if not isinstance(answer, Captured) or answer.ended != "exit"
    ]
    parts = [ngettext("{n} node", "{n} nodes", len(answers)).format(n=len(answers))]
    if failed:
        parts.append(_("not 0 on {names}").format(names=folded(failed)))
    if silent:
        parts.append(_("no answer of {names}").format(names=folded(silent)))
    return "── " + "; ".join(parts)


def _answer_json(answer: Answer) -> dict[str, Any]:
    if isinstance(answer, NpudeckError):
        return {
            "state": "unreachable",
            "exit_code": None,
            "problems": [problem.to_json() for problem in answer.problems],
        }
    return {
        "state": answer.ended,
        "exit_code": answer.exit_code if answer.ended == "exit" else None,
        "took_s": round(answer.took_s, 3),
        "complete": not answer.is_open,
        "stdout": _stream_json(answer.stdout),
        "stderr": _stream_json(answer.stderr),
        "noise_bytes": len(answer.noise),
    }


def _stream_json(output: Output) -> dict[str, Any]:
    text = (output.head + output.tail if not output.left_out else output.head).decode("utf-8", "replace")
    tail = output.tail.decode("utf-8", "replace") if output.left_out else ""
    return {"text": text, "left_out": output.left_out, "tail": tail, "bytes": output.size}
