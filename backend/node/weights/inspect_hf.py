"""What a Hugging Face folder is, or an adapter of PEFT: the part of `inspect_weights` that reads them."""

from __future__ import annotations

import os
from gettext import gettext as _
from typing import Any, Callable, Dict, List, Optional

from backend.node.job_lines import JobError
from backend.node.weights.arrays import ITEM_BYTES
from backend.node.weights.config_keys import is_scale
from backend.node.weights.hf_folder import CONFIG, INDEXES, SINGLE, HfFolder
from backend.node.weights.model import Model
from backend.node.weights.model_config import read_model
from backend.node.weights.model_files import read_object
from backend.node.weights.peft_adapter import check_config
from backend.node.weights.peft_files import PEFT_CONFIG, PEFT_WEIGHTS, open_adapter_file
from backend.node.weights.rope_notes import rope_notes
from backend.node.weights.tensor_source import TensorSource
from backend.node.weights.weights_check import check_hf


def is_hf(names: List[str]) -> bool:
    return any(name in names for name in (CONFIG, *INDEXES, *SINGLE))


def is_peft(names: List[str]) -> bool:
    return PEFT_CONFIG in names


def problem(error: JobError) -> Dict[str, str]:
    return {"what": error.what, "why": error.why, "fix": error.fix}


def counted(sources: List[TensorSource], names: Callable[[TensorSource], List[str]]) -> Dict[str, Any]:
    """ "dtype", "dtypes", "tensors" and "weight_bytes" of tensors."""
    dtypes: Dict[str, int] = {}
    tensors = nbytes = 0
    for source in sources:
        for name in names(source):
            info = source.info(name)
            values = 1
            for length in info.shape:
                values *= length
            dtypes[info.dtype] = dtypes.get(info.dtype, 0) + values
            tensors += 1
            nbytes += values * ITEM_BYTES[info.dtype]
    most = max(dtypes, key=lambda dtype: dtypes[dtype]) if dtypes else None
    return {"dtype": most, "dtypes": dtypes, "tensors": tensors, "weight_bytes": nbytes}


def described(model: Model) -> Dict[str, Any]:
    """The keys of the result that a model's dimensions say."""
    return {
        "family": model.family,
        "model": model._asdict(),
        "parameters": model.parameters,
        "rope_theta": model.rope_theta,
    }


def inspect_hf(directory: str) -> Dict[str, Any]:
    problems: List[Dict[str, str]] = []
    found: Dict[str, Any] = {"kind": "hf", "title": _("Hugging Face model"), "problems": problems}
    model = _model(directory, problems)
    if model is not None:
        found.update(described(model))
    try:
        folder = HfFolder(directory, field="directory")
    except JobError as error:
        # Without config.json both say the same.
        if problem(error) not in problems:
            problems.append(problem(error))
        return found
    found.update(counted([folder], lambda source: source.names()))
    found["format"] = _form(folder.weight_files)
    if model is not None:
        _check(model, folder, problems)
        found["notes"] = [
            *_notes(model, str(found["dtype"])),
            *_head_notes(model, folder),
            *rope_notes(model),
        ]
    return found


def _model(directory: str, problems: List[Dict[str, str]]) -> Optional[Model]:
    try:
        return read_model(HfFolder(directory, weights=False, field="directory").config, "directory")
    except JobError as error:
        problems.append(problem(error))
        return None


def _check(model: Model, folder: HfFolder, problems: List[Dict[str, str]]) -> None:
    try:
        check_hf(model, folder, "directory")
    except JobError as error:
        problems.append(problem(error))


def _notes(model: Model, dtype: str) -> List[str]:
    if model.dtype in (None, dtype):
        return []
    text = _("config.json says {said}, most values are {found}")
    return [text.format(said=model.dtype, found=dtype)]


def _head_notes(model: Model, folder: HfFolder) -> List[str]:
    head = model.table.head.sources[0].name
    if not model.tie_embeddings or head not in folder.names():
        return []
    text = _(
        "{name} is stored though the embeddings are tied: a conversion refuses it where it is another one"
    )
    return [text.format(name=head)]


def _form(files: List[str]) -> str:
    return "safetensors" if any(".safetensors" in os.path.basename(file) for file in files) else "pytorch"


def inspect_peft(directory: str) -> Dict[str, Any]:
    problems: List[Dict[str, str]] = []
    config = read_object(os.path.join(directory, PEFT_CONFIG))
    found: Dict[str, Any] = {"kind": "peft", "title": _("LoRA adapter of PEFT"), "problems": problems}
    if config is None:
        why = _("it is not a JSON object")
        problems.append({"what": _("cannot read {path}").format(path=PEFT_CONFIG), "why": why, "fix": ""})
        config = {}
    else:
        _check_peft(config, os.path.join(directory, PEFT_CONFIG), problems)
    targets = config.get("target_modules")
    listed = sorted(map(str, targets)) if isinstance(targets, list) else None
    rank, alpha = (config.get(name) if is_scale(config.get(name)) else None for name in ("r", "lora_alpha"))
    found["lora"] = {"rank": rank, "alpha": alpha, "targets": listed}
    names = [name for name in PEFT_WEIGHTS if os.path.isfile(os.path.join(directory, name))]
    if not names:
        what = _("no such file: {path}").format(path=os.path.join(directory, PEFT_WEIGHTS[0]))
        problems.append({"what": what, "why": "", "fix": _("fetch it again")})
        return found
    try:
        source = open_adapter_file(os.path.join(directory, names[0]), "directory")
    except JobError as error:
        problems.append(problem(error))
        return found
    found.update(counted([source], lambda one: one.names()))
    found["format"] = _form(names[:1])
    return found


def _check_peft(config: Dict[str, Any], path: str, problems: List[Dict[str, str]]) -> None:
    try:
        check_config(config, path)
    except JobError as error:
        problems.append(problem(error))
