"""Lines that are a dictionary: our own node code (JSON), Hugging Face's Trainer, LLaMA-Factory, ms-swift."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from backend.telemetry.log_fields import number_of, whole_of
from backend.telemetry.log_records import IterationRecord, LogRecord, NodeLine, ValidationRecord

_PROBLEM_KEYS = frozenset({"field", "severity", "what", "why", "fix"})
_ITEM = re.compile(rb"""['"]([\w/()]{1,60})['"]\s*:\s*(?:'([^']{0,60})'|"([^"]{0,60})"|([^\s,{}'"]{1,60}))""")
_NAMED = frozenset({"loss", "grad_norm", "lr", "learning_rate"})


def read_dict(line: bytes, offset: int) -> LogRecord | None:
    """What the dictionary at the end of a line says; None if there is none, or nothing of ours in it."""
    start = line.find(b"{")
    if start < 0 or not line.endswith(b"}"):
        return None
    text = line[start:]
    return _node_line(text, offset + start) or _trainer_line(text, offset + start)


def _node_line(text: bytes, offset: int) -> NodeLine | None:
    if b'"progress"' not in text and b'"rank_exit"' not in text and b'"severity"' not in text:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    if value.keys() == _PROBLEM_KEYS and all(isinstance(word, str) for word in value.values()):
        return NodeLine(offset, "problem", value)
    for kind, is_sane in (("progress", _is_progress), ("rank_exit", _is_rank_exit)):
        payload = value.get(kind)
        if len(value) == 1 and isinstance(payload, dict) and is_sane(payload):
            return NodeLine(offset, kind, payload)
    return None


def _is_progress(payload: dict[str, Any]) -> bool:
    total = payload.get("total")
    return _is_number(payload.get("done")) and (total is None or _is_number(total))


def _is_rank_exit(payload: dict[str, Any]) -> bool:
    whole = all(_is_whole(payload.get(key)) for key in ("rank", "exit_code"))
    return whole and _is_number(payload.get("at"))


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _trainer_line(text: bytes, offset: int) -> IterationRecord | ValidationRecord | None:
    """`{'loss': 1.2, 'learning_rate': 1e-05, ...}`; values may be quoted (newer Trainer), or nan."""
    if b"loss" not in text:
        return None
    items = {match[0].decode(): match[1] or match[2] or match[3] for match in _ITEM.findall(text)}
    values = {key: value for key, word in items.items() if (value := number_of(word)) is not None}
    iteration, total = _step(items, values)
    if "loss" in values:
        extra = {key: value for key, value in values.items() if key not in _NAMED}
        return IterationRecord(
            offset=offset,
            iteration=iteration,
            total=total,
            lr=values.get("lr", values.get("learning_rate")),
            lm_loss=values["loss"],
            grad_norm=values.get("grad_norm"),
            extra=extra,
        )
    if "eval_loss" in values:
        return ValidationRecord(offset, iteration, values["eval_loss"], None)
    return None


def _step(items: dict[str, bytes], values: dict[str, float]) -> tuple[int | None, int | None]:
    done, bar, total = items.get("global_step/max_steps", b"").partition(b"/")
    if bar:
        return whole_of(number_of(done)), whole_of(number_of(total))
    step = values.get("current_steps", values.get("step", values.get("global_step")))
    return whole_of(step), whole_of(values.get("total_steps"))
