"""The stage "weights" of a run: a Hugging Face model to the Megatron tree that the training starts from."""

from __future__ import annotations

import os
from gettext import gettext as _
from typing import Any, Dict

from backend.node.job_lines import JobError, require
from backend.node.weights import to_megatron
from backend.node.weights.conversion_job import ConversionJob, read_conversion_job
from backend.node.weights.made_manifest import MANIFEST, read_manifest
from backend.node.weights.output_folder import storage_error
from backend.node.weights.progress import Outcome, Tell, print_lines
from backend.node.weights.replaceable import FIRST_ITERATION
from backend.node.weights.tree_folder import TRACKER

_NEEDED = (
    "hf_directory",
    "output_directory",
    "architecture",
    "tensor_parallel",
    "pipeline_parallel",
    "layers_per_stage",
    "format",
)
_OWN = frozenset((MANIFEST, TRACKER, FIRST_ITERATION))


def run(job: Dict[str, Any], tell: Tell = print_lines) -> Outcome:
    """Do the stage "weights". Raises JobError; then the output directory is as it was before."""
    require(job, _NEEDED)
    wanted = read_conversion_job(job, _NEEDED)
    try:
        replaces = _may_replace(wanted)
    except OSError as error:
        raise storage_error(error, wanted.output_directory) from error
    outcome = to_megatron.run({**job, "overwrite": replaces}, tell)
    if not outcome.up_to_date:
        counts = outcome.manifest["counts"]
        text = _("{count} rank files, {size:.2f} GB, in {directory}")
        print(
            text.format(
                count=counts["rank_files"], size=counts["bytes"] / 1e9, directory=wanted.output_directory
            ),
            flush=True,
        )
    return outcome


def _may_replace(job: ConversionJob) -> bool:
    """A stage replaces a tree that it has made itself for the same layout: the model has changed since.

    Raises JobError for one of another layout: trainings may be going on from it."""
    output = job.output_directory
    found = read_manifest(output)
    if found is None:
        return False
    settings = found["made_from"]["settings"]
    layout = (settings.get("tensor_parallel"), settings.get("pipeline_parallel"))
    if layout != (job.tensor_parallel, job.pipeline_parallel):
        what = _("{path} holds weights for TP {tp} x PP {pp}").format(path=output, tp=layout[0], pp=layout[1])
        other = _("choose another output directory, or remove this one")
        raise JobError("output_directory", what, _("the layout asked for is another one"), other)
    return set(os.listdir(output)) <= _OWN
