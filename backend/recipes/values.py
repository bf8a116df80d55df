"""One value of one field: from data, from text, to text, and the limits it must keep."""

from __future__ import annotations

import difflib
import math
import re
from typing import Any

from backend.problems import InputError, Problem, Severity
from backend.recipes.field import Field
from backend.recipes.numbers import number_text
from backend.translation import _

_ITEMS = {"ints": "int", "floats": "float", "names": "str"}
LISTS = tuple(_ITEMS)
# far more than any training has had: larger numbers are slips of the keyboard
MOST = 100_000_000_000
_WORDS = dict.fromkeys(("true", "yes", "on", "1"), True) | dict.fromkeys(("false", "no", "off", "0"), False)


def term(field: Field) -> str:
    """The field as people of the trade call it: the guide's variable, else the standard name."""
    return field.guide_name or field.name


def typed_value(field: Field, raw: object) -> tuple[Any, tuple[Problem, ...]]:
    """`raw` (as TOML or JSON gives it) as the type that the field has, and what is wrong with it.

    A value with problems must not be used. `None` is accepted where it is the default.
    """
    if raw is None and field.default is None:
        return None, ()
    value = _convert(field.kind, raw)
    if value is None:
        return None, (_type_problem(field, raw),)
    return value, limit_problems(field, value)


def limit_problems(field: Field, value: Any) -> tuple[Problem, ...]:
    """What is wrong with a value of the right type: not a choice, too small, not finite."""
    if value is None or (value == "" and field.default == ""):
        return ()
    if field.kind in LISTS:
        return _list_problems(field, value)
    if field.choices and value not in field.choices:
        return (_choice_problem(field, value),)
    what = _("{term} is {value}").format(term=term(field), value=format_value(field, value))
    if isinstance(value, float) and not math.isfinite(value):
        default = format_value(field, field.default)
        return (_problem(field, what, _("it must be a finite number"), suggestion=default),)
    if field.minimum is not None and value < field.minimum:
        least = number_text(int(field.minimum) if field.kind == "int" else field.minimum)
        why = _("it must be at least {least}").format(least=least)
        return (_problem(field, what, why, _("take {least} or more").format(least=least), least),)
    if field.kind == "int" and value > MOST:
        why = _("it must be at most {most:,}").format(most=MOST)
        return (_problem(field, what, why, _("look for a digit too many")),)
    return ()


def _list_problems(field: Field, value: tuple[Any, ...]) -> tuple[Problem, ...]:
    unknown = [item for item in value if field.choices and item not in field.choices]
    if unknown:
        return (_choice_problem(field, unknown[0]),)
    what = _("{term} is {value}").format(term=term(field), value=format_value(field, value))
    if field.kind == "names" and (not value or len(set(value)) < len(value)):
        return (_problem(field, what, _("it must name at least one, each once")),)
    if field.kind == "ints" and (not value or min(value) < 1):
        return (_problem(field, what, _("it must be a list of whole numbers, each at least 1")),)
    least = 0.0 if field.minimum is None else field.minimum
    if field.kind == "floats" and not (value and all(least <= item < math.inf for item in value)):
        why = _("it must be a list of numbers, each at least {least}").format(least=number_text(least))
        return (_problem(field, what, why),)
    return ()


def parse_value(field: Field, text: str) -> Any:
    """What somebody typed into a form or after `--set`. Empty text means "not given".

    Raises `InputError`.
    """
    text = text.strip()
    if not text and (field.default is None or field.kind in ("str", "path")):
        return field.default
    value, problems = typed_value(field, _read(field.kind, text))
    if problems:
        raise InputError(*problems)
    return value


def format_value(field: Field, value: Any) -> str:
    """As it would be typed: the inverse of `parse_value`."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return number_text(value)
    if isinstance(value, tuple):
        return ",".join(item if isinstance(item, str) else number_text(item) for item in value)
    return str(value)


def _read(kind: str, text: str) -> object:
    if kind == "bool":
        return _WORDS.get(text.casefold(), text)
    if kind == "int":
        return _number(int, text)
    if kind == "float":
        return _number(float, text)
    if kind in LISTS:
        parts = re.split(r"[\s,]+", text.strip("[] ,"))
        return parts if kind == "names" else [_number(int if kind == "ints" else float, one) for one in parts]
    return text


def _number(make: type[int] | type[float], text: str) -> object:
    try:
        return make(text)
    except ValueError:
        return text


def _convert(kind: str, raw: object) -> Any:
    """The value in the field's type, or None when it has another one."""
    if kind in ("str", "path", "choice"):
        return raw if isinstance(raw, str) else None
    if kind == "bool":
        return raw if isinstance(raw, bool) else None
    if kind in LISTS:
        items = [_convert(_ITEMS[kind], item) for item in raw] if isinstance(raw, (list, tuple)) else [None]
        return None if None in items else tuple(items)
    if kind == "int":
        return raw if _is_int(raw) else None
    return float(raw) if isinstance(raw, (int, float)) and not isinstance(raw, bool) and _fits(raw) else None


def _is_int(raw: object) -> bool:
    return isinstance(raw, int) and not isinstance(raw, bool)


def _fits(raw: float) -> bool:
    try:
        float(raw)
    except OverflowError:
        return False
    return True


def _type_problem(field: Field, raw: object) -> Problem:
    wanted = {
        "int": _("a whole number"),
        "float": _("a number"),
        "bool": _("true or false"),
        "ints": _("a list of whole numbers, such as 20,20"),
        "floats": _("a list of numbers, such as 98,1.5,0.5"),
        "names": _("a list of names, each in quotes where it stands in a file"),
    }.get(field.kind, _("text"))
    suggestion = ""
    if isinstance(raw, float) and raw.is_integer() and field.kind == "int":
        suggestion = str(int(raw))
    elif isinstance(raw, str) and field.kind not in ("str", "path", "choice"):
        value = _convert(field.kind, _read(field.kind, raw.strip()))
        suggestion = "" if value is None else format_value(field, value)
    fix = _("write {value}").format(value=suggestion) if suggestion else ""
    return _problem(
        field,
        _("{term} is {value}").format(term=term(field), value=shown(raw)),
        why=_("it must be {wanted}").format(wanted=wanted),
        fix=fix,
        suggestion=suggestion,
    )


def _choice_problem(field: Field, value: str) -> Problem:
    same = [choice for choice in field.choices if choice.casefold() == str(value).casefold()]
    near = same or nearest(str(value), field.choices)
    return _problem(
        field,
        _("{term} is {value}").format(term=term(field), value=shown(value)),
        why=_("it must be one of {choices}").format(choices=", ".join(field.choices)),
        fix=_("did you mean {name}?").format(name=near[0]) if near else "",
        suggestion=near[0] if near else "",
    )


def nearest(word: str, names: tuple[str, ...]) -> list[str]:
    """Names that look like `word`, best first, whatever their case."""
    folded: dict[str, str] = {}
    for name in names:
        folded.setdefault(name.casefold(), name)
    matches = difflib.get_close_matches(word.casefold().replace("-", "_"), folded, n=3, cutoff=0.6)
    return [folded[match] for match in matches]


def shown(raw: object) -> str:
    """A value as a person wrote it, cut where it is long."""
    text = repr(raw)
    return text if len(text) <= 60 else text[:57] + "..."


def _problem(field: Field, what: str, why: str = "", fix: str = "", suggestion: str = "") -> Problem:
    return Problem(field.name, Severity.ERROR, what, why, fix, suggestion)
