"""The tensors of a Hugging Face model's folder, by name, mapped from its files and never read as a whole."""

from __future__ import annotations

import json
import os
from gettext import gettext as _
from typing import TYPE_CHECKING, Any, Dict, List, Tuple

from backend.node.job_lines import JobError
from backend.node.weights.safe_load import load_tensors

if TYPE_CHECKING:
    from torch import Tensor

# In this order: an index says which shards count, whatever else lies in the folder.
_INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
_SINGLE = ("model.safetensors", "pytorch_model.bin")


class HfSource:
    """`config`: config.json. `files`: all files that were found to matter. `get` gives one tensor.

    Raises JobError when the folder is not a whole model.
    """

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.config = self._read_json("config.json")
        self._file_of: Dict[str, str] = {}
        self._open: Dict[str, Any] = {}
        self.files = [self._path("config.json"), *self._find()]

    def names(self) -> List[str]:
        return list(self._file_of)

    def get(self, name: str) -> Tensor:
        """The tensor, mapped from its file: copy before writing. Raises JobError for a damaged file."""
        path = self._file_of[name]
        try:
            file = self._file(path)
            tensor: Tensor = file[name] if isinstance(file, dict) else file.get_tensor(name)
        except Exception as error:
            raise _unreadable(path, error) from error
        return tensor

    def shape(self, name: str) -> Tuple[int, ...]:
        file = self._file(self._file_of[name])
        return tuple(file[name].shape if isinstance(file, dict) else file.get_slice(name).get_shape())

    def _path(self, name: str) -> str:
        return os.path.join(self.directory, name)

    def _read_json(self, name: str) -> Dict[str, Any]:
        path = self._path(name)
        try:
            with open(path, encoding="utf-8") as stream:
                content = json.load(stream)
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from error
        if not isinstance(content, dict):
            raise _unreadable(path, ValueError(_("it is not a JSON object")))
        return content

    def _find(self) -> List[str]:
        """Files with tensors, and the index where there is one; fills the map from name to file."""
        for name in _INDEXES:
            if os.path.isfile(self._path(name)):
                return [self._path(name), *self._take_index(name)]
        for name in _SINGLE:
            path = self._path(name)
            if os.path.isfile(path):
                self._take_file(path)
                return [path]
        what = _("there are no weights in {directory}").format(directory=self.directory)
        why = _("looked for {names}").format(names=", ".join(_INDEXES + _SINGLE))
        raise JobError("hf_directory", what, why, _("give the folder that holds config.json and the weights"))

    def _take_index(self, name: str) -> List[str]:
        weight_map = self._read_json(name).get("weight_map")
        if not isinstance(weight_map, dict):
            raise _unreadable(self._path(name), ValueError(_("it has no weight_map")))
        paths = []
        for shard in sorted({str(file) for file in weight_map.values()}):
            path = self._path(os.path.basename(shard))
            if not os.path.isfile(path):
                what = _("no such file: {path}").format(path=path)
                raise JobError(
                    "hf_directory", what, _("{name} lists it").format(name=name), _("fetch it again")
                )
            self._take_file(path)
            paths.append(path)
        for tensor in weight_map:
            if tensor not in self._file_of:
                what = _("the tensor {name} is in no shard").format(name=tensor)
                raise JobError("hf_directory", what, _("{name} lists it").format(name=name))
        return paths

    def _take_file(self, path: str) -> None:
        try:
            file = self._file(path)
            names = list(file) if isinstance(file, dict) else list(file.keys())
        except Exception as error:
            raise _unreadable(path, error) from error
        self._file_of.update(dict.fromkeys(names, path))

    def _file(self, path: str) -> Any:
        """An open safetensors file, or the dict of a torch file; kept open, because layers alternate."""
        if path not in self._open:
            if path.endswith(".safetensors"):
                from safetensors import safe_open

                self._open[path] = safe_open(path, framework="pt", device="cpu")
            else:
                self._open[path] = load_tensors(path)
        return self._open[path]


def _unreadable(path: str, error: Exception) -> JobError:
    why = str(error).partition("\n")[0]
    return JobError("hf_directory", _("cannot read {path}").format(path=path), why, _("fetch the file again"))
