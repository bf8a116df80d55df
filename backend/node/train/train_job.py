"""The training job as its JSON says it, checked before anything starts."""

from __future__ import annotations

import dataclasses
from gettext import gettext as _
from typing import Any, Dict, Tuple, Type, TypeVar

from backend.node.job_lines import JobError

# Rotary over whole heads in halves, RMSNorm, SwiGLU, grouped queries: what the model here computes.
# ChatGLM turns half of each head and Baichuan2 13B uses ALiBi: theirs would be another model.
LLAMA_LIKE = ("llama", "llama2", "llama3", "yi", "qwen1.5", "qwen2")
DEVICES = ("npu", "cuda", "cpu")
DTYPES = ("fp32", "bf16")
_KINDS: Dict[str, Tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "str": (str,),
    "bool": (bool,),
}
_Read = TypeVar("_Read")


@dataclasses.dataclass(frozen=True)
class ModelShape:
    """Dimensions of a Llama-like decoder; `ffn` is the width of one of gate and up."""

    family: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    vocab: int
    rope_theta: float
    norm_eps: float
    tie_embeddings: bool
    qkv_bias: bool


@dataclasses.dataclass(frozen=True)
class TrainJob:
    """What to train and how. Paths are absolute; sizes are counts; `seq_length` is in tokens."""

    shape: ModelShape
    layers_per_stage: Tuple[int, ...]
    data_prefix: str
    load_directory: str
    save_directory: str
    tensor_parallel: int
    pipeline_parallel: int
    data_parallel: int
    npus_per_node: int
    device: str
    micro_batch_size: int
    global_batch_size: int
    seq_length: int
    train_iterations: int
    warmup_iterations: int
    lr: float
    min_lr: float
    weight_decay: float
    clip_grad: float
    seed: int
    log_interval: int
    save_interval: int
    dtype: str

    @property
    def world_size(self) -> int:
        return self.tensor_parallel * self.pipeline_parallel * self.data_parallel

    @property
    def num_micro_batches(self) -> int:
        """Micro batches of one iteration on one data parallel rank."""
        return self.global_batch_size // (self.micro_batch_size * self.data_parallel)


def read_train_job(job: Dict[str, Any]) -> TrainJob:
    """Check the JSON object and make it a TrainJob. Raises JobError naming the field."""
    shape = _read(ModelShape, _object(job, "architecture"), "architecture.", {})
    stages = job.get("layers_per_stage")
    if not isinstance(stages, list) or not all(type(count) is int and count > 0 for count in stages):
        raise JobError("layers_per_stage", _("must be a list of positive integers, one a pipeline stage"))
    read = _read(TrainJob, job, "", {"shape": shape, "layers_per_stage": tuple(stages)})
    _check_positive(read)
    _check_shape(read)
    _check_batch(read)
    return read


def check_world(job: TrainJob, num_nodes: int) -> None:
    """The layout must use every NPU of every node. Raises JobError."""
    present = num_nodes * job.npus_per_node
    if present != job.world_size:
        sizes = (job.tensor_parallel, job.pipeline_parallel, job.data_parallel)
        raise JobError(
            "data_parallel",
            _("TP x PP x DP = {product}, but {present} ranks are started").format(
                product=" x ".join(map(str, sizes)), present=present
            ),
            _("each NPU runs one rank of the layout"),
        )


def _object(job: Dict[str, Any], name: str) -> Dict[str, Any]:
    value = job.get(name)
    if not isinstance(value, dict):
        raise JobError(name, _("must be a JSON object"))
    return value


def _read(kind: Type[_Read], source: Dict[str, Any], prefix: str, given: Dict[str, Any]) -> _Read:
    """Fill the dataclass `kind` from `source` by its fields' names and types, and from `given` as it is."""
    values = dict(given)
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        if field.name in given:
            continue
        if field.name not in source:
            raise JobError(prefix + field.name, _("is missing in the job file"))
        value = source[field.name]
        expected = str(field.type)
        if not isinstance(value, _KINDS[expected]) or (expected != "bool" and isinstance(value, bool)):
            raise JobError(
                prefix + field.name, _("{value!r} is not of type {kind}").format(value=value, kind=expected)
            )
        values[field.name] = float(source[field.name]) if expected == "float" else value
    return kind(**values)


def _check_positive(job: TrainJob) -> None:
    names = (
        "tensor_parallel",
        "pipeline_parallel",
        "data_parallel",
        "npus_per_node",
        "micro_batch_size",
        "global_batch_size",
        "seq_length",
        "train_iterations",
        "log_interval",
        "save_interval",
    )
    shape_names = ("layers", "hidden", "heads", "kv_heads", "head_dim", "ffn", "vocab")
    for owner, prefix, group in ((job, "", names), (job.shape, "architecture.", shape_names)):
        for name in group:
            if getattr(owner, name) < 1:
                raise JobError(prefix + name, _("must be at least 1"))


def _check_shape(job: TrainJob) -> None:
    shape = job.shape
    if shape.family not in LLAMA_LIKE:
        raise JobError(
            "architecture.family",
            _("the native engine does not train the family {family}").format(family=shape.family),
            _("it trains {families}").format(families=", ".join(LLAMA_LIKE)),
            _("choose the engine of the guide's scripts"),
        )
    if job.device not in DEVICES:
        raise JobError(
            "device", _("{device!r} is none of {names}").format(device=job.device, names=", ".join(DEVICES))
        )
    if job.dtype not in DTYPES:
        raise JobError(
            "dtype",
            _("the native engine does not train in {dtype}").format(dtype=job.dtype),
            _("it has no loss scaling"),
            _("use {dtypes}").format(dtypes=_(" or ").join(reversed(DTYPES))),
        )
    if shape.heads % shape.kv_heads or shape.head_dim % 2:
        raise JobError("architecture.kv_heads", _("must divide the number of heads, and heads must be even"))
    for name in ("heads", "kv_heads", "ffn"):
        size = getattr(shape, name)
        if size % job.tensor_parallel:
            raise JobError(
                "tensor_parallel",
                _("{tp} does not divide {name} = {size}").format(
                    tp=job.tensor_parallel, name=name, size=size
                ),
                _("every tensor parallel rank holds an equal part"),
            )
    if len(job.layers_per_stage) != job.pipeline_parallel or sum(job.layers_per_stage) != shape.layers:
        raise JobError(
            "layers_per_stage",
            _("{stages} does not share {layers} layers among {pp} stages").format(
                stages=list(job.layers_per_stage), layers=shape.layers, pp=job.pipeline_parallel
            ),
        )


def _check_batch(job: TrainJob) -> None:
    step = job.micro_batch_size * job.data_parallel
    if job.global_batch_size % step:
        raise JobError(
            "global_batch_size",
            _("{size} is not a multiple of {step}").format(size=job.global_batch_size, step=step),
            _("it is made of micro batches on every data parallel rank (MBS x DP)"),
        )
