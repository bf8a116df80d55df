"""The engines by name. Nothing outside this room asks which engine it is."""

from __future__ import annotations

from backend.engines.ascendspeed import AscendSpeedEngine
from backend.engines.native import NativeEngine
from backend.engines.stages import Engine
from backend.problems import InputError, Problem, Severity
from backend.recipes.check import check_with_catalog
from backend.recipes.fields import Recipe
from backend.recipes.rules import errors_first
from backend.translation import _

ENGINES: tuple[Engine, ...] = (NativeEngine(), AscendSpeedEngine())


def engine_named(name: str) -> Engine:
    """The engine of a recipe's `engine`. Raises `InputError`."""
    for engine in ENGINES:
        if engine.name == name:
            return engine
    names = ", ".join(engine.name for engine in ENGINES)
    raise InputError(
        Problem(
            field="engine",
            severity=Severity.ERROR,
            what=_("no engine is called {name!r}").format(name=name),
            why=_("there are {names}").format(names=names),
            suggestion=ENGINES[0].name,
        )
    )


def check_all(recipe: Recipe, doubtful: frozenset[str] = frozenset()) -> tuple[Problem, ...]:
    """Every broken rule: of the recipe, of the catalog and of its engine; errors first.

    `doubtful` names fields whose values could not be read: no rule is applied to them.
    """
    problems = list(check_with_catalog(recipe, doubtful))
    engine = next((engine for engine in ENGINES if engine.name == recipe.engine), None)
    if engine is not None and "engine" not in doubtful:
        problems += [problem for problem in engine.check(recipe) if problem.field not in doubtful]
    return errors_first(tuple(dict.fromkeys(problems)))
