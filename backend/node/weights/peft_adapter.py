"""A LoRA adapter in the form of PEFT: its two files, and where its tensors belong in a model.

Source of the form: PEFT's `adapter_config.json` and `adapter_model.safetensors`, whose names are those of the
Hugging Face modules with a prefix and `lora_A` or `lora_B`.
"""

from __future__ import annotations

import os
import re
from gettext import gettext as _
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Tuple

from backend.node.job_lines import JobError
from backend.node.weights.aside import no_such_folder
from backend.node.weights.config_keys import is_scale, shown
from backend.node.weights.families import mapping
from backend.node.weights.lora_settings import LORA
from backend.node.weights.model import Model
from backend.node.weights.model_files import read_object
from backend.node.weights.peft_files import PEFT_CONFIG, PEFT_WEIGHTS, open_adapter_file
from backend.node.weights.tensor_source import TensorSource

PARTS = tuple(name for name, shape in mapping.LAYER_PARTS.items() if len(shape.shape) == 2)
_PREFIX = "base_model.model."
_DOWN, _UP = ".lora_A.weight", ".lora_B.weight"
_WEIGHT = ".weight"
# Settings of PEFT that change what an adapter means, with the values that mean nothing.
_PLAIN: Dict[str, Tuple[Any, ...]] = {
    "peft_type": ("LORA",),
    "use_dora": (None, False),
    "use_rslora": (None, False),
    "fan_in_fan_out": (None, False),
    "bias": (None, "none"),
    "modules_to_save": (None, []),
    "rank_pattern": (None, {}),
    "alpha_pattern": (None, {}),
}


class Module(NamedTuple):
    """A Hugging Face module that an adapter may change: source `number` of a part of a layer. `name` is its
    path without ".weight"."""

    name: str
    part: str
    layer: int
    number: int

    @property
    def down(self) -> str:
        return _PREFIX + self.name + _DOWN

    @property
    def up(self) -> str:
        return _PREFIX + self.name + _UP


class PeftAdapter:
    """`rank`, `alpha`: of its config; `weights`: its tensors; `files`: both files; `modules`: those it
    changes, in the order of the model. Raises JobError (field "lora_directory")."""

    def __init__(self, directory: str, model: Model) -> None:
        self.directory = directory
        if not os.path.isdir(directory):
            raise no_such_folder(directory, LORA)
        path = os.path.join(directory, PEFT_CONFIG)
        config = read_object(path)
        if config is None:
            what = _("cannot read {path}").format(path=path)
            raise JobError(LORA, what, _("it is not there, or not a JSON object"))
        check_config(config, path)
        self.rank = int(config["r"])
        self.alpha = config["lora_alpha"]
        found = [os.path.join(directory, name) for name in PEFT_WEIGHTS]
        found = [name for name in found if os.path.isfile(name)]
        if not found:
            raise JobError(
                LORA, _("no such file: {path}").format(path=os.path.join(directory, PEFT_WEIGHTS[0]))
            )
        self.weights: TensorSource = open_adapter_file(found[0], LORA)
        self.files = [path, found[0]]
        self.modules = _changed(model, self.weights, self.rank)
        check_targets(config, self.modules, path)


def modules_of(model: Model) -> List[Module]:
    """All modules of a model's layers with a weight of two dimensions, in their order."""
    found = []
    for layer in range(model.layers):
        for part in PARTS:
            for number, source in enumerate(model.part(part).sources):
                name = source.name.format(layer=layer)
                found.append(Module(name[: -len(_WEIGHT)], part, layer, number))
    return found


def shape_of(model: Model, module: Module) -> Tuple[int, int]:
    """Of the module's weight: out, in."""
    out, width = model.part(module.part).sources[module.number].shape
    return model.size(out), model.size(width)


def target_names(model: Model, changed: Iterable[str]) -> List[str]:
    """What PEFT calls the modules of the parts `changed`: last words, with the one before where another part
    has the same ("c_proj" of the first Qwen is in attention and in the gate)."""
    wanted = set(changed)
    inside = [(part, source.name[: -len(_WEIGHT)]) for part in PARTS for source in model.part(part).sources]
    others = {name.rpartition(".")[2] for part, name in inside if part not in wanted}
    names = set()
    for part, name in inside:
        if part in wanted:
            words = name.split(".")
            names.add(".".join(words[-2:]) if words[-1] in others else words[-1])
    return sorted(names)


