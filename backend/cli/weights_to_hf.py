"""`npudeck weights to-hf MEGATRON_DIR OUT_DIR --like HF_DIR`: a checkpoint as a model that others load."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from backend.cli import weights_flags
from backend.cli.arguments import Commands, add_command
from backend.cli.flag_types import folder
from backend.problems import UsageError
from backend.translation import _

if TYPE_CHECKING:
    from backend.cli.weights_run import Run

_LORA_FLAGS = ("lora_r", "lora_alpha", "lora_target_modules")


def declare(actions: Commands) -> None:
    parser = add_command(actions, "to-hf", _("make a Hugging Face model of a Megatron checkpoint"), _to_hf)
    parser.add_argument(
        "megatron_dir", type=folder, metavar="MEGATRON_DIR", help=_("folder of the checkpoint")
    )
    parser.add_argument("out_dir", type=folder, metavar="OUT_DIR", help=_("where the model goes"))
    parser.add_argument(
        "--like",
        type=folder,
        required=True,
        metavar="HF_DIR",
        help=_("folder of the original model: its config and tokenizer; weights are not needed"),
    )
    weights_flags.add_dtype(parser, _("torch_dtype of the original's config"))
    parser.add_argument(
        "--max-shard-size",
        type=weights_flags.size,
        metavar="SIZE",
        help=_("most that one file holds (default: 5GB)"),
    )
    group = weights_flags.add_lora_flags(parser)
    group.add_argument(
        "--lora", type=folder, metavar="DIR", help=_("Megatron checkpoint of an adapter to merge")
    )
    weights_flags.add_work_flags(parser)


def load() -> Run:
    from backend.node.weights.to_hf import run

    return run


def _to_hf(arguments: argparse.Namespace) -> int:
    from backend.cli.weights_run import carry_out
    from backend.cli.weights_settings import FLAGS, job_of, names_of

    for key in _LORA_FLAGS:
        if arguments.lora is None and getattr(arguments, key) is not None:
            what, fix = _("there is no adapter to merge"), _("give its folder as --lora")
            raise UsageError.because(what, "", fix, field=FLAGS[key])
    job = job_of(
        arguments, {"megatron_directory": arguments.megatron_dir, "output_directory": arguments.out_dir}
    )
    names = names_of(megatron_directory="MEGATRON_DIR", output_directory="OUT_DIR")
    return carry_out(load, job, names, arguments)
