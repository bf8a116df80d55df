"""The files of an adapter in PEFT's form."""

from __future__ import annotations

from backend.node.weights.tensor_source import TensorSource

PEFT_CONFIG = "adapter_config.json"
PEFT_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")


def open_adapter_file(path: str, field: str) -> TensorSource:
    """Raises JobError about `field`."""
    from backend.node.weights.pt_file import PtFile
    from backend.node.weights.safetensors_file import SafetensorsFile

    return SafetensorsFile(path, field) if path.endswith(".safetensors") else PtFile(path, field)
