"""`npudeck weights verify A B`: are these the same weights?"""

from __future__ import annotations

import argparse

from backend.cli import diagnostics
from backend.cli.arguments import Commands, add_command, add_json
from backend.cli.flag_types import folder
from backend.cli.weights_folders import EITHER
from backend.cli.weights_problems import told_with_flags
from backend.translation import _


def declare(actions: Commands) -> None:
    parser = add_command(
        actions, "verify", _("see whether two are the same weights; exit code 1 when they differ"), _verify
    )
    for name in ("A", "B"):
        parser.add_argument(
            name.lower(),
            type=folder,
            metavar=name,
            help=_("Hugging Face model or Megatron checkpoint, of any layout"),
        )
    parser.add_argument("--quiet", action="store_true", help=_("no progress"))
    add_json(parser)


def _verify(arguments: argparse.Namespace) -> int:
    from backend.cli.job_display import display
    from backend.cli.report_output import print_report
    from backend.cli.weights_progress import WeightsProgress
    from backend.cli.weights_verify_report import report_lines

    folders = {"a": (arguments.a, EITHER), "b": (arguments.b, EITHER)}
    with told_with_flags({"a": "A", "b": "B"}, folders):
        from backend.node.weights.verify_weights import verify_weights

        with display(quiet=arguments.quiet, start=_("reading names and shapes")) as shown:
            report = verify_weights(arguments.a, arguments.b, WeightsProgress(shown))
    print_report(report, report_lines(report), json=arguments.json)
    return diagnostics.OK if report["equal"] else diagnostics.NO
