"""What follows from a recipe, in words: NPUs, iterations, tokens, the command; pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from rich.text import Text

from backend.problems import Problem, Severity
from backend.recipes.derived import data_parallel, npus, num_micro_batches, total_tokens, train_iterations
from backend.recipes.field import Field
from backend.recipes.fields import BY_NAME, Recipe
from backend.recipes.values import format_value
from backend.translation import _
from tui.formats import clean, clip, plural, thousands
from tui.inks import Inks
from tui.recipe_draft import RecipeDraft

SHARES = ("nodes", "npus_per_node", "tensor_parallel", "pipeline_parallel")
LENGTHS = ("train_iterations", "samples", "epochs", "global_batch_size")
NOTHING: Mapping[str, str] = MappingProxyType({})


def derived_text(recipe: Recipe, inks: Inks, refused: Mapping[str, str] = NOTHING) -> Text:
    """Three lines: how the NPUs are shared out, how long it goes on, how an iteration is cut.

    `refused`: texts that are no values, by field. What depends on one of them is said not to be known.
    """
    parts = (
        (SHARES, _shares),
        (LENGTHS[:1] if recipe.train_iterations is not None else LENGTHS, _length),
        ((*SHARES, "micro_batch_size", "global_batch_size"), _cut),
    )
    lines: list[Text] = []
    for needed, line in parts:
        wrong = [name for name in needed if name in refused]
        text = _not_known(wrong[0], refused[wrong[0]], inks) if wrong else line(recipe, inks, refused)
        if text.plain and text.plain not in [other.plain for other in lines]:
            lines.append(text)
    return Text("\n").join(lines)


def _not_known(name: str, typed: str, inks: Inks) -> Text:
    field = BY_NAME[name]
    words = _("not known: {field} is “{text}”")
    shown = field.guide_name or name.replace("_", " ")
    return Text(words.format(field=shown, text=clip(clean(typed), 24)), inks["dim"])


def _shares(recipe: Recipe, inks: Inks, refused: Mapping[str, str]) -> Text:
    text = Text(f"{thousands(npus(recipe))} NPU", inks["strong"])
    nodes = plural(recipe.nodes, _("{n} node"), _("{n} nodes"))
    text.append(_(" on {nodes}").format(nodes=nodes), inks["text"])
    copies = data_parallel(recipe)
    dp = str(copies) if copies is not None else "?"
    text.append(f" = TP {recipe.tensor_parallel} · PP {recipe.pipeline_parallel} · DP {dp}", inks["text"])
    return text


def _length(recipe: Recipe, inks: Inks, refused: Mapping[str, str]) -> Text:
    iterations = train_iterations(recipe)
    if iterations is None:
        return Text(_("iterations: not known without SN or TRAIN_ITERS"), inks["dim"])
    text = Text(_("{n} iterations").format(n=thousands(iterations)), inks["strong"])
    counted = not refused.keys() & {"global_batch_size", "seq_length"}
    tokens = total_tokens(recipe) if counted else None
    text.append(_(", {n} tokens").format(n=_big(tokens)) if tokens else "", inks["text"])
    known = recipe.save_interval and "save_interval" not in refused
    saves = iterations // recipe.save_interval if known else 0
    text.append(_(", {n} checkpoints on the way").format(n=thousands(saves)) if saves else "", inks["dim"])
    return text


def _cut(recipe: Recipe, inks: Inks, refused: Mapping[str, str]) -> Text:
    micro = num_micro_batches(recipe)
    if micro is None:
        return Text()
    words = _("GBS {gbs} = MBS {mbs} · DP {dp} · {micro} micro batches")
    mbs, gbs = recipe.micro_batch_size, recipe.global_batch_size
    return Text(words.format(gbs=gbs, mbs=mbs, dp=data_parallel(recipe), micro=micro), inks["dim"])


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
        rules.append(_("default {value}").format(value=format_value(field, field.default)))
    text.append("; ".join(rules), inks["dim"])
    return text


def _big(number: int) -> str:
    """`1.2 G`, `350 M`; exact below a million."""
    for size, letter in ((10**12, "T"), (10**9, "G"), (10**6, "M")):
        if number >= size:
            return f"{number / size:.3g} {letter}"
    return thousands(number)
