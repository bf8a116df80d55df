"""Megatron's training log as it grows: bytes in, records out, nothing lost and nothing twice."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from backend.telemetry.log_dicts import read_dict
from backend.telemetry.log_lines import (
    WRAPPABLE,
    Kind,
    Segment,
    is_complete,
    knows,
    read_segment,
    split_segments,
)
from backend.telemetry.log_records import (
    CheckpointRecord,
    IterationRecord,
    LogRecord,
    NodeLine,
    TrainingEnded,
    TrainingStarted,
    ValidationRecord,
)

__all__ = [
    "CheckpointRecord",
    "IterationRecord",
    "LogRecord",
    "NodeLine",
    "TrainingEnded",
    "TrainingLogParser",
    "TrainingStarted",
    "ValidationRecord",
    "parse_log",
]

_END_OF_LINE = re.compile(rb"[\r\n]")
# also the caret form, as an editor or `cat -v` shows it
_ANSI = re.compile(rb"(?:\x1b|\^\[)(?:\[[0-9;?]{0,40})?[A-Za-z]")
_CUT_NUMBER = re.compile(rb"[:=]\s*[0-9.eE+\-]+$")
_REST_OF_NUMBER = re.compile(rb"[0-9.eE+\-]+\s*\||\s*\|\s*$")
_LONGEST_LINE = 65_536
_LONGEST_RECORD = 4_096


@dataclass(slots=True)
class _Open:
    """A record whose line may have been broken by a terminal: the next line decides."""

    kind: Kind
    offset: int
    text: bytes


class TrainingLogParser:
    """Feed it the log; how the bytes are cut changes nothing.

    `committed` is the offset up to which everything is in the records handed out, counted from the first
    byte fed: a parser started there goes on with the very next record. A line that may still continue keeps
    it at its beginning. Memory is bounded: a line longer than 64 KiB is read as several.
    """

    def __init__(self) -> None:
        self._line = bytearray()
        self._line_offset = 0
        self._open: _Open | None = None

    @property
    def committed(self) -> int:
        return self._line_offset if self._open is None else self._open.offset

    def feed(self, data: bytes) -> list[LogRecord]:
        """Take the next bytes; answer the records that are certain now."""
        records: list[LogRecord] = []
        position = 0
        for match in _END_OF_LINE.finditer(data):
            self._collect(data[position : match.start()], records)
            position = match.end()
            self._end_line(len(self._line), 1, records)
        self._collect(data[position:], records)
        return records

    def close(self) -> list[LogRecord]:
        """The log has ended: a last line without its end is a line, a record that waits is complete."""
        records: list[LogRecord] = []
        self._end_line(len(self._line), 0, records)
        self._settle(records)
        return records

    def _collect(self, data: bytes, records: list[LogRecord]) -> None:
        self._line += data
        while len(self._line) > _LONGEST_LINE:
            self._end_line(_LONGEST_LINE, 0, records)

    def _end_line(self, length: int, terminator: int, records: list[LogRecord]) -> None:
        raw = bytes(self._line[:length])
        del self._line[:length]
        if raw.strip():
            self._read_line(raw, records)
        self._line_offset += length + terminator

    def _read_line(self, raw: bytes, records: list[LogRecord]) -> None:
        line = _ANSI.sub(b"", raw) if b"\x1b" in raw or b"^[" in raw else raw
        segments = split_segments(line)
        if self._open is not None:
            more = line[: segments[0].position] if segments else line
            joined = self._join(more)
            if segments or not joined or is_complete(self._open.kind, self._open.text):
                self._settle(records)
            if joined and not segments:
                return
        for segment in segments:
            self._read_segment(segment, raw, segment is segments[-1], records)
        if not segments:
            record = read_dict(line.strip(), self._line_offset)
            if record is not None:
                records.append(record)

    def _read_segment(self, segment: Segment, raw: bytes, is_last: bool, records: list[LogRecord]) -> None:
        offset = self._line_offset + _raw_position(raw, segment.position)
        self._open = _Open(segment.kind, offset, segment.text)
        waits = is_last and segment.kind in WRAPPABLE and len(segment.text) < _LONGEST_RECORD
        if not waits or is_complete(segment.kind, segment.text):
            self._settle(records)

    def _join(self, more: bytes) -> bool:
        """Add the next line to the open record if it belongs there: if more of it makes sense then."""
        assert self._open is not None
        text = self._open.text + more
        if not more.strip() or len(text) > _LONGEST_RECORD:
            return False
        is_rest = _CUT_NUMBER.search(self._open.text[-80:]) and _REST_OF_NUMBER.match(more)
        if not is_rest and knows(self._open.kind, text) <= knows(self._open.kind, self._open.text):
            return False
        self._open.text = text
        return True

    def _settle(self, records: list[LogRecord]) -> None:
        """Hand the open record out as it stands."""
        if self._open is None:
            return
        record = read_segment(self._open.kind, self._open.text, self._open.offset)
        self._open = None
        if record is not None:
            records.append(record)


def _raw_position(raw: bytes, position: int) -> int:
    """Where a position of the line without colours stands in the line with them."""
    removed = 0
    for match in _ANSI.finditer(raw):
        if match.start() - removed > position:
            break
        removed += match.end() - match.start()
    return position + removed


def parse_log(log: str | bytes) -> dict[str, Any]:
    """A whole log as plain data, ready for JSON: iterations, validation, checkpoints, training_started.

    nan and inf become the words "nan", "inf", "-inf", for JSON has no numbers for them. `failure` is always
    None here: what went wrong is judged elsewhere, from more than this text.
    """
    data = log.encode("utf-8", "surrogateescape") if isinstance(log, str) else log
    parser = TrainingLogParser()
    return summarise([*parser.feed(data), *parser.close()])


def summarise(records: list[LogRecord]) -> dict[str, Any]:
    """The records in the shape of `parse_log`."""
    iterations = [_iteration_json(record) for record in records if isinstance(record, IterationRecord)]
    validation = [
        {"iteration": record.iteration, "loss": _plain(record.loss), "ppl": _plain(record.ppl)}
        for record in records
        if isinstance(record, ValidationRecord)
    ]
    checkpoints = [
        {"iteration": record.iteration, "path": record.path}
        for record in records
        if isinstance(record, CheckpointRecord)
    ]
    marks = any(isinstance(record, TrainingStarted | TrainingEnded) for record in records)
    return {
        "iterations": iterations,
        "validation": validation,
        "checkpoints": checkpoints,
        "training_started": bool(marks or iterations or validation),
        "failure": None,
    }


def _iteration_json(record: IterationRecord) -> dict[str, Any]:
    return {
        "iteration": record.iteration,
        "total": record.total,
        "consumed_samples": record.consumed_samples,
        "elapsed_ms": _plain(record.elapsed_ms),
        "lr": _plain(record.lr),
        "gbs": record.gbs,
        "lm_loss": _plain(record.lm_loss),
        "loss_scale": _plain(record.loss_scale),
        "grad_norm": _plain(record.grad_norm),
        "skipped": record.skipped,
        "nan": record.nan,
        "tflops": _plain(record.tflops),
    }


def _plain(value: float | None) -> float | str | None:
    return value if value is None or math.isfinite(value) else str(value)
