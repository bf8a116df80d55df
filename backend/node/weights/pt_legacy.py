"""A file of torch before 1.6: pickles one after another, and the bytes of every storage behind them.

Source of the format: `_legacy_save` of torch.
"""

from __future__ import annotations

from gettext import gettext as _
from typing import Any, Dict, Tuple

from backend.node.weights.arrays import ITEM_BYTES
from backend.node.weights.pt_allowed import Refused
from backend.node.weights.pt_pickle import read_pickle_at
from backend.node.weights.pt_values import StorageRef, TensorRef
from backend.node.weights.tensor_file import TensorFile

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_START = b"\x80\x02\x8a\x0a" + _MAGIC.to_bytes(10, "little")


def is_legacy(file: TensorFile) -> bool:
    return file.read(0, len(_START)) == _START


class PtLegacy:
    """`content`: what the file holds, as `read_pickle` answers it. Raises Refused or OSError."""

    def __init__(self, file: TensorFile) -> None:
        at, found = 0, []
        for _place in range(5):
            value, at = read_pickle_at(file.buffer, at)
            found.append(value)
        _magic, protocol, system, self.content, keys = found
        little = isinstance(system, dict) and system.get("little_endian") is True
        if protocol != _PROTOCOL or not little or not isinstance(keys, list):
            raise Refused(_("it is not of a torch that is known, or of another machine"))
        self._places = _places(file, at, keys, _storages(self.content))

    def storage(self, key: str) -> Tuple[int, int]:
        """First byte in the file, and size in bytes, of the storage `key`."""
        try:
            return self._places[key]
        except KeyError:
            raise Refused(_("the storage {key} is missing").format(key=key)) from None


def _storages(content: Any) -> Dict[str, StorageRef]:
    """Of the tensors of a flat file: other files of this format are older than anything that is read here."""
    if not isinstance(content, dict):
        raise Refused(_("it does not hold tensors by name"))
    tensors = (value for value in content.values() if isinstance(value, TensorRef))
    return {tensor.storage.key: tensor.storage for tensor in tensors}


def _places(
    file: TensorFile, at: int, keys: Any, storages: Dict[str, StorageRef]
) -> Dict[str, Tuple[int, int]]:
    places: Dict[str, Tuple[int, int]] = {}
    for key in keys:
        held = storages.get(key) if isinstance(key, str) else None
        if held is None:
            raise Refused(_("it has a storage that no tensor uses"))
        size = held.values * ITEM_BYTES[held.dtype]
        if int.from_bytes(file.read(at, 8), "little") != held.values or at + 8 + size > file.size:
            raise Refused(_("the storage {key} reaches beyond the file").format(key=key))
        places[key] = (at + 8, size)
        at += 8 + size
    return places
