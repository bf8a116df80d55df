"""The nested content of a torch file, apart: its tensors by path, and everything else."""

from __future__ import annotations

from gettext import gettext as _
from typing import Any, Dict, List, NamedTuple

from backend.node.weights.pt_allowed import Refused, State, Symbol
from backend.node.weights.pt_values import EnumValue, Fields, Opaque, StorageRef, TensorRef, TorchDtype
from backend.node.weights.tensor_source import TensorInfo

# A damaged or hostile file may contain itself, or the same list over and over.
_MAX_DEPTH = 100
_MAX_VALUES = 5_000_000
_LEAVES = (EnumValue, Opaque, TorchDtype)


class Structure(NamedTuple):
    """`tensors`: by path, dict keys and list positions joined by "/". `nested`: plain dicts and lists with a
    TensorInfo for every tensor. `rest`: the same without the tensors, None for one in a list."""

    tensors: Dict[str, TensorRef]
    nested: Any
    rest: Any


def structure_of(content: Any) -> Structure:
    """Take apart what `read_pickle` answered. Raises Refused when two tensors have one path."""
    walk = _Walk()
    nested = walk.value(content, [])
    return Structure(walk.tensors, nested, _without_tensors(nested))


class _Walk:
    def __init__(self) -> None:
        self.tensors: Dict[str, TensorRef] = {}
        self._seen = 0

    def value(self, value: Any, path: List[str]) -> Any:
        self._seen += 1
        if len(path) > _MAX_DEPTH or self._seen > _MAX_VALUES:
            raise Refused(_("it contains itself, or far more than a model does"))
        if isinstance(value, TensorRef):
            return self._tensor(value, path)
        if isinstance(value, (dict, Fields)):
            return {key: self.value(item, [*path, str(key)]) for key, item in value.items()}
        if isinstance(value, _LEAVES):
            return value
        if isinstance(value, (State, Symbol)):
            return Opaque(value.name)
        if isinstance(value, StorageRef):
            return Opaque("torch.storage")
        if isinstance(value, (list, tuple)):
            items = [self.value(item, [*path, str(place)]) for place, item in enumerate(value)]
            return items if isinstance(value, list) else tuple(items)
        return value

    def _tensor(self, tensor: TensorRef, path: List[str]) -> TensorInfo:
        name = "/".join(path)
        if name in self.tensors:
            raise Refused(_("two tensors are called {name}").format(name=name))
        self.tensors[name] = tensor
        return TensorInfo(tensor.shape, tensor.storage.dtype)


def _without_tensors(value: Any) -> Any:
    if isinstance(value, TensorInfo):
        return None
    if isinstance(value, dict):
        kept = ((key, item) for key, item in value.items() if not isinstance(item, TensorInfo))
        return {key: _without_tensors(item) for key, item in kept}
    if isinstance(value, _LEAVES):
        return value
    if isinstance(value, list):
        return [_without_tensors(item) for item in value]
    if isinstance(value, tuple):
        return tuple(_without_tensors(item) for item in value)
    return value
