"""The job under the names of Megatron's arguments: what a checkpoint carries, and what rank 0 prints."""

from __future__ import annotations

from typing import Any, Dict, Mapping

from backend.node.train.replica import TORCH_DTYPES
from backend.node.train.train_job import TrainJob
from backend.node.weights.layout import Layout, pad_vocabulary
from backend.node.weights.tree_args import tree_args


def megatron_args(job: TrainJob, loaded: Mapping[str, Any]) -> Dict[str, Any]:
    """Builtin values and one dtype of torch. `loaded`: the plain arguments of the weights that the run began
    with; what the job does not say stays as it is there."""
    layout = Layout(job.tensor_parallel, job.pipeline_parallel, job.layers_per_stage)
    model = tree_args(job.shape, layout, "mcore", job.dtype, _padded_vocab(job, loaded))
    return {**loaded, **model, **_model(job), **_training(job), **_run(job)}


def _padded_vocab(job: TrainJob, loaded: Mapping[str, Any]) -> int:
    said = loaded.get("padded_vocab_size")
    if isinstance(said, int) and said >= job.shape.vocab:
        return said
    return pad_vocabulary(job.shape.vocab, job.tensor_parallel)


def _model(job: TrainJob) -> Dict[str, Any]:
    shape = job.shape
    return {
        "params_dtype": TORCH_DTYPES[job.dtype],
        "seq_length": job.seq_length,
        "encoder_seq_length": job.seq_length,
        # The one place where a tree says it.
        "rotary_base": shape.rope_theta,
        "rotary_percent": shape.rotary_percent,
        "init_method_std": job.init_method_std,
        "attention_dropout": 0.0,
        "hidden_dropout": 0.0,
    }


def _training(job: TrainJob) -> Dict[str, Any]:
    return {
        "micro_batch_size": job.micro_batch_size,
        "global_batch_size": job.global_batch_size,
        "train_iters": job.train_iterations,
        "lr": job.lr,
        "min_lr": job.min_lr,
        "lr_decay_style": job.lr_decay_style,
        "lr_decay_iters": job.train_iterations,
        "lr_warmup_iters": job.warmup_iterations,
        "optimizer": "adam",
        "adam_beta1": job.adam_beta1,
        "adam_beta2": job.adam_beta2,
        "adam_eps": job.adam_eps,
        "weight_decay": job.weight_decay,
        "clip_grad": job.clip_grad,
        "seed": job.seed,
        "split": ",".join(f"{share:g}" for share in job.split),
        "data_path": [word for one in job.datasets for word in (f"{one.weight:g}", one.prefix)],
        "sequence_parallel": job.sequence_parallel,
        "recompute_granularity": "full" if job.recompute_activations else None,
    }


def _run(job: TrainJob) -> Dict[str, Any]:
    return {
        "world_size": job.world_size,
        "data_parallel_size": job.data_parallel,
        "load": job.load_directory or None,
        "save": job.save_directory,
        "save_interval": job.save_interval,
        "log_interval": job.log_interval,
        "eval_interval": job.eval_interval,
        "eval_iters": job.eval_iterations,
        "no_save_optim": None,
        "no_save_rng": None,
    }
