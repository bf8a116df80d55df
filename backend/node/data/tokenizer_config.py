"""What a tokenizer's folder says about its class and its special tokens, besides the vocabulary."""

from __future__ import annotations

import json
import os
from gettext import gettext as _
from typing import Any, Dict, List, Optional

from backend.node.job_lines import JobError

TOKENIZER_JSON = "tokenizer.json"
CONFIG = "tokenizer_config.json"
ADDITIONAL = "additional_special_tokens"
# Keys of read_config's answer that are not in the files; see there.
CLASS, ALWAYS_FAST, OWN_CODE, OLDER_FILES = "class of the tokenizer", "always fast", "own code", "older files"

_SUFFIXES = ("TokenizerFast", "Tokenizer")
# Which class a model has whose tokenizer_config.json names none.
_CLASS_OF_MODEL = {
    "Llama": ("llama", "mistral", "mixtral", "phi3", "persimmon", "jamba", "jetmoe"),
    "CodeLlama": ("code_llama",),
    "Gemma": ("gemma", "gemma2", "recurrent_gemma"),
    "Cohere": ("cohere",),
    "GPTNeoX": ("gpt_neox", "mpt", "olmo", "stablelm", "mamba", "rwkv"),
    "Qwen2": ("qwen2", "qwen2_moe"),
    "GPT2": ("gpt2", "gpt_bigcode", "gpt_neo", "gptj", "opt", "starcoder2", "dbrx"),
    "CodeGen": ("codegen", "phi"),
    "Bloom": ("bloom",),
}
_MODEL_CLASSES = {model: name for name, models in _CLASS_OF_MODEL.items() for model in models}


def read_json(folder: str, name: str) -> Optional[Dict[str, Any]]:
    """A JSON object in the folder, None where there is no such file. Raises JobError."""
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


def read_config(folder: str) -> Dict[str, Any]:
    """tokenizer_config.json, and over it the older files where transformers 4.43 reads them.

    CLASS: "Llama" of LlamaTokenizer or LlamaTokenizerFast, "" if unknown; ALWAYS_FAST: whether the name says
    Fast; OWN_CODE: whether the folder brings Python code that makes its ids; OLDER_FILES:
    whether the table of added tokens comes from them, so that tokenizer.json has the last word. Raises
    JobError."""
    config = read_json(folder, CONFIG)
    model = read_json(folder, "config.json")
    if config is None and model is None:
        what = _("{folder} has neither tokenizer_config.json nor config.json").format(folder=folder)
        fix = _("put tokenizer_config.json there: it says which class the tokenizer has")
        raise JobError("tokenizer", what, found_there(folder), fix)
    merged = dict(config or {})
    merged[OLDER_FILES] = "added_tokens_decoder" not in merged
    if merged[OLDER_FILES]:
        _apply_older_files(merged, folder)
    name = merged.get("tokenizer_class") or (model or {}).get("tokenizer_class")
    merged[ALWAYS_FAST] = str(name or "").endswith("Fast")
    merged[CLASS] = (
        _short(str(name)) if name else _MODEL_CLASSES.get(str((model or {}).get("model_type")), "")
    )
    code = merged if merged.get("tokenizer_class") else {**(model or {}), **merged}
    merged[OWN_CODE] = _names_code(code.get("auto_map"))
    return merged


def found_there(folder: str) -> str:
    """A sentence with the names of the files that lie there, for messages about missing ones."""
    names = sorted(os.listdir(folder))
    if not names:
        return _("the folder is empty")
    more = _(" and {count} more").format(count=len(names) - 12) if len(names) > 12 else ""
    return _("found there: {names}").format(names=", ".join(names[:12])) + more


def _short(name: str) -> str:
    for suffix in _SUFFIXES:
        if name.endswith(suffix):
            return name[: -len(suffix)]
    return name


def _names_code(auto_map: Any) -> bool:
    """auto_map is {"AutoTokenizer": [slow, fast]}, or in old folders the pair alone."""
    entry = auto_map.get("AutoTokenizer") if isinstance(auto_map, dict) else auto_map
    return bool(entry)


def _apply_older_files(config: Dict[str, Any], folder: str) -> None:
    """special_tokens_map.json and added_tokens.json, which count where the config has no table of its own."""
    for key, value in (read_json(folder, "special_tokens_map.json") or {}).items():
        if key == ADDITIONAL and isinstance(value, list):
            own: List[Any] = list(config.get(ADDITIONAL) or [])
            value = own + [token for token in value if token not in own]
        config[key] = value
    added = read_json(folder, "added_tokens.json")
    if added:
        named = {token_of(value) for value in config.values()} | set(
            map(token_of, config.get(ADDITIONAL) or ())
        )
        config["added_tokens_decoder"] = {
            str(number): {"content": text, "normalized": text not in named, "special": text in named}
            for text, number in added.items()
        }


def token_of(value: Any) -> Optional[str]:
    """The text of a token, which a config writes as a string or as an object with its properties."""
    if isinstance(value, dict):
        value = value.get("content")
    return value if isinstance(value, str) else None
