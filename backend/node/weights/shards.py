"""Checkpoint trees of Megatron: one file a tensor and pipeline rank, and a tracker that names the iteration.

<directory>/latest_checkpointed_iteration.txt              "1", or "release"
<directory>/iter_0000001/mp_rank_TT[_PPP]/model_optim_rng.pt    _PPP only when there is more than one stage
"""

from __future__ import annotations

import argparse
import os
from collections import OrderedDict
from gettext import gettext as _
from typing import TYPE_CHECKING, Any, Dict, Optional

from backend.node import durable
from backend.node.job_lines import JobError, StorageError
from backend.node.weights.safe_load import load_tensors
from backend.node.weights.tree_folder import RANK_FILE, TRACKER

if TYPE_CHECKING:
    from torch import Tensor

EXTRA_STATE = "_extra_state"
CHECKPOINT_VERSION = 3.0
_PLAIN = (type(None), bool, int, float, str, list, tuple)


def iteration_directory(directory: str, iteration: int) -> str:
    return os.path.join(directory, f"iter_{iteration:07d}")


def rank_directory_name(tp_rank: int, pp_rank: int, pp: int) -> str:
    name = f"mp_rank_{tp_rank:02d}"
    return name if pp == 1 else f"{name}_{pp_rank:03d}"


def latest_directory(directory: str) -> str:
    """The folder of the iteration that the tracker names. Raises JobError when there is no tree."""
    text = _tracker_text(directory)
    if text == "release":
        return os.path.join(directory, text)
    if text is None or not text.isdecimal():
        what = _("there is no checkpoint in {directory}").format(directory=directory)
        raise JobError(
            "load_directory",
            what,
            _("{name} is missing or not a number").format(name=TRACKER),
            _("run the weights stage first"),
        )
    return iteration_directory(directory, int(text))


def latest_iteration(directory: str) -> Optional[int]:
    """The iteration of the newest whole checkpoint; None where there is none, or only a release."""
    text = _tracker_text(directory)
    return int(text) if text is not None and text.isdecimal() else None


def read_rank(directory: str, tp_rank: int, pp_rank: int, tp: int, pp: int) -> Dict[str, Any]:
    """All of one rank's file of the newest checkpoint, its tensors mapped from the file.

    Keys: `args`, `iteration`, `model`, `checkpoint_version`, and what the trainer added. Raises JobError
    when the file is missing, damaged or of another layout."""
    path = os.path.join(latest_directory(directory), rank_directory_name(tp_rank, pp_rank, pp), RANK_FILE)
    if not os.path.isfile(path):
        what = _("no such file: {path}").format(path=path)
        raise JobError(
            "load_directory",
            what,
            _("the checkpoint was made for another TP x PP, or is not whole"),
            _("convert the weights for TP {tp}, PP {pp}").format(tp=tp, pp=pp),
        )
    try:
        content = load_tensors(path)
    except Exception as error:
        first_line = str(error).partition("\n")[0]
        what = _("cannot read {path}").format(path=path)
        raise JobError("load_directory", what, first_line, _("convert the weights anew")) from error
    _check_layout(path, content, tp, pp)
    found: Dict[str, Any] = content
    return found


def load_rank(directory: str, tp_rank: int, pp_rank: int, tp: int, pp: int) -> Dict[str, Tensor]:
    """The model's tensors of one rank: flat mcore names with local layer numbers, no `_extra_state`.

    The tensors are mapped from the file: copy before writing to them. Raises JobError as `read_rank` does,
    and for a tree of the legacy format."""
    content = read_rank(directory, tp_rank, pp_rank, tp, pp)
    if "language_model" in (content.get("model") or {"language_model": None}):
        what = _("the checkpoint in {directory} is not in mcore format").format(directory=directory)
        raise JobError("load_directory", what, "", _("convert the weights with format mcore"))
    return model_tensors(content)


def model_tensors(content: Dict[str, Any]) -> Dict[str, Tensor]:
    """The model of a rank's file of the mcore format, without `_extra_state`."""
    return {name: tensor for name, tensor in content["model"].items() if not name.endswith(EXTRA_STATE)}


