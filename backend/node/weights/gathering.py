"""Tensors put together from parts of others, read from their files straight to where they belong: nothing
of the sources stays in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Sequence, Tuple

from backend.node.weights.arrays import FP32, STORAGE, Array
from backend.node.weights.casting import cast
from backend.node.weights.rectangles import row_width
from backend.node.weights.tensor_blocks import Block, Plan, rows_of
from backend.node.weights.tensor_source import TensorSource

if TYPE_CHECKING:
    from numpy.typing import NDArray

Where = Tuple[TensorSource, str]


class Gathered:
    """A tensor of `shape` and `dtype` as a plan says, to be read a few rows at a time: one dimension is rows
    of one column. Where the sources are of several dtypes it is of one that holds all values."""

    def __init__(self, plan: Plan, sources: Sequence[Where]) -> None:
        self._plan = plan
        self._sources = sources
        self._dtypes = [source.info(name).dtype for source, name in sources]
        self.shape = plan.shape
        self.dtype = self._dtypes[0]
        if len(set(self._dtypes)) > 1:
            self.dtype = "fp64" if "fp64" in self._dtypes else FP32

    @property
    def table(self) -> Tuple[int, int]:
        """Rows and columns."""
        return (self.shape[0] if self.shape else 1), row_width(self.shape)

    def read(self, row: int, out: NDArray[Any]) -> None:
        """Fill `out` [rows, all columns] from the row `row` on. Raises JobError, OSError."""
        for block in rows_of(self._plan, row, len(out)):
            rows = slice(block.to_row, block.to_row + block.rows)
            self._read(block, out[rows, block.to_column : block.to_column + block.columns])

    def _read(self, block: Block, target: NDArray[Any]) -> None:
        import numpy as np

        (source, name), dtype = self._sources[block.source], self._dtypes[block.source]
        if dtype == self.dtype:
            source.read(name, block.row, block.column, target)
        else:
            held = np.empty(target.shape, STORAGE[dtype])
            source.read(name, block.row, block.column, held)
            target[...] = cast(Array(held, dtype), self.dtype).array.data


def one_of(source: TensorSource, name: str) -> Gathered:
    """The tensor `name`, just as it is."""
    shape = source.info(name).shape
    rows = shape[0] if shape else 1
    return Gathered(Plan(shape, [Block(0, 0, 0, rows, row_width(shape))]), [(source, name)])


def gather(plan: Plan, sources: Sequence[Where]) -> Array:
    """The whole of a new tensor. Raises JobError, OSError."""
    import numpy as np

    made = Gathered(plan, sources)
    out = np.empty(plan.shape, STORAGE[made.dtype])
    if out.size:
        made.read(0, out.reshape(made.table))
    return Array(out, made.dtype)
