"""Names and folders of a Megatron checkpoint tree, and which of its rank files are there.

<directory>/latest_checkpointed_iteration.txt              "1", or "release"
<directory>/iter_0000001/mp_rank_TT[_PPP]/model_optim_rng.pt    _PPP only when there is more than one stage
"""

from __future__ import annotations

import os
import re
from gettext import gettext as _
from typing import Dict, List, NamedTuple, Optional, Tuple

from backend.node.job_lines import JobError
from backend.node.weights.aside import no_such_folder

TRACKER = "latest_checkpointed_iteration.txt"
RANK_FILE = "model_optim_rng.pt"
RELEASE = "release"
_ITERATION = re.compile(r"iter_\d{7,}")
_RANK = re.compile(r"mp_rank_(\d{2,})(?:_(\d{3,}))?(?:_(\d{3,}))?$")


class TreeFolder(NamedTuple):
    """`directory`: of the iteration that the tracker names; `iteration` None: a release. `ranks`: (TP rank,
    PP rank) to file. `tp` and `pp`: how many there are by the folders' names."""

    root: str
    directory: str
    iteration: Optional[int]
    ranks: Dict[Tuple[int, int], str]
    tp: int
    pp: int

    @property
    def tracker(self) -> str:
        return os.path.join(self.root, TRACKER)


def rank_folder(directory: str, iteration: int, tp_rank: int, pp_rank: int, pp: int) -> str:
    name = f"mp_rank_{tp_rank:02d}" + (f"_{pp_rank:03d}" if pp > 1 else "")
    return os.path.join(directory, f"iter_{iteration:07d}", name)


def is_rank_name(name: str) -> bool:
    """Whether a folder is called as that of a rank: "mp_rank_00_001"."""
    return _RANK.match(name) is not None


def is_iteration(name: str) -> bool:
    """Whether a folder is called as that of an iteration: "iter_0000001", or "release"."""
    return name == RELEASE or _ITERATION.fullmatch(name) is not None


def iteration_named(tracker: str) -> Optional[str]:
    """The folder that a tracker names ("iter_0000001"); None where it cannot be read or names none."""
    try:
        with open(tracker, encoding="utf-8", errors="replace") as stream:
            return _folder_of(stream.read(64).strip())
    except OSError:
        return None


def _folder_of(text: str) -> Optional[str]:
    if text == RELEASE:
        return RELEASE
    return f"iter_{int(text):07d}" if text.isascii() and text.isdecimal() else None


def is_tree(directory: str) -> bool:
    return os.path.isfile(os.path.join(directory, TRACKER))


def find_tree(root: str, field: str = "megatron_directory") -> TreeFolder:
    """The newest checkpoint below `root`. Raises JobError when the tracker, an iteration or a rank is not
    there, or when ranks of another layout are there too; `field` is the job's key of `root`."""
    directory, iteration = _newest(root, field)
    if not os.path.isdir(directory):
        what = _("no such folder: {path}").format(path=directory)
        why = _("{name} names it").format(name=TRACKER)
        raise JobError(field, what, why, _("write the number of a checkpoint that is there into that file"))
    ranks: Dict[Tuple[int, int], str] = {}
    with_stage = set()
    for name in sorted(os.listdir(directory)):
        found = _RANK.match(name)
        if found is None:
            continue
        if found.group(3) is not None:
            what = _("{path} is cut for expert parallelism").format(path=directory)
            raise JobError(field, what, _("no family here has experts"))
        with_stage.add(found.group(2) is not None)
        ranks[int(found.group(1)), int(found.group(2) or 0)] = os.path.join(directory, name, RANK_FILE)
    if not ranks:
        raise JobError(field, _("there are no rank folders in {path}").format(path=directory))
    if len(with_stage) == 2:
        raise _mixed(field, directory, _("some names have a pipeline stage, and some have none"))
    tp, pp = (1 + max(rank[place] for rank in ranks) for place in (0, 1))
    return TreeFolder(root, directory, iteration, ranks, tp, pp)


def check_ranks(folder: TreeFolder, tp: int, pp: int, field: str = "megatron_directory") -> None:
    """See that the files of TP `tp` x PP `pp` are there, and no others. Raises JobError."""
    stale = sorted(rank for rank in folder.ranks if rank[0] >= tp or rank[1] >= pp)
    if stale:
        text = _("the files say TP {tp}, PP {pp}, and {name} does not belong to that")
        name = os.path.basename(os.path.dirname(folder.ranks[stale[0]]))
        raise _mixed(field, folder.directory, text.format(tp=tp, pp=pp, name=name))
    there = {rank for rank, path in folder.ranks.items() if os.path.isfile(path)}
    missing = tp * pp - len(there)
    if missing:
        # The arguments of a damaged file may ask for any number of them.
        wanted = ((tp_rank, pp_rank) for pp_rank in range(pp) for tp_rank in range(tp))
        tp_rank, pp_rank = next(rank for rank in wanted if rank not in there)
        path = rank_folder(folder.root, folder.iteration or 1, tp_rank, pp_rank, pp)
        path = os.path.join(folder.directory, os.path.basename(path), RANK_FILE)
        what = _("{count} of {total} rank files are missing, the first is {path}").format(
            count=missing, total=tp * pp, path=path
        )
        raise JobError(field, what, _("the files say TP {tp}, PP {pp}").format(tp=tp, pp=pp))


def _newest(root: str, field: str) -> Tuple[str, Optional[int]]:
    if not os.path.isdir(root):
        raise no_such_folder(root, field)
    try:
        with open(os.path.join(root, TRACKER), encoding="utf-8", errors="replace") as stream:
            text = stream.read(64).strip()
    except FileNotFoundError:
        what = _("there is no checkpoint in {directory}").format(directory=root)
        fix = _("give the folder that holds {name}").format(name=TRACKER)
        raise JobError(field, what, _("{name} is missing").format(name=TRACKER), fix) from None
    folder = _folder_of(text)
    if folder is None:
        what = _("{path} does not name a checkpoint").format(path=os.path.join(root, TRACKER))
        raise JobError(field, what, _("it says {text}, not a number").format(text=repr(text)))
    return os.path.join(root, folder), None if folder == RELEASE else int(text)


def _mixed(field: str, directory: str, why: str) -> JobError:
    what = _("{path} holds ranks of more than one layout").format(path=directory)
    fix = _("remove the folders that are left from another conversion")
    return JobError(field, what, why, fix)


def rank_files(folder: TreeFolder) -> List[str]:
    """By stage, then by tensor parallel rank."""
    return [folder.ranks[rank] for rank in sorted(folder.ranks, key=lambda rank: (rank[1], rank[0]))]
