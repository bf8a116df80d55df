"""Import every module of the node code that needs nothing but Python, and report what happened as JSON."""

from __future__ import annotations

import importlib
import json
import pkgutil
import platform
import sys
from typing import Dict, List

import backend.node

THIRD_PARTY = ("numpy", "pyarrow", "safetensors", "tokenizers", "torch", "torch_npu", "transformers")


def run_self_check() -> int:
    """Print one JSON line: `python`, `imported`, `needs` (module -> absent library), `failed`.

    Answers 1 when any failed.
    Tells in a fraction of a second whether a node's Python is new enough, without any library installed.
    """
    imported: List[str] = []
    needs: Dict[str, str] = {}
    failed: Dict[str, str] = {}
    for name in module_names():
        try:
            importlib.import_module(name)
            imported.append(name)
        except Exception as error:
            absent = error.name or "" if isinstance(error, ModuleNotFoundError) else ""
            if absent.partition(".")[0] in THIRD_PARTY:
                needs[name] = absent
            else:
                failed[name] = f"{type(error).__name__}: {error}"
    report = {
        "python": platform.python_version(),
        "imported": imported,
        "needs": needs,
        "failed": failed,
    }
    sys.stdout.write(json.dumps(report) + "\n")
    return 1 if failed else 0


def module_names() -> List[str]:
    """Full names of all modules under backend.node, sorted; works inside a zip as well."""
    found = pkgutil.walk_packages(backend.node.__path__, "backend.node.")
    return sorted(module.name for module in found)
