"""Tensors put together from parts of others, read from their files straight to where they belong.

Reading costs no more than mapping, as what is cut must be copied anyhow; nothing of the sources stays in
memory, and a file that becomes shorter meanwhile is an error and not the end of the process.
"""

from __future__ import annotations

from typing import Sequence, Tuple

from backend.node.weights.arrays import FP32, STORAGE, Array
from backend.node.weights.casting import cast
from backend.node.weights.tensor_blocks import Plan
from backend.node.weights.tensor_source import TensorSource

Where = Tuple[TensorSource, str]


def gather(plan: Plan, sources: Sequence[Where]) -> Array:
    """A new tensor as `plan` says. Where the sources are of several dtypes it is of one that holds all
    values. Raises JobError, OSError."""
    import numpy as np

    dtypes = [source.info(name).dtype for source, name in sources]
    dtype = dtypes[0]
    if len(set(dtypes)) > 1:
        dtype = "fp64" if "fp64" in dtypes else FP32
    out = np.empty(plan.shape, STORAGE[dtype])
    table = out.reshape(len(out), -1) if out.size else out.reshape(0, 0)
    for block in plan.blocks:
        source, name = sources[block.source]
        rows = slice(block.to_row, block.to_row + block.rows)
        target = table[rows, block.to_column : block.to_column + block.columns]
        if dtypes[block.source] == dtype:
            source.read(name, block.row, block.column, target)
        else:
            held = np.empty(target.shape, STORAGE[dtypes[block.source]])
            source.read(name, block.row, block.column, held)
            target[...] = cast(Array(held, dtypes[block.source]), dtype).array.data
    return Array(out, dtype)
