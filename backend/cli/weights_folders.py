"""Folders that were given where others are wanted: what they are, and which command is meant."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from backend.cli.weights_permissions import entries, entries_there, forbidden, unreadable
from backend.translation import _

if TYPE_CHECKING:
    from backend.node.job_lines import JobError

# what a command can want; "" any of them
MODEL, TREE, PEFT, EITHER, ANY = "model", "tree", "peft", "either", ""
_ITERATION, _UNTRACKED, _UNKNOWN = "iteration", "untracked", "unknown"
_PEFT_CONFIG = "adapter_config.json"
_SHOWN_NAMES = 5


def explained(path: str, wanted: str, field: str) -> JobError | None:
    """What is wrong with a folder to read from, as far as it is not in its files: no such one, a file, no
    permission, another kind. `wanted`: MODEL, TREE, PEFT, EITHER (of the first two) or ANY."""

    folder = Path(path)
    try:
        folder.stat()
        names = entries(folder)
    except FileNotFoundError:
        return _absent(folder, field)
    except NotADirectoryError:
        return _no_folder(folder, field)
    except PermissionError as error:
        return forbidden(folder, error, field)
    except OSError:
        return None
    return _of_another_kind(folder, names, wanted, field) or unreadable(folder, names, field)


def is_of_another_kind(path: str, wanted: str) -> bool:
    """Whether a folder is certainly something else."""
    return _kind(entries(Path(path)), wanted) not in (wanted, _UNKNOWN)


def _no_folder(path: Path, field: str) -> JobError:
    """A file, or a path below one; or what is neither file nor folder, as a device."""
    from backend.node.job_lines import JobError

    above = next(one for one in (path, *path.parents) if one.exists())
    why = _("a folder is wanted")
    if not above.is_file():
        return JobError(field, _("{path} is not a folder").format(path=above), why)
    fix = _("give its folder, {path}").format(path=above.parent)
    return JobError(field, _("{path} is a file").format(path=above), why, fix)


def _absent(folder: Path, field: str) -> JobError:
    import difflib

    from backend.node.weights.aside import no_such_folder

    error = no_such_folder(str(folder), field)
    if not error.fix:
        beside = [name for name in entries_there(folder.parent) if (folder.parent / name).is_dir()]
        near = difflib.get_close_matches(folder.name, beside)
        error.fix = _("see how it is spelled")
        if near:
            error.fix = _("is it {path}?").format(path=folder.parent / near[0])
    return error


def _kind(names: Sequence[str], wanted: str) -> str:
    """Of a folder with these entries; where it is what is `wanted`, that."""
    from backend.node.weights.inspect_hf import is_hf, is_peft
    from backend.node.weights.tree_folder import TRACKER

    found = [
        kind
        for kind, is_there in (
            (TREE, TRACKER in names),
            (_ITERATION, any(name.startswith("mp_rank_") for name in names)),
            (_UNTRACKED, bool(_iterations(names))),
            (PEFT, is_peft(list(names))),
            (MODEL, is_hf(list(names))),
        )
        if is_there
    ]
    if not wanted or wanted in found or (wanted == EITHER and {MODEL, TREE} & set(found)):
        return wanted
    return found[0] if found else _UNKNOWN


def _iterations(names: Sequence[str]) -> list[str]:
    return [name[5:] for name in names if name.startswith("iter_") and name[5:].isdecimal()]


def _of_another_kind(folder: Path, names: Sequence[str], wanted: str, field: str) -> JobError | None:
    from backend.node.job_lines import JobError
    from backend.node.weights.tree_folder import TRACKER

    kind = _kind(names, wanted)
    if kind == wanted:
        return None
    what, fix = _("{path} is {kind}"), _give(wanted)
    advice = _advice(kind, wanted)
    if kind == _ITERATION:
        fix = _("give the folder above, {path}").format(path=folder.absolute().parent)
        fix = fix if wanted in (TREE, EITHER) else _give(wanted)
    elif kind == _UNTRACKED:
        what = _("{path} holds checkpoints, and no {name}")
        fix = _("write the number of the one that counts into that file, such as {number}")
        fix = fix.format(number=int(_iterations(names)[-1])) if wanted in (TREE, EITHER) else _give(wanted)
    elif kind == _UNKNOWN:
        what = _("{path} is not {wanted}")
    what = what.format(path=folder, kind=_words(kind), wanted=_words(wanted), name=TRACKER)
    return JobError(field, what, _why(kind, names, wanted), f"{fix}; {advice}" if advice else fix)


def _why(kind: str, names: Sequence[str], wanted: str) -> str:
    from backend.node.weights.hf_folder import CONFIG
    from backend.node.weights.tree_folder import TRACKER

    if kind != _UNKNOWN:
        return _("wanted is {wanted}").format(wanted=_words(wanted))
    marks = {MODEL: CONFIG, TREE: TRACKER, PEFT: _PEFT_CONFIG, EITHER: f"{CONFIG}, {TRACKER}"}[wanted]
    held = ", ".join(names[:_SHOWN_NAMES]) or _("nothing")
    return _("{marks} is missing; it holds {names}").format(marks=marks, names=held)


def _words(kind: str) -> str:
    return {
        MODEL: _("a Hugging Face model"),
        TREE: _("a Megatron checkpoint"),
        PEFT: _("a LoRA adapter of PEFT"),
        EITHER: _("a Hugging Face model or a Megatron checkpoint"),
        _ITERATION: _("one iteration of a Megatron checkpoint"),
    }.get(kind, _("weights"))


def _give(wanted: str) -> str:
    return _("give the folder of {wanted}").format(wanted=_words(wanted))


def _advice(kind: str, wanted: str) -> str:
    if kind in (TREE, _ITERATION) and wanted == MODEL:
        return _("`npudeck weights to-hf` makes one of a checkpoint, `reshard` cuts a checkpoint anew")
    if kind == TREE and wanted == PEFT:
        return _("`npudeck weights export-lora` makes one of a checkpoint's")
    if kind == MODEL and wanted == TREE:
        return _("`npudeck weights to-megatron` makes one of a model")
    if kind == PEFT and wanted in (TREE, EITHER):
        return _("`npudeck weights split-lora` makes one of an adapter")
    return ""
