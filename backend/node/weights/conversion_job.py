"""What a conversion of weights asks for: the keys of its JSON, each checked as far as it goes without a
model."""

from __future__ import annotations

import os
from gettext import gettext as _
from typing import Any, Dict, NamedTuple, Optional, Sequence, Tuple

from backend.node.job_lines import JobError, require
from backend.node.weights.arrays import BF16, FP16, FP32
from backend.node.weights.config_keys import is_scale, shown

FORMATS = ("legacy", "mcore")
DTYPES = (BF16, FP16, FP32)
DEFAULT_SHARD_BYTES = 5 * 10**9
_SOURCES = ("hf_directory", "megatron_directory", "like_directory", "lora_directory")
_DIRECTORIES = (*_SOURCES, "output_directory")
# They change how the work is done, not what comes out.
WITHOUT_INFLUENCE = ("output_directory", "overwrite", "dry_run", "memory_bytes")


class ConversionJob(NamedTuple):
    """The job's JSON; each action needs some of the directories and ignores settings that it has no use for.

    `layers_per_stage` empty: evenly; `format` None: what the family is trained in, or the format of the
    source; `dtype` None: the model's own; the vocabulary is padded to `padded_vocab_size` rows, or to a
    multiple of TP times `make_vocab_size_divisible_by`; `memory_bytes`: what the work may use, None means no
    limit; `architecture`: what a recipe says that the model is, None means that config.json says it;
    `lora_…`: an adapter that is merged on the way, and what somebody says of it."""

    output_directory: str
    hf_directory: str = ""
    megatron_directory: str = ""
    like_directory: str = ""
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    layers_per_stage: Tuple[int, ...] = ()
    layers_per_virtual_stage: Optional[int] = None
    format: Optional[str] = None
    dtype: Optional[str] = None
    make_vocab_size_divisible_by: int = 1
    padded_vocab_size: Optional[int] = None
    max_shard_bytes: int = DEFAULT_SHARD_BYTES
    overwrite: bool = False
    dry_run: bool = False
    memory_bytes: Optional[int] = None
    architecture: Optional[Dict[str, Any]] = None
    lora_directory: str = ""
    lora_r: Optional[int] = None
    lora_alpha: Optional[float] = None
    lora_target_modules: Tuple[str, ...] = ()

    def settings(self) -> Dict[str, Any]:
        """Everything that decides the result, for its manifest."""
        found = self._asdict()
        for name in WITHOUT_INFLUENCE:
            del found[name]
        return found


def read_conversion_job(job: Dict[str, Any], needed: Sequence[str]) -> ConversionJob:
    """The job with the keys `needed`. Raises JobError that names the key."""
    require(job, needed)
    given = {name: job[name] for name in ConversionJob._fields if job.get(name) is not None}
    for name in needed:
        if given.get(name) in (None, ""):
            raise JobError(name, _("the job does not say {name}").format(name=name))
    for name, value in given.items():
        _check_type(name, value)
    # A manifest compares them, whatever directory a job is started in.
    given.update({name: os.path.abspath(value) for name, value in given.items() if name in _DIRECTORIES})
    wanted = ConversionJob(**given)
    wanted = wanted._replace(
        layers_per_stage=tuple(wanted.layers_per_stage), lora_target_modules=tuple(wanted.lora_target_modules)
    )
    for name, value, known in (("format", wanted.format, FORMATS), ("dtype", wanted.dtype, DTYPES)):
        if value is not None and value not in known:
            what = _("{value} is not known here").format(value=value)
            raise JobError(name, what, _("known: {names}").format(names=", ".join(known)))
    _check_directories(wanted)
    return wanted


_WHOLE_NUMBERS = (
    "tensor_parallel",
    "pipeline_parallel",
    "layers_per_virtual_stage",
    "make_vocab_size_divisible_by",
    "padded_vocab_size",
    "max_shard_bytes",
    "memory_bytes",
)


def _check_type(name: str, value: Any) -> None:
    if name in _WHOLE_NUMBERS:
        right, why = _is_count(value), _("it must be a whole number of at least 1")
    elif name == "layers_per_stage":
        right = isinstance(value, (list, tuple)) and all(_is_count(one) for one in value)
        why = _("it must be a list of whole numbers of at least 1")
    elif name == "lora_target_modules":
        right = isinstance(value, (list, tuple)) and all(isinstance(one, str) for one in value)
        why = _("it must be a list of names")
    elif name in ("lora_r", "lora_alpha"):
        right = is_scale(value)
        why = _("it must be a number above 0")
    elif name in ("overwrite", "dry_run"):
        right, why = isinstance(value, bool), _("it must be true or false")
    elif name == "architecture":
        right, why = isinstance(value, dict), _("it must be an object")
    else:
        right, why = isinstance(value, str), _("it must be text")
    if not right:
        raise JobError(name, _("{name} cannot be {value}").format(name=name, value=shown(value)), why)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _check_directories(job: ConversionJob) -> None:
    """The result never goes into what it is made from, nor takes its place."""
    output = os.path.realpath(job.output_directory)
    for name in _SOURCES:
        given = getattr(job, name)
        if not given:
            continue
        source = os.path.realpath(given)
        if source == output or source.startswith(output + os.sep):
            what = _("{path} is what the weights are made from").format(path=job.output_directory)
            why = _("{path} is this folder, or lies in it").format(path=given)
            raise JobError("output_directory", what, why, _("give another folder"))
