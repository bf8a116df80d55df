"""The frozen command surface: every command, argument and option, as a text that a reviewer can read.

A change on purpose is recorded with `pytest tests/architecture/test_command_surface.py --snapshot-update`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from syrupy.assertion import SnapshotAssertion

from backend.cli.main import build_parser


def surface(parser: argparse.ArgumentParser, command: str) -> Iterator[str]:
    """One line a command and, indented, one line an argument, in the order of declaration."""
    yield command
    groups = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            groups.append(action)
        else:
            yield f"    {_spelled(action)}"
    for group in groups:
        for name, child in group.choices.items():
            yield from surface(child, f"{command} {name}")


def _spelled(action: argparse.Action) -> str:
    words = [", ".join(action.option_strings) or str(action.metavar or action.dest)]
    if action.option_strings and action.nargs != 0:
        words.append(str(action.metavar or action.dest.upper()))
    if action.nargs not in (None, 0):
        words.append(f"nargs={action.nargs}")
    if action.choices is not None:
        words.append("choices=" + "|".join(str(choice) for choice in action.choices))
    if action.required and action.option_strings:
        words.append("required")
    return " ".join(words)


def test_commands_and_options_are_frozen(snapshot: SnapshotAssertion) -> None:
    assert "\n".join(surface(build_parser(), "npudeck")) == snapshot


def test_every_command_and_option_says_what_it_is_for() -> None:
    silent = [name for name, help in _helps(build_parser(), "npudeck") if not help]
    assert silent == []


def _helps(parser: argparse.ArgumentParser, command: str) -> Iterator[tuple[str, str | None]]:
    for action in parser._actions:
        if not isinstance(action, argparse._SubParsersAction):
            yield f"{command} {action.dest}", action.help
            continue
        for choice in action._choices_actions:
            yield f"{command} {choice.dest}", choice.help
        for name, child in action.choices.items():
            yield from _helps(child, f"{command} {name}")


def test_every_command_does_something() -> None:
    idle = [
        name for name, parser in _leaves(build_parser(), "npudeck") if parser.get_default("handler") is None
    ]
    assert idle == []


def _leaves(parser: argparse.ArgumentParser, command: str) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    for group in groups:
        for name, child in group.choices.items():
            yield from _leaves(child, f"{command} {name}")
    if not groups:
        yield command, parser
