"""Whether a LoRA adapter belongs to the weights beside it, by format, layout, names and shapes."""

from __future__ import annotations

from gettext import gettext as _
from typing import Sequence, Set, Tuple

from backend.node.job_lines import JobError
from backend.node.weights.layout import Layout
from backend.node.weights.lora import DOWN, UP
from backend.node.weights.lora_settings import LORA
from backend.node.weights.megatron_tree import MegatronTree
from backend.node.weights.tensor_source import TensorSource

_MARK = ".lora_"


def check_same_cut(base: MegatronTree, adapter: MegatronTree) -> None:
    if not adapter.is_adapter:
        what = _("{path} holds no LoRA adapter").format(path=adapter.root)
        raise JobError(LORA, what, _("no tensor in it is named lora_A"))
    if base.is_adapter:
        what = _("{path} holds a LoRA adapter, not the weights it was trained on").format(path=base.root)
        raise JobError(base.field, what, "", _("give the folder of the weights"))
    if adapter.format != base.format:
        what = _("the adapter is in {found} format, the weights in {wanted}").format(
            found=adapter.format, wanted=base.format
        )
        raise JobError(LORA, what, "", _("reshard the weights to the adapter's format first"))
    if adapter.layout != base.layout:
        what = _("the adapter is cut for {found}, the weights for {wanted}").format(
            found=_cut_words(adapter.layout), wanted=_cut_words(base.layout)
        )
        raise JobError(LORA, what, "", _("reshard the weights to the adapter's layout first"))


def _cut_words(layout: Layout) -> str:
    stages = "+".join(map(str, layout.layers_per_stage))
    return _("TP {tp}, PP {pp} with {stages} layers").format(tp=layout.tp, pp=layout.pp, stages=stages)


def check_rank_file(base: TensorSource, adapter: TensorSource, own: Set[str], path: str, rank: int) -> None:
    """Every name and shape of an adapter's file beside the weights of the same rank."""
    weights = set(base.names())
    for name in sorted(own):
        module = name.partition(_MARK)[0] if _MARK in name else ""
        if not module:
            plain = name.replace(".base_layer.", ".")
            if plain in weights:
                _check_shape(path, name, adapter.info(name).shape, base.info(plain).shape)
            else:
                raise _foreign(path, name)
        elif module + ".weight" not in weights or name not in (module + DOWN, module + UP):
            raise _foreign(path, name)
        else:
            _check_pair(path, module, own)
            out, width = _two(base.info(module + ".weight").shape)
            wanted = (rank, width) if name.endswith(DOWN) else (out, rank)
            _check_shape(path, name, adapter.info(name).shape, wanted)


def check_halves(adapter: MegatronTree) -> None:
    """See that no module of an adapter has one half alone. Raises JobError."""
    for rank, path in adapter.folder.ranks.items():
        own = set(adapter.names(*rank))
        for name in sorted(own):
            if name.endswith((DOWN, UP)):
                _check_pair(path, name[: -len(DOWN)], own)


def _check_pair(path: str, module: str, own: Set[str]) -> None:
    for half in (DOWN, UP):
        if module + half not in own:
            what = _("{path}: the tensor {name} is missing").format(path=path, name=module + half)
            raise JobError(LORA, what, _("its other half is there: the adapter is not whole"))


def _two(shape: Sequence[int]) -> Tuple[int, int]:
    return (shape[0], shape[1]) if len(shape) == 2 else (0, 0)


def _check_shape(path: str, name: str, found: Sequence[int], wanted: Sequence[int]) -> None:
    if tuple(found) != tuple(wanted):
        what = _("{path}: {name} has the shape {found}, not {wanted}").format(
            path=path, name=name, found=list(found), wanted=list(wanted)
        )
        raise JobError(LORA, what, _("the adapter was trained on another model or layout"))


def _foreign(path: str, name: str) -> JobError:
    what = _("{path}: the tensor {name} has no place in the weights").format(path=path, name=name)
    return JobError(LORA, what, _("the adapter was trained on another model or layout"))
