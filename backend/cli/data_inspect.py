"""`npudeck data inspect FILE…`: what the data is, and what a model would see of it."""

from __future__ import annotations

import argparse

from backend.cli import data_flags, diagnostics
from backend.cli.arguments import Commands, add_command, add_json
from backend.cli.flag_types import path, positive
from backend.cli.job_problems import told_as
from backend.translation import _


def declare(actions: Commands) -> None:
    parser = add_command(actions, "inspect", _("what data is, and what a model would see of it"), _inspect)
    parser.add_argument(
        "files",
        nargs="+",
        type=path,
        metavar="FILE",
        help=_("raw data (files, a folder, globs), or a finished prefix"),
    )
    data_flags.add_handler_flags(parser)
    parser.add_argument(
        "--gbs",
        "--global-batch-size",
        type=positive,
        metavar="N",
        help=_("GBS, to count iterations"),
    )
    data_flags.add_tokenizer_flags(parser)
    parser.add_argument("--full", action="store_true", help=_("show the example records whole"))
    add_json(parser)


def _inspect(arguments: argparse.Namespace) -> int:
    from backend.cli.data_inspect_report import report_lines
    from backend.cli.data_next_command import next_command
    from backend.cli.data_settings import FLAGS
    from backend.cli.data_text import look_of_stdout
    from backend.cli.data_tokenizer import recorded_tokenizer, tokenizer_of
    from backend.cli.report_output import print_report

    wanted = arguments.files[0] if len(arguments.files) == 1 else arguments.files
    with told_as({**FLAGS, "input": "FILE", "prefix": "FILE", "data_prefix": "FILE"}):
        from backend.node.data.inspect_data import inspect_data

        report = inspect_data(
            wanted,
            tokenizer_of(arguments) or (recorded_tokenizer(wanted) if isinstance(wanted, str) else None),
            arguments.handler_name,
            arguments.seq_length,
            arguments.gbs,
            arguments.prompt_type,
            arguments.json_keys,
            arguments.map_keys,
            arguments.append_eod,
        )
    command = next_command(report, arguments)
    lines = report_lines(report, look_of_stdout(full=arguments.full), command)
    print_report({**report, "command": command}, lines, json=arguments.json)
    return diagnostics.OK
