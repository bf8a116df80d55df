"""`npudeck weights inspect DIR`: what the weights in a folder are, and whether all of them are there."""

from __future__ import annotations

import argparse

from backend.cli import diagnostics
from backend.cli.arguments import Commands, add_command, add_json
from backend.cli.flag_types import folder
from backend.cli.weights_folders import ANY, explained
from backend.cli.weights_problems import told_with_flags
from backend.translation import _


def declare(actions: Commands) -> None:
    parser = add_command(
        actions, "inspect", _("what weights are; exit code 1 when something is missing"), _inspect
    )
    parser.add_argument(
        "directory", type=folder, metavar="DIR", help=_("a model, a checkpoint or an adapter")
    )
    add_json(parser)


def _inspect(arguments: argparse.Namespace) -> int:
    from backend.cli.report_output import print_report
    from backend.cli.weights_inspect_report import report_lines

    folders = {"directory": (arguments.directory, ANY)}
    with told_with_flags({"directory": "DIR"}, folders):
        from backend.node.weights.inspect_weights import inspect_weights

        report = inspect_weights(arguments.directory)
        # what may not be read is not missing
        wrong = None if report["complete"] else explained(arguments.directory, ANY, "directory")
        if wrong is not None:
            raise wrong
    print_report(report, report_lines(report), json=arguments.json)
    return diagnostics.OK if report["complete"] else diagnostics.NO
