"""The assignments of the edited copy of the guide's training script.

Names and order are those of the guide's tables "表1 模型训练脚本参数" and "表1 训练超参配置说明".
Not among them: SHELL_FOLDER, which the script computes itself, and NNODES, which is on the command line.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from backend.recipes.fields import BY_NAME, Recipe
from backend.recipes.values import format_value

# standard name -> variable; a value that is not given leaves the script's own
VARIABLES = (
    ("data_path", "ORIGINAL_TRAIN_DATA_PATH"),
    ("hf_weights", "ORIGINAL_HF_WEIGHT"),
    ("tokenizer_path", "TOKENIZER_PATH"),
    ("processed_directory", "INPUT_PROCESSED_DIR"),
    ("output_directory", "OUTPUT_SAVE_DIR"),
    ("checkpoint_directory", "CKPT_SAVE_PATH"),
    ("log_directory", "LOG_SAVE_PATH"),
    ("process_log_directory", "ASCEND_PROCESS_LOG_PATH"),
    ("model", "MODEL_NAME"),
    ("run_type", "RUN_TYPE"),
    ("data_type", "DATA_TYPE"),
    ("tokenizer_type", "TOKENIZER_TYPE"),
    ("micro_batch_size", "MBS"),
    ("global_batch_size", "GBS"),
    ("tensor_parallel", "TP"),
    ("pipeline_parallel", "PP"),
    ("lr", "LR"),
    ("min_lr", "MIN_LR"),
    ("seq_length", "SEQ_LEN"),
    ("max_position_embeddings", "MAX_PE"),
    ("samples", "SN"),
    ("epochs", "EPOCH"),
    ("train_iterations", "TRAIN_ITERS"),
    ("seed", "SEED"),
    ("save_interval", "SAVE_INTERVAL"),
    ("convert_to_hf", "CONVERT_MG2HF"),
)
# TOKENIZER_TYPE is a variable of 1_preprocess_data.sh: said only where it differs
_ONLY_WHEN_CHANGED = frozenset({"tokenizer_type"})


def script_variables(recipe: Recipe, model: str) -> tuple[tuple[str, str], ...]:
    """Name and value (not quoted yet) of every assignment, in the guide's order.

    `model` is the guide's name of the model: a recipe may use an alias.
    """
    recipe = dataclasses.replace(recipe, model=model)
    return tuple(
        (variable, _text(name, value))
        for name, variable in VARIABLES
        if _is_assigned(name, value := getattr(recipe, name))
    )


def _is_assigned(name: str, value: Any) -> bool:
    if value is None or value is False:
        # CONVERT_MG2HF must be absent when it is not wanted: the script asks only whether it is set
        return False
    return name not in _ONLY_WHEN_CHANGED or value != BY_NAME[name].default


def _text(name: str, value: Any) -> str:
    return "TRUE" if value is True else format_value(BY_NAME[name], value)
