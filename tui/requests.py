"""What a screen asks of the console, as messages that bubble up to it."""

from __future__ import annotations

from dataclasses import dataclass

from textual.message import Message


@dataclass
class RunAsked(Message):
    """Open the screen of a run."""

    run_id: str


@dataclass
class NodeAsked(Message):
    """Open the page of a node, with one of its NPUs in full."""

    node: str
    index: int


@dataclass
class StopAsked(Message):
    """Stop a run; it has not been confirmed yet."""

    run_id: str


@dataclass
class DrainAsked(Message):
    """Take a node out of service, or put a drained one back; it has not been confirmed yet."""

    node: str


@dataclass
class KeysChanged(Message):
    """Other keys work now than before: the bottom line is out of date."""
