"""The catalog, read from its package data: models, recommended layouts, container images."""

from __future__ import annotations

import difflib
import tomllib
from functools import cache
from importlib import resources
from typing import Any

from backend.catalog.image import Image
from backend.catalog.model import Architecture, Layout, Model
from backend.catalog.parameters import parameter_count
from backend.problems import InputError, Problem, Severity
from backend.translation import _


@cache
def load_models() -> tuple[Model, ...]:
    """Every model of the guide, in the guide's order."""
    layouts = _load_layouts()
    return tuple(_model(entry, layouts[entry["name"]]) for entry in _read("models.toml")["models"])


def find_model(name: str) -> Model:
    """The model of a name or alias, whatever its case; "organisation/name" works too.

    Raises `InputError` with the nearest names when there is none.
    """
    key = _key(name)
    by_name = _names()
    if key in by_name:
        return by_name[key]
    near = [by_name[match].name for match in difflib.get_close_matches(key, by_name, n=5, cutoff=0.6)]
    near = list(dict.fromkeys(near))
    raise InputError(
        Problem(
            field="model",
            severity=Severity.ERROR,
            what=_("no model is called {name!r}").format(name=name),
            why=_("the catalog has the {count} models of the guide").format(count=len(load_models())),
            fix=_fix(near),
            suggestion=near[0] if near else "",
        )
    )


def load_image(release: str | None = None) -> Image:
    """The container image of a release; the newest one known when none is named. Raises `InputError`."""
    images = _load_images()
    if release is None:
        return images[-1]
    for image in images:
        if image.release == release:
            return image
    raise InputError(
        Problem(
            field="release",
            severity=Severity.ERROR,
            what=_("no container image is known for release {release!r}").format(release=release),
            why=_("known: {names}").format(names=", ".join(image.release for image in images)),
            fix=_("name the image in the inventory, [container] image"),
            suggestion=images[-1].release,
        )
    )


def _fix(near: list[str]) -> str:
    if near:
        return _("did you mean {names}?").format(names=_(" or ").join(near))
    return _("see `npudeck models list`, or give the recipe an [architecture] of its own")


def _key(name: str) -> str:
    return name.strip().rstrip("/").rsplit("/", 1)[-1].casefold().replace("_", "-")


@cache
def _names() -> dict[str, Model]:
    models = load_models()
    names = {alias: model for model in models for alias in model.aliases}
    return names | {model.name: model for model in models}


@cache
def _load_images() -> tuple[Image, ...]:
    return tuple(Image(**entry) for entry in _read("images.toml")["images"])


def _load_layouts() -> dict[str, tuple[Layout, ...]]:
    table = _read("layouts.toml")
    columns = table["columns"]
    return {
        name: tuple(Layout(**dict(zip(columns, row, strict=True))) for row in rows)
        for name, rows in table["rows"].items()
    }


def _model(entry: dict[str, Any], layouts: tuple[Layout, ...]) -> Model:
    architecture = Architecture(family=entry["family"], **entry["shape"], **entry["numerics"])
    return Model(
        name=entry["name"],
        architecture=architecture,
        parameters=parameter_count(architecture),
        aliases=tuple(entry["aliases"]),
        scripts=entry["scripts"],
        size=entry["size"],
        weights_url=entry["weights_url"],
        layouts=layouts,
        sources=tuple(entry["sources"]),
    )


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads(resources.files("backend.catalog").joinpath(name).read_text("utf-8"))
