"""`npudeck weights convert hf2hg|mg2hf`: the guide's script, its variables unchanged."""

from __future__ import annotations

import argparse
import os

from backend.cli import diagnostics, weights_flags, weights_to_hf, weights_to_megatron
from backend.cli.arguments import Commands, add_command
from backend.cli.weights_guide import HF_TO_MEGATRON, MEGATRON_TO_HF, guide_settings
from backend.problems import UsageError
from backend.translation import _


def declare(actions: Commands) -> None:
    parser = add_command(
        actions, "convert", _("convert as the variables of the guide's script say"), _convert
    )
    parser.epilog = _(
        "Reads the variables of the guide's 2_convert_mg_hf.sh. hf2hg: ORIGINAL_HF_WEIGHT to "
        "CONVERT_MODEL_PATH, cut for TP and PP. mg2hf: MODEL_SAVE_PATH to CONVERT_MODEL_PATH, with config "
        "and tokenizer of ORIGINAL_HF_WEIGHT (else TOKENIZER_PATH); where CONVERT_MODEL_PATH is not set or "
        "holds Megatron weights, to the folder mg2hf in that of the original. There the layout is read from "
        "the weights: TP and PP have no say in it."
    )
    parser.add_argument(
        "direction",
        choices=(HF_TO_MEGATRON, MEGATRON_TO_HF),
        help=_("Hugging Face to Megatron, or Megatron to Hugging Face"),
    )
    parser.add_argument(
        "--format",
        choices=weights_flags.FORMATS,
        help=_("for hf2hg: names and nesting in the files (default: the family's own)"),
    )
    weights_flags.add_dtype(parser, _("the model's own"))
    weights_flags.add_work_flags(parser)


def _convert(arguments: argparse.Namespace) -> int:
    from backend.cli.weights_run import carry_out
    from backend.cli.weights_settings import job_of, names_of

    if arguments.direction == MEGATRON_TO_HF and arguments.format is not None:
        what, fix = _("Hugging Face weights have no format to choose"), _("leave it out")
        raise UsageError.because(what, "", fix, field="--format")
    settings = guide_settings(arguments.direction, os.environ)
    if not arguments.quiet:
        for name, value in settings.variables.items():
            diagnostics.say(f"{name}={value}")
        if settings.remark:
            diagnostics.say(settings.remark)
    job = {**job_of(arguments, {}), **settings.job}
    if arguments.direction == HF_TO_MEGATRON:
        return carry_out(weights_to_megatron.load, job, names_of(**settings.names), arguments)
    return carry_out(weights_to_hf.load, job, names_of(**settings.names), arguments)
