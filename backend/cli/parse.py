"""`npudeck parse`: what the console would read out of a tool's saved answer or a training log."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backend.cli.arguments import Commands, add_command, add_json
from backend.cli.diagnostics import NO, OK, say
from backend.problems import InputError
from backend.translation import _

if TYPE_CHECKING:
    from backend.telemetry.log_records import LogRecord

_PIECE = 1 << 20
# what the reader takes: a longer text would lose its end without a word
_MOST_BYTES = 4 << 20


def register(commands: Commands) -> None:
    """Declare the commands of this group."""
    group = commands.add_parser(
        "parse",
        help=_("read saved output as the console reads it"),
        description=_("Read saved output as the console reads it."),
    )
    kinds = group.add_subparsers(title=_("what to read"), dest="kind", metavar=_("KIND"), required=True)
    parser = add_command(
        kinds, "npu-smi", _("read an answer of npu-smi or hccn_tool, or a version file"), _parse_npu_smi
    )
    _add_file(parser)
    parser = add_command(kinds, "log", _("read a training log"), _parse_log)
    _add_file(parser)


def _add_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help=_("file to read; - is standard input"))
    add_json(parser)


def _parse_npu_smi(arguments: argparse.Namespace) -> int:
    """Exit code 1: the file holds no reading of a card or of anything else; it is printed nevertheless."""
    from backend.cli import parse_report
    from backend.probes.recognise import beside, known, read

    text = _bounded(arguments.file).decode("utf-8", "replace")
    document = read(text)
    # answers bring all others of the file with them
    others = () if isinstance(document, tuple) else beside(text)
    parse_report.print_document(document, others, as_json=arguments.json)
    for note in parse_report.notes_of(document):
        say(f"{arguments.file}: {note}")
    if known(document) or others:
        return OK
    say(_("{name} holds no reading of npu-smi or hccn_tool").format(name=arguments.file))
    return NO


def _bounded(name: str) -> bytes:
    """All of a file that an answer of a tool can be. Raises InputError for a larger one."""
    held = bytearray()
    for piece in _pieces(name):
        held += piece
        if len(held) > _MOST_BYTES:
            raise InputError.because(
                _("{name} is larger than {size} MiB").format(name=name, size=_MOST_BYTES >> 20),
                _("no answer of npu-smi or hccn_tool is that long"),
                _("name a file with one answer"),
                field="FILE",
            )
    return bytes(held)


def _parse_log(arguments: argparse.Namespace) -> int:
    from backend.cli import output
    from backend.telemetry.training_log import TrainingLogParser, summarise

    parser = TrainingLogParser()
    records: list[LogRecord] = []
    for piece in _pieces(arguments.file):
        records += parser.feed(piece)
    records += parser.close()
    summary = summarise(records)
    if arguments.json:
        output.print_json(summary)
    else:
        _print_log(summary)
    return 0


def _pieces(name: str) -> Iterator[bytes]:
    """The bytes of a file, or of standard input for `-`. Raises InputError if it cannot be read."""
    try:
        if name == "-":
            while piece := sys.stdin.buffer.read(_PIECE):
                yield piece
            return
        with Path(name).open("rb") as file:
            while piece := file.read(_PIECE):
                yield piece
    except (OSError, ValueError) as error:
        raise InputError.because(
            _("{name} cannot be read").format(name=name),
            getattr(error, "strerror", None) or str(error),
            _("name a file that exists and is readable, or - for standard input"),
            field="FILE",
        ) from error


def _print_log(summary: dict[str, Any]) -> None:
    from backend.cli import output

    iterations, checkpoints = summary["iterations"], summary["checkpoints"]
    output.print_line(
        _("iterations: {iterations}, validations: {validations}, checkpoints: {checkpoints}").format(
            iterations=len(iterations),
            validations=len(summary["validation"]),
            checkpoints=len(checkpoints),
        )
    )
    if not summary["training_started"]:
        output.print_line(_("Training has not begun in this log."))
    if iterations:
        last = iterations[-1]
        output.print_line(
            _("last iteration: {iteration}/{total}, lm loss {loss}, {elapsed} ms, skipped {skipped}").format(
                iteration=_shown(last["iteration"]),
                total=_shown(last["total"]),
                loss=_shown(last["lm_loss"]),
                elapsed=_shown(last["elapsed_ms"]),
                skipped=_shown(last["skipped"]),
            )
        )
    if checkpoints:
        last = checkpoints[-1]
        text = _("last checkpoint: iteration {iteration} in {path}")
        output.print_line(text.format(iteration=last["iteration"], path=_shown(last["path"])))


def _shown(value: object) -> str:
    return "-" if value is None else str(value)
