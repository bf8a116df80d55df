"""Open torch files without running anything that is in them, on every torch the training images carry."""

from __future__ import annotations

import argparse
import enum
import pickle
import types
from collections import OrderedDict, defaultdict
from typing import Any


class _ModelType(enum.Enum):
    """Stands for Megatron's own class of this name, which its converters leave in `args`."""

    encoder_or_decoder = 1
    encoder_and_decoder = 2


_MODEL_TYPE = "megatron.core.enums.ModelType"


def load_tensors(path: str) -> Any:
    """What is in a torch zip file: builtin containers, a Namespace, and tensors mapped from the file on the
    CPU.

    Any other class or function in it is refused. Raises whatever torch raises; the caller says it in words.
    """
    import torch

    # A TorchVersion compares by number, not by letter.
    if torch.__version__ >= "2.6":
        allowed: list[Any] = [argparse.Namespace, defaultdict, dict, (_ModelType, _MODEL_TYPE)]
        with torch.serialization.safe_globals(allowed):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    return load_by_name(path)


def load_by_name(path: str) -> Any:
    """The same for torch before 2.6, whose own list of safe names cannot be extended by another's class."""
    import torch

    module = types.ModuleType("pickle_by_name")
    module.__dict__["Unpickler"] = _NamedUnpickler
    return torch.load(path, map_location="cpu", pickle_module=module, weights_only=False, mmap=True)


class _NamedUnpickler(pickle.Unpickler):
    """Knows what weight files are made of and refuses every other name."""

    def find_class(self, module: str, name: str) -> Any:
        import torch

        known = {
            _MODEL_TYPE: _ModelType,
            "argparse.Namespace": argparse.Namespace,
            "collections.OrderedDict": OrderedDict,
            "collections.defaultdict": defaultdict,
            "builtins.dict": dict,
            "__builtin__.dict": dict,
            "torch._utils._rebuild_tensor_v2": torch._utils._rebuild_tensor_v2,
        }
        found = known.get(f"{module}.{name}")
        if found is None and module == "torch":
            value = getattr(torch, name, None)
            found = value if isinstance(value, torch.dtype) else None
        if found is None:
            raise pickle.UnpicklingError(f"{module}.{name} does not belong into a weight file")
        return found
