"""Where tensors come from: a Hugging Face folder, or the file of one Megatron rank."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, List, NamedTuple, Protocol, Tuple

from backend.node.weights.arrays import Array, Planned

if TYPE_CHECKING:
    from numpy.typing import NDArray


class TensorInfo(NamedTuple):
    """`dtype`: a key of arrays.STORAGE."""

    shape: Tuple[int, ...]
    dtype: str


def nbytes_of(info: TensorInfo) -> int:
    return Planned("", info.shape, info.dtype).nbytes


class TensorSource(Protocol):
    """Tensors by name, mapped from files and never read as a whole. `files`: all files that matter, for the
    fingerprints. Names of a Megatron file are paths: "model/language_model/encoder/layers.0.…"."""

    @property
    def files(self) -> List[str]: ...

    def names(self) -> List[str]:
        """In the order of the files."""
        ...

    def info(self, name: str) -> TensorInfo:
        """Raises JobError for a name that is not there."""
        ...

    def get(self, name: str) -> Array:
        """A view of the mapped file. Raises JobError for a missing name or a damaged file."""
        ...

    def read(self, name: str, row: int, column: int, out: NDArray[Any]) -> None:
        """Fill `out` [rows, columns] with a copy of the tensor's values from (`row`, `column`) on, which are
        in it; one dimension is rows of one column. Nothing stays in memory. Raises JobError, OSError."""
        ...

    def release(self, name: str) -> None:
        """Give the pages of a tensor back to the system: it has been used. Views stay valid, and are read
        again when they are looked at."""
        ...


# Makes the tensor that a plan names; called once for each, in the order of the plan.
Produce = Callable[[str], Array]
