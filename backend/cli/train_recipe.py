"""The recipe of `npudeck train`: a file, flags, and what a single machine and a small size change of it."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from backend.cli import diagnostics
from backend.cli.train_flags import FIELD_FLAGS
from backend.problems import InputError
from backend.recipes.check import resolve_architecture
from backend.recipes.choices import PRETRAIN_DATA_TYPES
from backend.recipes.fields import BY_NAME, FIELDS, Recipe
from backend.recipes.recipe_files import load_recipe
from backend.recipes.settings import with_settings
from backend.recipes.training_rules import INSTRUCTION_HANDLER
from backend.translation import _


def recipe_of(arguments: argparse.Namespace) -> Recipe:
    """What to train here: one node with all ranks. Raises `InputError` for what cannot be read."""
    from_file = arguments.recipe is not None
    recipe = load_recipe(arguments.recipe) if from_file else Recipe()
    recipe = with_settings(recipe, [*_flags(arguments), *arguments.set])
    if recipe.engine != "native":
        raise InputError.because(
            _("engine is {name}").format(name=recipe.engine),
            _("on this machine npudeck trains with its own engine"),
            _("add --set engine=native"),
            field="engine",
        )
    if not from_file and recipe.run_type != "pretrain" and recipe.data_type in PRETRAIN_DATA_TYPES:
        recipe = dataclasses.replace(recipe, data_type=INSTRUCTION_HANDLER)
    if arguments.scale is not None:
        recipe = _scaled(recipe, arguments.scale)
    if recipe.from_scratch and not recipe.hf_weights and recipe.tokenizer_path:
        # it gives the tokenizer alone, and there is one
        recipe = dataclasses.replace(recipe, hf_weights=recipe.tokenizer_path)
    return _here(recipe, _ranks(recipe, arguments.nproc, from_file))


def _flags(arguments: argparse.Namespace) -> list[str]:
    given = ((field, getattr(arguments, f"field_{field}")) for _flag, field, _shown in FIELD_FLAGS)
    return [f"{field}={text}" for field, text in given if text is not None]


def _ranks(recipe: Recipe, nproc: int | None, from_file: bool) -> int:
    one_copy = recipe.tensor_parallel * recipe.pipeline_parallel
    if nproc is None:
        return recipe.nodes * recipe.npus_per_node if from_file else one_copy
    if nproc < 1 or nproc % max(1, one_copy):
        raise InputError.because(
            _("{count} ranks do not divide into copies of TP·PP = {tp}·{pp}").format(
                count=nproc, tp=recipe.tensor_parallel, pp=recipe.pipeline_parallel
            ),
            _("TP·PP·DP must be the number of ranks, with DP at least 1"),
            _("take {count}, or change --tp or --pp").format(count=max(1, nproc // one_copy) * one_copy),
            field="--nproc",
        )
    return nproc


def _here(recipe: Recipe, ranks: int) -> Recipe:
    """All ranks on one node, and every path from the root: on this machine "relative" is clear."""
    paths: dict[str, Any] = {
        field.name: _from_root(field.name, value)
        for field in FIELDS
        if field.kind == "path" and (value := getattr(recipe, field.name))
    }
    return dataclasses.replace(recipe, nodes=1, npus_per_node=ranks, **paths)


def _from_root(field: str, value: str) -> str:
    try:
        return str(Path(value).expanduser().absolute())
    except RuntimeError:
        raise InputError.because(
            _("{path} begins with the home folder of nobody here").format(path=value),
            fix=_("write ./{path} where that is its name").format(path=value),
            field=field,
        ) from None


def _scaled(recipe: Recipe, scale: str) -> Recipe:
    from backend.recipes.scaled_architecture import scaled

    architecture = scaled(resolve_architecture(recipe), scale)
    if recipe.convert_to_hf:
        diagnostics.say(_("no Hugging Face model is made: the folder of the weights describes another size"))
    return dataclasses.replace(
        recipe,
        # folders are named after the model: the large one is another
        model=f"{recipe.model}-{scale}",
        architecture=architecture,
        from_scratch=True,
        convert_to_hf=bool(BY_NAME["convert_to_hf"].default),
    )
