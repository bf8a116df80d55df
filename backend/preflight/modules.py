"""Does a Python have what an engine imports, and is it new enough? Asked without importing any of it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from backend.translation import _

# for `python -c`, with the modules as arguments: a broken torch_npu would take `import torch` down with it
SCRIPT = (
    "import importlib.metadata as d, importlib.util as u, json, sys\n"
    "def version(m):\n"
    "    try: return d.version(m)\n"
    "    except Exception: return None\n"
    "print(json.dumps({'python': list(sys.version_info[:3]),"
    " 'missing': [m for m in sys.argv[1:] if u.find_spec(m) is None],"
    " 'versions': {m: version(m) for m in sys.argv[1:]}}))"
)
_NUMBERS = re.compile(r"\d+(?:\.\d+)*")


@dataclass(frozen=True, slots=True)
class FoundModules:
    """`python` is its version; `versions` those of the modules, None where nobody says."""

    python: tuple[int, ...]
    missing: tuple[str, ...]
    versions: dict[str, str | None]


def read_answer(text: str) -> FoundModules:
    """What `SCRIPT` printed. Raises `ValueError`, `KeyError` or `IndexError` for anything else."""
    found = json.loads(text.strip().splitlines()[-1])
    return FoundModules(tuple(found["python"]), tuple(found["missing"]), dict(found["versions"]))


def too_old(found: FoundModules, oldest: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """In words, each module that is there in a version before the oldest that will do."""
    return tuple(
        _("{name} is {version}, at least {least} is needed").format(name=name, version=version, least=least)
        for name, least in oldest
        if (version := found.versions.get(name)) is not None and _numbers(version) < _numbers(least)
    )


def _numbers(version: str) -> tuple[int, ...]:
    """2.13.0+cpu as (2, 13, 0)."""
    match = _NUMBERS.match(version)
    return tuple(int(part) for part in match[0].split(".")) if match else ()
