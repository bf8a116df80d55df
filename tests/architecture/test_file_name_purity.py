"""A file's name says what it may touch: the AST is searched for what it does not allow."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BACKEND = ROOT / "backend"

MAY_DO_ANYTHING = ("_client.py", "_worker.py", "_store.py", "_files.py")
ROOMS_THAT_MAY_DO_ANYTHING = ("cli", "demo", "node")
ROOMS_THAT_MAY_AWAIT = ("live",)
FILES_THAT_MAY_AWAIT = (
    "fleet/fan_out.py",
    "fleet/containers.py",
    "fleet/leases.py",
    "fleet/staging.py",
    "fleet/jobs.py",
)

TOUCHING_MODULES = frozenset(
    {
        "asyncssh",
        "concurrent",
        "ctypes",
        "fcntl",
        "ftplib",
        "glob",
        "http",
        "mmap",
        "multiprocessing",
        "os",
        "paramiko",
        "pathlib",
        "psutil",
        "pty",
        "requests",
        "select",
        "selectors",
        "shelve",
        "shutil",
        "smtplib",
        "socket",
        "socketserver",
        "sqlite3",
        "ssl",
        "subprocess",
        "tempfile",
        "threading",
        "urllib",
    }
)
PURE_PARTS = frozenset({"pathlib.PurePath", "pathlib.PurePosixPath", "urllib.parse", "os.path"})
TOUCHING_FUNCTIONS = frozenset(
    {"io.open", "io.FileIO", "signal.signal", "signal.alarm", "signal.raise_signal"}
)
TOUCHING_CALLS = frozenset({"open", "input", "print", "exec", "eval", "breakpoint"})
TOUCHING_METHODS = frozenset(
    {"read_text", "read_bytes", "write_text", "write_bytes", "iterdir", "rglob", "is_dir", "is_file", "mkdir"}
)
AWAITING_MODULES = frozenset({"asyncio", "anyio", "trio"})


def _files() -> list[Path]:
    return sorted(path for path in BACKEND.rglob("*.py") if _is_bound(path))


def _is_bound(path: Path) -> bool:
    return path.relative_to(BACKEND).parts[0] not in ROOMS_THAT_MAY_DO_ANYTHING and not path.name.endswith(
        MAY_DO_ANYTHING
    )


def _may_await(path: Path) -> bool:
    inside = path.relative_to(BACKEND)
    return inside.parts[0] in ROOMS_THAT_MAY_AWAIT or inside.as_posix() in FILES_THAT_MAY_AWAIT


def violations(source: str, *, may_await: bool) -> list[str]:
    """`line: what` for everything in a module that a pure file must not have."""
    tree = ast.parse(source)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [name for name in _imported(node) if _is_touching(name, may_await=may_await)]
            found += [f"{node.lineno}: import {name}" for name in names]
        if isinstance(node, ast.Call):
            found += _touching_call(node)
    if not may_await:
        found += _awaiting(tree)
    return found


def _imported(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [f"{node.module}.{alias.name}" for alias in node.names] if node.module and not node.level else []


def _is_touching(name: str, *, may_await: bool) -> bool:
    if name in PURE_PARTS or name.rpartition(".")[0] in PURE_PARTS:
        return False
    first = name.partition(".")[0]
    return first in TOUCHING_MODULES or (first in AWAITING_MODULES and not may_await)


def _touching_call(node: ast.Call) -> list[str]:
    match node.func:
        case ast.Name(id=name) if name in TOUCHING_CALLS:
            return [f"{node.lineno}: {name}()"]
        case ast.Attribute(attr=name) if name in TOUCHING_METHODS:
            return [f"{node.lineno}: .{name}()"]
        case ast.Attribute() if ast.unparse(node.func) in TOUCHING_FUNCTIONS:
            return [f"{node.lineno}: {ast.unparse(node.func)}()"]
    return []


def _awaiting(tree: ast.Module) -> list[str]:
    """Coroutines, but for the signatures of a Protocol: those run nothing."""
    promised = {
        id(member)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "Protocol" for base in node.bases)
        for member in node.body
    }
    kinds = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
    return [
        f"{node.lineno}: {type(node).__name__}"
        for node in ast.walk(tree)
        if isinstance(node, kinds) and id(node) not in promised
    ]


@pytest.mark.parametrize("path", _files(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_file_touches_only_what_its_name_allows(path: Path) -> None:
    assert violations(path.read_text(), may_await=_may_await(path)) == []


def test_files_that_may_await_are_named_rightly() -> None:
    """A list with a name that is gone would allow nothing and protect nothing."""
    assert [name for name in FILES_THAT_MAY_AWAIT if not (BACKEND / name).is_file()] == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import asyncssh", ["1: import asyncssh"]),
        ("from pathlib import Path", ["1: import pathlib.Path"]),
        ("from pathlib import PurePosixPath\nfrom urllib.parse import quote\nimport os.path", []),
        ("def f():\n    import sqlite3", ["2: import sqlite3"]),
        ("open('x')", ["1: open()"]),
        ("import io, signal\nio.BytesIO()\nio.open('x')\nsignal.Signals(9).name", ["3: io.open()"]),
        ("p.read_text()", ["1: .read_text()"]),
        ("async def f(): pass", ["1: AsyncFunctionDef"]),
        ("class A(Protocol):\n    async def f(self): ...", []),
        ("import asyncio", ["1: import asyncio"]),
        ("from . import x\nfrom backend.events import Health\nx.replace('a', 'b')", []),
    ],
)
def test_the_search_finds_what_it_must(source: str, expected: list[str]) -> None:
    assert violations(source, may_await=False) == expected
    if "sync" in source and "asyncssh" not in source:
        assert violations(source, may_await=True) == []
