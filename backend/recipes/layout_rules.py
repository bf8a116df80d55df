"""Rules of the layout: NPUs, heads, layers, and what the guide recommends for the model."""

from __future__ import annotations

import math
from collections.abc import Iterator

from backend.catalog.layouts import recommended_layout
from backend.catalog.model import Architecture
from backend.problems import Problem, Severity
from backend.recipes import derived
from backend.recipes.fields import Recipe
from backend.recipes.rule import Rule, Subject
from backend.translation import _


def _npus(subject: Subject) -> Iterator[Problem]:
    recipe = subject.recipe
    if derived.data_parallel(recipe) is not None:
        return
    size = derived.model_parallel(recipe)
    nodes = _nearest_multiple(recipe.nodes, size // math.gcd(size, recipe.npus_per_node))
    yield Problem(
        field="nodes",
        severity=Severity.ERROR,
        what=_("{npus} NPUs do not divide into copies of TP·PP = {tp}·{pp} = {size}").format(
            npus=derived.npus(recipe), tp=recipe.tensor_parallel, pp=recipe.pipeline_parallel, size=size
        ),
        why=_("TP·PP·DP must be the number of NPUs, with DP at least 1"),
        fix=_("take {nodes} nodes, or change TP or PP").format(nodes=nodes),
        suggestion=str(nodes),
    )


def _heads(subject: Subject) -> Iterator[Problem]:
    tp, architecture = subject.recipe.tensor_parallel, subject.architecture
    if architecture is not None and architecture.heads % tp:
        yield _not_split(tp, architecture, _("{count} attention heads").format(count=architecture.heads))


def _kv_heads(subject: Subject) -> Iterator[Problem]:
    tp, architecture = subject.recipe.tensor_parallel, subject.architecture
    # where they are the same as the heads, one problem says it
    if (
        architecture is not None
        and architecture.kv_heads != architecture.heads
        and architecture.kv_heads % tp
    ):
        yield _not_split(tp, architecture, _("{count} key-value heads").format(count=architecture.kv_heads))


def _feed_forward(subject: Subject) -> Iterator[Problem]:
    tp, architecture = subject.recipe.tensor_parallel, subject.architecture
    if architecture is not None and architecture.ffn % tp:
        yield _not_split(tp, architecture, _("the feed-forward width {count}").format(count=architecture.ffn))


def _not_split(tp: int, architecture: Architecture, what: str) -> Problem:
    common = math.gcd(architecture.heads, architecture.kv_heads, architecture.ffn)
    best = max(size for size in _divisors(common) if size <= tp)
    return Problem(
        field="tensor_parallel",
        severity=Severity.ERROR,
        what=_("{what} do not divide by TP {tp}").format(what=what, tp=tp),
        why=_("every NPU of a tensor parallel group holds the same share"),
        fix=_("take TP {best}").format(best=best),
        suggestion=str(best),
    )


def _layers(subject: Subject) -> Iterator[Problem]:
    recipe, architecture = subject.recipe, subject.architecture
    if architecture is None:
        return
    if recipe.layers_per_stage is not None:
        yield from _stage_sizes(recipe.layers_per_stage, recipe.pipeline_parallel, architecture.layers)
    elif architecture.layers % recipe.pipeline_parallel:
        best = _nearest_divisor(recipe.pipeline_parallel, architecture.layers)
        spread = ",".join(str(size) for size in derived.layers_per_stage(recipe, architecture.layers))
        what = _("{layers} layers do not divide by PP {pp}")
        yield Problem(
            field="pipeline_parallel",
            severity=Severity.ERROR,
            what=what.format(layers=architecture.layers, pp=recipe.pipeline_parallel),
            why=_("every stage holds the same number of layers when no other sizes are given"),
            fix=(
                _("take PP {best}, or layers_per_stage {spread}").format(best=best, spread=spread)
                if spread
                else _("take PP {best}").format(best=best)
            ),
            suggestion=str(best),
        )


def _stage_sizes(sizes: tuple[int, ...], pp: int, layers: int) -> Iterator[Problem]:
    suggestion = ",".join(str(size) for size in derived.spread_layers(layers, pp))
    fix = _("take {sizes}").format(sizes=suggestion) if suggestion else ""
    if len(sizes) != pp:
        what = _("layers_per_stage names {count} stages, PP is {pp}").format(count=len(sizes), pp=pp)
        why = _("each stage needs its number of layers")
        yield Problem("layers_per_stage", Severity.ERROR, what, why, fix, suggestion)
    elif sum(sizes) != layers:
        what = _("layers_per_stage adds up to {total} layers").format(total=sum(sizes))
        why = _("the model has {layers}").format(layers=layers)
        yield Problem("layers_per_stage", Severity.ERROR, what, why, fix, suggestion)


def _sequence_parallel(subject: Subject) -> Iterator[Problem]:
    recipe = subject.recipe
    tp, length = recipe.tensor_parallel, recipe.seq_length
    if not recipe.sequence_parallel or (tp > 1 and length % tp == 0):
        return
    if tp == 1:
        what, why = _("sequence_parallel with TP 1"), _("there is nobody to share the sequence with")
        fix = _("set it to false, or take a larger TP")
    else:
        what = _("SEQ_LEN {length} does not divide by TP {tp}").format(length=length, tp=tp)
        why = _("with sequence_parallel every NPU of a tensor parallel group holds the same share of it")
        fix = _("take SEQ_LEN {below} or {above}, or set it to false").format(
            below=length // tp * tp, above=(length // tp + 1) * tp
        )
    yield Problem("sequence_parallel", Severity.ERROR, what, why, fix, "false")


def _recommended(subject: Subject) -> Iterator[Problem]:
    """Fewer parts than the guide's smallest layout: each NPU would have to hold more of the model."""
    recipe = subject.recipe
    row = recommended_layout(subject.layouts, recipe.seq_length)
    if row is None or derived.model_parallel(recipe) >= row.tp * row.pp:
        return
    yield Problem(
        field="pipeline_parallel",
        severity=Severity.WARNING,
        what=_("TP {tp} · PP {pp} is less than the guide's TP {row_tp} · PP {row_pp}").format(
            tp=recipe.tensor_parallel, pp=recipe.pipeline_parallel, row_tp=row.tp, row_pp=row.pp
        ),
        why=_(
            "it is the smallest layout recommended for {model} at {seq} tokens, on {nodes} x {npus} NPUs"
        ).format(model=recipe.model, seq=row.seq_len, nodes=row.nodes, npus=row.npus_per_node),
        fix=_("take the recommended layout, or watch the memory of the first iterations"),
        suggestion=_suggested_pp(recipe, row.tp, row.pp),
    )


def _suggested_pp(recipe: Recipe, tp: int, pp: int) -> str:
    return str(pp) if recipe.tensor_parallel == tp else ""


def _nearest_multiple(value: int, step: int) -> int:
    below, above = value // step * step, -(-value // step) * step
    return below if below and value - below < above - value else above


def _divisors(number: int) -> list[int]:
    small = [divisor for divisor in range(1, math.isqrt(number) + 1) if number % divisor == 0]
    return sorted({*small, *(number // divisor for divisor in small)})


def _nearest_divisor(value: int, number: int) -> int:
    return min(_divisors(number), key=lambda divisor: (abs(divisor - value), -divisor))


_PARALLEL = ("tensor_parallel", "pipeline_parallel")
RULES = (
    Rule((*_PARALLEL, "nodes", "npus_per_node"), _npus),
    Rule(("model", "architecture", "tensor_parallel"), _heads),
    Rule(("model", "architecture", "tensor_parallel"), _kv_heads),
    Rule(("model", "architecture", "tensor_parallel"), _feed_forward),
    Rule(("model", "architecture", "pipeline_parallel", "layers_per_stage"), _layers),
    Rule(("sequence_parallel", "tensor_parallel", "seq_length"), _sequence_parallel),
    Rule(("model", "architecture", *_PARALLEL, "seq_length"), _recommended),
)
