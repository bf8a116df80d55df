"""What starting up loads: asked of `sys.modules` in a fresh process, where a deferred import shows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "transformers", "pyarrow", "numpy")

LOADED = """
import sys
{action}
print("LOADED", *sorted(name for name in {names!r} if name in sys.modules))
"""

HELP = """
from backend.cli.main import main
try:
    main(["--help"])
except SystemExit:
    pass
"""

# everything of the backend must be importable where neither screens nor the extra `train` are installed
IMPORT_ALL = """
import importlib, importlib.abc, pkgutil, sys

class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"{{name}} is blocked", name=name)

sys.meta_path.insert(0, Missing())
import backend
failed = []
for module in pkgutil.walk_packages(backend.__path__, "backend.", onerror=failed.append):
    if module.name.startswith("backend.node") or module.name.endswith(".__main__"):
        continue
    try:
        importlib.import_module(module.name)
    except ImportError as error:
        failed.append(f"{{module.name}}: {{error}}")
print("LOADED", *failed, sep="\\n")
"""


def run_fresh(script: str) -> str:
    """What follows LOADED in the output of a script in a fresh interpreter at the root of the checkout."""
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.rpartition("LOADED")[2].strip()


@pytest.mark.parametrize("module", ["backend.cli.main", "tui.app", "tui.command"])
def test_importing_loads_nothing_of_the_training_extra(module: str) -> None:
    assert run_fresh(LOADED.format(action=f"import {module}", names=HEAVY)) == ""


def test_help_loads_neither_ssh_nor_tables_nor_the_store() -> None:
    names = (*HEAVY, "asyncssh", "rich", "sqlite3", "textual")
    assert run_fresh(LOADED.format(action=HELP, names=names)) == ""


def test_the_backend_can_be_imported_without_screens_and_torch() -> None:
    blocked = frozenset({"textual", *HEAVY, "tokenizers", "safetensors", "gigatoken"})
    assert run_fresh(IMPORT_ALL.format(blocked=blocked)) == ""
