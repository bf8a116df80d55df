"""The lines that rank 0 prints about the data, in Megatron's words (megatron/training/training.py and
megatron/data/gpt_dataset.py)."""

from __future__ import annotations

import math
from typing import List, Mapping, Tuple

from backend.node.train.splits import TEST, TRAINING, VALIDATION
from backend.node.train.train_job import TrainJob
from backend.node.train.training_data import DataPart, Samples, TrainingData

# These lines are read by programs: they are never translated.

_NAMES = ((TRAINING, "train"), (VALIDATION, "validation"), (TEST, "test"))


def _wanted_samples(job: TrainJob) -> Tuple[int, int, int]:
    """Samples of training, validation and test that the whole job takes, as Megatron reckons them; those of
    the test are only kept away from the training."""
    steps = (job.train_iterations // job.eval_interval + 1) * job.eval_iterations if job.eval_interval else 0
    return job.train_iterations * job.global_batch_size, steps * job.global_batch_size, 0


def data_lines(data: TrainingData, parts: Mapping[int, DataPart]) -> List[str]:
    """Documents and samples of each data set, and the epochs that the job makes of them; `parts`: the ones
    that it reads."""
    wanted = _wanted_samples(data.job)
    lines = [
        "> building train, validation, and test datasets ...",
        " > datasets target sizes (minimum size):",
    ]
    lines += [f"    {name + ':':<11} {wanted[part]}" for part, name in _NAMES]
    for number, files in enumerate(data.files):
        lines += [f" > data set {number}: {files.prefix}", " > dataset split:"]
        for part, name in _NAMES:
            first, last = data.bounds[number][part : part + 2]
            lines.append(f"    {name}:")
            lines.append(f"     document indices in [{first}, {last}) total of {last - first} documents")
            if part in parts:
                share = data.job.datasets[number].weight / sum(one.weight for one in data.job.datasets)
                lines += _epoch_lines(parts[part].samples[number], math.ceil(share * wanted[part]))
    return [*lines, "> finished creating GPT datasets ..."]


def _epoch_lines(samples: Samples, wanted: int) -> List[str]:
    epochs = samples.epochs_for(wanted)
    return [
        f"    total number of samples: {samples.whole_samples(epochs)}",
        f"    total number of epochs: {epochs}",
    ]
