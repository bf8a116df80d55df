"""The tokenizer of a folder, as the Hugging Face class named there would make it.

The installed transformers never decides the ids: its versions disagree. tokenizer.json is read with
`tokenizers`, and what the class and a prompt template add to it is applied here."""

from __future__ import annotations

import json
import os
from gettext import gettext as _
from typing import Any, Dict, NamedTuple, Optional

from backend.node.data import tokenizer_class
from backend.node.data.encoder import TokenizerOptions
from backend.node.data.prompt_tokens import NamedTokens, apply_template
from backend.node.data.sentencepiece_model import llama_tokenizer_json
from backend.node.data.tokenizer_config import CLASS, TOKENIZER_JSON, read_json
from backend.node.job_lines import JobError

MODEL = "tokenizer.model"


class LoadedTokenizer(NamedTuple):
    """A `tokenizers.Tokenizer` without truncation and padding, and the ids with a meaning (None: has none).

    `vocabulary`: one more than the largest id."""

    tokenizer: Any
    bos: Optional[int]
    eos: Optional[int]
    unknown: Optional[int]
    pad: Optional[int]
    vocabulary: int


def is_readable(folder: str, config: Dict[str, Any]) -> bool:
    """Whether load_tokenizer has something to read: tokenizer.json, or tokenizer.model of a Llama class."""
    if os.path.isfile(os.path.join(folder, TOKENIZER_JSON)):
        return True
    return config[CLASS] == "Llama" and os.path.isfile(os.path.join(folder, MODEL))


def load_tokenizer(options: TokenizerOptions, config: Dict[str, Any]) -> LoadedTokenizer:
    """The folder's tokenizer.json (or tokenizer.model) with all that `config` (see read_config) and the
    options change in it. Raises JobError."""
    config = dict(config)
    tokenizer = _read(options.folder, config)
    named = _named(config)
    named = apply_template(named, options, lambda texts: _add(tokenizer, texts))
    eos = _id_of(tokenizer, named.eos)
    pad = _id_of(tokenizer, named.pad)
    return LoadedTokenizer(
        tokenizer,
        _id_of(tokenizer, named.bos),
        eos,
        _id_of(tokenizer, named.unknown),
        eos if pad is None else pad,
        largest_id(tokenizer) + 1,
    )


def largest_id(tokenizer: Any) -> int:
    """The largest id of a `tokenizers.Tokenizer`; -1 if it has none."""
    return max(tokenizer.get_vocab(with_added_tokens=True).values(), default=-1)


def parse(content: Dict[str, Any], where: str) -> Any:
    """A `tokenizers.Tokenizer` from a parsed tokenizer.json, which lies in the folder `where`. Raises
    JobError."""
    import tokenizers

    try:
        return tokenizers.Tokenizer.from_str(json.dumps(content))
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    # A panic in native code is no Exception.
    except BaseException as error:
        what = _("tokenizers {version} cannot read tokenizer.json in {folder}").format(
            version=tokenizers.__version__, folder=where
        )
        fix = _("see that the file is whole, or install a newer tokenizers")
        raise JobError("tokenizer", what, str(error), fix) from error


def _read(folder: str, config: Dict[str, Any]) -> Any:
    """The tokenizer before a template changes it; completes `config`."""
    content = read_json(folder, TOKENIZER_JSON)
    converted = content is None
    if content is None:
        content = _from_model(os.path.join(folder, MODEL))
    tokenizer_class.apply_padding_token(content, config)
    content["truncation"] = content["padding"] = None
    tokenizer_class.apply_prefix_rule(content, config, converted)
    tokenizer = parse(content, folder)
    tokenizer_class.add_named_tokens(tokenizer, config)
    tokenizer_class.apply_post_processor(tokenizer, config)
    if config.get("split_special_tokens"):
        tokenizer.encode_special_tokens = True
    return tokenizer


def _from_model(path: str) -> Dict[str, Any]:
    try:
        with open(path, "rb") as stream:
            return llama_tokenizer_json(stream.read())
    except (OSError, ValueError) as error:
        what = _("cannot read {path}").format(path=path)
        fix = _("see that the file is whole, or put the model's tokenizer.json there")
        raise JobError("tokenizer", what, str(error), fix) from error


def _named(config: Dict[str, Any]) -> NamedTokens:
    bos, eos, unknown, pad = (
        tokenizer_class.token_text(config, f"{name}_token") for name in ("bos", "eos", "unk", "pad")
    )
    return NamedTokens(bos, eos, unknown, pad, tokenizer_class.additional_texts(config))


def _add(tokenizer: Any, texts: Any) -> None:
    from tokenizers import AddedToken

    tokenizer.add_special_tokens([AddedToken(text, normalized=False, special=True) for text in texts])


def _id_of(tokenizer: Any, text: Optional[str]) -> Optional[int]:
    found: Optional[int] = tokenizer.token_to_id(text) if text else None
    return found
