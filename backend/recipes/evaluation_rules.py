"""Rules of validation: what is held back, and when it is looked at."""

from __future__ import annotations

from collections.abc import Iterator

from backend.problems import Problem, Severity
from backend.recipes import derived
from backend.recipes.numbers import number_text
from backend.recipes.rule import Rule, Subject
from backend.translation import _

_USUAL = "98,2,0"


def _split(subject: Subject) -> Iterator[Problem]:
    split = subject.recipe.split
    if len(split) == 3 and split[0] > 0:
        return
    yield Problem(
        field="split",
        severity=Severity.ERROR,
        what=_("split is {shares}").format(shares=",".join(number_text(share) for share in split)),
        why=_("it is three shares: of training, which is above 0, of validation and of test"),
        fix=_("take {shares}, or 100,0,0 to train on everything").format(shares=_USUAL),
        suggestion=_USUAL,
    )


def _held_back(subject: Subject) -> Iterator[Problem]:
    recipe = subject.recipe
    if not recipe.eval_interval or len(recipe.split) != 3 or recipe.split[1] > 0:
        return
    yield Problem(
        field="eval_interval",
        severity=Severity.ERROR,
        what=_("validation every {count} iterations, but nothing is held back for it").format(
            count=recipe.eval_interval
        ),
        why=_("the second share of split is 0"),
        fix=_("set split to {shares}, or eval_interval to 0").format(shares=_USUAL),
        suggestion="0",
    )


def _never(subject: Subject) -> Iterator[Problem]:
    recipe = subject.recipe
    iterations = derived.train_iterations(recipe)
    if not iterations or recipe.eval_interval <= iterations:
        return
    yield Problem(
        field="eval_interval",
        severity=Severity.WARNING,
        what=_("eval_interval {interval} is more than the {iterations} iterations").format(
            interval=recipe.eval_interval, iterations=iterations
        ),
        why=_("the training ends before its first validation"),
        fix=_("take less than {iterations}").format(iterations=iterations),
        suggestion=str(max(1, iterations // 4)),
    )


RULES = (
    Rule(("split",), _split),
    Rule(("eval_interval", "split"), _held_back),
    Rule(("eval_interval", "samples", "train_iterations", "global_batch_size", "epochs"), _never),
)