def config_of(rank: int, alpha: float, targets: List[str], base: str) -> Dict[str, Any]:
    """The content of adapter_config.json; `base`: name or path of the model."""
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": rank,
        "lora_alpha": int(alpha) if float(alpha).is_integer() else alpha,
        "lora_dropout": 0.0,
        "target_modules": targets,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "init_lora_weights": True,
        "modules_to_save": None,
        "layers_to_transform": None,
        "layers_pattern": None,
        "rank_pattern": {},
        "alpha_pattern": {},
        "revision": None,
    }


def check_config(config: Dict[str, Any], path: str) -> None:
    """See that a Megatron adapter can mean what the config of one of PEFT says. Raises JobError."""
    for name, plain in _PLAIN.items():
        if config.get(name) not in plain:
            what = _("{path}: {name} is {value}").format(path=path, name=name, value=shown(config.get(name)))
            raise JobError(LORA, what, _("a Megatron adapter has no place for that"))
    for name, kinds in (("r", (int,)), ("lora_alpha", (int, float))):
        value: Optional[Any] = config.get(name)
        if not isinstance(value, kinds) or not is_scale(value):
            what = _("{path}: {name} is {value}").format(path=path, name=name, value=shown(value))
            raise JobError(LORA, what, _("it must be a number above 0, and not a huge one"))


def check_targets(config: Dict[str, Any], modules: List[Module], path: str) -> None:
    """See that the config names every module of which there are tensors: PEFT leaves the others out.

    Raises JobError with the first tensor that it does not name."""
    layers = config.get("layers_to_transform")
    listed = layers if isinstance(layers, list) else [layers]
    for module in modules:
        name = ""
        if not _is_target(config.get("target_modules"), module.name, path):
            name = "target_modules"
        elif layers not in (None, []) and module.layer not in listed:
            name = "layers_to_transform"
        if name:
            what = _("{path}: {name} leaves out the tensor {tensor}").format(
                path=path, name=name, tensor=module.down
            )
            raise JobError(LORA, what, _("PEFT would not use it"), _("put right which of the two is wrong"))


def _is_target(targets: Any, module: str, path: str) -> bool:
    """As PEFT decides it: a list of names or of their ends, or a regular expression for whole names."""
    if targets in (None, "all-linear"):
        return True
    if isinstance(targets, str):
        try:
            return re.fullmatch(targets, module) is not None
        except (re.error, RecursionError, OverflowError) as error:
            what = _("{path}: {name} is {value}").format(
                path=path, name="target_modules", value=shown(targets)
            )
            raise JobError(LORA, what, str(error)) from error
    if not isinstance(targets, list):
        what = _("{path}: {name} is {value}").format(path=path, name="target_modules", value=shown(targets))
        raise JobError(LORA, what, _("it must be a list of names"))
    return any(module == one or module.endswith(f".{one}") for one in targets)


def _changed(model: Model, weights: TensorSource, rank: int) -> List[Module]:
    """Every tensor has a place, in its shape, and its other half."""
    present = set(weights.names())
    found = [module for module in modules_of(model) if {module.down, module.up} & present]
    surplus = present - {name for module in found for name in (module.down, module.up)}
    if surplus:
        what = _("{count} tensors of the adapter have no place in the model, the first is {name}").format(
            count=len(surplus), name=min(surplus)
        )
        raise JobError(LORA, what, _("it was trained on another model, or changes more than linear layers"))
    for module in found:
        out, width = shape_of(model, module)
        for name, wanted in ((module.down, (rank, width)), (module.up, (out, rank))):
            if name not in present:
                raise JobError(LORA, _("the adapter has no tensor {name}").format(name=name))
            shape = weights.info(name).shape
            if tuple(shape) != wanted:
                what = _("{name} has the shape {found}, not {expected}").format(
                    name=name, found=list(shape), expected=list(wanted)
                )
                raise JobError(LORA, what, _("it was trained on another model"))
    if not found:
        raise JobError(LORA, _("the adapter changes nothing: it holds no tensors"))
    return found
