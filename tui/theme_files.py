"""The themes that npudeck ships, read from package data and handed to Textual."""

from __future__ import annotations

import tomllib
from importlib.resources import files

from textual.theme import Theme

DARK = "npudeck-dark"
LIGHT = "npudeck-light"
NAMES = (DARK, LIGHT)


def load_theme(name: str) -> Theme:
    """One shipped theme, by its name in `NAMES`."""
    raw = tomllib.loads(files("themes").joinpath(f"{name}.toml").read_text(encoding="utf-8"))
    return Theme(name=raw["name"], dark=raw["dark"], variables=raw["variables"], **raw["colors"])


def load_themes() -> tuple[Theme, ...]:
    return tuple(load_theme(name) for name in NAMES)
