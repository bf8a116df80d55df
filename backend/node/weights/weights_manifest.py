"""What a folder of weights was made from, beside them: not done twice, never stale, with what a tree does not
say."""

from __future__ import annotations

import json
import os
import platform
from gettext import gettext as _
from typing import Any, Dict, List, Optional, Sequence

from backend.node import manifest
from backend.node.job_lines import StorageError
from backend.node.weights.conversion_job import ConversionJob
from backend.node.weights.layout import Layout
from backend.node.weights.made_manifest import MANIFEST, changed_outputs, read_manifest, speaks_for
from backend.node.weights.model import Model
from backend.node.weights.output_folder import check_room, check_target, recover, tidy
from backend.node.weights.progress import Outcome, Tell, say


def made_from(job: ConversionJob, action: str, inputs: Sequence[str]) -> Dict[str, Any]:
    """Everything that decides the result: settings, and fingerprints of the files. Raises OSError."""
    return {
        "action": action,
        "settings": job.settings(),
        "inputs": [manifest.describe_file(path) for path in inputs],
    }


def find_current(directory: str, sources: Dict[str, Any]) -> Optional[Dict[str, Any]]:
    """The manifest in `directory`, when its files are there, were made from the same things, and are what a
    loader would take from there. Raises OSError."""
    found = read_manifest(directory)
    if found is None or not manifest.is_current(found, sources, directory):
        return None
    current = not changed_outputs(directory, found) and speaks_for(directory, found)
    return found if current else None


def up_to_date(
    directory: str, sources: Dict[str, Any], tell: Tell, is_adapter: bool = False
) -> Optional[Outcome]:
    """The outcome of a job whose result is there already, said to `tell`; None where there is work to do.

    What a killed job has moved aside is put back before. Raises JobError, OSError."""
    recover(directory)
    current = find_current(directory, sources)
    if current is None:
        return None
    tidy(directory)
    note = _("up to date: {directory} was made from the same weights")
    if is_adapter:
        note = _("up to date: {directory} was made from the same adapter")
    say(tell, note.format(directory=directory))
    return Outcome(True, current)


def check_output(job: ConversionJob, sources: Dict[str, Any], nbytes: int) -> Optional[StorageError]:
    """Whether the job may write `nbytes` where it wants to: the same for a dry run, which ends where the real
    run would have nothing to do. Raises JobError, OSError.

    A dry run shows its plan even where there is no room for it: it gets the error to show with it."""
    if job.dry_run and find_current(job.output_directory, sources) is not None:
        return None
    check_target(job.output_directory, job.overwrite, sources)
    try:
        check_room(job.output_directory, nbytes)
    except StorageError as error:
        if not job.dry_run:
            raise
        return error
    return None


def describe(
    model: Model,
    kind: str,
    dtype: str,
    layout: Optional[Layout] = None,
    padded_vocab: Optional[int] = None,
    knows_rope_theta: bool = True,
) -> Dict[str, Any]:
    """What the weights are, for people and for who trains with them: rope theta is in no Megatron tree.

    `kind`: "hf", "legacy" or "mcore". Without `knows_rope_theta` the model's is only a guess."""
    theta = model.rope_theta if knows_rope_theta else None
    found: Dict[str, Any] = {
        "kind": kind,
        "family": model.family,
        "dtype": dtype,
        "parameters": model.parameters,
        "rope_theta": theta,
        "model": {**model._asdict(), "rope_theta": theta},
    }
    if layout is not None:
        found["layout"] = layout._asdict()
        found["padded_vocab_size"] = padded_vocab
    return found


def write(
    directory: str,
    sources: Dict[str, Any],
    counts: Dict[str, Any],
    outputs: Sequence[str],
    details: Dict[str, Any],
) -> Dict[str, Any]:
    """Write the manifest into `directory`, last of all, and answer its content. Raises OSError."""
    import numpy

    path = os.path.join(directory, MANIFEST)
    versions = {"python": platform.python_version(), "numpy": numpy.__version__}
    described = {**details, "outputs": [_output(output, directory) for output in outputs]}
    return _as_read(manifest.write(path, sources, counts, [], versions, described))


def _as_read(content: Dict[str, Any]) -> Dict[str, Any]:
    """What comes back from the file: the same whether it was made now or before."""
    found: Dict[str, Any] = json.loads(json.dumps(content))
    return found


def _output(path: str, root: str) -> Dict[str, Any]:
    described = manifest.describe_file(path)
    return {
        "path": os.path.relpath(path, root),
        "size": described["size"],
        "fingerprint": described["fingerprint"],
    }


def dry(
    details: Dict[str, Any],
    files: List[Dict[str, Any]],
    nbytes: int,
    notes: List[str],
    obstacle: Optional[StorageError],
) -> Dict[str, Any]:
    """What a dry run answers in place of a manifest: `files` with path, tensors and bytes.

    `obstacle`: what the real run would end with; it stands there as `obstacle` with the keys of a problem."""
    found = {**details, "dry_run": True, "counts": {"bytes": nbytes}, "files": files, "notes": notes}
    if obstacle is not None:
        words = {"field": obstacle.field, "what": obstacle.what, "why": obstacle.why, "fix": obstacle.fix}
        found["obstacle"] = words
    return _as_read(found)
