"""A recipe to begin with: the guide's layout for a model, a run type and a sequence length."""

from __future__ import annotations

from backend.catalog.layouts import recommended_layout
from backend.catalog.model import Model
from backend.recipes.fields import BY_NAME, Recipe
from backend.recipes.training_rules import INSTRUCTION_HANDLER, PRETRAIN_HANDLER


def starting_recipe(model: Model, run_type: str, seq_length: int | None = None) -> Recipe:
    """Layout from the guide's table, everything else at its default; paths and samples are still to be given.

    Without `seq_length` (tokens) the default of the field is taken.
    """
    length: int = BY_NAME["seq_length"].default if seq_length is None else seq_length
    layout = recommended_layout(model.layouts, length)
    if layout is None:
        raise ValueError(f"the catalog has no layout for {model.name}")
    return Recipe(
        model=model.name,
        run_type=run_type,
        data_type=PRETRAIN_HANDLER if run_type == "pretrain" else INSTRUCTION_HANDLER,
        tensor_parallel=layout.tp,
        pipeline_parallel=layout.pp,
        nodes=layout.nodes,
        npus_per_node=layout.npus_per_node,
        seq_length=length,
        max_position_embeddings=max(length, BY_NAME["max_position_embeddings"].default),
    )
