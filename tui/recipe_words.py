"""What follows from a recipe, in words: NPUs, iterations, tokens, the command; pure."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from rich.text import Text

from backend.problems import Problem, Severity
from backend.recipes.derived import data_parallel, npus, num_micro_batches, total_tokens, train_iterations
from backend.recipes.field import Field
from backend.recipes.fields import Recipe
from backend.translation import _
from tui.formats import plural, thousands
from tui.inks import Inks
from tui.recipe_draft import RecipeDraft


def derived_text(recipe: Recipe, inks: Inks) -> Text:
    """Three lines: how the NPUs are shared out, how long it goes on, how an iteration is cut."""
    text = Text()
    copies = data_parallel(recipe)
    text.append(f"{thousands(npus(recipe))} NPU", inks["strong"])
    text.append(
        _(" on {nodes}").format(nodes=plural(recipe.nodes, _("{n} node"), _("{n} nodes"))), inks["text"]
    )
    dp = str(copies) if copies is not None else "?"
    text.append(f" = TP {recipe.tensor_parallel} · PP {recipe.pipeline_parallel} · DP {dp}\n", inks["text"])
    iterations = train_iterations(recipe)
    if iterations is None:
        text.append(_("iterations: not known without SN or TRAIN_ITERS"), inks["dim"])
    else:
        text.append(_("{n} iterations").format(n=thousands(iterations)), inks["strong"])
        tokens = total_tokens(recipe)
        text.append(_(", {n} tokens").format(n=_big(tokens)) if tokens else "", inks["text"])
        saves = iterations // recipe.save_interval if recipe.save_interval else 0
        text.append(
            _(", {n} checkpoints on the way").format(n=thousands(saves)) if saves else "", inks["dim"]
        )
    micro = num_micro_batches(recipe)
    if micro is not None:
        words = _("\nGBS {gbs} = MBS {mbs} · DP {dp} · {micro} micro batches")
        line = words.format(gbs=recipe.global_batch_size, mbs=recipe.micro_batch_size, dp=dp, micro=micro)
        text.append(line, inks["dim"])
    return text


def launch_command(draft: RecipeDraft, inventory: str) -> str:
    """What a person would type; FILE where the recipe has no file yet."""
    before = f"-i {shlex.quote(inventory)} " if inventory else ""
    return f"npudeck {before}launch {shlex.quote(draft.path) if draft.path else 'FILE'}"


def command_text(draft: RecipeDraft, inventory: str, inks: Inks) -> Text:
    """The command that does the same as launching from here."""
    text = Text(launch_command(draft, inventory), inks["strong"])
    if draft.dirty:
        text.append(_("\nnot saved: s writes it"), inks["dim"])
    elif not draft.path:
        text.append(_("\nno file yet: s writes one"), inks["dim"])
    return text


def help_text(field: Field, problems: Sequence[Problem], inks: Inks) -> Text:
    """Two lines on a field: what it is, and what is wrong with it or what it may be."""
    text = Text()
    text.append(field.help, inks["text"])
    if field.guide_name:
        text.append(f"  {field.guide_name}", inks["dim"])
    text.append("\n")
    mine = [problem for problem in problems if problem.field == field.name]
    if mine:
        ink = "alarm" if mine[0].severity is Severity.ERROR else "warning"
        text.append(mine[0].sentence(), inks[ink])
        return text
    rules = []
    if field.choices:
        rules.append(" · ".join(field.choices))
    elif field.minimum is not None:
        rules.append(_("at least {least}").format(least=f"{field.minimum:g}"))
    if field.default not in (None, ""):
        rules.append(_("default {value}").format(value=field.default))
    text.append("; ".join(rules), inks["dim"])
    return text


def _big(number: int) -> str:
    """`1.2 G`, `350 M`; exact below a million."""
    for size, letter in ((10**12, "T"), (10**9, "G"), (10**6, "M")):
        if number >= size:
            return f"{number / size:.3g} {letter}"
    return thousands(number)
