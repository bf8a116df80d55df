"""What a Megatron checkpoint tree is: the part of `inspect_weights` that reads them."""

from __future__ import annotations

import os
import re
from gettext import gettext as _
from typing import Any, Callable, Dict, List, Optional, Tuple

from backend.node.job_lines import JobError
from backend.node.weights.config_keys import is_scale
from backend.node.weights.inspect_hf import counted, described, problem
from backend.node.weights.lora import DOWN
from backend.node.weights.lora_check import check_halves
from backend.node.weights.lora_settings import adapter_modules, rank_of, said_alpha
from backend.node.weights.megatron_tree import MegatronTree
from backend.node.weights.tree_folder import RELEASE, TRACKER
from backend.node.weights.tree_model import known_rope_theta, tree_model
from backend.node.weights.tree_parts import TreeParts

_ITERATION = re.compile(r"iter_(\d{7,})$")


def is_tree_like(names: List[str]) -> bool:
    """Whether a folder's entries are those of a tree, or of one of its iterations."""
    return TRACKER in names or any(_ITERATION.match(name) or name.startswith("mp_rank_") for name in names)


def inspect_tree(directory: str) -> Dict[str, Any]:
    problems: List[Dict[str, str]] = []
    found: Dict[str, Any] = {
        "kind": "megatron",
        "title": _("Megatron checkpoint"),
        "problems": problems,
        "iterations": _iterations(directory),
    }
    try:
        tree = MegatronTree(directory, "directory")
    except JobError as error:
        problems.append(_of_iteration(directory) or problem(error))
        return found
    found.update(_of_tree(tree))
    try:
        found.update(_lora(tree, problems) if tree.is_adapter else _model(tree))
    except JobError as error:
        problems.append(problem(error))
    return found


def _iterations(directory: str) -> List[int]:
    numbers = (_ITERATION.match(name) for name in sorted(os.listdir(directory)))
    return [int(one.group(1)) for one in numbers if one]


def _of_iteration(directory: str) -> Optional[Dict[str, str]]:
    """The folder of an iteration is one level too deep."""
    if not any(name.startswith("mp_rank_") for name in os.listdir(directory)):
        return None
    above = os.path.dirname(os.path.abspath(directory))
    what = _("{path} is one iteration of a checkpoint").format(path=directory)
    fix = _("give the folder above, {path}").format(path=above)
    return {"what": what, "why": _("{name} is beside it").format(name=TRACKER), "fix": fix}


def _of_tree(tree: MegatronTree) -> Dict[str, Any]:
    layout = tree.layout
    ranks = [tree.rank(*rank) for rank in tree.folder.ranks]
    contents = [tree.content(*rank) for rank in tree.folder.ranks]
    tops = {name.split("/")[0] for rank in ranks for name in rank.names()} | {
        str(name) for content in contents for name in content
    }
    beside = any(
        os.path.isfile(os.path.join(os.path.dirname(path), "distrib_optim.pt"))
        for path in tree.folder.ranks.values()
    )
    title = _("Megatron checkpoint, {format} format").format(format=tree.format)
    return {
        "title": title,
        "format": tree.format,
        "iteration": tree.iteration,
        "layout": {
            "tp": layout.tp,
            "pp": layout.pp,
            "layers_per_stage": list(layout.layers_per_stage),
            "layers_per_virtual_stage": layout.layers_per_virtual_stage,
        },
        "optimizer": beside or "optimizer" in tops,
        **counted(ranks, lambda source: [name for name in source.names() if name.startswith("model")]),
    }


def _model(tree: MegatronTree) -> Dict[str, Any]:
    model = tree_model(tree)
    found = described(model)
    found["rope_theta"] = known_rope_theta(tree)
    found["padded_vocab_size"] = TreeParts(tree, model).padded_vocab
    notes = []
    if tree.iteration is None:
        notes.append(_("it is a release: {name} says {text}").format(name=TRACKER, text=RELEASE))
    if not found["family"]:
        notes.append(_("the tree does not say its family: the manifest of a conversion would"))
    return {**found, "notes": notes}


def _lora(tree: MegatronTree, problems: List[Dict[str, str]]) -> Dict[str, Any]:
    ranks = _ranks(tree)
    checks: List[Callable[[MegatronTree], object]] = [check_halves, rank_of, said_alpha]
    for check in checks:
        try:
            check(tree)
        except JobError as error:
            problems.append(problem(error))
    said = tree.args.get("lora_alpha")
    alpha = said if is_scale(said) else None
    rank = ranks[0] if len(ranks) == 1 else None
    title = _("LoRA adapter of Megatron, {format} format").format(format=tree.format)
    lora = {"rank": rank, "alpha": alpha, "targets": sorted(adapter_modules(tree))}
    return {"kind": "lora", "title": title, "lora": lora}


def _ranks(tree: MegatronTree) -> Tuple[int, ...]:
    found = set()
    for rank in tree.folder.ranks:
        source = tree.rank(*rank)
        found |= {source.info(name).shape[0] for name in tree.names(*rank) if name.endswith(DOWN)}
    return tuple(sorted(found))
