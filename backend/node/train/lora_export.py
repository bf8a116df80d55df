"""The adapter of the newest checkpoint in the form of PEFT, in a folder beside the checkpoints."""

from __future__ import annotations

import os
from gettext import gettext as _

from backend.node.job_lines import JobError, print_problem
from backend.node.train.train_job import TrainJob
from backend.node.weights import export_adapter
from backend.node.weights.hf_folder import HfFolder
from backend.node.weights.model_config import read_model
from backend.node.weights.progress import Progress

FOLDER = "adapter"
_LIKE = "like_directory"
_SHAPES = ("layers", "hidden", "heads", "kv_heads", "head_dim", "ffn")


def check_original(job: TrainJob) -> None:
    """See before the training that PEFT could load its adapter: `like_directory`, where it is given, holds
    the config.json of the job's model. Raises JobError."""
    if job.lora is None or not job.like_directory:
        return
    original = read_model(HfFolder(job.like_directory, weights=False, field=_LIKE).config, _LIKE)
    for name in _SHAPES:
        found, wanted = getattr(original, name), getattr(job.shape, name)
        if found != wanted:
            raise JobError(
                _LIKE,
                _("{directory} holds a model with {name} = {found}, the job says {wanted}").format(
                    directory=job.like_directory, name=name, found=found, wanted=wanted
                ),
                _("the adapter would not fit it"),
                _("give the folder that the weights were converted from"),
            )


def write_adapter(job: TrainJob) -> None:
    """Write `<save_directory>/adapter`, whole or not at all, from the newest checkpoint.

    Nothing to do without `like_directory`. A failure is a warning: the checkpoint is whole, and the adapter
    can be made from it again.
    """
    if job.lora is None or not job.like_directory:
        return
    wanted = {
        "lora_directory": job.save_directory,
        "like_directory": job.like_directory,
        "output_directory": os.path.join(job.save_directory, FOLDER),
        # Only what an earlier save has made is replaced.
        "overwrite": True,
    }
    try:
        export_adapter.run(wanted, _say_nothing)
    except JobError as error:
        fix = _("make it with npudeck weights export-lora, where all ranks' files are")
        print_problem(error.field, error.what, error.why, error.fix or fix, severity="warning")


def _say_nothing(_progress: Progress) -> None:
    """The log of a training has lines of its own."""
