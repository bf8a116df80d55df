"""Flags of `npudeck train` that set a field of the recipe: flag, field, what the help shows for a value."""

from __future__ import annotations

# the same as --set with the field's name, for what one types most
FIELD_FLAGS = (
    ("--model", "model", "NAME"),
    ("--run-type", "run_type", "KIND"),
    ("--data", "data_path", "PATH"),
    ("--data-type", "data_type", "HANDLER"),
    ("--weights", "hf_weights", "DIR"),
    ("--tokenizer", "tokenizer_path", "DIR"),
    ("--tp", "tensor_parallel", "N"),
    ("--pp", "pipeline_parallel", "N"),
    ("--micro-batch-size", "micro_batch_size", "N"),
    ("--global-batch-size", "global_batch_size", "N"),
    ("--seq-length", "seq_length", "N"),
    ("--lr", "lr", "X"),
    ("--iterations", "train_iterations", "N"),
    ("--save-interval", "save_interval", "N"),
)
