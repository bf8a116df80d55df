"""What somebody says of a LoRA adapter, beside what the adapter says itself."""

from __future__ import annotations

import math
from gettext import gettext as _
from typing import Any, Dict, NamedTuple, Optional, Set, Tuple

from backend.node.job_lines import JobError
from backend.node.weights.config_keys import is_scale, shown
from backend.node.weights.lora import DOWN
from backend.node.weights.megatron_tree import MegatronTree

LORA = "lora_directory"


class LoraSettings(NamedTuple):
    """`rank`, `alpha` and `targets` (names of modules, "linear_qkv") as somebody gave them: they are compared
    with the adapter. None: what the adapter says."""

    directory: str
    rank: Optional[int] = None
    alpha: Optional[float] = None
    targets: Optional[Tuple[str, ...]] = None


def lora_settings(job: Dict[str, Any]) -> Optional[LoraSettings]:
    """From the keys lora_directory, lora_r, lora_alpha and lora_target_modules of a job; None without a
    directory. Raises JobError for values of another kind."""
    directory = job.get(LORA)
    if not directory:
        return None
    rank, alpha, targets = job.get("lora_r"), job.get("lora_alpha"), job.get("lora_target_modules")
    for name, value, kinds in (("lora_r", rank, int), ("lora_alpha", alpha, (int, float))):
        if value is not None and not (isinstance(value, kinds) and is_scale(value)):
            what = _("{name} cannot be {value}").format(name=name, value=shown(value))
            raise JobError(name, what, _("it must be a number above 0"))
    names = [targets] if isinstance(targets, str) else targets
    return LoraSettings(str(directory), rank, alpha, tuple(names) if names else None)


def agreed_settings(lora: LoraSettings, adapter: MegatronTree) -> LoraSettings:
    """What was given where it is what the adapter says. Raises JobError."""
    found = adapter_modules(adapter)
    rank = rank_of(adapter)
    if lora.rank is not None and lora.rank != rank:
        what = _("the adapter has rank {found}, not {given}").format(found=rank, given=lora.rank)
        raise JobError("lora_r", what, _("the first dimension of its lora_A tensors says so"))
    targets = tuple(sorted(found))
    if lora.targets is not None and set(lora.targets) != found:
        what = _("the adapter changes {found}, not {given}").format(
            found=", ".join(targets), given=", ".join(sorted(lora.targets))
        )
        raise JobError("lora_target_modules", what, _("its tensors are named so"))
    return LoraSettings(lora.directory, rank, _alpha(lora.alpha, adapter), targets)


def rank_of(adapter: MegatronTree) -> int:
    """That of all its modules. Raises JobError where they have several, or none."""
    shapes = [
        adapter.rank(*rank).info(name).shape
        for rank in adapter.folder.ranks
        for name in adapter.names(*rank)
        if name.endswith(DOWN)
    ]
    ranks = {shape[0] if len(shape) == 2 else 0 for shape in shapes}
    if len(ranks) != 1 or 0 in ranks:
        what = _("the adapter's modules have several ranks: {ranks}").format(ranks=sorted(ranks))
        raise JobError(LORA, what)
    return ranks.pop()


def _alpha(given: Optional[float], adapter: MegatronTree) -> float:
    said = said_alpha(adapter)
    if said is None and given is None:
        what = _("the adapter does not say its alpha")
        raise JobError(
            "lora_alpha", what, _("its arguments have no lora_alpha"), _("give the one it was trained with")
        )
    if said is not None and given is not None and not math.isclose(said, given):
        what = _("the adapter was trained with alpha {found:g}, not {given:g}").format(
            found=said, given=given
        )
        raise JobError("lora_alpha", what, _("its arguments say so"), _("another alpha gives another model"))
    return float(given if given is not None else said or 0.0)


def said_alpha(adapter: MegatronTree) -> Optional[float]:
    """What the adapter's arguments say; None where they say nothing. Raises JobError for what is no alpha."""
    said = adapter.args.get("lora_alpha")
    if said is None:
        return None
    if not is_scale(said):
        what = _("the adapter's arguments say lora_alpha {value}").format(value=shown(said))
        raise JobError(LORA, what, _("it must be a number above 0, and not a huge one"))
    return float(said)


def adapter_modules(tree: MegatronTree) -> Set[str]:
    """The last words of the modules that an adapter changes: "linear_qkv"."""
    found = set()
    for rank in tree.folder.ranks:
        for name in tree.names(*rank):
            if name.endswith(DOWN):
                found.add(name[: -len(DOWN)].rpartition(".")[2])
    return found
