"""`npudeck weights reshard IN_DIR OUT_DIR`: a Megatron checkpoint in another layout or format."""

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
    parser = add_command(actions, "reshard", _("cut a Megatron checkpoint for another layout"), _reshard)
    parser.add_argument(
        "megatron_dir", type=folder, metavar="IN_DIR", help=_("folder of the Megatron checkpoint")
    )
    parser.add_argument("out_dir", type=folder, metavar="OUT_DIR", help=_("where the new one goes"))
    weights_flags.add_layout_flags(parser, _("that of IN_DIR"))
    weights_flags.add_tree_flags(
        parser, format_default=_("that of IN_DIR"), dtype_default=_("that of IN_DIR")
    )
    weights_flags.add_work_flags(parser)


def _load() -> Run:
    from backend.node.weights.reshard import run

    return run


def _reshard(arguments: argparse.Namespace) -> int:
    from backend.cli.weights_run import carry_out
    from backend.cli.weights_settings import job_of, names_of

    job = job_of(
        arguments, {"megatron_directory": arguments.megatron_dir, "output_directory": arguments.out_dir}
    )
    names = names_of(megatron_directory="IN_DIR", output_directory="OUT_DIR")
    return carry_out(_load, job, names, arguments)
