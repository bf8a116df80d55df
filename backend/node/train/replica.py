"""This rank's part of the model and everything that one training step does to it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Dict, List, Mapping, Union

import torch
import torch.distributed as dist
from torch import Tensor

from backend.node.train.flat_parameters import FlatParameters, Traits
from backend.node.train.frozen_parameters import FrozenParameters
from backend.node.train.grid import Grid
from backend.node.train.lora_layers import adapt, whole_halves
from backend.node.train.lora_weights import with_adapter
from backend.node.train.micro_batch import MicroBatch
from backend.node.train.model import EMBEDDING, HEAD, Stage
from backend.node.train.optimizer import FlatAdamW, clip_scale, norm_and_loss
from backend.node.train.pipeline import Pipeline, PlainLoop
from backend.node.train.process_groups import Groups
from backend.node.train.rank_weights import Shapes, checked, planned_shapes, vocab_rows
from backend.node.train.tensor_group import TensorRanks
from backend.node.train.train_job import TrainJob
from backend.node.train.vocab_loss import vocab_parallel_loss

TORCH_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class StepResult:
    """Means over the global batch, known to every rank. When not `finite`, nothing was updated.

    `stop`: whether any rank was asked to stop. `own_loss_finite`: whether this rank's share of the loss is.
    """

    loss: float
    grad_norm: float
    stop: bool = False
    own_loss_finite: bool = True

    @property
    def finite(self) -> bool:
        return math.isfinite(self.loss) and math.isfinite(self.grad_norm)


class Replica:
    """One rank of the model with its optimizer. `weights` are its shard: flat mcore names, any dtype.

    With `job.lora` only adapters are trained: those in `weights`, else new ones.
    Raises JobError naming the tensor when one is missing, too many or of another shape.
    """

    def __init__(
        self,
        job: TrainJob,
        grid: Grid,
        groups: Groups,
        device: torch.device,
        weights: Mapping[str, Tensor],
    ) -> None:
        self.job = job
        self.grid = grid
        self.groups = groups
        rows = vocab_rows(job, grid, weights)
        ranks = TensorRanks(grid.tp_rank, grid.tp, groups.tensor, job.sequence_parallel)
        layers = job.layers_per_stage[grid.pp_rank]
        self.stage = Stage(job.shape, layers, rows.first, rows.size, grid, ranks, job.recompute_activations)
        assert _shapes(self.stage) == planned_shapes(job, grid, rows.padded), "a file holds what a stage has"
        if job.lora is not None:
            adapt(self.stage, job.lora)
        weights = with_adapter(self.stage, weights, job, grid)
        dtype = TORCH_DTYPES[job.dtype]
        self.parameters = FlatParameters(self.stage, _all_traits(self.stage, job, grid), dtype, device)
        self.frozen = FrozenParameters(self.stage, dtype, device)
        for name, values in checked(_shapes(self.stage), weights):
            place = self.parameters if name in self.parameters.places else self.frozen
            place.load(name, values)
        self.optimizer = FlatAdamW(self.parameters, job)
        self._runner: Union[PlainLoop, Pipeline] = (
            Pipeline(job, grid, groups.pipeline, self.stage, rows.size, self._loss, dtype, device)
            if grid.pp > 1
            else PlainLoop(self.stage, self._loss, device)
        )

    def step(self, batches: List[MicroBatch], lr: float, stop: bool = False) -> StepResult:
        """One iteration over this data parallel rank's micro batches.

        A stage in the middle needs none. `stop`: this rank was asked to stop; all learn it with the sums.
        """
        loss = self.compute_gradients(batches)
        known = norm_and_loss(self.parameters, loss, counts=self.grid.dp_rank == 0)
        sums = torch.cat((known, known.new_full((1,), float(stop))))
        dist.all_reduce(sums)
        square, mean_loss, asked = sums.tolist()
        norm = math.sqrt(square) if square >= 0.0 else math.nan
        if math.isfinite(mean_loss) and math.isfinite(norm):
            self.optimizer.step(lr, clip_scale(norm, self.job.clip_grad))
            return StepResult(mean_loss, norm, asked > 0.0)
        return StepResult(mean_loss, norm, asked > 0.0, math.isfinite(loss.item()))

    def evaluate(self, batches: List[MicroBatch]) -> Tensor:
        """This rank's share of the mean loss over a global batch (fp32 scalar), without gradients: the shares
        of all ranks add up to it. A stage in the middle needs no batches."""
        with torch.no_grad():
            return self._own_share(self._runner.evaluate(batches))

    def compute_gradients(self, batches: List[MicroBatch]) -> Tensor:
        """Fill the gradient buffer with the gradient of the mean loss over the global batch.

        Answers this rank's share of that loss (fp32 scalar): the shares of all ranks add up to it.
        """
        loss = self._runner.run(batches)
        self._add_tied_gradients()
        if self.groups.tensor is not None:
            for shares in self.parameters.shared_gradients():
                dist.all_reduce(shares, group=self.groups.tensor)
        if self.groups.data is not None:
            dist.all_reduce(self.parameters.gradient, group=self.groups.data)
            self.parameters.gradient.div_(self.grid.dp)
        return self._own_share(loss)

    def _own_share(self, loss: Tensor) -> Tensor:
        """Tensor parallel ranks know the same loss: one of them counts it."""
        return loss / self.grid.dp if self.grid.tp_rank == 0 else torch.zeros_like(loss)

    def state(self) -> Dict[str, Tensor]:
        """All parameters of this rank by name, in the compute dtype, as a checkpoint holds them."""
        return {**self.frozen.state(), **self.parameters.state()}

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return vocab_parallel_loss(
            logits, labels, self.stage.first_row, self.job.shape.vocab, self.groups.tensor
        )

    def _add_tied_gradients(self) -> None:
        """Tied embeddings live on the first and on the last stage: both copies take the step of their sum."""
        name = EMBEDDING if self.grid.is_first_stage else HEAD
        is_tied = self.job.shape.tie_embeddings and self.groups.embedding is not None
        # Not where the stage has none, and not where they are frozen.
        if not is_tied or name not in self.parameters.places:
            return
        dist.all_reduce(self.parameters.view(self.parameters.gradient, name), group=self.groups.embedding)


def _shapes(stage: Stage) -> Shapes:
    return {name: tuple(parameter.shape) for name, parameter in stage.named_parameters()}


def _all_traits(stage: Stage, job: TrainJob, grid: Grid) -> Dict[str, Traits]:
    """Of the parameters that are trained."""
    whole = whole_halves(stage)
    return {
        name: _traits(name, parameter, name in whole, job, grid)
        for name, parameter in stage.named_parameters()
        if parameter.requires_grad
    }


def _traits(name: str, parameter: Tensor, is_whole_half: bool, job: TrainJob, grid: Grid) -> Traits:
    """Matrices decay, norms and biases do not; a value that several ranks hold counts on one of them.

    In sequence parallel a norm's gradient on one rank is that of its places alone.
    """
    is_norm = "layernorm" in name
    is_whole = is_whole_half or is_norm
    is_second_copy = name == HEAD and job.shape.tie_embeddings
    counted = not is_second_copy and not (is_whole and grid.tp_rank > 0)
    return Traits(parameter.dim() > 1, counted, shared=is_whole_half or (is_norm and job.sequence_parallel))
