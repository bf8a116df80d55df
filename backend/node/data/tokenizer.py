"""Texts to token ids, as the Hugging Face class named in the tokenizer's folder would give them.

The installed transformers never decides the ids: its versions disagree. tokenizer.json is read with
`tokenizers`, and what the class adds to it is applied here. Only a folder without tokenizer.json goes
through transformers."""

from __future__ import annotations

import json
import os
from gettext import gettext as _
from typing import TYPE_CHECKING, Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from backend.node.data import tokenizer_class
from backend.node.job_lines import JobError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "config.json",
    "tokenizer.model",
)


class Encoder(NamedTuple):
    """`batch` gives one list of ids a text, special tokens included and never truncated.

    `eod` is the id that ends a document, None where the tokenizer has no end-of-text token; `versions` names
    the libraries that made the ids."""

    batch: Callable[[Sequence[str]], List[List[int]]]
    eod: Optional[int]
    versions: Dict[str, str]

    def encode(
        self, texts: Sequence[str], end: Sequence[int] = ()
    ) -> Tuple[NDArray[np.int32], NDArray[np.int64]]:
        """All ids in one int32 array, `end` after each text, and the length of each: int64 [texts]."""
        import numpy as np

        rows = self.batch(texts)
        pieces = [np.array(row, np.int32) for row in rows]
        lengths = np.array([len(row) for row in rows], np.int64)
        if not end:
            return (np.concatenate(pieces) if pieces else np.empty(0, np.int32)), lengths
        tail = np.array(end, np.int32)
        woven = [part for piece in pieces for part in (piece, tail)]
        return (np.concatenate(woven) if woven else np.empty(0, np.int32)), lengths + len(tail)


def load_encoder(folder: str) -> Encoder:
    """The encoder of a tokenizer's folder. Raises JobError when the folder cannot give one."""
    if not os.path.isdir(folder):
        raise JobError("tokenizer", _("no such folder: {path}").format(path=folder))
    config = _read_config(folder)
    if os.path.isfile(os.path.join(folder, "tokenizer.json")):
        return _from_json(folder, config)
    return _from_transformers(folder)


def _read_config(folder: str) -> Dict[str, Any]:
    """tokenizer_config.json, over it special_tokens_map.json where the class would read it."""
    config = _read_json(folder, "tokenizer_config.json")
    model = _read_json(folder, "config.json")
    if config is None and model is None:
        what = _("{folder} has neither tokenizer_config.json nor config.json").format(folder=folder)
        raise JobError("tokenizer", what, _("they say which class the tokenizer has"))
    merged = dict(config or {})
    if "added_tokens_decoder" not in merged:
        merged.update(_read_json(folder, "special_tokens_map.json") or {})
    merged["tokenizer_class"] = tokenizer_class.name_of(config or {}, model or {})
    return merged


def _read_json(folder: str, name: str) -> Optional[Dict[str, Any]]:
    path = os.path.join(folder, name)
    try:
        with open(path, encoding="utf-8") as stream:
            content = json.load(stream)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise JobError("tokenizer", _("cannot read {path}").format(path=path), str(error)) from error
    if not isinstance(content, dict):
        raise JobError("tokenizer", _("cannot read {path}").format(path=path), _("it is not a JSON object"))
    return content


def _from_json(folder: str, config: Dict[str, Any]) -> Encoder:
    import tokenizers

    content = _read_json(folder, "tokenizer.json") or {}
    content["truncation"] = content["padding"] = None
    tokenizer_class.apply_prefix_rule(content, config)
    try:
        tokenizer = tokenizers.Tokenizer.from_str(json.dumps(content))
    except Exception as error:
        what = _("tokenizers {version} cannot read tokenizer.json in {folder}").format(
            version=tokenizers.__version__, folder=folder
        )
        raise JobError("tokenizer", what, str(error), _("install a newer tokenizers on the node")) from error
    tokenizer_class.add_named_tokens(tokenizer, config)
    tokenizer_class.apply_post_processor(tokenizer, config)
    eos = tokenizer_class.token_text(config, "eos_token")
    # Releases before 0.20 know only the slower one, with the same ids.
    encode = getattr(tokenizer, "encode_batch_fast", tokenizer.encode_batch)

    def batch(texts: Sequence[str]) -> List[List[int]]:
        return [encoding.ids for encoding in encode(list(texts), add_special_tokens=True)]

    eod = tokenizer.token_to_id(eos) if eos else None
    return Encoder(batch, eod, {"tokenizers": tokenizers.__version__})


def _from_transformers(folder: str) -> Encoder:
    """For folders that have only tokenizer.model or vocab files; code that lies in the folder is not run."""
    try:
        import transformers

        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:
        what = _("{folder} has no tokenizer.json, and transformers cannot read it").format(folder=folder)
        found = ", ".join(sorted(os.listdir(folder))[:12])
        why = _("{error}; found: {found}").format(error=str(error).partition("\n")[0], found=found)
        raise JobError("tokenizer", what, why, _("put the model's tokenizer.json there")) from error

    def batch(texts: Sequence[str]) -> List[List[int]]:
        ids: List[List[int]] = tokenizer(list(texts), truncation=False)["input_ids"]
        return ids

    return Encoder(batch, tokenizer.eos_token_id, {"transformers": transformers.__version__})
