"""Which encoder serves a job: the fast one where it is there and proven, else the tokenizers library."""

from __future__ import annotations

import os
from gettext import gettext as _
from typing import List, Optional

from backend.node.data.encoder import Encoder, TokenizerOptions
from backend.node.data.gigatoken_encoder import GigatokenEncoder
from backend.node.data.gigatoken_engine import GigatokenUnusableError
from backend.node.data.megatron_tokenizers import BERT, GPT2, load_bert, load_gpt2
from backend.node.data.prompt_tokens import asks_for_changes
from backend.node.data.tokenizer import LoadedTokenizer, is_readable, load_tokenizer
from backend.node.data.tokenizer_config import (
    ALWAYS_FAST,
    OWN_CODE,
    TOKENIZER_JSON,
    found_there,
    read_config,
)
from backend.node.data.tokenizers_encoder import TokenizersEncoder
from backend.node.data.transformers_encoder import TransformersEncoder
from backend.node.job_lines import JobError

AUTO, TOKENIZERS, GIGATOKEN = "auto", "tokenizers", "gigatoken"
FROM_FOLDER = "PretrainedFromHF"
KINDS = (FROM_FOLDER, GPT2, *BERT)

_NAMES = (
    TOKENIZER_JSON,
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "config.json",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
)
_SUFFIXES = (".model", ".tiktoken", ".py")


def load_encoder(options: TokenizerOptions) -> Encoder:
    """The encoder that the options ask for. Raises JobError."""
    if options.encoder not in (AUTO, TOKENIZERS, GIGATOKEN):
        what = _("unknown encoder {name}").format(name=options.encoder)
        raise JobError("encoder", what, "", _("give auto, tokenizers or gigatoken"))
    loaded = _load(options)
    encoder: Encoder
    if loaded is None:
        encoder = TransformersEncoder(options)
        if options.encoder == GIGATOKEN:
            raise _refusal(_("the tokenizer in {folder} needs transformers").format(folder=options.folder))
    else:
        encoder = _over(loaded, options.encoder)
    if options.needs_eos and encoder.eos is None:
        what = _("the tokenizer has no end-of-text token, and every document is to end with one")
        fix = _("name eos_token in tokenizer_config.json, or leave out --append-eod")
        raise JobError("append_eod", what, "", fix)
    return encoder


def tokenizer_files(folder: str) -> List[str]:
    """Paths of the folder's files that decide the ids, sorted; none where there is no such folder."""
    if not os.path.isdir(folder):
        return []
    names = [name for name in sorted(os.listdir(folder)) if name in _NAMES or name.endswith(_SUFFIXES)]
    return [os.path.join(folder, name) for name in names]


def _over(loaded: LoadedTokenizer, wanted: str) -> Encoder:
    if wanted == TOKENIZERS:
        return TokenizersEncoder(loaded)
    try:
        return GigatokenEncoder(loaded)
    except GigatokenUnusableError as error:
        if wanted == GIGATOKEN:
            raise _refusal(str(error)) from error
        return TokenizersEncoder(loaded, str(error))


def _refusal(why: str) -> JobError:
    return JobError("encoder", _("gigatoken cannot be used"), why, _("leave out --encoder gigatoken"))


def _load(options: TokenizerOptions) -> Optional[LoadedTokenizer]:
    """The tokenizer, None where only transformers can make it. Raises JobError."""
    if options.kind != FROM_FOLDER and asks_for_changes(options):
        what = _("a prompt template needs a tokenizer of type {name}").format(name=FROM_FOLDER)
        raise JobError("tokenizer_type", what, _("{kind} has no special tokens").format(kind=options.kind))
    if options.kind == GPT2:
        return load_gpt2(options)
    if options.kind in BERT:
        return load_bert(options, BERT[options.kind])
    if options.kind != FROM_FOLDER:
        what = _("unknown tokenizer type {name}").format(name=options.kind)
        raise JobError("tokenizer_type", what, "", _("give one of {names}").format(names=", ".join(KINDS)))
    if not os.path.isdir(options.folder):
        raise JobError("tokenizer", _no_folder(options.folder))
    config = read_config(options.folder)
    if config[OWN_CODE]:
        if not options.trust_remote_code:
            raise _own_code(options.folder)
        return None
    if not options.use_fast and not config[ALWAYS_FAST]:
        return None
    if is_readable(options.folder, config):
        return load_tokenizer(options, config)
    _see_that_there_is_a_vocabulary(options.folder)
    return None


def _no_folder(path: str) -> str:
    if not path:
        return _("no tokenizer is given")
    if os.path.isfile(path):
        return _("{path} is a file; the folder of the tokenizer is due").format(path=path)
    return _("no such folder: {path}").format(path=path)


def _own_code(folder: str) -> JobError:
    what = _("the tokenizer in {folder} is made by Python code that lies there").format(folder=folder)
    code = [name for name in sorted(os.listdir(folder)) if name.endswith(".py")]
    why = _("it would run with your rights: {names}").format(
        names=", ".join(code) or _("no such file is there")
    )
    return JobError("trust_remote_code", what, why, _("read it, then allow it with --trust-remote-code"))


def _see_that_there_is_a_vocabulary(folder: str) -> None:
    names = set(os.listdir(folder))
    if any(name.endswith(_SUFFIXES[:2]) for name in names) or names & {"vocab.json", "vocab.txt"}:
        return
    what = _("{folder} has neither tokenizer.json nor tokenizer.model").format(folder=folder)
    raise JobError("tokenizer", what, found_there(folder), _("put the model's tokenizer.json there"))
