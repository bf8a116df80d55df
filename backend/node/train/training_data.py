"""The data sets of a job, split into training, validation and test, and each part blended by weight."""

from __future__ import annotations

import contextlib
from gettext import gettext as _
from typing import Any, Iterator, List, Protocol, Sequence, Tuple, Union

import numpy as np
from numpy.typing import NDArray

from backend.node.job_lines import JobError
from backend.node.storage_faults import storage_faults
from backend.node.train.blend import Blend
from backend.node.train.instruction_samples import InstructionFiles, InstructionSamples
from backend.node.train.micro_batch import IGNORED
from backend.node.train.pretrain_samples import PretrainFiles, PretrainSamples
from backend.node.train.splits import TRAINING, VALIDATION, split_bounds
from backend.node.train.train_job import INSTRUCTION, TrainJob

_PART_NAMES = ("training", "validation", "test")


class Samples(Protocol):
    """What one data set gives to one part of the job."""

    def whole_samples(self, epochs: int) -> int:
        """How many samples the first `epochs` epochs have."""

    def epochs_for(self, count: int) -> int:
        """How many epochs it takes to have `count` samples."""

    def __getitem__(self, index: int) -> Tuple[NDArray[Any], NDArray[Any]]:
        """Tokens and labels of a sample: any integers, of equal lengths up to the job's `seq_length`."""


class TrainingData:
    """The files of all data sets. `bounds`: for each data set where training, validation and test start among
    its documents (of instruction data: its sequences), and their number.

    Raises JobError, about `datasets.N.prefix`, when files are missing, broken or empty."""

    def __init__(self, job: TrainJob) -> None:
        self.job = job
        self.files: List[Union[PretrainFiles, InstructionFiles]] = []
        kind = InstructionFiles if job.data_kind == INSTRUCTION else PretrainFiles
        for number, dataset in enumerate(job.datasets):
            with _about(number, dataset.prefix):
                files = kind(dataset.prefix)
                if len(files) == 0:
                    raise JobError("", _("there are no documents in {prefix}").format(prefix=dataset.prefix))
                self.files.append(files)
        self.bounds = tuple(split_bounds(job.split, len(files)) for files in self.files)

    def part(self, part: int) -> DataPart:
        """TRAINING, VALIDATION or TEST. Raises JobError when a data set has nothing for it."""
        return DataPart(self.job, [self.samples(number, part) for number in range(len(self.files))])

    def samples(self, number: int, part: int) -> Samples:
        """What data set `number` gives to a part. Raises JobError when that is nothing."""
        job, files = self.job, self.files[number]
        first, last = self.bounds[number][part : part + 2]
        if first == last:
            raise _empty(job, files.prefix, len(files), part)
        with _about(number, files.prefix):
            if isinstance(files, InstructionFiles):
                return InstructionSamples(files, job.seq_length, job.seed, first, last)
            return PretrainSamples(files, job.seq_length, job.seed, first, last)


class DataPart:
    """The samples of one part of the job, blended, without end."""

    def __init__(self, job: TrainJob, samples: Sequence[Samples]) -> None:
        self._job = job
        self.samples = samples
        self._blend = Blend([dataset.weight for dataset in job.datasets])

    def rows(self, numbers: Sequence[int]) -> Tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Tokens and labels of these samples: [samples, seq_length] each, padded with 0 and IGNORED.

        Raises JobError when a token or a label is not in the model's vocabulary."""
        shape = (len(numbers), self._job.seq_length)
        tokens, labels = np.zeros(shape, np.int64), np.full(shape, IGNORED, np.int64)
        for row, number in enumerate(numbers):
            which, index = self._blend.locate(number)
            found, beside = self.samples[which][index]
            tokens[row, : len(found)] = found
            labels[row, : len(beside)] = beside
        self._check(numbers, tokens, self._unknown(tokens))
        self._check(numbers, labels, self._unknown(labels) & (labels != IGNORED))
        return tokens, labels

    def _unknown(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        # As unsigned numbers those below 0 are above every vocabulary.
        return ids.view(np.uint64) >= self._job.shape.vocab

    def _check(self, numbers: Sequence[int], ids: NDArray[np.int64], wrong: NDArray[np.bool_]) -> None:
        if not wrong.any():
            return
        row, place = np.argwhere(wrong)[0].tolist()
        which, _index = self._blend.locate(numbers[row])
        raise JobError(
            _field(which),
            _("{prefix} has the token {token}").format(
                prefix=self._job.datasets[which].prefix, token=int(ids[row, place])
            ),
            _("the model has {vocab} tokens").format(vocab=self._job.shape.vocab),
            _("preprocess the data with the tokenizer of this model"),
        )


def samples_per_epoch(job: TrainJob) -> Tuple[int, ...]:
    """How many training samples each data set has: 0 where all its tokens are fewer than one sample takes.

    Of pretraining data, as Megatron counts them: (tokens - 1) // seq_length; of instruction data its
    sequences. Raises JobError."""
    data = TrainingData(job)
    return tuple(data.samples(number, TRAINING).whole_samples(1) for number in range(len(data.files)))


def _field(number: int) -> str:
    return f"datasets.{number}.prefix"


@contextlib.contextmanager
def _about(number: int, prefix: str) -> Iterator[None]:
    """Say which data set of the job an error is about."""
    try:
        with storage_faults(_field(number), prefix):
            yield
    except JobError as error:
        raise type(error)(_field(number), error.what, error.why, error.fix) from error


def _empty(job: TrainJob, prefix: str, count: int, part: int) -> JobError:
    shares = ",".join(f"{share:g}" for share in job.split)
    why = _("validation every {interval} iterations needs some").format(interval=job.eval_interval)
    return JobError(
        "split",
        _("the split {shares} leaves no {part} data of the {count:,} documents of {prefix}").format(
            shares=shares, part=_PART_NAMES[part], count=count, prefix=prefix
        ),
        why if part == VALIDATION else "",
        _("change the split, take more data, or set eval_interval to 0")
        if part == VALIDATION
        else _("change the split, or take more data"),
    )
