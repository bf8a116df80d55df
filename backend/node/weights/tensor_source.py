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
    """Tensors by name, in files that are never read as a whole. `files`: all that matter, for the
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
        """A copy of the whole tensor: for small ones. Raises JobError for a missing name or a file that
        cannot be read to its end."""
        ...

    def read(self, name: str, row: int, column: int, out: NDArray[Any]) -> None:
        """Fill `out` [rows, columns] with a copy of the tensor's values from (`row`, `column`) on, which are
        in it; one dimension is rows of one column. Nothing stays in memory. Raises JobError, OSError."""
        ...


# Makes the tensor that a plan names; called once for each, in the order of the plan.
Produce = Callable[[str], Array]
