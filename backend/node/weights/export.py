"""The stage "export" of a run: its newest checkpoint to the folder of a Hugging Face model."""

from __future__ import annotations

import os
from gettext import gettext as _
from typing import Any, Dict

from backend.node.job_lines import require
from backend.node.weights import to_hf
from backend.node.weights.conversion_job import ConversionJob, read_conversion_job
from backend.node.weights.made_manifest import MANIFEST, read_manifest
from backend.node.weights.output_folder import storage_error
from backend.node.weights.progress import Outcome, Tell, print_lines

_NEEDED = ("megatron_directory", "output_directory", "like_directory")


def run(job: Dict[str, Any], tell: Tell = print_lines) -> Outcome:
    """Do the stage "export". Raises JobError; then the output directory is as it was before."""
    require(job, _NEEDED)
    wanted = read_conversion_job(job, _NEEDED)
    try:
        replaces = _may_replace(wanted)
    except OSError as error:
        raise storage_error(error, wanted.output_directory) from error
    outcome = to_hf.run({**job, "overwrite": replaces}, tell)
    if not outcome.up_to_date:
        text = _("{size:.2f} GB in the Hugging Face format, in {directory}")
        size = outcome.manifest["counts"]["bytes"] / 1e9
        print(text.format(size=size, directory=wanted.output_directory), flush=True)
    return outcome


def _may_replace(job: ConversionJob) -> bool:
    """An export replaces what it made of the same training, which has gone on since; no added files."""
    found = read_manifest(job.output_directory)
    if found is None:
        return False
    made_from = found["made_from"]
    same = made_from["settings"].get("megatron_directory") == job.megatron_directory
    own = {os.path.normpath(one["path"]).split(os.sep)[0] for one in found["outputs"]} | {MANIFEST}
    return same and made_from["action"] == "to-hf" and set(os.listdir(job.output_directory)) <= own
