"""Whether a folder may be replaced by new weights: only what is weights through and through, and nobody's
training. Whoever asks for it may have forgotten what else lies there."""

from __future__ import annotations

import fnmatch
import os
from gettext import gettext as _
from typing import Any, Dict, Iterator, List, Optional

from backend.node.job_lines import JobError
from backend.node.weights.hf_folder import CONFIG, INDEXES, SINGLE, is_weight_file
from backend.node.weights.made_manifest import MANIFEST, changed_outputs, read_manifest
from backend.node.weights.model_files import read_object
from backend.node.weights.peft_files import PEFT_WEIGHTS
from backend.node.weights.pt_file import PtFile
from backend.node.weights.tree_folder import RANK_FILE, RELEASE, TRACKER, is_rank_name

FIRST_ITERATION = "iter_0000001"
_FIELD = "output_directory"
# What lies on top of a Hugging Face model or an adapter: config, tokenizer, code, words about it.
_MODEL_FILES = (
    "*.json", "*.jinja", "*.txt", "*.model", "*.py", "*.md", "*.tiktoken", "*.yaml", "*.yml",
    "LICENSE*", "LICENCE*", "NOTICE*", "README*", "USE_POLICY*", "configuration", ".gitattributes",
)  # fmt: skip
_TEMPLATES = "additional_chat_templates"
# What only a training leaves in a rank's file.
_OF_TRAINING = ("optimizer", "opt_param_scheduler", "rng_state", "rerun_state_machine")


def check_replaceable(path: str, with_weights: bool = True) -> None:
    """See that the folder `path`, which is not empty, holds nothing but what a conversion made, or the files
    of one model or one tree. Without `with_weights` it may hold no weights either.

    Raises JobError with the first entry that somebody may still need, OSError."""
    names = sorted(os.listdir(path))
    if not with_weights:
        _refuse_first(path, _weights_in(path), _("it holds weights"))
    later = [name for name in names if name.startswith("iter_") and name != FIRST_ITERATION]
    if later:
        raise _refused(path, later[0], _("{path} also holds checkpoints of a training"))
    made = read_manifest(path)
    if made is not None:
        _check_made(path, made)
    elif TRACKER in names or FIRST_ITERATION in names or RELEASE in names:
        _check_tree(path, names)
    elif any(name in PEFT_WEIGHTS for name in names):
        adapter = next(name for name in names if name in PEFT_WEIGHTS)
        raise _refused(path, adapter, _("{path} holds a LoRA adapter of a training"))
    elif _is_model(path, names):
        _refuse_first(path, _foreign_in_model(path, names), _("it does not belong to a model"))
    else:
        what = _("{path} holds no weights, and is not replaced").format(path=path)
        raise JobError(_FIELD, what, _("its first entry is {name}").format(name=names[0]), _fix())


def _check_made(path: str, made: Dict[str, Any]) -> None:
    """What npudeck made may go, when nothing has come to it and no training has saved into it."""
    sizes = {os.path.normpath(one["path"]): one["size"] for one in made["outputs"]}
    folders = {os.path.dirname(name) for name in sizes}
    own = {MANIFEST, TRACKER, *sizes, *folders, *map(os.path.dirname, folders)}
    _refuse_first(path, (name for name in _files_of(path) if name not in own), _("npudeck did not make it"))
    for changed in changed_outputs(path, made):
        name = os.path.normpath(changed)
        whole = os.path.join(path, name)
        if os.path.basename(name) == RANK_FILE and os.path.isfile(whole):
            # One that cannot be read and has not grown is ours, damaged.
            _check_rank(path, name, may_be_damaged=os.path.getsize(whole) <= sizes[name])
        elif name in PEFT_WEIGHTS and os.path.isfile(whole):
            raise _refused(path, name, _("{path} holds a LoRA adapter of a training"))


def _check_tree(path: str, names: List[str]) -> None:
    folders = [name for name in names if name in (FIRST_ITERATION, RELEASE)]
    foreign = [name for name in names if name not in (TRACKER, *folders[:1])]
    _refuse_first(path, foreign, _("it does not belong to a conversion"))
    for folder in folders:
        for name in _files_of(os.path.join(path, folder)):
            rank, _slash, file = name.partition(os.sep)
            if file != RANK_FILE or not is_rank_name(rank):
                raise _foreign(path, os.path.join(folder, name), _("it does not belong to a conversion"))
            _check_rank(path, os.path.join(folder, name))


def _check_rank(path: str, name: str, may_be_damaged: bool = False) -> None:
    """A file of a training or of an adapter is dear; so is one of which nobody can say what it is."""
    try:
        file = PtFile(os.path.join(path, name), _FIELD)
    except JobError as error:
        if may_be_damaged:
            return
        raise _foreign(path, name, error.why) from error
    content: Dict[str, Any] = file.content if isinstance(file.content, dict) else {}
    found = [one for one in (*content, *file.names()) if str(one).startswith(_OF_TRAINING)]
    args = content.get("args")
    samples = args.get("consumed_train_samples") if isinstance(args, dict) else 0
    if found or content.get("iteration") not in (None, 0, 1) or samples not in (None, 0):
        raise _refused(path, name, _("{path} holds a checkpoint of a training"))
    if any(".lora_" in one for one in file.names()):
        raise _refused(path, name, _("{path} holds a LoRA adapter of a training"))


def _is_model(path: str, names: List[str]) -> bool:
    """A config.json alone says nothing: many programs have one."""
    if any(name in names for name in (*INDEXES, *SINGLE)):
        return True
    config = read_object(os.path.join(path, CONFIG)) or {}
    return "architectures" in config or "model_type" in config


def _foreign_in_model(path: str, names: List[str]) -> Iterator[str]:
    for name in names:
        whole = os.path.join(path, name)
        if os.path.isdir(whole):
            inner = sorted(os.listdir(whole))
            if name != _TEMPLATES or not all(one.endswith(".jinja") for one in inner):
                yield name
        elif not is_weight_file(name) and not any(fnmatch.fnmatch(name, kind) for kind in _MODEL_FILES):
            yield name


def _weights_in(path: str) -> Iterator[str]:
    return (name for name in _files_of(path) if is_weight_file(name))


def _files_of(path: str) -> List[str]:
    """Every file below the folder, relative to it, sorted; links and empty folders count as files."""
    found = []
    for folder, folders, names in os.walk(path):
        links = [one for one in folders if os.path.islink(os.path.join(folder, one))]
        here = [*names, *links] if names or folders or folder == path else [""]
        found += [os.path.relpath(os.path.join(folder, name), path) for name in here]
    return sorted(found)


def _refuse_first(path: str, foreign: Any, why: str) -> None:
    first: Optional[str] = next(iter(foreign), None)
    if first is not None:
        raise _foreign(path, first, why)


def _foreign(path: str, name: str, why: str) -> JobError:
    what = _("{path} also holds {name}, and is not replaced").format(path=path, name=name)
    return JobError(_FIELD, what, why, _fix())


def _refused(path: str, name: str, what: str) -> JobError:
    why = _("new weights would replace {name}").format(name=name)
    return JobError(_FIELD, what.format(path=path), why, _fix())


def _fix() -> str:
    return _("choose another output directory, or remove this one yourself")
