"""A weights job from the variables of the guide's `2_convert_mg_hf.sh`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.cli.flag_types import positive, variable
from backend.problems import UsageError
from backend.translation import _

# hg is the guide's own spelling
HF_TO_MEGATRON, MEGATRON_TO_HF = "hf2hg", "mg2hf"
_TRACKER = "latest_checkpointed_iteration.txt"
# the folder that ModelLink makes in that of the original
_BESIDE_ORIGINAL = "mg2hf"


@dataclass(frozen=True, slots=True)
class GuideSettings:
    """`job`: as the node code reads it; `names`: the variable for each of its keys; `variables`: those that
    were used, with their values; `remark`: a sentence for people, or ""."""

    job: dict[str, Any]
    names: dict[str, str]
    variables: dict[str, str]
    remark: str = ""


def guide_settings(direction: str, environment: Mapping[str, str]) -> GuideSettings:
    """What the variables say for one of the two directions. Raises UsageError."""
    return _to_megatron(environment) if direction == HF_TO_MEGATRON else _to_hf(environment)


def _to_megatron(environment: Mapping[str, str]) -> GuideSettings:
    names = {
        "hf_directory": "ORIGINAL_HF_WEIGHT",
        "output_directory": "CONVERT_MODEL_PATH",
        "tensor_parallel": "TP",
        "pipeline_parallel": "PP",
    }
    variables = {name: _value(name, environment) for name in names.values()}
    job: dict[str, Any] = {key: variables[name] for key, name in names.items()}
    for key in ("tensor_parallel", "pipeline_parallel"):
        # as where it is not set, and as --tp
        job[key] = variable(positive, names[key], job[key], error_kind=UsageError)
    return GuideSettings(job, names, variables)


def _to_hf(environment: Mapping[str, str]) -> GuideSettings:
    """The result goes to CONVERT_MODEL_PATH; where that still names the weights that training began with, to
    where ModelLink puts it."""
    like = "ORIGINAL_HF_WEIGHT" if environment.get("ORIGINAL_HF_WEIGHT") else "TOKENIZER_PATH"
    if not environment.get(like):
        like = "ORIGINAL_HF_WEIGHT"
    names = {"megatron_directory": "MODEL_SAVE_PATH", "like_directory": like}
    variables = {name: _value(name, environment) for name in names.values()}
    job: dict[str, Any] = {key: variables[name] for key, name in names.items()}
    converted = environment.get("CONVERT_MODEL_PATH", "")
    if converted and not (Path(converted) / _TRACKER).exists():
        names["output_directory"] = "CONVERT_MODEL_PATH"
        variables["CONVERT_MODEL_PATH"] = job["output_directory"] = converted
        return GuideSettings(job, names, variables)
    names["output_directory"] = like
    job["output_directory"] = str(Path(job["like_directory"]) / _BESIDE_ORIGINAL)
    remark = _("the result goes to {folder}").format(folder=job["output_directory"])
    if converted:
        remark += _(": CONVERT_MODEL_PATH holds Megatron weights")
    return GuideSettings(job, names, variables, remark)


def _value(name: str, environment: Mapping[str, str]) -> str:
    value = environment.get(name, "")
    if not value:
        what = {
            "TP": _("the tensor parallel size is not said"),
            "PP": _("the pipeline parallel size is not said"),
            "ORIGINAL_HF_WEIGHT": _("the folder of the original model is not said"),
            "CONVERT_MODEL_PATH": _("it is not said where the result goes"),
            "MODEL_SAVE_PATH": _("the folder of the trained weights is not said"),
        }[name]
        why = _("the variable {name} is not set").format(name=name)
        raise UsageError.because(what, why, _("export {name}=…").format(name=name), field=name)
    return value
