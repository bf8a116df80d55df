"""See that weights are those of a model, whole and in shape, before anything is written."""

from __future__ import annotations

from gettext import gettext as _
from gettext import ngettext
from typing import Dict, Iterable, List, Mapping, Tuple

from backend.node.job_lines import JobError
from backend.node.weights.arrays import BF16, FP16, FP32
from backend.node.weights.hf_plan import plan_hf
from backend.node.weights.model import Model
from backend.node.weights.tensor_source import TensorSource
from backend.node.weights.tree_plan import RankPlan

_FLOATS = (BF16, FP16, FP32, "fp64")


def check_hf(model: Model, source: TensorSource, field: str = "hf_directory") -> None:
    """See that a Hugging Face folder holds the model: every tensor in its shape, and none without a place.

    Raises JobError with the first of them by name. A head beside a tied embedding is not looked at."""
    plan = plan_hf(model, FP32)
    wanted = {planned.key: planned.shape for planned in plan.tensors}
    present = set(source.names())
    _check_missing(wanted, present, field, _("fetch the weights again"))
    table = model.table
    ignored = table.ignored
    if model.tie_embeddings:
        ignored += tuple(one.name for one in table.head.sources)
    buffers = {planned.key for planned in plan.buffers}
    surplus = [name for name in present - set(wanted) - buffers if not name.endswith(ignored)]
    _check_surplus(surplus, field)
    _check_shapes(wanted, source, field, _("config.json says another size"))


def check_rank(plan: RankPlan, source: TensorSource, path: str, field: str = "megatron_directory") -> None:
    """See that the file of a rank holds what its plan says. `path` names the file in messages.

    Raises JobError. Tensors outside the model (of an optimizer) are not looked at."""
    wanted = {planned.key: planned.shape for planned in plan.tensors}
    top_levels = set(plan.content)
    present = {name for name in source.names() if _is_of_model(name)}
    lora = sorted(name for name in present if ".lora_" in name)
    if lora:
        what = _("{path} holds a LoRA adapter").format(path=path)
        fix = _("give it as the adapter, with the weights that it was trained on")
        raise JobError(field, what, _("it has the tensor {name}").format(name=lora[0]), fix)
    found_levels = {name.partition("/")[0] for name in present}
    if found_levels and found_levels != top_levels:
        what = _("{path} is cut for another number of virtual stages").format(path=path)
        why = _("it holds {found}, its args say {wanted}").format(
            found=", ".join(sorted(found_levels)), wanted=", ".join(sorted(top_levels))
        )
        raise JobError(field, what, why)
    _check_missing(wanted, present, field, _("convert the weights again"), path)
    _check_surplus(present - set(wanted), field, path)
    _check_shapes(wanted, source, field, _("config.json or the checkpoint's args say another size"), path)


def check_same_model(found: Model, expected: Model, directory: str, field: str = "hf_directory") -> List[str]:
    """See that a config.json (`found`) is of the model that a recipe is about (`expected`).

    Raises JobError with the first difference; returns notes on what differs without harm."""
    if found.table != expected.table:
        what = _(
            "{directory} is another model: its family is {family}, the recipe's model is of {wanted}"
        ).format(directory=directory, family=found.family, wanted=expected.family)
        raise JobError(field, what, "", _("choose the model that these weights belong to"))
    compared: List[Tuple[str, object, object]] = [
        (name, getattr(found, name), getattr(expected, name))
        for name in ("layers", "hidden", "heads", "kv_heads", "head_dim", "ffn", "vocab")
    ]
    compared += [
        ("tie_embeddings", found.tie_embeddings, expected.tie_embeddings),
        ("qkv_bias", found.qkv_bias, expected.qkv_bias),
    ]
    if found.rope_ratio == 1.0:
        compared.append(("rope_theta", found.rope_theta, float(expected.rope_theta)))
    for name, value, wanted in compared:
        if value != wanted:
            what = _(
                "{directory} is another model: {name} is {value}, the recipe's model has {wanted}"
            ).format(directory=directory, name=name, value=value, wanted=wanted)
            raise JobError(field, what, "", _("choose the model that these weights belong to"))
    if found.rope_scaling:
        what = _("{directory} scales its rotary positions").format(directory=directory)
        raise JobError(field, what, _("training here does not: {scaling}").format(scaling=found.rope_scaling))
    notes = []
    if found.rope_theta != expected.rope_theta:
        text = _("config.json has a rotary base of {found:.0f}, training uses {used:.0f}")
        notes.append(text.format(found=found.rope_theta, used=expected.rope_theta))
    if found.norm_eps != expected.norm_eps:
        text = _("config.json has a norm epsilon of {found}, training uses {used}")
        notes.append(text.format(found=found.norm_eps, used=expected.norm_eps))
    return notes


def _is_of_model(name: str) -> bool:
    top = name.partition("/")[0]
    return top == "model" or (top.startswith("model") and top[len("model") :].isdecimal())


def _at(text: str, path: str) -> str:
    return _("{path}: {text}").format(path=path, text=text) if path else text


def _check_missing(
    wanted: Mapping[str, object], present: Iterable[str], field: str, fix: str, path: str = ""
) -> None:
    found = set(present)
    missing = [name for name in wanted if name not in found]
    if missing:
        text = ngettext(
            "the tensor {name} is missing", "{count} tensors are missing, the first is {name}", len(missing)
        )
        what = text.format(count=len(missing), name=missing[0])
        raise JobError(field, _at(what, path), _("the model would not be whole"), fix)


def _check_surplus(names: Iterable[str], field: str, path: str = "") -> None:
    surplus = sorted(names)
    if surplus:
        text = ngettext(
            "the tensor {name} has no place in the model",
            "{count} tensors have no place in the model, the first is {name}",
            len(surplus),
        )
        what = text.format(count=len(surplus), name=surplus[0])
        raise JobError(field, _at(what, path), _("leaving them out would change the model"))


def _check_shapes(
    wanted: Dict[str, Tuple[int, ...]], source: TensorSource, field: str, why: str, path: str = ""
) -> None:
    for name, expected in wanted.items():
        info = source.info(name)
        if tuple(info.shape) != expected:
            what = _("{name} has the shape {found}, not {expected}").format(
                name=name, found=list(info.shape), expected=list(expected)
            )
            raise JobError(field, _at(what, path), why)
        if info.dtype not in _FLOATS:
            what = _("{name} holds {dtype} values").format(name=name, dtype=info.dtype)
            raise JobError(field, _at(what, path), _("weights are bf16, fp16, fp32 or fp64"))
