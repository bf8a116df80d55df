"""What a data job asks for, checked, and everything that decides the bytes of its result."""

from __future__ import annotations

import os
from gettext import gettext as _
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from backend.node import manifest
from backend.node.data.tokenizer import FILES
from backend.node.job_lines import JobError, require

HANDLER = "GeneralPretrainHandler"
TOKENIZER_TYPE = "PretrainedFromHF"


class DataJob(NamedTuple):
    """The job's JSON. `seq_length`, when given, drops longer sequences; `workers` None: all processors."""

    input: str
    output_prefix: str
    tokenizer: str
    tokenizer_type: str
    handler: str
    json_keys: Tuple[str, ...]
    append_eod: bool
    workers: Optional[int] = None
    seq_length: Optional[int] = None

    def targets(self) -> List[str]:
        return [f"{self.output_prefix}_{key}_document" for key in self.json_keys]

    @property
    def manifest_path(self) -> str:
        return self.output_prefix + ".manifest.json"


def read_job(job: Dict[str, Any]) -> DataJob:
    """The job, checked. Raises JobError."""
    require(job, [name for name in DataJob._fields if name not in DataJob._field_defaults])
    wanted = DataJob(**{name: job[name] for name in DataJob._fields if name in job})
    wanted = wanted._replace(json_keys=tuple(wanted.json_keys))
    if wanted.handler != HANDLER:
        what = _("the handler {name} is not known here").format(name=wanted.handler)
        raise JobError("handler", what, _("this stage knows {name}").format(name=HANDLER))
    if wanted.tokenizer_type != TOKENIZER_TYPE:
        what = _("the tokenizer type {name} is not known here").format(name=wanted.tokenizer_type)
        raise JobError("tokenizer_type", what, _("this stage knows {name}").format(name=TOKENIZER_TYPE))
    if not wanted.json_keys or len(set(wanted.json_keys)) != len(wanted.json_keys):
        raise JobError("json_keys", _("the columns to read are missing, or named twice"))
    return wanted


def made_from(job: DataJob, files: List[str]) -> Dict[str, Any]:
    """Everything that decides the bytes of the result."""
    paths = [os.path.join(job.tokenizer, name) for name in FILES]
    settings = job._replace(workers=None)._asdict()
    return {
        "settings": settings,
        "inputs": [manifest.describe_file(path) for path in files],
        "tokenizer": [manifest.describe_file(path) for path in paths if os.path.isfile(path)],
    }
