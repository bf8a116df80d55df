"""What a checkpoint says of its adapter, and whether a job goes on with the same."""

from __future__ import annotations

from gettext import gettext as _
from typing import Dict, Mapping

from torch import Tensor

from backend.node.job_lines import JobError
from backend.node.train.train_job import Lora, TrainJob
from backend.node.weights.lora import DOWN


def adapter_args(lora: Lora) -> Dict[str, object]:
    """The arguments of a checkpoint that describe its adapter, by ModelLink's names."""
    alpha = int(lora.alpha) if lora.alpha.is_integer() else lora.alpha
    return {
        "lora_target_modules": sorted(lora.target_modules),
        "lora_load": None,
        "lora_r": lora.rank,
        "lora_alpha": alpha,
        "lora_modules_to_save": None,
    }


def check_alpha(args: Mapping[str, object], weights: Mapping[str, Tensor], job: TrainJob) -> None:
    """See that the adapter in `weights`, where there is one, goes on with the alpha that the arguments of its
    checkpoint say. Raises JobError."""
    # Without an adapter they say the default of ModelLink's flag.
    said = args.get("lora_alpha") if any(name.endswith(DOWN) for name in weights) else None
    if job.lora is not None and isinstance(said, (int, float)) and said != job.lora.alpha:
        raise _other("lora.alpha", _("alpha {found:g}").format(found=said), f"{job.lora.alpha:g}")


def check_adapter(weights: Mapping[str, Tensor], job: TrainJob) -> None:
    """See that the adapter in `weights`, where there is one, is the job's. Raises JobError."""
    halves = [name for name in weights if name.endswith(DOWN)]
    if not halves:
        return
    if job.lora is None:
        raise JobError(
            "lora",
            _("the weights hold a LoRA adapter"),
            _("the job trains all weights"),
            _("merge the adapter first: npudeck weights merge-lora"),
        )
    targets = {name[: -len(DOWN)].rpartition(".")[2] for name in halves}
    if targets != set(job.lora.target_modules):
        raise _other(
            "lora.target_modules", ", ".join(sorted(targets)), ", ".join(sorted(job.lora.target_modules))
        )
    ranks = {weights[name].shape[0] for name in halves}
    if ranks != {job.lora.rank}:
        raise _other("lora.rank", _("rank {found}").format(found=max(ranks)), str(job.lora.rank))


def _other(field: str, found: str, wanted: str) -> JobError:
    return JobError(
        field,
        _("the adapter has {found}, the job says {wanted}").format(found=found, wanted=wanted),
        _("a training goes on with the adapter that it began"),
        _("say what the adapter has, or save to another directory"),
    )
