"""`npudeck weights to-megatron HF_DIR OUT_DIR`: a Hugging Face model cut for TP and PP."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from backend.cli import weights_flags
from backend.cli.arguments import Commands, add_command
from backend.cli.flag_types import folder
from backend.translation import _

if TYPE_CHECKING:
    from backend.cli.weights_run import Run


def declare(actions: Commands) -> None:
    parser = add_command(
        actions, "to-megatron", _("make a Megatron checkpoint of a Hugging Face model"), _to_megatron
    )
    parser.add_argument("hf_dir", type=folder, metavar="HF_DIR", help=_("folder of the Hugging Face model"))
    parser.add_argument("out_dir", type=folder, metavar="OUT_DIR", help=_("where the checkpoint goes"))
    weights_flags.add_layout_flags(parser)
    weights_flags.add_tree_flags(
        parser, format_default=_("the family's own"), dtype_default=_("the model's own")
    )
    weights_flags.add_work_flags(parser)


def load() -> Run:
    from backend.node.weights.to_megatron import run

    return run


def _to_megatron(arguments: argparse.Namespace) -> int:
    from backend.cli.weights_run import carry_out
    from backend.cli.weights_settings import job_of, names_of

    job = job_of(arguments, {"hf_directory": arguments.hf_dir, "output_directory": arguments.out_dir})
    names = names_of(hf_directory="HF_DIR", output_directory="OUT_DIR")
    return carry_out(load, job, names, arguments)
