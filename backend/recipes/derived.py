"""What follows from a recipe: NPUs, data parallel size, iterations, tokens; also from a wrong one."""

from __future__ import annotations

from backend.recipes.fields import Recipe


def npus(recipe: Recipe) -> int:
    """NPUs that the run uses on all nodes together."""
    return recipe.nodes * recipe.npus_per_node


def model_parallel(recipe: Recipe) -> int:
    """NPUs that hold one copy of the model: TP · PP."""
    return recipe.tensor_parallel * recipe.pipeline_parallel


def data_parallel(recipe: Recipe) -> int | None:
    """Copies of the model: NPUs / (TP · PP). None when that is no whole number of at least 1."""
    size = model_parallel(recipe)
    if size < 1 or npus(recipe) < size or npus(recipe) % size:
        return None
    return npus(recipe) // size


def num_micro_batches(recipe: Recipe) -> int | None:
    """Micro batches of one iteration in one copy of the model. None when GBS does not divide."""
    copies = data_parallel(recipe)
    if copies is None or recipe.micro_batch_size < 1 or recipe.global_batch_size < 1:
        return None
    samples = recipe.micro_batch_size * copies
    return None if recipe.global_batch_size % samples else recipe.global_batch_size // samples


def train_iterations(recipe: Recipe) -> int | None:
    """TRAIN_ITERS, else SN / GBS * EPOCH as the guide's shell computes it: the division first, cut down.

    0 when there are fewer samples than one iteration takes; None when neither is given.
    """
    if recipe.train_iterations is not None:
        return recipe.train_iterations
    if recipe.samples is None or recipe.global_batch_size < 1:
        return None
    return recipe.samples // recipe.global_batch_size * recipe.epochs


def warmup_iterations(recipe: Recipe) -> int | None:
    """Iterations in which the learning rate rises."""
    iterations = train_iterations(recipe)
    return None if iterations is None else int(recipe.warmup_fraction * iterations)


def consumed_tokens(recipe: Recipe, iterations: int) -> int:
    """Tokens seen after so many iterations: iterations · GBS · SEQ_LEN."""
    return iterations * recipe.global_batch_size * recipe.seq_length


def total_tokens(recipe: Recipe) -> int | None:
    """Tokens seen by the whole run."""
    iterations = train_iterations(recipe)
    return None if iterations is None else consumed_tokens(recipe, iterations)


def layers_per_stage(recipe: Recipe, layers: int) -> tuple[int, ...]:
    """Layers of each pipeline stage: as given, else as equal as possible."""
    if recipe.layers_per_stage is not None:
        return recipe.layers_per_stage
    return spread_layers(layers, recipe.pipeline_parallel)


def spread_layers(layers: int, stages: int) -> tuple[int, ...]:
    """`layers` over `stages`, earlier stages one longer where it does not divide; () where that cannot be."""
    if not 1 <= stages <= layers:
        return ()
    each, over = divmod(layers, stages)
    return tuple(each + (stage < over) for stage in range(stages))
