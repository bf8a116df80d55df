"""The stage "weights": a Hugging Face model to a Megatron checkpoint tree, cut for a layout of ranks."""

from __future__ import annotations

import contextlib
import os
import shutil
from gettext import gettext as _
from typing import TYPE_CHECKING, Any, Dict, List, Optional

from backend.node import durable, manifest
from backend.node.job_lines import JobError, print_progress
from backend.node.weights import shards
from backend.node.weights.hf_source import HfSource
from backend.node.weights.megatron_args import megatron_args
from backend.node.weights.model_check import check_model
from backend.node.weights.rank_model import RankModel
from backend.node.weights.weights_job import DTYPES, WeightsJob, read_job

if TYPE_CHECKING:
    import torch

MANIFEST = "npudeck.manifest.json"
_ITERATION = 1
_OWN = frozenset((MANIFEST, shards.TRACKER, "iter_0000001"))
_SPARE_BYTES = 64 << 20


def run(job: Dict[str, Any]) -> None:
    """Do the stage "weights". Raises JobError; then the output directory is as it was before."""
    wanted = read_job(job)
    try:
        _run(wanted)
    except OSError as error:
        what = _("the weights stage cannot read or write a file")
        raise JobError("", what, str(error)) from error


def _run(job: WeightsJob) -> None:
    source = HfSource(job.hf_directory)
    output = job.output_directory
    sources = _made_from(job, source)
    found = manifest.read(os.path.join(output, MANIFEST))
    if manifest.is_current(found, sources, output):
        print(
            _("up to date: {directory} was made from the same weights").format(directory=output), flush=True
        )
        return
    _check_output(job, found)
    check_model(job, source)
    dtype = _target_dtype(job, source)
    parent = os.path.dirname(os.path.abspath(output))
    os.makedirs(parent, exist_ok=True)
    durable.remove_leftovers(output)
    durable.remove_leftovers(output + ".old")
    _check_space(job, source, dtype, parent)
    temporary = durable.temporary_name(output)
    try:
        _write_tree(job, source, sources, dtype, temporary)
        _move(temporary, output)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    size = sum(os.path.getsize(path) for path in _rank_files(output))
    text = _("{count} rank files, {size:.2f} GB, in {directory}")
    print(text.format(count=len(_rank_files(output)), size=size / 1e9, directory=output), flush=True)


def _made_from(job: WeightsJob, source: HfSource) -> Dict[str, Any]:
    """Everything that decides the tree; the architecture with its rope theta, which the tree does not say."""
    settings = dict(job._asdict(), architecture=job.architecture._asdict())
    del settings["output_directory"]
    return {"settings": settings, "inputs": [manifest.describe_file(path) for path in source.files]}


def _check_output(job: WeightsJob, found: Optional[Dict[str, Any]]) -> None:
    """Never write into what somebody may still need. Raises JobError."""
    output = job.output_directory
    if not os.path.isdir(output):
        if os.path.lexists(output):
            raise JobError("output_directory", _("{path} is not a folder").format(path=output))
        return
    entries = set(os.listdir(output))
    if not entries:
        return
    other = _("choose another output directory, or remove this one")
    if found is None:
        what = _("{path} is not empty and was not made by this stage").format(path=output)
        raise JobError("output_directory", what, "", other)
    made = found["made_from"]["settings"]
    layout = (made["tensor_parallel"], made["pipeline_parallel"])
    if layout != (job.tensor_parallel, job.pipeline_parallel):
        what = _("{path} holds weights for TP {tp} x PP {pp}").format(path=output, tp=layout[0], pp=layout[1])
        raise JobError("output_directory", what, _("the layout asked for is another one"), other)
    if not entries <= _OWN or shards.latest_iteration(output) != _ITERATION:
        what = _("{path} also holds checkpoints of a training").format(path=output)
        raise JobError("output_directory", what, _("the weights have changed and would replace them"), other)


def _target_dtype(job: WeightsJob, source: HfSource) -> torch.dtype:
    """The dtype to write; says so when the model's own has more digits or a wider range."""
    import torch

    # Newer configs call it dtype.
    own = source.config.get("torch_dtype") or source.config.get("dtype") or job.architecture.hf_dtype
    if own not in DTYPES.values():
        raise JobError("hf_directory", _("config.json names an unknown torch_dtype: {name}").format(name=own))
    name = DTYPES[job.dtype] if job.dtype else own
    if name not in (own, "float32"):
        text = _("the model is {own} and is written as {name}: some values lose digits")
        print(text.format(own=own, name=name), flush=True)
    dtype: torch.dtype = getattr(torch, name)
    return dtype


def _check_space(job: WeightsJob, source: HfSource, dtype: torch.dtype, parent: str) -> None:
    import math

    values = sum(math.prod(source.shape(name)) for name, _source in job.sources())
    needed = values * dtype.itemsize + _SPARE_BYTES
    free = shutil.disk_usage(parent).free
    if free < needed:
        what = _("{path} has {free:.1f} GB free, the weights need {needed:.1f} GB").format(
            path=parent, free=free / 1e9, needed=needed / 1e9
        )
        raise JobError("output_directory", what, "", _("make room, or choose another directory"))


def _write_tree(
    job: WeightsJob, source: HfSource, sources: Dict[str, Any], dtype: torch.dtype, directory: str
) -> None:
    import torch

    args = megatron_args(job, str(dtype).rpartition(".")[2])
    total = job.tensor_parallel * job.pipeline_parallel
    done = 0
    for pp_rank in range(job.pipeline_parallel):
        for tp_rank in range(job.tensor_parallel):
            model = RankModel(job, source, dtype, tp_rank, pp_rank).build()
            name = shards.rank_directory_name(tp_rank, pp_rank, job.pipeline_parallel)
            folder = os.path.join(shards.iteration_directory(directory, _ITERATION), name)
            shards.write_rank_file(folder, _ITERATION, model, {}, args)
            done += 1
            print_progress(done, total, "rank files", name)
    shards.publish(directory, _ITERATION)
    counts = {"rank_files": total}
    path = os.path.join(directory, MANIFEST)
    manifest.write(path, sources, counts, _rank_files(directory), {"torch": torch.__version__})


def _rank_files(directory: str) -> List[str]:
    folder = shards.iteration_directory(directory, _ITERATION)
    return [os.path.join(folder, name, shards.RANK_FILE) for name in sorted(os.listdir(folder))]


def _move(temporary: str, output: str) -> None:
    """Put the tree in place; one that was there before is moved aside first and removed afterwards."""
    old = durable.temporary_name(output + ".old")
    with contextlib.suppress(FileNotFoundError):
        os.rename(output, old)
    os.rename(temporary, output)
    durable.sync_directory(os.path.dirname(os.path.abspath(output)))
    shutil.rmtree(old, ignore_errors=True)
