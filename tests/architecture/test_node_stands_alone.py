"""backend/node/ is staged on the nodes as one zip: it needs nothing of the rest, and runs on Python 3.9."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NODE = ROOT / "backend" / "node"

ALLOWED = frozenset(
    {"gigatoken", "numpy", "pyarrow", "safetensors", "tokenizers", "torch", "torch_npu", "transformers"}
)


def _files() -> list[Path]:
    return sorted(NODE.rglob("*.py"))


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def foreign_imports(source: str) -> list[str]:
    """Modules a node file must not import: neither the standard library, nor allowed, nor backend.node."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level:
            names = ["a relative import"]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        found += [name for name in names if not _is_own(name)]
    return found


def _is_own(name: str) -> bool:
    first = name.partition(".")[0]
    return first in sys.stdlib_module_names or first in ALLOWED or f"{name}.".startswith("backend.node.")


@pytest.mark.parametrize("path", _files(), ids=_name)
def test_a_node_file_imports_only_its_own(path: Path) -> None:
    assert foreign_imports(path.read_text()) == []


@pytest.mark.parametrize("path", _files(), ids=_name)
def test_a_node_file_is_python_3_9(path: Path) -> None:
    ast.parse(path.read_text(), filename=str(path), feature_version=(3, 9))


def test_every_init_of_the_node_is_empty() -> None:
    assert [_name(path) for path in NODE.rglob("__init__.py") if path.read_bytes()] == []


def test_every_folder_of_the_node_that_holds_modules_is_a_package() -> None:
    folders = {path.parent for path in _files()}
    assert [_name(folder) for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import json, torch\nfrom backend.node.data import builder\nfrom backend.node import x", []),
        ("from backend.problems import Problem", ["backend.problems.Problem"]),
        ("import backend", ["backend"]),
        ("from . import x", ["a relative import"]),
        ("def f():\n    import asyncssh", ["asyncssh"]),
        ("import backend.nodes", ["backend.nodes"]),
    ],
)
def test_the_search_finds_what_it_must(source: str, expected: list[str]) -> None:
    assert foreign_imports(source) == expected
