"""The micro batches of each iteration for one data parallel rank, in Megatron's order of samples."""

from __future__ import annotations

from typing import List

import torch

from backend.node.train.data_lines import data_lines
from backend.node.train.micro_batch import MicroBatch
from backend.node.train.splits import TRAINING, VALIDATION
from backend.node.train.train_job import TrainJob
from backend.node.train.training_data import DataPart, TrainingData


class BatchSource:
    """Training and, where the job validates, validation samples, each part shuffled and without end.

    All batches are on the device. Raises JobError when data are missing, broken or not enough."""

    def __init__(self, job: TrainJob, dp_rank: int, device: torch.device) -> None:
        self._job = job
        self._dp_rank = dp_rank
        self._device = device
        self._data = TrainingData(job)
        self._training = self._data.part(TRAINING)
        self._validation = self._data.part(VALIDATION) if job.eval_interval else None

    def describe(self) -> List[str]:
        """What rank 0 says about the data at the start."""
        parts = {TRAINING: self._training}
        if self._validation is not None:
            parts[VALIDATION] = self._validation
        return data_lines(self._data, parts)

    def micro_batches(self, consumed_samples: int) -> List[MicroBatch]:
        """The training batches of one iteration.

        Micro batch m of data parallel rank r takes the samples from consumed + (m * DP + r) * MBS on. Raises
        JobError when a token is not in the model's vocabulary.
        """
        return self._batches(self._training, consumed_samples)

    def validation_micro_batches(self, evaluation_number: int, step: int) -> List[MicroBatch]:
        """The batches of step 0 .. `eval_iterations` - 1 of an evaluation; the first evaluation is number 0.

        Evaluations go on through the validation samples as Megatron's do, also after a resume: the one after
        iteration i is number ceil(i / eval_interval) - 1. Raises as `micro_batches`; ValueError when the job
        does not validate."""
        if self._validation is None:
            raise ValueError("eval_interval is 0")
        steps = evaluation_number * self._job.eval_iterations + step
        return self._batches(self._validation, steps * self._job.global_batch_size)

    def _batches(self, part: DataPart, start: int) -> List[MicroBatch]:
        size, stride = self._job.micro_batch_size, self._job.data_parallel
        numbers = [
            start + (number * stride + self._dp_rank) * size + place
            for number in range(self._job.num_micro_batches)
            for place in range(size)
        ]
        tokens, labels = (torch.from_numpy(rows).to(self._device) for rows in part.rows(numbers))
        return [MicroBatch(*pair) for pair in zip(tokens.split(size), labels.split(size))]
