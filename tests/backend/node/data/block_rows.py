"""All rows of a file, whatever its blocks, for the tests of the readers."""

from __future__ import annotations

import json
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from backend.node.data.blocks import count_rows, read_blocks


class Found(NamedTuple):
    """`values`: a tuple for every good row; `numbers`: of the good rows; `bad`: (number, field, why)."""

    values: list[tuple[Any, ...]]
    numbers: list[int]
    bad: list[tuple[int, str, str]]


def read(path: Path, *columns: str, block_bytes: int = 1 << 20) -> Found:
    """Read the file, and see that its blocks agree about what lies where."""
    found = Found([], [], [])
    wanted: Sequence[str] = columns or ("text",)
    total = done = 0
    for block in read_blocks([str(path)], wanted, block_bytes):
        rows = pickle.loads(pickle.dumps(block)).rows(wanted)
        assert json.dumps(rows) == json.dumps(block.rows(wanted))
        assert block.first == total
        assert block.done >= done
        assert rows.total == block.total == len(rows.places) + len(rows.bad)
        assert all(len(column) == len(rows.numbers) == len(rows.places) for column in rows.columns.values())
        assert all(row.path == rows.path and row.unit == rows.unit for row in rows.bad)
        total, done = total + rows.total, block.done
        found.values.extend(zip(*(rows.columns[name] for name in wanted), strict=True))
        found.numbers.extend(rows.numbers)
        found.bad.extend((row.number, row.field, row.why) for row in rows.bad)
    assert done == path.stat().st_size or (found.bad and done < path.stat().st_size)
    assert count_rows(str(path)) == total
    return found
