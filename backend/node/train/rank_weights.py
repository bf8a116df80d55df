"""Which tensors a rank holds, by the plan of its checkpoint file, and whether given weights are these."""

from __future__ import annotations

from gettext import gettext as _
from typing import Dict, Iterator, Mapping, NamedTuple, Tuple

from torch import Tensor

from backend.node.job_lines import JobError
from backend.node.train.grid import Grid
from backend.node.train.model import EMBEDDING, HEAD
from backend.node.train.train_job import TrainJob
from backend.node.weights.layout import make_layout, pad_vocabulary, share
from backend.node.weights.tree_plan import RankPlan, plan_rank

Shapes = Dict[str, Tuple[int, ...]]


class VocabRows(NamedTuple):
    """Tokens of this rank's embedding and head: `size` from `first` on, of `padded` over all ranks."""

    first: int
    size: int
    padded: int


def plan_of(job: TrainJob, grid: Grid, padded_vocab: int) -> RankPlan:
    """The plan of this rank's file. Raises JobError when the layout cannot hold the model."""
    layout = make_layout(job.shape.layers, grid.tp, grid.pp, job.layers_per_stage)
    return plan_rank(job.shape, layout, "mcore", job.dtype, padded_vocab, grid.tp_rank, grid.pp_rank)


def planned_shapes(job: TrainJob, grid: Grid, padded_vocab: int) -> Shapes:
    """Name (mcore, layers counted on this stage) to shape of every tensor of this rank."""
    return {
        planned.key.partition("/")[2]: planned.shape for planned in plan_of(job, grid, padded_vocab).tensors
    }


def vocab_rows(job: TrainJob, grid: Grid, weights: Mapping[str, Tensor]) -> VocabRows:
    """As the checkpoint was padded; no rows on a stage in the middle. Raises JobError for too few."""
    vocab = job.shape.vocab
    if not (grid.is_first_stage or grid.is_last_stage):
        return VocabRows(0, 0, pad_vocabulary(vocab, grid.tp))
    name = EMBEDDING if grid.is_first_stage else HEAD
    if name not in weights:
        raise _lacking(name)
    rows = int(weights[name].shape[0])
    if rows * grid.tp >= vocab:
        return VocabRows(grid.tp_rank * rows, rows, grid.tp * rows)
    # Trees of newer converters are not padded: their last shards are shorter.
    first, end = share(vocab, grid.tp, grid.tp_rank)
    if rows == end - first:
        return VocabRows(first, rows, vocab)
    what = _("{name} has {rows} rows on each of {tp} ranks, the model has {vocab} tokens")
    raise _wrong_tensor(what.format(name=name, rows=rows, tp=grid.tp, vocab=vocab))


def checked(expected: Shapes, weights: Mapping[str, Tensor]) -> Iterator[Tuple[str, Tensor]]:
    """Every tensor that is expected, taken from `weights` once: they may be read from a file each time.

    Raises JobError naming the first tensor that is missing, of another shape, or too many.
    """
    for name in expected:
        if name not in weights:
            raise _lacking(name)
    for name in weights:
        if name not in expected:
            raise _wrong_tensor(_("the weights have a tensor too many: {name}").format(name=name))
    for name, shape in expected.items():
        tensor = weights[name]
        if tuple(tensor.shape) != shape:
            what = _("the tensor {name} has the shape {found}, not {shape}")
            raise _wrong_tensor(what.format(name=name, found=list(tensor.shape), shape=list(shape)))
        yield name, tensor


def _lacking(name: str) -> JobError:
    return _wrong_tensor(_("the weights lack the tensor {name}").format(name=name))


def _wrong_tensor(what: str) -> JobError:
    return JobError(
        "load_directory",
        what,
        _("weights, model and layout must agree"),
        _("convert the weights for this model and layout"),
    )
