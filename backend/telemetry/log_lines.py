"""Where in a line of a training log a record begins, and what the text from there on says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from backend.telemetry.log_fields import Fields, read_fields, standard_count, whole_of
from backend.telemetry.log_records import (
    CheckpointRecord,
    IterationRecord,
    LogRecord,
    TrainingEnded,
    TrainingStarted,
    ValidationRecord,
)


class Kind(Enum):
    ITERATION = "iteration"
    VALIDATION = "validation"
    CHECKPOINT = "checkpoint"
    STARTED = "started"
    ENDED = "ended"


WRAPPABLE = frozenset({Kind.ITERATION, Kind.VALIDATION})

# "[rank-31/32]" and "per iteration (ms)" are no heads; a terminal may break the line right behind one
_ITERATION = (
    rb"(?<![A-Za-z_])[Ii]teration[=:]?\s{0,40}(?P<at>[0-9]{1,15})\s{0,40}/\s{0,40}(?P<of>[0-9]{1,15})"
    rb"\s{0,40}(?:[|\]]|(?=consumed\s)|$)"
    rb"|(?<![A-Za-z_])[Ii]teration[=:]?\s{1,40}[0-9]{1,15}\s{0,40}/?\s{0,40}$"
)
_VALIDATION = rb"[Vv]alid(?:ation)?\s+loss\s+at\s+(?:iteration\s+(?P<when>[0-9]{1,15})|the\s+end\s+of\s)"
# Megatron main says "from iteration"; only this line closes what "saving checkpoint" opens
_CHECKPOINT = rb"successfully\s+saved\s+checkpoint\s+(?:at|from)\s+iteration\s+(?P<saved>[0-9]{1,15})\s+to\s+"
_STARTED = (
    rb"(?<![A-Za-z] )(?<![A-Za-z])training \.\.\.|\[before the start of training step\]"
    rb"|\*\*\*\*\* Running training \*\*\*\*\*"
)
_ENDED = rb"\[after training is done\]|\[exiting program (?:after|at)\b|Training completed\."
_START = re.compile(
    b"(?P<iteration>%s)|(?P<validation>%s)|(?P<checkpoint>%s)|(?P<started>%s)|(?P<ended>%s)"
    % (_ITERATION, _VALIDATION, _CHECKPOINT, _STARTED, _ENDED)
)
# plain substrings: thousands of lines a second of an error flood are told from records by these alone
_HINTS = (b"teration", b"loss at", b"training ", b"training]", b"exiting program", b"raining completed")
_PATH_TAIL = re.compile(rb"(?:\s+in\s+\w+\s+format)?(?:\s+\[ .*\])?\s*$")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a line from the start of one record to the start of the next."""

    kind: Kind
    position: int
    text: bytes


def split_segments(line: bytes) -> list[Segment]:
    """The records that begin in a line, in order; several may be glued together."""
    if not any(hint in line for hint in _HINTS):
        return []
    starts = list(_START.finditer(line))
    ends = [*(match.start() for match in starts), len(line)][1:]
    return [
        Segment(Kind(match.lastgroup), match.start(), line[match.start() : end])
        for match, end in zip(starts, ends, strict=True)
    ]


def knows(kind: Kind, text: bytes) -> int:
    """How many fields of a segment are understood; a line that continues it adds to them."""
    return standard_count(_fields(text)[0]) if kind is Kind.ITERATION else len(_fields(text)[0])


def is_complete(kind: Kind, text: bytes) -> bool:
    """Whether a segment ends in its last field, so that the next line need not be waited for."""
    if kind not in WRAPPABLE:
        return True
    if not text.rstrip().endswith(b"|"):
        return False
    fields, last = _fields(text)
    if kind is Kind.VALIDATION:
        return last is not None
    # MindSpeed-LLM's FSDP2 monitor ends in its memory
    if "nan" in fields or last == "max memory reserved(gb)":
        return True
    # MindSpeed-MM ends here; Megatron has a loss scale before it, Megatron-DeepSpeed consumed tokens
    return last == "grad_norm" and "loss_scale" not in fields and "consumed tokens" not in fields


def read_segment(kind: Kind, text: bytes, offset: int) -> LogRecord | None:
    """The record; None for a head without a single field behind it."""
    match = _START.match(text)
    if match is None:
        return None
    if kind is Kind.STARTED:
        return TrainingStarted(offset)
    if kind is Kind.ENDED:
        return TrainingEnded(offset)
    if kind is Kind.CHECKPOINT:
        path = _PATH_TAIL.sub(b"", text[match.end() :]).decode("utf-8", "replace")
        return CheckpointRecord(offset, int(match["saved"]), _CONTROL.sub("", path).strip() or None)
    fields, last = _fields(text)
    if last is None or (kind is Kind.ITERATION and match["at"] is None):
        return None
    if kind is Kind.VALIDATION:
        return _validation(fields, offset, match["when"])
    return _iteration(dict(fields), offset, int(match["at"]), int(match["of"]))


# the same text is asked about twice: is it complete, and what does it say
@lru_cache(maxsize=2)
def _fields(text: bytes) -> tuple[Fields, str | None]:
    match = _START.match(text)
    return read_fields(text[match.end() :]) if match else ({}, None)


def _iteration(fields: Fields, offset: int, iteration: int, total: int) -> IterationRecord:
    return IterationRecord(
        offset=offset,
        iteration=iteration,
        total=total,
        consumed_samples=whole_of(fields.pop("consumed_samples", None)),
        elapsed_ms=fields.pop("elapsed_ms", None),
        lr=fields.pop("lr", None),
        gbs=whole_of(fields.pop("gbs", None)),
        lm_loss=fields.pop("lm_loss", None),
        loss_scale=fields.pop("loss_scale", None),
        grad_norm=fields.pop("grad_norm", None),
        skipped=whole_of(fields.pop("skipped", None)),
        nan=whole_of(fields.pop("nan", None)),
        tflops=fields.pop("tflops", None),
        extra=fields,
    )


def _validation(fields: Fields, offset: int, when: bytes | None) -> ValidationRecord:
    """`lm loss` where there are several losses, else the first of them."""
    bare = {name.replace(" ", ""): value for name, value in fields.items()}
    losses = [value for name, value in bare.items() if name.endswith("value")]
    ppls = [value for name, value in bare.items() if name.endswith("ppl")]
    return ValidationRecord(
        offset=offset,
        iteration=int(when) if when is not None else None,
        loss=bare.get("lmlossvalue", losses[0] if losses else None),
        ppl=bare.get("lmlossppl", ppls[0] if ppls else None),
    )
