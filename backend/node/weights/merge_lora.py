"""A LoRA adapter merged into the Megatron tree it was trained on, in the same layout or another."""

from __future__ import annotations

from gettext import gettext as _
from typing import Any, Dict

from backend.node.job_lines import JobError
from backend.node.weights import reshard
from backend.node.weights.lora_settings import LORA
from backend.node.weights.progress import Outcome, Progress, Tell, print_lines

__all__ = ["Outcome", "Progress", "run"]


def run(job: Dict[str, Any], tell: Tell = print_lines) -> Outcome:
    """Needs megatron_directory, lora_directory and output_directory; takes what a reshard job takes.

    `lora_r`, `lora_alpha` and `lora_target_modules` (a list of "linear_qkv" …) are compared with the adapter
    where they are given. Raises JobError; then the output directory is as it was before."""
    if not job.get(LORA):
        raise JobError(LORA, _("the job does not say {name}").format(name=LORA))
    return reshard.run(job, tell)
