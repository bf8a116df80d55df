"""The recipe's `[architecture]` table: the dimensions of a model that is not in the catalog."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from backend.catalog.model import Architecture
from backend.problems import Problem, Severity
from backend.recipes.values import nearest, shown
from backend.translation import _

FAMILIES = ("llama2", "llama3", "qwen", "qwen1.5", "qwen2", "yi", "chatglm3", "glm4", "baichuan2")
HF_DTYPES = ("bfloat16", "float16", "float32")
_CHOICES = {"family": FAMILIES, "hf_dtype": HF_DTYPES}
_KINDS = {field.name: str(field.type) for field in dataclasses.fields(Architecture)}
_REQUIRED = tuple(
    field.name for field in dataclasses.fields(Architecture) if field.default is dataclasses.MISSING
)
# far above any model: what is larger is a slip, and would only keep the rules busy
_LARGEST = {"layers": 10_000}
_LARGEST_WIDTH = 1_000_000_000
# ALiBi models have no rotary embedding: their theta is 0
_ZERO_ALLOWED = ("rope_theta",)


def architecture_from_mapping(raw: object) -> tuple[Architecture | None, tuple[Problem, ...]]:
    """The architecture of a table, or None and every problem of it."""
    if not isinstance(raw, Mapping):
        problem = _problem("", _("it is {value}").format(value=shown(raw)), _("it must be a table"))
        return None, (problem,)
    problems: list[Problem] = [_unknown(str(key)) for key in raw if key not in _KINDS]
    problems += [_missing(name) for name in _REQUIRED if name not in raw]
    values: dict[str, Any] = {}
    for name, kind in _KINDS.items():
        if name in raw:
            wrong = _value_problem(name, kind, raw[name])
            if wrong is None:
                values[name] = float(raw[name]) if kind == "float" else raw[name]
            else:
                problems.append(wrong)
    if problems:
        return None, tuple(problems)
    architecture = Architecture(**values)
    found = architecture_problems(architecture)
    return (None if found else architecture), found


def architecture_problems(architecture: Architecture) -> tuple[Problem, ...]:
    """What is wrong between the dimensions."""
    if architecture.heads % architecture.kv_heads:
        what = _("{heads} heads do not divide by {kv_heads} key-value heads")
        return (
            _problem(
                "kv_heads",
                what.format(heads=architecture.heads, kv_heads=architecture.kv_heads),
                _("every key-value head serves the same number of query heads"),
            ),
        )
    return ()


def _value_problem(name: str, kind: str, value: object) -> Problem | None:
    if kind == "bool":
        return None if isinstance(value, bool) else _wrong(name, value, _("true or false"))
    if kind == "str":
        choices = _CHOICES[name]
        if isinstance(value, str) and value in choices:
            return None
        return _wrong(name, value, _("one of {choices}").format(choices=", ".join(choices)))
    if kind == "int":
        largest = _LARGEST.get(name, _LARGEST_WIDTH)
        if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= largest:
            return None
        return _wrong(name, value, _("a whole number from 1 to {largest}").format(largest=largest))
    return None if _is_width(name, value) else _wrong(name, value, _("a number above 0"))


def _is_width(name: str, value: object) -> bool:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    try:
        number = float(value)
    except OverflowError:
        return False
    return math.isfinite(number) and (number > 0 or (number == 0 and name in _ZERO_ALLOWED))


def _unknown(name: str) -> Problem:
    near = nearest(name, tuple(_KINDS))
    fix = _("did you mean {name}?").format(name=near[0]) if near else _("remove it")
    return _problem(name, _("no dimension is called {name!r}").format(name=name), fix=fix)


def _missing(name: str) -> Problem:
    return _problem(name, _("{name} is missing").format(name=name), _("the model cannot be built without it"))


def _wrong(name: str, value: object, wanted: str) -> Problem:
    what = _("{name} is {value}").format(name=name, value=shown(value))
    return _problem(name, what, _("it must be {wanted}").format(wanted=wanted))


def _problem(name: str, what: str, why: str = "", fix: str = "") -> Problem:
    return Problem(f"architecture.{name}" if name else "architecture", Severity.ERROR, what, why, fix)
