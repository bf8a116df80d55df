"""Training data that is already in Megatron's form (made by ModelLink, say) is used where it lies."""

from __future__ import annotations

import os
from gettext import gettext as _
from typing import Any, Dict, List, NamedTuple, Optional

from backend.node import durable, manifest
from backend.node.data.data_job import PRETRAIN_HANDLERS, DataJob
from backend.node.data.indexed import IndexedDataset
from backend.node.data.inputs import is_preprocessed
from backend.node.job_lines import JobError

_ENDINGS = (".idx", ".bin")
_PACKED = "_packed_"
_SAMPLE_FIELDS = ("input_ids", "attention_mask", "labels")


class _Link(NamedTuple):
    """File prefix that the trainer will read, and the one that it stands for."""

    target: str
    source: str


def preprocessed_prefix(wanted: Any) -> Optional[str]:
    """The file prefix of token files that `wanted` names (one of the pair, or the prefix); else None."""
    if not isinstance(wanted, str):
        return None
    stem, ending = os.path.splitext(wanted)
    if ending in _ENDINGS and os.path.isfile(wanted):
        return os.path.abspath(stem) if is_preprocessed(wanted) else None
    if not os.path.exists(wanted) and os.path.isfile(wanted + ".idx"):
        return os.path.abspath(wanted)
    return None


def adopt(job: DataJob, prefix: str) -> Dict[str, Any]:
    """Link the token files to the names that the job's result would have, and answer the manifest.

    Their index is checked first. Raises JobError, OSError.
    """
    links = _links(job, prefix)
    sets = [IndexedDataset(link.source) for link in links]
    paths = [link.source + ending for link in links for ending in (".bin", ".idx")]
    made_from = {"adopted": [manifest.describe_file(path) for path in paths]}
    found = manifest.read(job.manifest_path)
    if found is not None and manifest.is_current(found, made_from, os.path.dirname(job.manifest_path)):
        return found
    outputs = [link.target + ending for link in links for ending in (".bin", ".idx")]
    foreign = [
        path for path in (*outputs, job.manifest_path) if os.path.exists(path) and not os.path.islink(path)
    ]
    if foreign and found is None and not job.force:
        raise JobError(
            "output_prefix",
            _("{path} is there already").format(path=foreign[0]),
            _("it was not made by npudeck, or its description is gone"),
            _("give another prefix, or force it"),
        )
    os.makedirs(os.path.dirname(job.output_prefix), exist_ok=True)
    for target, source in zip(outputs, paths):
        _replace_by_link(target, source)
    counts = {
        "records": len(sets[0].documents) - 1,
        "sequences": len(sets[0]),
        "documents": len(sets[0].documents) - 1,
        "tokens": len(sets[0].tokens),
        "longest": int(sets[0].lengths.max(initial=0)),
        **dict.fromkeys(("empty", "dropped", "bad", "skipped"), 0),
    }
    return manifest.write(job.manifest_path, made_from, counts, outputs, {})


def adopted_words(prefix: str, found: Dict[str, Any]) -> str:
    """What to say about it."""
    text = _("{prefix} is preprocessed already and used as it is: {sequences:,} sequences, {tokens:,} tokens")
    counts = found["counts"]
    return text.format(prefix=prefix, sequences=counts["sequences"], tokens=counts["tokens"])


def _links(job: DataJob, prefix: str) -> List[_Link]:
    name = os.path.basename(prefix)
    packed = _PACKED in name
    if packed == (job.handler in PRETRAIN_HANDLERS):
        what = _("{prefix} does not go with {handler}").format(prefix=prefix, handler=job.handler)
        why = _("it holds samples with a mask") if packed else _("it holds plain text, without a mask")
        raise JobError("handler", what, why, _("take a handler of that kind, or other data"))
    if not packed:
        return [_Link(job.target(job.json_keys[0], False), prefix)]
    folder = os.path.dirname(prefix)
    stem = name[: name.rindex(_PACKED)]
    return [
        _Link(job.target(field, True), os.path.join(folder, f"{stem}{_PACKED}{field}_document"))
        for field in _SAMPLE_FIELDS
    ]


def _replace_by_link(target: str, source: str) -> None:
    if os.path.exists(target) and os.path.samefile(target, source):
        return
    temporary = durable.temporary_name(target)
    os.symlink(source, temporary)
    os.replace(temporary, target)
