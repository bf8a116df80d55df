"""What a data job asks for, checked, and everything that decides the bytes of its result."""

from __future__ import annotations

import json
import os
from gettext import gettext as _
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from backend.node import manifest
from backend.node.data.encoder import TokenizerOptions
from backend.node.data.handlers.handler import HandlerOptions
from backend.node.job_lines import JobError, require

FAIL, SKIP = "fail", "skip"
ENCODERS = ("auto", "tokenizers", "gigatoken")
# Handlers of records with one text a column; all others make samples with a mask.
PRETRAIN_HANDLERS = ("GeneralPretrainHandler", "AlpacaPretrainHandler")
# Longer than any context; packing fills sequences of this length.
_MOST = 1 << 24
_WITHOUT_INFLUENCE = ("workers", "encoder", "force")


class DataJob(NamedTuple):
    """The job's JSON, in ModelLink's terms.

    `input`: a file, a folder, a glob or a list of these; `seq_length`: sequences of this length or more are
    dropped; `workers`: None means all processors; `n_subs`: subsets that are grouped and packed apart;
    `on_bad_row`: "fail" or "skip"; `force`: replace files that were made by another program.
    """

    input: Any
    output_prefix: str
    tokenizer: str = ""
    handler: str = "GeneralPretrainHandler"
    tokenizer_type: str = "PretrainedFromHF"
    json_keys: Tuple[str, ...] = ("text",)
    append_eod: bool = False
    pack: bool = False
    seq_length: Optional[int] = None
    workers: Optional[int] = None
    n_subs: int = 1
    prompt_type: str = ""
    map_keys: Optional[Dict[str, Any]] = None
    encoder: str = "auto"
    on_bad_row: str = FAIL
    use_fast: bool = True
    vocab_file: str = ""
    merge_file: str = ""
    trust_remote_code: bool = False
    force: bool = False

    @property
    def manifest_path(self) -> str:
        return self.output_prefix + ".json"

    def handler_options(self) -> HandlerOptions:
        return HandlerOptions(self.json_keys, self.append_eod, self.prompt_type, self.map_keys)

    def tokenizer_options(self, encoder: str) -> TokenizerOptions:
        """How the job's tokenizer is loaded, with the changes that its prompt template asks for."""
        replace_eos = False
        stop_words: Tuple[str, ...] = ()
        if self.prompt_type:
            from backend.node.data.handlers.templates import template_named

            template = template_named(self.prompt_type)
            replace_eos, stop_words = template.replace_eos, template.stop_words
        return TokenizerOptions(
            folder=self.tokenizer,
            kind=self.tokenizer_type,
            use_fast=self.use_fast,
            vocab_file=self.vocab_file,
            merge_file=self.merge_file,
            trust_remote_code=self.trust_remote_code,
            with_template=bool(self.prompt_type),
            replace_eos=replace_eos,
            stop_words=stop_words,
            needs_eos=self.append_eod,
            encoder=encoder,
        )

    def target(self, output: str, packed: bool) -> str:
        """The file prefix of one output, as ModelLink names it."""
        middle = "_packed_" if packed else "_"
        return f"{self.output_prefix}{middle}{output}_document"


def read_job(job: Dict[str, Any]) -> DataJob:
    """The job, checked as far as no file is needed. Raises JobError."""
    require(job, ("input", "output_prefix"))
    known = {name: job[name] for name in DataJob._fields if job.get(name) is not None}
    given: Any = known.get("json_keys", DataJob._field_defaults["json_keys"])
    keys = (given,) if isinstance(given, str) else tuple(given)
    wanted = DataJob(**known)
    prefix = wanted.output_prefix
    if not prefix or prefix.endswith(os.sep):
        what = _("the output prefix {prefix} has no name at its end").format(prefix=repr(prefix))
        raise JobError("output_prefix", what, "", _("give directory/name: files are called name_…"))
    wanted = wanted._replace(json_keys=keys, output_prefix=os.path.abspath(prefix), **_absolute(wanted))
    _check_numbers(wanted)
    _check_choices(wanted)
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise JobError("json_keys", _("the column {key} is named twice").format(key=twice))
    if not keys or "" in keys:
        raise JobError("json_keys", _("no column is named"), "", _("name the column that holds the text"))
    return wanted


def _absolute(job: DataJob) -> Dict[str, Any]:
    """Paths from the root, so that the same job is known again from another working directory."""
    files = job.input if isinstance(job.input, str) else [os.path.abspath(path) for path in job.input]
    return {
        "input": os.path.abspath(files) if isinstance(files, str) else files,
        **{
            name: os.path.abspath(value)
            for name in ("tokenizer", "vocab_file", "merge_file")
            if (value := getattr(job, name))
        },
    }


def _check_numbers(job: DataJob) -> None:
    for name in ("seq_length", "workers", "n_subs"):
        value = getattr(job, name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST:
            what = _("{name} is {value}").format(name=name, value=repr(value))
            raise JobError(name, what, _("it is a whole number from 1 to {most:,}").format(most=_MOST))
    if job.pack and job.seq_length is None:
        what = _("packing needs to know how long a packed sample is")
        raise JobError("seq_length", what, "", _("give the sequence length"))


def _check_choices(job: DataJob) -> None:
    for name, choices in (("encoder", ENCODERS), ("on_bad_row", (FAIL, SKIP))):
        if getattr(job, name) not in choices:
            what = _("{name} is {value}").format(name=name, value=repr(getattr(job, name)))
            raise JobError(name, what, _("it is one of {choices}").format(choices=", ".join(choices)))
    if job.pack and job.handler in PRETRAIN_HANDLERS:
        what = _("{handler} does not pack").format(handler=job.handler)
        why = _("the trainer joins documents of pretraining data by itself")
        raise JobError("pack", what, why, _("leave packing out"))


def remarks(job: DataJob) -> List[str]:
    """What the job asks for without effect, in words."""
    found = []
    if job.map_keys and "history" in job.map_keys:
        found.append(_("the column of history is not read: the reference does not either"))
    if job.tokenizer_type == "PretrainedFromHF" and (job.vocab_file or job.merge_file):
        found.append(_("the vocabulary file is not read: the tokenizer's folder has its own"))
    return found


def made_from(job: DataJob, files: List[str], tokenizer_files: List[str]) -> Dict[str, Any]:
    """Everything that decides the bytes of the result. Raises OSError."""
    settings = {name: value for name, value in job._asdict().items() if name not in _WITHOUT_INFLUENCE}
    return {
        "settings": json.loads(json.dumps(settings)),
        "inputs": [manifest.describe_file(path) for path in files],
        "tokenizer": [manifest.describe_file(path) for path in tokenizer_files],
    }
