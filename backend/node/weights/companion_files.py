"""The files of a model's folder that are not weights: config, tokenizer, generation settings, code."""

from __future__ import annotations

import json
import os
import re
import shutil
from gettext import gettext as _
from typing import Any, Dict, List

from backend.node import durable
from backend.node.job_lines import JobError
from backend.node.weights.hf_folder import CONFIG, is_weight_file
from backend.node.weights.made_manifest import MANIFEST

# The one folder that a tokenizer reads.
_FOLDERS = ("additional_chat_templates",)
# Of something that is written into the folder at this moment.
_AT_WORK = re.compile(r".+\.(lock|tmp-\d+)", re.DOTALL)
_DTYPE_FLAGS = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}


def companion_files(directory: str) -> List[str]:
    """Their names, relative to the model's folder, sorted. Links count as what they lead to."""
    found = []
    for name in sorted(os.listdir(directory)):
        path = os.path.join(directory, name)
        if name in _FOLDERS and os.path.isdir(path):
            found += [os.path.join(name, inner) for inner in sorted(os.listdir(path))]
        elif not name.startswith(".") and name != MANIFEST and not is_weight_file(name):
            found.append(name)
    return [
        name
        for name in found
        if not _AT_WORK.fullmatch(name) and os.path.isfile(os.path.join(directory, name))
    ]


def left_out(directory: str) -> List[str]:
    """What lies beside them and does not come along though it may belong to the model: folders, and links
    that lead nowhere. Sorted."""
    found = []
    for name in sorted(os.listdir(directory)):
        path = os.path.join(directory, name)
        if os.path.isdir(path) and name not in _FOLDERS and not name.startswith("."):
            found.append(name + os.sep)
        elif os.path.islink(path) and not os.path.exists(path) and not is_weight_file(name):
            found.append(name)
    return found


def copy_companions(source: str, target: str, torch_dtype: str) -> List[str]:
    """Bring them along; `torch_dtype` ("bfloat16") is what config.json says of the weights in the new folder.

    Answers their names. Raises OSError, JobError for a config.json that is not readable."""
    names = companion_files(source)
    for name in names:
        path = os.path.join(target, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(os.path.join(source, name), "rb") as stream, durable.open_temporary(path) as copy:
            if name == CONFIG:
                copy.write(_config(stream.read(), torch_dtype, os.path.join(source, name)))
            else:
                shutil.copyfileobj(stream, copy, 1 << 20)
        durable.publish(path)
    return names


def _config(text: bytes, torch_dtype: str, path: str) -> bytes:
    """The same bytes where they are true already."""
    try:
        content: Dict[str, Any] = json.loads(text.decode("utf-8"))
    except ValueError as error:
        raise JobError("like_directory", _("cannot read {path}").format(path=path), str(error)) from error
    changed = dict(content)
    key = "dtype" if "dtype" in content and "torch_dtype" not in content else "torch_dtype"
    changed[key] = torch_dtype
    if content.get(key) != torch_dtype:
        # The first Qwen loads in the dtype of whichever flag is set.
        changed.update({flag: name == torch_dtype for flag, name in _DTYPE_FLAGS.items() if flag in content})
    if changed == content:
        return text
    return (json.dumps(changed, indent=2, ensure_ascii=False) + "\n").encode("utf-8")