def save_rank(
    directory: str,
    iteration: int,
    tp_rank: int,
    pp_rank: int,
    tp: int,
    pp: int,
    model: Dict[str, Tensor],
    extra: Dict[str, Any],
    args: Dict[str, Any],
) -> None:
    """Write this rank's own file of checkpoint `iteration`; it counts after `publish`, once all ranks did.

    `model` has flat mcore names; `extra` becomes more top-level keys (optimizer, rng_state, ...) and must
    hold only tensors and builtin containers of builtin values, so that it loads without running code; `args`
    holds only builtin values and dtypes. Raises JobError when the file cannot be written; nothing
    half-written stays.
    """
    folder = os.path.join(
        iteration_directory(directory, iteration), rank_directory_name(tp_rank, pp_rank, pp)
    )
    args = dict(args, tensor_model_parallel_size=tp, pipeline_model_parallel_size=pp)
    write_rank_file(folder, iteration, OrderedDict(model), extra, args)


def write_rank_file(
    folder: str, iteration: int, model: Any, extra: Dict[str, Any], args: Dict[str, Any]
) -> None:
    """Write `<folder>/model_optim_rng.pt` whole. `model` is a (nested) dict of tensors. Raises JobError."""
    import torch

    for name, value in args.items():
        # args.params_dtype is an object of torch, which loads without running code too.
        if not isinstance(value, (*_PLAIN, torch.dtype)):
            raise TypeError(f"args.{name} is a {type(value).__name__}, not a builtin value")
    content = {
        "args": argparse.Namespace(**args),
        "checkpoint_version": CHECKPOINT_VERSION,
        "iteration": iteration,
        "model": _compact(model),
        "num_floating_point_operations_so_far": 0,
        **extra,
    }
    path = os.path.join(folder, RANK_FILE)
    try:
        os.makedirs(folder, exist_ok=True)
        with durable.open_temporary(path, buffering=1 << 20) as stream:
            torch.save(content, stream)
        durable.publish(path)
    except (OSError, RuntimeError) as error:
        # torch reports a full disk as a RuntimeError of its zip writer.
        what, why = _("cannot write {path}").format(path=path), str(error).partition("\n")[0]
        raise StorageError("save_directory", what, why) from error


def publish(directory: str, iteration: int) -> None:
    """Make checkpoint `iteration` the newest: writes the tracker, after every rank has written its file.

    Raises JobError."""
    path = os.path.join(directory, TRACKER)
    try:
        durable.sync_directory(iteration_directory(directory, iteration))
        durable.sync_directory(directory)
        # Megatron's converter writes the number without a newline, and so do we.
        durable.write_whole(path, str(iteration))
    except OSError as error:
        raise StorageError(
            "save_directory", _("cannot write {path}").format(path=path), str(error)
        ) from error


def _tracker_text(directory: str) -> Optional[str]:
    try:
        with open(os.path.join(directory, TRACKER), encoding="utf-8") as stream:
            return stream.read(64).strip()
    except FileNotFoundError:
        return None


def _check_layout(path: str, content: Any, tp: int, pp: int) -> None:
    args = content.get("args") if isinstance(content, dict) else None
    found = tuple(
        getattr(args, f"{kind}_model_parallel_size", wanted)
        for kind, wanted in (("tensor", tp), ("pipeline", pp))
    )
    if args is None or found != (tp, pp):
        what = _("{path} is not a rank file for TP {tp}, PP {pp}").format(path=path, tp=tp, pp=pp)
        why = "" if args is None else _("it was made for TP {tp}, PP {pp}").format(tp=found[0], pp=found[1])
        raise JobError("load_directory", what, why, _("convert the weights for this layout"))


def _compact(value: Any) -> Any:
    """The same tree, every tensor on the CPU in a storage of its own: a saved view would bring all of its
    base."""
    import torch

    if isinstance(value, dict):
        return type(value)((name, _compact(entry)) for name, entry in value.items())
    if not isinstance(value, torch.Tensor):
        return value
    tensor = value.detach().cpu().contiguous()
    whole = tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()
    return tensor if whole else tensor.clone()
