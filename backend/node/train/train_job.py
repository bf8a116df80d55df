"""What to train and how: the training job that its JSON describes."""

from __future__ import annotations

import dataclasses
from typing import Optional, Tuple

from backend.node.weights.model import Model

DEVICES = ("npu", "cuda", "cpu")
DTYPES = ("fp32", "bf16")
PRETRAIN, INSTRUCTION = "pretrain", "instruction"
DATA_KINDS = (PRETRAIN, INSTRUCTION)
DECAY_STYLES = ("cosine", "linear", "constant")
# The linear layers that an adapter may change, by Megatron's names (mcore).
LORA_TARGETS = ("linear_qkv", "linear_proj", "linear_fc1", "linear_fc2")


@dataclasses.dataclass(frozen=True)
class DataSet:
    """Token files of one data set: the path without `.bin` / `.idx`, of instruction data the path before
    `_packed_<column>_document`. `weight`: its share of a blend, relative to the others."""

    prefix: str
    weight: float = 1.0


@dataclasses.dataclass(frozen=True)
class Lora:
    """An adapter W + alpha / rank * B A on the layers `target_modules` (names of LORA_TARGETS)."""

    rank: int
    alpha: float
    target_modules: Tuple[str, ...] = LORA_TARGETS


@dataclasses.dataclass(frozen=True)
class TrainJob:
    """What to train and how. Paths are absolute; sizes are counts; `seq_length` is in tokens.

    `load_directory` is "" for random weights made from `seed`. `split`: Megatron's three shares of the
    documents for training, validation and test; `eval_interval` 0 means no validation. `keep_last` 0 keeps
    every checkpoint. `like_directory`: the Hugging Face folder of the original, whose name a PEFT adapter
    carries; only with `lora`.
    """

    shape: Model
    layers_per_stage: Tuple[int, ...]
    datasets: Tuple[DataSet, ...]
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
    data_kind: str = PRETRAIN
    split: Tuple[float, float, float] = (100.0, 0.0, 0.0)
    eval_interval: int = 0
    eval_iterations: int = 10
    lr_decay_style: str = "cosine"
    adam_beta1: float = 0.9
    adam_beta2: float = 0.95
    adam_eps: float = 1e-8
    init_method_std: float = 0.02
    sequence_parallel: bool = False
    recompute_activations: bool = False
    keep_last: int = 0
    lora: Optional[Lora] = None
    like_directory: str = ""

    @property
    def world_size(self) -> int:
        return self.tensor_parallel * self.pipeline_parallel * self.data_parallel

    @property
    def num_micro_batches(self) -> int:
        """Micro batches of one iteration on one data parallel rank."""
        return self.global_batch_size // (self.micro_batch_size * self.data_parallel)
