"""Every rule of a recipe, checked at once. Rules of one engine alone are with the engine."""

from __future__ import annotations

from backend.catalog.model import Architecture, Layout
from backend.problems import Problem, Severity
from backend.recipes import evaluation_rules, field_rules, layout_rules, training_rules
from backend.recipes.fields import FIELDS, Recipe
from backend.recipes.rule import Subject
from backend.recipes.values import limit_problems

BETWEEN_FIELDS = (*layout_rules.RULES, *training_rules.RULES, *evaluation_rules.RULES)


def check_recipe(
    recipe: Recipe,
    architecture: Architecture | None,
    layouts: tuple[Layout, ...] = (),
    doubtful: frozenset[str] = frozenset(),
) -> tuple[Problem, ...]:
    """Every broken rule, errors first.

    `architecture` None leaves out the rules that need dimensions, no `layouts` the comparison with the guide.
    `doubtful` names fields whose value could not be read and stands at its default: no rule that reads one
    of them is applied, so that one mistake is one problem.
    """
    subject = Subject(recipe, architecture, layouts)
    broken = doubtful | {field.name for field in FIELDS if limit_problems(field, getattr(recipe, field.name))}
    problems = [
        problem
        for rules, unusable in ((field_rules.RULES, doubtful), (BETWEEN_FIELDS, broken))
        for rule in rules
        if not unusable.intersection(rule.fields)
        for problem in rule.judge(subject)
    ]
    return errors_first(tuple(problems))


def doubtful_fields(problems: tuple[Problem, ...]) -> frozenset[str]:
    """The fields that a reading with these problems has left at their defaults; see `doubtful` above."""
    return frozenset(problem.field.partition(".")[0] for problem in problems)


def errors_first(problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
    """Errors, then warnings; each in the order in which they were found."""
    return tuple(sorted(problems, key=lambda problem: problem.severity is not Severity.ERROR))
