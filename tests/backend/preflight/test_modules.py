"""Modules and their versions, asked of a Python without importing them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from backend.preflight.modules import SCRIPT, FoundModules, read_answer, too_old

NEEDED = (("torch", "2.5"),)


def ask(*modules: str, path: str = "") -> FoundModules:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *modules],
        env={"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    return read_answer(done.stdout)


def test_asks_this_python() -> None:
    found = ask("json", "pytest", "no_such_module")
    assert found.python == sys.version_info[:3]
    assert found.missing == ("no_such_module",)
    assert found.versions["json"] is None
    assert found.versions["pytest"] == pytest.__version__


def test_never_imports_what_it_asks_for(tmp_path: Path) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("raise RuntimeError('no backend')")
    described = tmp_path / "torch-2.1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Name: torch\nVersion: 2.1.0\n")
    found = ask("torch", path=str(tmp_path))
    assert found.missing == ()
    assert too_old(found, NEEDED) == ("torch is 2.1.0, at least 2.5 is needed",)


@pytest.mark.parametrize(
    ("version", "old"),
    [
        ("2.5", False),
        ("2.5.0+cpu", False),
        ("2.13.0+cu130", False),
        ("3.0.0a0+git12", False),
        ("2.4.1", True),
        ("2.1.0.post6", True),
        ("1.13", True),
        (None, False),
    ],
)
def test_versions_are_compared_as_numbers(version: str | None, old: bool) -> None:
    found = FoundModules((3, 9, 1), (), {"torch": version})
    assert bool(too_old(found, NEEDED)) is old
