"""The training job from its JSON: every value of its type, every missing one named."""

from __future__ import annotations

import dataclasses
import math
from gettext import gettext as _
from typing import Any, Dict, List, Mapping, Tuple, Type, TypeVar

from backend.node.job_lines import JobError
from backend.node.train.train_job import DataSet, Lora, TrainJob
from backend.node.train.train_job_rules import check_job
from backend.node.weights.model import Model
from backend.node.weights.model_config import model_of_architecture

_KINDS: Dict[str, Tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "str": (str,),
    "bool": (bool,),
}
_SHAPE_KINDS = {"family": "str", "hf_dtype": "str", "tie_embeddings": "bool", "qkv_bias": "bool"}
_SHAPE_FLOATS = ("rope_theta", "norm_eps")
_Read = TypeVar("_Read")


def read_train_job(job: Dict[str, Any]) -> TrainJob:
    """Check the JSON object and make it a TrainJob. Raises JobError naming the field."""
    given: Dict[str, Any] = {
        "shape": _shape(job),
        "layers_per_stage": _stages(job),
        "datasets": _datasets(job),
        "lora": _lora(job),
    }
    if "split" in job:
        given["split"] = _split(job["split"])
    read = _read(TrainJob, job, "", given)
    check_job(read)
    return read


def _shape(job: Mapping[str, Any]) -> Model:
    """`architecture` has the keys of the catalog's dimensions."""
    value = job.get("architecture")
    if not isinstance(value, dict):
        raise JobError("architecture", _("must be a JSON object"))
    for name, entry in value.items():
        kind = _SHAPE_KINDS.get(name, "float" if name in _SHAPE_FLOATS else "int")
        _typed(f"architecture.{name}", entry, kind)
    return model_of_architecture(value)


def _stages(job: Mapping[str, Any]) -> Tuple[int, ...]:
    stages = job.get("layers_per_stage")
    if not isinstance(stages, list) or not all(type(count) is int and count > 0 for count in stages):
        raise JobError("layers_per_stage", _("must be a list of positive integers, one a pipeline stage"))
    return tuple(stages)


def _datasets(job: Mapping[str, Any]) -> Tuple[DataSet, ...]:
    entries = job.get("datasets")
    if not isinstance(entries, list) or not entries or not all(isinstance(one, dict) for one in entries):
        raise JobError("datasets", _("must be a list of objects with prefix and weight"))
    found: List[DataSet] = []
    for number, entry in enumerate(entries):
        one = _read(DataSet, entry, f"datasets.{number}.", {})
        if not 0.0 < one.weight < math.inf:
            raise JobError(f"datasets.{number}.weight", _("must be above 0"))
        found.append(one)
    return tuple(found)


def _lora(job: Mapping[str, Any]) -> Any:
    value = job.get("lora")
    if value is None:
        return None
    if not isinstance(value, dict):
        raise JobError("lora", _("must be a JSON object"))
    given = {}
    if "target_modules" in value:
        names = value["target_modules"]
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise JobError("lora.target_modules", _("must be a list of names"))
        given["target_modules"] = tuple(names)
    return _read(Lora, value, "lora.", given)


def _split(value: Any) -> Tuple[float, ...]:
    good = isinstance(value, list) and len(value) == 3
    if (
        not good
        or not all(type(one) in (int, float) and 0 <= one < math.inf for one in value)
        or not value[0]
    ):
        raise JobError("split", _("must be three numbers: the shares of training, validation and test"))
    return tuple(float(one) for one in value)


def _read(kind: Type[_Read], source: Mapping[str, Any], prefix: str, given: Dict[str, Any]) -> _Read:
    """Fill the dataclass `kind` from `source` by its fields' names and types, and from `given` as it is."""
    values = dict(given)
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        if field.name in given:
            continue
        if field.name not in source:
            if field.default is dataclasses.MISSING:
                raise JobError(prefix + field.name, _("is missing in the job file"))
            continue
        expected = str(field.type)
        if expected not in _KINDS:
            continue
        value = _typed(prefix + field.name, source[field.name], expected)
        values[field.name] = float(value) if expected == "float" else value
    return kind(**values)


def _typed(name: str, value: Any, expected: str) -> Any:
    if not isinstance(value, _KINDS[expected]) or (expected != "bool" and isinstance(value, bool)):
        raise JobError(name, _("{value!r} is not of type {kind}").format(value=value, kind=expected))
    return value
