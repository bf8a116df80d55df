"""Rules of single fields: required ones are given, limits are kept, names and paths can be used."""

from __future__ import annotations

import re
from collections.abc import Iterator

from backend.problems import Problem, Severity
from backend.recipes.architecture_mapping import architecture_problems
from backend.recipes.field import Field
from backend.recipes.fields import FIELDS
from backend.recipes.rule import Rule, Subject
from backend.recipes.values import limit_problems, term
from backend.translation import _

_MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# examples of the guide that were meant to be replaced
_PLACEHOLDERS = re.compile(r"xxx-Ascend|\$\{[^}]*\}?|\$\w+|<[^>]*>|\bxx+\b")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def _value(field: Field, subject: Subject) -> Iterator[Problem]:
    value = getattr(subject.recipe, field.name)
    if field.required and value == "":
        yield Problem(
            field=field.name,
            severity=Severity.ERROR,
            what=_("{term} is not given").format(term=term(field)),
            why=_("it is required: {help}").format(help=field.help),
            fix=_("set {name}").format(name=field.name),
        )
    yield from limit_problems(field, value)
    if field.kind == "path" and value:
        yield from _path(field, value)


def _path(field: Field, value: str) -> tuple[Problem, ...]:
    """What is wrong with the text explains the rest of what is wrong with such a path: one problem a path."""
    unusable = unusable_path(field, value)
    if unusable is not None:
        return (unusable,)
    if value.startswith("/"):
        return ()
    return (
        Problem(
            field=field.name,
            severity=Severity.ERROR,
            what=_("{term} is the relative path {value}").format(term=term(field), value=value),
            why=_("every node must find it, whatever its working directory is"),
            fix=_("write it from the root, below the shared directory"),
        ),
    )


def unusable_path(field: Field, value: str) -> Problem | None:
    """A placeholder or a control character in a path: no file can be meant."""
    placeholder = _PLACEHOLDERS.search(value)
    if placeholder:
        return Problem(
            field=field.name,
            severity=Severity.ERROR,
            what=_("{term} still contains {mark}").format(term=term(field), mark=placeholder[0]),
            why=_("it is a placeholder of the guide's examples"),
            fix=_("replace it with the real folder"),
        )
    if _CONTROL.search(value):
        return Problem(
            field=field.name,
            severity=Severity.ERROR,
            what=_("{term} contains a line break or another control character").format(term=term(field)),
            why=_("it would split the commands that name it"),
            fix=_("type the path again"),
        )
    return None


def _model_name(subject: Subject) -> Iterator[Problem]:
    name = subject.recipe.model
    if name and not _MODEL_NAME.fullmatch(name):
        yield Problem(
            field="model",
            severity=Severity.ERROR,
            what=_("{name!r} cannot be the name of a model").format(name=name),
            why=_("folders are named after it"),
            fix=_("use letters, digits, dots, dashes and underscores"),
            suggestion=re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._"),
        )


def _architecture(subject: Subject) -> Iterator[Problem]:
    if subject.recipe.architecture is not None:
        yield from architecture_problems(subject.recipe.architecture)


def _value_rule(field: Field) -> Rule:
    return Rule((field.name,), lambda subject: _value(field, subject))


RULES = (
    *(_value_rule(field) for field in FIELDS),
    Rule(("model",), _model_name),
    Rule(("architecture",), _architecture),
)
