"""Which layers and which share of every tensor a rank holds."""

from __future__ import annotations

from gettext import gettext as _
from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from backend.node.job_lines import JobError

if TYPE_CHECKING:
    from backend.node.weights.model import Model


class Layout(NamedTuple):
    """`layers_per_stage`: one number for each of the `pp` stages. `layers_per_virtual_stage`: layers in a
    model chunk of the interleaved pipeline, None without one."""

    tp: int
    pp: int
    layers_per_stage: Tuple[int, ...]
    layers_per_virtual_stage: Optional[int] = None

    @property
    def is_even(self) -> bool:
        return len(set(self.layers_per_stage)) == 1

    @property
    def virtual_stages(self) -> int:
        """Model chunks of a stage."""
        return self.layers_per_stage[0] // (self.layers_per_virtual_stage or self.layers_per_stage[0])


def make_layout(
    layers: int,
    tp: int,
    pp: int,
    layers_per_stage: Optional[Sequence[int]] = None,
    layers_per_virtual_stage: Optional[int] = None,
) -> Layout:
    """The layout of a model with `layers` layers; equal stages where none are given. Raises JobError."""
    for field, value in (("tensor_parallel", tp), ("pipeline_parallel", pp)):
        if value < 1:
            raise JobError(field, _("{value} is less than 1").format(value=value))
    stages = tuple(layers_per_stage or ()) or _even_stages(layers, pp)
    if len(stages) != pp or sum(stages) != layers or min(stages) < 1:
        what = _("the stages {stages} do not make PP {pp} with {layers} layers").format(
            stages="+".join(map(str, stages)), pp=pp, layers=layers
        )
        raise JobError("layers_per_stage", what, _("every stage has a layer, and every layer one stage"))
    layout = Layout(tp, pp, stages, layers_per_virtual_stage or None)
    if layout.layers_per_virtual_stage is not None:
        _check_virtual(layout)
    return layout


def _even_stages(layers: int, pp: int) -> Tuple[int, ...]:
    if pp > layers:
        what = _("PP {pp} is more than the {layers} layers").format(pp=pp, layers=layers)
        raise JobError("pipeline_parallel", what, _("every stage has a layer"), _("take a smaller PP"))
    if layers % pp:
        what = _("PP {pp} does not divide the {layers} layers").format(pp=pp, layers=layers)
        fix = _("take another PP, or say how many layers each stage has")
        raise JobError("pipeline_parallel", what, "", fix)
    return (layers // pp,) * pp


def _check_virtual(layout: Layout) -> None:
    count = layout.layers_per_virtual_stage or 0
    if layout.pp <= 2:
        what = _("virtual stages need more than two pipeline stages, PP is {pp}").format(pp=layout.pp)
        raise JobError("layers_per_virtual_stage", what, _("the trainer refuses them"))
    if not layout.is_even:
        raise JobError("layers_per_virtual_stage", _("virtual stages need stages with equally many layers"))
    if count < 1 or layout.layers_per_stage[0] % count:
        what = _("{count} layers in a virtual stage do not divide the {layers} layers of a stage").format(
            count=count, layers=layout.layers_per_stage[0]
        )
        raise JobError("layers_per_virtual_stage", what)


def check_division(model: Model, tp: int) -> None:
    """See that every rank gets whole heads and groups and an equal share of the gate. Raises JobError."""
    if model.heads % model.kv_heads:
        raise JobError("architecture", _("the key-value heads do not divide the attention heads"))
    for name, count in (
        (_("attention heads"), model.heads),
        (_("key-value heads"), model.kv_heads),
        (_("feed-forward width"), model.ffn),
    ):
        if count % tp:
            what = _("TP {tp} does not divide the {name} ({count})").format(tp=tp, name=name, count=count)
            raise JobError("tensor_parallel", what, _("every rank holds whole heads and an equal piece"))


def chunks(layout: Layout, pp_rank: int) -> List[List[int]]:
    """Numbers of the layers (from 0, in the whole model) in every model chunk of a stage; one chunk without
    virtual stages. In an interleaved pipeline chunk c of stage p starts at layer (c PP + p) n."""
    count = layout.layers_per_virtual_stage
    if count is None:
        first = sum(layout.layers_per_stage[:pp_rank])
        return [list(range(first, first + layout.layers_per_stage[pp_rank]))]
    starts = ((chunk * layout.pp + pp_rank) * count for chunk in range(layout.virtual_stages))
    return [list(range(start, start + count)) for start in starts]


def share(length: int, tp: int, rank: int) -> Tuple[int, int]:
    """First row and end of a rank's share; a last share may be shorter, as in trees without padding."""
    size = -(-length // tp)
    return min(rank * size, length), min((rank + 1) * size, length)


def pad_vocabulary(vocab: int, tp: int, divisible_by: int = 1, wanted: Optional[int] = None) -> int:
    """Rows of the embedding over all ranks: `wanted`, or the next multiple of TP x `divisible_by`.

    Raises JobError when `wanted` is too small or cannot be shared out."""
    if wanted is None:
        unit = max(divisible_by, 1) * tp
        return -(-vocab // unit) * unit
    if wanted < vocab or wanted % tp:
        what = _("{wanted} rows cannot hold a vocabulary of {vocab} on TP {tp}").format(
            wanted=wanted, vocab=vocab, tp=tp
        )
        raise JobError(
            "padded_vocab_size", what, _("it is a multiple of TP and not less than the vocabulary")
        )
    return wanted


def layout_of_args(args: Dict[str, Any]) -> Layout:
    """The layout that the `args` of a tree say. Raises JobError for args that do not fit together."""
    layers, pp = int(args["num_layers"]), int(args["pipeline_model_parallel_size"])
    listed = args.get("num_layer_list") or None
    stages = [int(word) for word in listed.split(",")] if isinstance(listed, str) else listed
    virtual = args.get("num_layers_per_virtual_pipeline_stage")
    chunk_count = args.get("virtual_pipeline_model_parallel_size")
    if virtual is None and chunk_count:
        virtual = layers // pp // int(chunk_count)
    return make_layout(layers, int(args["tensor_model_parallel_size"]), pp, stages, virtual)
