"""A data job from the command line, or from the variables of the guide's `1_preprocess_data.sh`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backend.cli.flag_types import path, positive, variable
from backend.problems import InputError, UsageError
from backend.translation import _

# what the user types for each key of the job
FLAGS = {
    "input": "--input",
    "output_prefix": "--output-prefix",
    "tokenizer": "--tokenizer-name-or-path",
    "tokenizer_type": "--tokenizer-type",
    "handler": "--handler-name",
    "json_keys": "--json-keys",
    "append_eod": "--append-eod",
    "pack": "--pack",
    "seq_length": "--seq-length",
    "workers": "--workers",
    "n_subs": "--n-subs",
    "prompt_type": "--prompt-type",
    "map_keys": "--map-keys",
    "encoder": "--encoder",
    "on_bad_row": "--on-bad-row",
    "use_fast": "--tokenizer-not-use-fast",
    "vocab_file": "--vocab-file",
    "merge_file": "--merge-file",
    "trust_remote_code": "--trust-remote-code",
    "merge_group_keys": "--merge-group-keys",
    "out": "--output-prefix",
}

# guide, "用户自定义执行数据处理脚本修改参数说明", table 1; the tokenizer is with the weights unless set
VARIABLES = {
    "input": ("ORIGINAL_TRAIN_DATA_PATH",),
    "output_prefix": ("PROCESSED_DATA_PREFIX",),
    "tokenizer": ("TOKENIZER_PATH", "ORIGINAL_HF_WEIGHT"),
    "tokenizer_type": ("TOKENIZER_TYPE",),
    "seq_length": ("SEQ_LEN",),
    "handler": ("DATA_TYPE", "RUN_TYPE"),
}
# for the help, which must not load the node code; the same as there
HANDLERS = (
    "GeneralPretrainHandler",
    "AlpacaPretrainHandler",
    "GeneralInstructionHandler",
    "BelleMultiTurnInstructionHandler",
    "LeetcodePythonInstructionHandler",
    "MOSSInstructionHandler",
    "MOSSMultiTurnHandler",
    "AlpacaStyleInstructionHandler",
    "SharegptStyleInstructionHandler",
    "AlpacaStylePairwiseHandler",
    "SharegptStylePairwiseHandler",
)
TEMPLATES = (
    *("default", "empty", "chatglm2", "chatglm3", "chatglm3_system", "glm4", "chatml", "chatml_de", "qwen"),
    *("llama3", "mistral", "mixtral", "gemma", "llama2", "alpaca", "deepseek2", "deepseek2-lite"),
)
HANDLER_OF_RUN_TYPE = {
    "pretrain": "GeneralPretrainHandler",
    "sft": "GeneralInstructionHandler",
    "lora": "GeneralInstructionHandler",
}
_PATHS = ("input", "output_prefix", "tokenizer")
HANDLER = "GeneralPretrainHandler"
TOKENIZER_TYPE = "PretrainedFromHF"


@dataclass(frozen=True, slots=True)
class Settings:
    """`job`: as the node code reads it; `names`: what the user typed for each of its keys; `variables`:
    those of the environment that were used, with their values."""

    job: dict[str, Any]
    names: dict[str, str]
    variables: dict[str, str]


def read_settings(arguments: argparse.Namespace, environment: Mapping[str, str]) -> Settings:
    """The job. The environment counts only when there is no --input. Raises UsageError, InputError."""
    job = _given(arguments)
    names = dict(FLAGS)
    used: dict[str, str] = {}
    if job["input"] is None:
        for key, variables in VARIABLES.items():
            name = next((name for name in variables if environment.get(name)), None)
            if job[key] is None and name is not None:
                job[key] = _value(key, name, environment[name])
                names[key], used[name] = name, environment[name]
    job["handler"] = job["handler"] or HANDLER
    job["tokenizer_type"] = job["tokenizer_type"] or TOKENIZER_TYPE
    job["json_keys"] = job["json_keys"] or ["text"]
    for key in ("input", "output_prefix", "tokenizer"):
        if not job[key] and (key != "tokenizer" or job["tokenizer_type"] == TOKENIZER_TYPE):
            raise _missing(key, from_environment=arguments.input is None)
    job["tokenizer"] = job["tokenizer"] or ""
    return Settings(job, names, used)


def _given(arguments: argparse.Namespace) -> dict[str, Any]:
    inputs = arguments.input
    return {
        "input": inputs[0] if inputs and len(inputs) == 1 else inputs,
        "output_prefix": arguments.output_prefix,
        "tokenizer": arguments.tokenizer_name_or_path,
        "tokenizer_type": arguments.tokenizer_type,
        "handler": arguments.handler_name,
        "json_keys": arguments.json_keys,
        "append_eod": arguments.append_eod,
        "pack": arguments.pack,
        "seq_length": arguments.seq_length,
        "workers": arguments.workers,
        "n_subs": arguments.n_subs,
        "prompt_type": arguments.prompt_type,
        "map_keys": arguments.map_keys,
        "encoder": arguments.encoder,
        "on_bad_row": arguments.on_bad_row,
        "use_fast": not arguments.tokenizer_not_use_fast,
        "vocab_file": arguments.vocab_file,
        "merge_file": arguments.merge_file,
        "trust_remote_code": arguments.trust_remote_code,
        "force": arguments.force,
    }


def _value(key: str, name: str, text: str) -> Any:
    """A variable's text as the job wants it. Raises InputError."""
    if key == "seq_length":
        return variable(positive, name, text, _("set it to the tokens of a sample, such as 4096"))
    if key in _PATHS:
        return variable(path, name, text)
    if name == "RUN_TYPE":
        if text not in HANDLER_OF_RUN_TYPE:
            known = ", ".join(HANDLER_OF_RUN_TYPE)
            raise InputError.because(
                _("{text!r} is not a kind of training").format(text=text),
                _("it is one of {known}").format(known=known),
                _("set it to one of these, or give --handler-name"),
                field=name,
            )
        return HANDLER_OF_RUN_TYPE[text]
    return text


def _missing(key: str, *, from_environment: bool) -> UsageError:
    what = {
        "input": _("there is nothing to read"),
        "output_prefix": _("it is not said where the result goes"),
        "tokenizer": _("it is not said where the tokenizer is"),
    }[key]
    why = _("{flag} is missing").format(flag=FLAGS[key])
    if from_environment:
        why = _("{flag} is missing, and {variable} is not set").format(
            flag=FLAGS[key], variable=VARIABLES[key][0]
        )
    return UsageError.because(what, why, _("give {flag}").format(flag=FLAGS[key]))
