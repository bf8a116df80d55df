"""A recipe checked against the catalog: its model's dimensions and the guide's recommended layouts."""

from __future__ import annotations

from backend.catalog.catalog_files import find_model
from backend.catalog.model import Architecture, Layout
from backend.problems import InputError, Problem
from backend.recipes.fields import Recipe
from backend.recipes.rules import check_recipe, errors_first


def resolve_architecture(recipe: Recipe) -> Architecture:
    """The recipe's own dimensions, else those of its model. Raises `InputError` for an unknown model."""
    if recipe.architecture is not None:
        return recipe.architecture
    return find_model(recipe.model).architecture


def guide_layouts(recipe: Recipe) -> tuple[Layout, ...]:
    """The guide's rows for the recipe's model; () when it is unknown or has dimensions of its own."""
    if recipe.architecture is not None:
        return ()
    try:
        return find_model(recipe.model).layouts
    except InputError:
        return ()


def check_with_catalog(recipe: Recipe, doubtful: frozenset[str] = frozenset()) -> tuple[Problem, ...]:
    """`check_recipe` with what the catalog knows; an unknown model is one more problem."""
    known = not doubtful.intersection(("model", "architecture"))
    architecture = None
    unknown: tuple[Problem, ...] = ()
    if known and (recipe.model or recipe.architecture is not None):
        try:
            architecture = resolve_architecture(recipe)
        except InputError as error:
            unknown = error.problems
    found = check_recipe(recipe, architecture, guide_layouts(recipe) if known else (), doubtful)
    if any(problem.field == "model" for problem in found):
        unknown = ()
    return errors_first((*unknown, *found))
