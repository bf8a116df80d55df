"""The rules that a training job must keep, checked before anything starts."""

from __future__ import annotations

from gettext import gettext as _
from typing import Tuple

from backend.node.job_lines import JobError
from backend.node.train.position_rules import check_positions
from backend.node.train.train_job import DATA_KINDS, DECAY_STYLES, DEVICES, DTYPES, LORA_TARGETS, TrainJob

_AT_LEAST_ONE = (
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
    "eval_iterations",
)
_AT_LEAST_ZERO = ("warmup_iterations", "eval_interval", "keep_last", "seed")
_SHAPE_AT_LEAST_ONE = ("layers", "hidden", "heads", "kv_heads", "head_dim", "ffn", "vocab")


def check_job(job: TrainJob) -> None:
    """Raises JobError naming the field."""
    _check_sizes(job)
    _check_choices(job)
    _check_shape(job)
    check_positions(job.shape)
    _check_lora(job)
    _check_batch(job)


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


def _check_sizes(job: TrainJob) -> None:
    groups: Tuple[Tuple[object, str, Tuple[str, ...], int], ...] = (
        (job, "", _AT_LEAST_ONE, 1),
        (job, "", _AT_LEAST_ZERO, 0),
        (job.shape, "architecture.", _SHAPE_AT_LEAST_ONE, 1),
    )
    for owner, prefix, names, least in groups:
        for name in names:
            if getattr(owner, name) < least:
                raise JobError(prefix + name, _("must be at least {least}").format(least=least))


def _check_choices(job: TrainJob) -> None:
    choices = {"device": DEVICES, "data_kind": DATA_KINDS, "lr_decay_style": DECAY_STYLES}
    for field, names in choices.items():
        value = getattr(job, field)
        if value not in names:
            what = _("{value!r} is none of {names}").format(value=value, names=", ".join(names))
            raise JobError(field, what)
    if job.dtype not in DTYPES:
        raise JobError(
            "dtype",
            _("the native engine does not train in {dtype}").format(dtype=job.dtype),
            _("it has no loss scaling"),
            _("use {dtypes}").format(dtypes=_(" or ").join(reversed(DTYPES))),
        )


def _check_shape(job: TrainJob) -> None:
    shape = job.shape
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
    if job.sequence_parallel and job.seq_length % job.tensor_parallel:
        raise JobError(
            "sequence_parallel",
            _("{tp} does not divide seq_length = {size}").format(tp=job.tensor_parallel, size=job.seq_length),
            _("every tensor parallel rank holds an equal part of the sequence"),
        )


def _check_lora(job: TrainJob) -> None:
    if job.lora is None:
        return
    if job.lora.rank < 1:
        raise JobError("lora.rank", _("must be at least {least}").format(least=1))
    if not job.lora.alpha > 0.0:
        raise JobError("lora.alpha", _("must be above 0"))
    unknown = [name for name in job.lora.target_modules if name not in LORA_TARGETS]
    if unknown or not job.lora.target_modules:
        raise JobError(
            "lora.target_modules",
            _("{names} cannot be adapted").format(names=", ".join(unknown) or "[]"),
            _("an adapter changes {names}").format(names=", ".join(LORA_TARGETS)),
        )
    if not job.load_directory:
        raise JobError(
            "load_directory",
            _("an adapter needs the weights that it adapts"),
            _("on random weights it would learn nothing"),
            _("give the converted weights of the model"),
        )


def _check_batch(job: TrainJob) -> None:
    step = job.micro_batch_size * job.data_parallel
    if job.global_batch_size % step:
        raise JobError(
            "global_batch_size",
            _("{size} is not a multiple of {step}").format(size=job.global_batch_size, step=step),
            _("it is made of micro batches on every data parallel rank (MBS x DP)"),
        )
