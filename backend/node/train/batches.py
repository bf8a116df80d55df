"""The micro batches of each iteration for one data parallel rank, in Megatron's order of samples."""

from __future__ import annotations

from gettext import gettext as _
from typing import List

import numpy as np
import torch

from backend.node.data.indexed import IndexedDataset
from backend.node.data.samples import SampleIndex
from backend.node.job_lines import JobError
from backend.node.train.micro_batch import MicroBatch
from backend.node.train.train_job import TrainJob


class BatchSource:
    """Samples of the job's first data set, shuffled. Raises JobError when they are missing or broken."""

    def __init__(self, job: TrainJob, dp_rank: int, device: torch.device) -> None:
        self._job = job
        self._dp_rank = dp_rank
        self._device = device
        self._samples = SampleIndex(IndexedDataset(job.datasets[0].prefix), job.seq_length, job.seed)

    def micro_batches(self, consumed_samples: int) -> List[MicroBatch]:
        """The batches of one iteration: on the device.

        Micro batch m of data parallel rank r takes the samples from consumed + (m * DP + r) * MBS on. Raises
        JobError when a token is not in the model's vocabulary.
        """
        size, stride = self._job.micro_batch_size, self._job.data_parallel
        batches: List[MicroBatch] = []
        for number in range(self._job.num_micro_batches):
            start = consumed_samples + (number * stride + self._dp_rank) * size
            rows = np.stack([self._samples[start + place] for place in range(size)])
            self._check(rows)
            whole = torch.from_numpy(rows).to(self._device)
            batches.append(MicroBatch(whole[:, :-1].contiguous(), whole[:, 1:].contiguous()))
        return batches

    def _check(self, rows: np.ndarray) -> None:
        lowest, highest = int(rows.min()), int(rows.max())
        if lowest < 0 or highest >= self._job.shape.vocab:
            raise JobError(
                "datasets",
                _("the training data has the token {token}").format(token=lowest if lowest < 0 else highest),
                _("the model has {vocab} tokens").format(vocab=self._job.shape.vocab),
                _("preprocess the data with the tokenizer of this model"),
            )
