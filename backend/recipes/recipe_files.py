"""Recipes on disk: read with every problem said, written whole or not at all."""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path

from backend.problems import InputError, Problem, Severity
from backend.recipes.fields import Recipe
from backend.recipes.mapping import recipe_from_mapping
from backend.recipes.recipe_text import recipe_to_toml
from backend.translation import _
from backend.whole_files import NotRegularError, put_whole

# a recipe has some forty lines; whatever is larger is another file
LARGEST_BYTES = 1_000_000


def load_recipe(path: str | os.PathLike[str]) -> Recipe:
    """The recipe of a file. Raises `InputError`: it cannot be read, or with every problem of its values."""
    recipe, problems = read_recipe(path)
    if problems:
        raise InputError(*problems)
    return recipe


def read_recipe(path: str | os.PathLike[str]) -> tuple[Recipe, tuple[Problem, ...]]:
    """What is valid of a file, and what is not. Raises `InputError` when it cannot be read as TOML at all."""
    text = _read_text(Path(path))
    try:
        raw = tomllib.loads(text)
    except ValueError as error:
        raise _refusal(path, _("is not valid TOML"), str(error), _("mend the line that is named")) from None
    except RecursionError:
        raise _refusal(path, _("is not valid TOML"), _("it is nested too deeply"), "") from None
    return recipe_from_mapping(raw)


def save_recipe(recipe: Recipe, path: str | os.PathLike[str], everything: bool = False) -> None:
    """Write the recipe whole or not at all. Raises `InputError`."""
    _save(recipe, Path(path), everything, overwrite=True)


def create_recipe(recipe: Recipe, path: str | os.PathLike[str], everything: bool = False) -> None:
    """The same for a file that must not exist yet. Raises `InputError`."""
    _save(recipe, Path(path), everything, overwrite=False)


def _save(recipe: Recipe, path: Path, everything: bool, *, overwrite: bool) -> None:
    try:
        written = put_whole(path, recipe_to_toml(recipe, everything), new=not overwrite)
    except NotRegularError:
        raise _refusal(path, _("is not a regular file"), "", _("choose another name")) from None
    except (OSError, ValueError) as error:
        raise _refusal(path, _("cannot be written"), _reason(error), _("choose another place")) from None
    if not written:
        raise _refusal(path, _("exists already"), "", _("choose another name, or add --force"))


def _read_text(path: Path) -> str:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise _refusal(path, _("is a directory"), "", _("name the recipe file in it"))
        if not stat.S_ISREG(status.st_mode):
            raise _refusal(path, _("is not a regular file"), "", "")
        if status.st_size > LARGEST_BYTES:
            raise _refusal(path, _("is too large for a recipe"), _("{n} bytes").format(n=status.st_size), "")
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        fix = _("`npudeck recipe new MODEL --run-type pretrain -o FILE` makes one")
        raise _refusal(path, _("does not exist"), "", fix) from None
    except UnicodeDecodeError as error:
        why = _("byte {offset} is not UTF-8").format(offset=error.start)
        raise _refusal(path, _("is not a text file"), why, _("save it as UTF-8")) from None
    except (OSError, ValueError) as error:
        raise _refusal(path, _("cannot be read"), _reason(error), "") from None


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def _refusal(path: str | os.PathLike[str], what: str, why: str, fix: str) -> InputError:
    return InputError(Problem("", Severity.ERROR, f"{os.fspath(path)} {what}", why, fix))
