"""Writes a file of torch without torch: one tensor in memory at a time, whole or not at all."""

from __future__ import annotations

from typing import Any

from backend.node import durable
from backend.node.weights.piece_stream import cannot_write, pieces, produced
from backend.node.weights.pt_pickle_writer import write_pickle
from backend.node.weights.stored_zip import ALIGNMENT, StoredZip
from backend.node.weights.tensor_source import Produce

# The folder in the archive, as torch names it after the file.
FOLDER = "model_optim_rng"


def write_pt(path: str, content: Any, produce: Produce, folder: str = FOLDER) -> None:
    """Write `content` to `path`: nested dicts, OrderedDicts, lists, tuples, Namespaces, TorchDtypes and
    builtin scalars, with a Planned for every tensor. `produce` makes these one after another, in order.

    `torch.load(weights_only=True)` reads it, where Namespaces are in it with argparse.Namespace allowed.
    Raises StorageError when it cannot be written, TypeError for content of other types, ValueError for a
    tensor that is not as planned; then nothing is at `path` that was not there.
    """
    pickled, leaves = write_pickle(content)
    try:
        with durable.open_temporary(path) as stream:
            archive = StoredZip(stream)
            archive.add(f"{folder}/data.pkl", len(pickled), [pickled])
            for name, text in _MARKS:
                archive.add(f"{folder}/{name}", len(text), [text])
            for key, planned in enumerate(leaves):
                # No name for it: the next one is made when this one is gone.
                archive.add(f"{folder}/data/{key}", planned.nbytes, pieces(produced(planned, produce).data))
            archive.add(f"{folder}/version", 2, [b"3\n"])
            archive.finish()
        durable.publish(path)
    except OSError as error:
        raise cannot_write(path, error) from error


_MARKS = (
    (".format_version", b"1"),
    (".storage_alignment", str(ALIGNMENT).encode()),
    ("byteorder", b"little"),
)
