"""`npudeck weights merge-lora`, `export-lora`, `split-lora`: adapters into their base, to PEFT and back."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from backend.cli import weights_flags
from backend.cli.arguments import Commands, add_command
from backend.cli.flag_types import folder
from backend.cli.weights_folders import PEFT, TREE
from backend.translation import _

if TYPE_CHECKING:
    from backend.cli.weights_run import Run


def declare(actions: Commands) -> None:
    _declare_merge(actions)
    _declare_export(actions)
    _declare_split(actions)


def _declare_merge(actions: Commands) -> None:
    parser = add_command(
        actions, "merge-lora", _("add an adapter to the Megatron checkpoint it was trained on"), _merge
    )
    parser.add_argument(
        "megatron_dir", type=folder, metavar="MEGATRON_DIR", help=_("folder of the base checkpoint")
    )
    parser.add_argument("out_dir", type=folder, metavar="OUT_DIR", help=_("where the merged one goes"))
    group = weights_flags.add_lora_flags(parser)
    group.add_argument(
        "--lora", required=True, type=folder, metavar="DIR", help=_("Megatron checkpoint of the adapter")
    )
    same = _("that of MEGATRON_DIR")
    weights_flags.add_layout_flags(parser, same)
    weights_flags.add_tree_flags(parser, format_default=same, dtype_default=same)
    weights_flags.add_work_flags(parser)


def _declare_export(actions: Commands) -> None:
    parser = add_command(
        actions, "export-lora", _("make an adapter of PEFT of a Megatron checkpoint's"), _export
    )
    parser.add_argument("lora", type=folder, metavar="LORA_DIR", help=_("Megatron checkpoint of the adapter"))
    parser.add_argument("out_dir", type=folder, metavar="OUT_DIR", help=_("where the adapter goes"))
    _add_like(parser)
    weights_flags.add_dtype(parser, _("the adapter's own"))
    weights_flags.add_lora_flags(parser)
    weights_flags.add_work_flags(parser, has_memory=False)


def _declare_split(actions: Commands) -> None:
    parser = add_command(actions, "split-lora", _("make a Megatron checkpoint of an adapter of PEFT"), _split)
    parser.add_argument("lora", type=folder, metavar="PEFT_DIR", help=_("folder of the adapter"))
    parser.add_argument("out_dir", type=folder, metavar="OUT_DIR", help=_("where the checkpoint goes"))
    _add_like(parser)
    weights_flags.add_layout_flags(parser)
    weights_flags.add_format(parser, _("the family's own"))
    weights_flags.add_dtype(parser, _("the adapter's own"))
    weights_flags.add_work_flags(parser)


def _add_like(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--like",
        required=True,
        type=folder,
        metavar="HF_DIR",
        help=_("folder of the model: its config is needed"),
    )


def _load_merge() -> Run:
    from backend.node.weights.merge_lora import run

    return run


def _load_export() -> Run:
    from backend.node.weights.export_adapter import run

    return run


def _load_split() -> Run:
    from backend.node.weights.split_adapter import run

    return run


def _merge(arguments: argparse.Namespace) -> int:
    from backend.cli.weights_run import carry_out
    from backend.cli.weights_settings import job_of, names_of

    job = job_of(
        arguments, {"megatron_directory": arguments.megatron_dir, "output_directory": arguments.out_dir}
    )
    names = names_of(megatron_directory="MEGATRON_DIR", output_directory="OUT_DIR")
    return carry_out(_load_merge, job, names, arguments)


def _export(arguments: argparse.Namespace) -> int:
    return _adapter(arguments, _load_export, "LORA_DIR", TREE)


def _split(arguments: argparse.Namespace) -> int:
    return _adapter(arguments, _load_split, "PEFT_DIR", PEFT)


def _adapter(arguments: argparse.Namespace, load: Callable[[], Run], source: str, kind: str) -> int:
    from backend.cli.weights_run import KINDS, carry_out
    from backend.cli.weights_settings import job_of, names_of

    job = job_of(arguments, {"output_directory": arguments.out_dir})
    names = names_of(lora_directory=source, output_directory="OUT_DIR")
    return carry_out(load, job, names, arguments, {**KINDS, "lora_directory": kind})
