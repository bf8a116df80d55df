"""Where a run reads and writes on the shared directory: the guide's tree (guide, "工作目录介绍").

<shared>/processed_for_input/<model>/data/{pretrain,finetune}/<data set>
<shared>/processed_for_input/<model>/converted_weights_TP<t>PP<p>
<shared>/saved_dir_for_output/<model>/saved_models/<run type>/<run key>
<shared>/saved_dir_for_output/<model>/saved_models/<run type>_hf/<run key>
"""

from __future__ import annotations

import posixpath

from backend.recipes.fields import Recipe

_DATA_SUFFIXES = (".idx", ".bin", ".gz", ".zst", ".parquet", ".jsonl", ".json", ".txt", ".csv")


def read_paths(recipe: Recipe) -> tuple[str, ...]:
    """What is read of what the recipe names."""
    return tuple(dict.fromkeys(filter(None, (recipe.data_path, recipe.hf_weights, recipe.tokenizer_path))))


def without_weights(recipe: Recipe) -> tuple[str, ...]:
    """Model folders among them of which the tokenizer and config.json are read, but no weights."""
    only_tokenizer = recipe.tokenizer_path if recipe.tokenizer_path != recipe.hf_weights else ""
    return tuple(filter(None, (only_tokenizer, recipe.hf_weights if recipe.from_scratch else "")))


def processed_directory(recipe: Recipe, shared: str) -> str:
    """Where preprocessed data and converted weights of the recipe's model go."""
    if recipe.processed_directory:
        return recipe.processed_directory.rstrip("/")
    return f"{shared}/processed_for_input/{recipe.model}"


def data_prefix(recipe: Recipe, shared: str) -> str:
    """The output prefix of the data stage, without the `_text_document` that it adds."""
    purpose = "pretrain" if recipe.run_type == "pretrain" else "finetune"
    return f"{processed_directory(recipe, shared)}/data/{purpose}/{data_set_name(recipe.data_path)}"


def data_set_name(path: str) -> str:
    """The last part of the path without the endings of its format."""
    name = posixpath.basename(path.rstrip("/"))
    for suffix in _DATA_SUFFIXES:
        if name.endswith(suffix) and name != suffix:
            name = name.removesuffix(suffix)
    return name or "data"


def weights_directory(recipe: Recipe, shared: str) -> str:
    """The converted weights; stages of unequal size are another conversion and get a folder of their own."""
    name = f"converted_weights_TP{recipe.tensor_parallel}PP{recipe.pipeline_parallel}"
    if recipe.layers_per_stage is not None:
        name += "_L" + "-".join(str(layers) for layers in recipe.layers_per_stage)
    return f"{processed_directory(recipe, shared)}/{name}"


def save_directory(recipe: Recipe, shared: str, run_key: str) -> str:
    """Where this run's checkpoints go: the recipe's own folder as it is, else one of the run's own."""
    if recipe.checkpoint_directory:
        return recipe.checkpoint_directory.rstrip("/")
    return f"{_saved_models(recipe, shared)}/{recipe.run_type}/{run_key}"


def export_directory(recipe: Recipe, shared: str, run_key: str) -> str:
    """The trained model in the Hugging Face format: beside the checkpoints (guide, "pretrain_hf")."""
    if recipe.checkpoint_directory:
        return recipe.checkpoint_directory.rstrip("/") + "_hf"
    return f"{_saved_models(recipe, shared)}/{recipe.run_type}_hf/{run_key}"


def _saved_models(recipe: Recipe, shared: str) -> str:
    output = (recipe.output_directory or f"{shared}/saved_dir_for_output").rstrip("/")
    return f"{output}/{recipe.model}/saved_models"
