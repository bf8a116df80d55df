"""The tensors of a Hugging Face model's folder, by name, in any of the four forms that are shipped."""

from __future__ import annotations

import json
import os
import re
from gettext import gettext as _
from typing import TYPE_CHECKING, Any, Dict, List, Union

from backend.node.job_lines import JobError
from backend.node.weights.arrays import Array
from backend.node.weights.aside import no_such_folder
from backend.node.weights.pt_file import PtFile
from backend.node.weights.safetensors_file import SafetensorsFile
from backend.node.weights.tensor_source import TensorInfo

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONFIG = "config.json"
# In this order: an index says which shards count, whatever else lies in the folder.
INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
SINGLE = ("model.safetensors", "pytorch_model.bin")
_WEIGHT_ENDINGS = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".gguf", ".onnx")
_SHARD = re.compile(r"(model|pytorch_model)-\d{5,6}-of-\d{5,6}\.(safetensors|bin)")
_WEIGHT_INDEXES = (".safetensors.index.json", ".bin.index.json")

_File = Union[SafetensorsFile, PtFile]


def is_weight_file(name: str) -> bool:
    """Whether a file of a model's folder holds weights or their index: not to be copied along."""
    return name.endswith(_WEIGHT_ENDINGS) or name.endswith(_WEIGHT_INDEXES)


class HfFolder:
    """A TensorSource. `config`: config.json. `weight_files`: the index, where there is one, and the shards.
    `files`: config.json and the weight files.

    `weights=False`: only config.json is needed and looked at. Raises JobError about `field` when the folder
    is not a whole model.
    """

    def __init__(self, directory: str, weights: bool = True, field: str = "hf_directory") -> None:
        self.directory = directory
        self._field = field
        if not os.path.isdir(directory):
            raise no_such_folder(directory, field)
        self.config = self._json(CONFIG)
        self._of: Dict[str, _File] = {}
        self.weight_files: List[str] = self._find() if weights else []
        self.files = [self._path(CONFIG), *self.weight_files]

    def names(self) -> List[str]:
        return list(self._of)

    def info(self, name: str) -> TensorInfo:
        return self._file(name).info(name)

    def get(self, name: str) -> Array:
        return self._file(name).get(name)

    def read(self, name: str, row: int, column: int, out: NDArray[Any]) -> None:
        self._file(name).read(name, row, column, out)

    def _file(self, name: str) -> _File:
        try:
            return self._of[name]
        except KeyError:
            what = _("there is no tensor {name} in {path}").format(name=name, path=self.directory)
            why = _("config.json or the family asks for it")
            raise JobError(self._field, what, why, _("fetch the model again")) from None

    def _path(self, name: str) -> str:
        return os.path.join(self.directory, name)

    def _find(self) -> List[str]:
        for name in INDEXES:
            if os.path.isfile(self._path(name)):
                return [self._path(name), *self._take_index(name)]
        for name in SINGLE:
            path = self._path(name)
            if os.path.isfile(path):
                self._take(path)
                return [path]
        shards = sorted(name for name in os.listdir(self.directory) if _SHARD.fullmatch(name))
        if shards:
            index = INDEXES[0] if shards[0].endswith(".safetensors") else INDEXES[1]
            what = _("{name} is missing in {directory}").format(name=index, directory=self.directory)
            why = _("{shard} is one of several files, and the index says which").format(shard=shards[0])
            raise JobError(self._field, what, why, _("fetch the index too"))
        what = _("there are no weights in {directory}").format(directory=self.directory)
        why = _("looked for {names}").format(names=", ".join(INDEXES + SINGLE))
        raise JobError(self._field, what, why, _("give the folder that holds config.json and the weights"))

    def _take_index(self, name: str) -> List[str]:
        shard_of = self._json(name).get("weight_map")
        if not isinstance(shard_of, dict) or not shard_of:
            raise self._unreadable(self._path(name), _("it has no weight_map"))
        listed = _("{name} lists it").format(name=name)
        paths = []
        for shard in sorted({str(file) for file in shard_of.values()}):
            path = self._path(shard)
            if os.path.basename(shard) != shard:
                raise self._unreadable(self._path(name), _("it names {path}").format(path=shard))
            if not os.path.isfile(path):
                what = _("no such file: {path}").format(path=path)
                raise JobError(self._field, what, listed, _("fetch it again"))
            self._take(path)
            paths.append(path)
        for tensor, shard in shard_of.items():
            if tensor not in self._of or self._of[tensor].path != self._path(str(shard)):
                what = _("the tensor {name} is not in {shard}").format(name=tensor, shard=shard)
                raise JobError(self._field, what, listed, _("fetch the model again"))
        return paths

    def _take(self, path: str) -> None:
        kind = SafetensorsFile if path.endswith(".safetensors") else PtFile
        file: _File = kind(path, self._field)
        for name in file.names():
            if name in self._of:
                what = _("the tensor {name} is in two files").format(name=name)
                why = f"{self._of[name].path}, {path}"
                raise JobError(self._field, what, why, _("fetch the model again"))
            self._of[name] = file

    def _json(self, name: str) -> Dict[str, Any]:
        path = self._path(name)
        try:
            with open(path, encoding="utf-8") as stream:
                content = json.load(stream)
        except (OSError, ValueError, RecursionError) as error:
            raise self._unreadable(path, getattr(error, "strerror", None) or str(error)) from error
        if not isinstance(content, dict):
            raise self._unreadable(path, _("it is not a JSON object"))
        return content

    def _unreadable(self, path: str, why: str) -> JobError:
        return JobError(
            self._field, _("cannot read {path}").format(path=path), why, _("fetch the file again")
        )
