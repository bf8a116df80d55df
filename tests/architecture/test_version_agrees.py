"""One version: of the package and of the code."""

from __future__ import annotations

import tomllib
from pathlib import Path

from backend.version import VERSION

ROOT = Path(__file__).resolve().parents[2]


def test_the_package_has_the_version_of_the_code() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION
