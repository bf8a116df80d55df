"""The one list of names that the pickle of a torch file may mention, and what stands here for each.

Nothing named by a file is ever imported or called: every name is a Symbol, and a call of it is one of the few
constructors below, which make inert values.
"""

from __future__ import annotations

import re
from gettext import gettext as _
from typing import Any, Callable, Dict, Tuple

from backend.node.weights.pt_values import (
    STORAGE_CLASSES,
    TORCH_DTYPES,
    EnumValue,
    Fields,
    Opaque,
    StorageRef,
    TensorRef,
    TorchDtype,
)

# Megatron's converters leave ModelType in `args`; trainers add members of other enums.
_ENUM = re.compile(r"(megatron|modellink|mindspeed|mindspeed_llm)(\.\w+)*\.enums\.\w+")
_STORAGE_MODULES = ("torch", "torch.cuda")


class Refused(ValueError):
    """The pickle asks for what weights do not need, or is damaged."""


class Foreign(Refused):
    """The pickle names what weights do not need: it may be meant to do harm."""


class Symbol:
    """A name that the file mentions; nothing can be set on it."""

    __slots__ = ("name",)
    name: str

    def __init__(self, name: str) -> None:
        object.__setattr__(self, "name", name)

    def __setattr__(self, name: str, value: Any) -> None:
        raise Refused(_("it changes {name}").format(name=self.name))


class State:
    """A new object that takes its attributes from the state that follows it, and keeps none of them."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


def symbol(module: str, name: str) -> Any:
    """What a mention of `module`.`name` stands for. Raises Foreign, with the name, when it is not allowed."""
    full = f"{module}.{name}"
    if module == "torch" and name in TORCH_DTYPES:
        return TorchDtype(TORCH_DTYPES[name])
    storage = module in _STORAGE_MODULES and name in STORAGE_CLASSES
    if storage or full in _CONSTRUCTORS or full in _ONLY_NAMED or _ENUM.fullmatch(full):
        return Symbol(full)
    raise Foreign(_("it asks for {name}, which does not belong into a weight file").format(name=full))


def construct(function: Any, arguments: Any) -> Any:
    """What a call of the symbol `function` stands for. Raises Refused."""
    if not isinstance(function, Symbol) or not isinstance(arguments, tuple):
        raise Refused(_("it calls something that is not a function"))
    if _ENUM.fullmatch(function.name) and len(arguments) == 1:
        return EnumValue(function.name, arguments[0])
    make = _CONSTRUCTORS.get(function.name)
    if make is None:
        raise Refused(_("it calls {name}").format(name=function.name))
    return make(function.name, arguments)


def storage(identity: Any) -> StorageRef:
    """The storage of a persistent id: ("storage", class, key, place, number of values). Raises Refused."""
    if isinstance(identity, tuple) and len(identity) in (5, 6) and identity[0] == "storage":
        kind, key, count = identity[1], identity[2], identity[4]
        known = STORAGE_CLASSES.get(kind.name.rpartition(".")[2]) if isinstance(kind, Symbol) else None
        if known and isinstance(key, str) and _is_count(count) and identity[5:] in ((), (None,)):
            return StorageRef(key, known, count)
    raise Refused(_("it describes a storage that is not known"))


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _tensor(_name: str, arguments: Tuple[Any, ...]) -> TensorRef:
    if len(arguments) >= 4:
        held, offset, shape, strides = arguments[:4]
        if (
            isinstance(held, StorageRef)
            and isinstance(shape, tuple)
            and isinstance(strides, tuple)
            and len(shape) == len(strides)
            and all(map(_is_count, (offset, *shape, *strides)))
        ):
            return TensorRef(held, offset, shape, strides)
    raise Refused(_("it describes a tensor that is damaged"))


def _parameter(_name: str, arguments: Tuple[Any, ...]) -> TensorRef:
    if not arguments or not isinstance(arguments[0], TensorRef):
        raise Refused(_("it describes a parameter that is damaged"))
    return arguments[0]


def _ordered(_name: str, arguments: Tuple[Any, ...]) -> Dict[Any, Any]:
    if arguments:
        raise Refused(_("it makes a dict in a way that is not known"))
    return {}


def _empty_dict(_name: str, _arguments: Tuple[Any, ...]) -> Dict[Any, Any]:
    """Of a defaultdict: what it would make for new keys does not matter to who only reads."""
    return {}


def _size(_name: str, arguments: Tuple[Any, ...]) -> Any:
    if len(arguments) != 1 or not isinstance(arguments[0], (tuple, list)):
        raise Refused(_("it describes a size that is damaged"))
    return tuple(arguments[0])


def _opaque(name: str, _arguments: Tuple[Any, ...]) -> Any:
    return Opaque(name)


def _state(name: str, _arguments: Tuple[Any, ...]) -> Any:
    return State(name)


def _fields(_name: str, _arguments: Tuple[Any, ...]) -> Any:
    return Fields()


_CONSTRUCTORS: Dict[str, Callable[[str, Tuple[Any, ...]], Any]] = {
    "argparse.Namespace": _fields,
    "collections.OrderedDict": _ordered,
    "collections.defaultdict": _empty_dict,
    "builtins.dict": _ordered,
    "__builtin__.dict": _ordered,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch.Size": _size,
    "torch.device": _opaque,
    # Random numbers' state in a trained checkpoint; `_codecs.encode` is how protocol 2 writes bytes.
    "_codecs.encode": _opaque,
    "numpy.dtype": _state,
    "numpy.core.multiarray._reconstruct": _state,
    "numpy._core.multiarray._reconstruct": _state,
    "numpy.core.multiarray.scalar": _opaque,
    "numpy._core.multiarray.scalar": _opaque,
}
_ONLY_NAMED = ("numpy.ndarray",)
