"""Facts as rows and back: `kind` is the class's name, `payload` its fields as JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

from backend.events import (
    CheckpointSaved,
    Fact,
    IterationLogged,
    LogGapFound,
    NodeLinkChanged,
    RunCreated,
    RunStateChanged,
    RunStatus,
    StageChanged,
    StageName,
    StageProgressed,
    StageStatus,
)

_KINDS: dict[str, Callable[..., Fact | StageProgressed]] = {
    kind.__name__: kind
    for kind in (
        RunCreated,
        RunStateChanged,
        StageChanged,
        StageProgressed,
        IterationLogged,
        CheckpointSaved,
        LogGapFound,
        NodeLinkChanged,
    )
}
_STATES: dict[str, Callable[[str], Any]] = {"RunStateChanged": RunStatus, "StageChanged": StageStatus}


def encode(event: Fact | StageProgressed) -> tuple[str, str]:
    """(kind, payload) of an event."""
    values = {field.name: getattr(event, field.name) for field in dataclasses.fields(event)}
    # in ASCII: the name of a file may hold bytes that are no UTF-8, which SQLite takes no other way
    return type(event).__name__, json.dumps(values, separators=(",", ":"))


def decode(kind: str, payload: str) -> Fact | StageProgressed | None:
    """The event of a row; None for a kind that a newer npudeck wrote and this one does not know."""
    make = _KINDS.get(kind)
    if make is None:
        return None
    values = json.loads(payload)
    if kind in _STATES:
        values["state"] = _STATES[kind](values["state"])
    if "stage" in values:
        values["stage"] = StageName(values["stage"])
    if kind == "RunCreated":
        values["nodes"] = tuple(values["nodes"])
    return make(**values)
