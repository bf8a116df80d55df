"""Small files: half of them below 150 lines, none above 500."""

from __future__ import annotations

from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
MEDIAN, LONGEST = 150, 500


def _lengths() -> dict[str, int]:
    """Lines of every source file that has any."""
    paths = [path for room in ("backend", "tui", "themes") for path in (ROOT / room).rglob("*.py")]
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text().splitlines()) for path in sorted(paths)
    }
    return {name: length for name, length in lengths.items() if length}


def test_no_file_is_long() -> None:
    assert {name: length for name, length in _lengths().items() if length > LONGEST} == {}


def test_most_files_are_short() -> None:
    assert median(_lengths().values()) < MEDIAN
