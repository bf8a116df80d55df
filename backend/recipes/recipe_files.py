"""Recipes on disk: read with every problem said, written whole or not at all."""

from __future__ import annotations

import os
import stat
import tempfile
import tomllib
from pathlib import Path

from backend.problems import InputError, Problem, Severity
from backend.recipes.fields import Recipe
from backend.recipes.mapping import recipe_from_mapping
from backend.recipes.recipe_text import recipe_to_toml
from backend.translation import _

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
    """Write the recipe under a temporary name, flush it, and put it in place. Raises `InputError`."""
    _save(recipe, Path(path), everything, overwrite=True)


def create_recipe(recipe: Recipe, path: str | os.PathLike[str], everything: bool = False) -> None:
    """The same for a file that must not exist yet. Raises `InputError`."""
    _save(recipe, Path(path), everything, overwrite=False)


def _save(recipe: Recipe, path: Path, everything: bool, *, overwrite: bool) -> None:
    temporary: Path | None = None
    try:
        # a link stays a link: what it points to is replaced
        final = path.resolve()
        if not overwrite and final.exists():
            raise _refusal(path, _("exists already"), "", _("choose another name, or add --force"))
        if final.exists() and not (final.is_file() or final.is_dir()):
            # /dev/null and its like: other programs live by them
            raise _refusal(path, _("is not a regular file"), "", _("choose another name"))
        temporary = _write_temporary(final, recipe_to_toml(recipe, everything))
        temporary.replace(final)
        _flush_directory(final.parent)
    except (OSError, ValueError) as error:
        raise _refusal(path, _("cannot be written"), _reason(error), _("choose another place")) from None
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


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


def _write_temporary(final: Path, text: str) -> Path:
    """The text, flushed, in a new file beside `final` that has its permissions."""
    descriptor, name = tempfile.mkstemp(prefix=f".{final.name}.", suffix=".tmp", dir=final.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), _mode(final))
            os.fsync(file.fileno())
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def _mode(final: Path) -> int:
    try:
        return stat.S_IMODE(final.stat().st_mode)
    except FileNotFoundError:
        # as readable as any file that one makes by hand; recipes hold no secrets
        return 0o644


def _flush_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def _refusal(path: str | os.PathLike[str], what: str, why: str, fix: str) -> InputError:
    return InputError(Problem("", Severity.ERROR, f"{os.fspath(path)} {what}", why, fix))
