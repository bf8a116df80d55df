"""`npudeck weights`: Hugging Face to Megatron and back, and looks at both."""

from __future__ import annotations

from backend.cli import (
    weights_check_files,
    weights_convert,
    weights_inspect,
    weights_lora,
    weights_reshard,
    weights_to_hf,
    weights_to_megatron,
    weights_verify,
)
from backend.cli.arguments import Commands
from backend.translation import _


def register(commands: Commands) -> None:
    """Declare the commands of this group."""
    group = commands.add_parser(
        "weights",
        help=_("convert weights between Hugging Face and Megatron, look at both"),
        description=_("Convert weights between Hugging Face and Megatron, look at both."),
    )
    actions = group.add_subparsers(dest="action", metavar=_("ACTION"), required=True)
    for module in (
        weights_to_megatron,
        weights_to_hf,
        weights_lora,
        weights_reshard,
        weights_convert,
        weights_inspect,
        weights_verify,
        weights_check_files,
    ):
        module.declare(actions)
