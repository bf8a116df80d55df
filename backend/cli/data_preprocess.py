"""`npudeck data preprocess`: ModelLink's preprocessing, its arguments unchanged."""

from __future__ import annotations

import argparse
import os
import textwrap
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from backend.cli import data_flags, diagnostics
from backend.cli.arguments import Commands, add_command
from backend.cli.data_settings import HANDLERS, TEMPLATES, VARIABLES
from backend.cli.job_problems import told_as
from backend.problems import UsageError
from backend.translation import _

if TYPE_CHECKING:
    from backend.cli.data_settings import Settings
    from backend.node.data.preprocess import Outcome

_WIDTH = 76
_EXAMPLE = """\
  npudeck data preprocess --input alpaca.json --output-prefix processed/alpaca \\
    --tokenizer-name-or-path tokenizers/llama2-13b \\
    --handler-name GeneralInstructionHandler --seq-length 4096"""


def declare(actions: Commands) -> None:
    parser = add_command(
        actions,
        "preprocess",
        _("make training data of raw data, byte for byte as ModelLink does"),
        _preprocess,
    )
    parser.usage = _(
        "npudeck data preprocess --input FILE… --output-prefix PREFIX\n"
        "                               --tokenizer-name-or-path FOLDER [option…]"
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = epilog()
    data_flags.add_preprocess_flags(parser)


def epilog() -> str:
    """Example, handlers, templates and variables, at 80 columns."""
    paragraphs = [
        _("example:") + "\n" + _EXAMPLE,
        _listed(_("handlers"), HANDLERS),
        _listed(_("templates (--prompt-type, for the handlers Alpaca… and Sharegpt…)"), TEMPLATES),
        _listed(_("variables of the guide's 1_preprocess_data.sh, read without --input"), _variables()),
        textwrap.fill(
            _(
                "Takes the arguments of ModelLink's preprocess_data.py. Those that mean nothing here are "
                "accepted and named."
            ),
            _WIDTH,
        ),
    ]
    return "\n\n".join(paragraphs)


def _listed(title: str, names: Sequence[str]) -> str:
    text = textwrap.fill(", ".join(names), _WIDTH, break_on_hyphens=False)
    return f"{title}:\n{textwrap.indent(text, '  ')}"


def _variables() -> list[str]:
    return [name for names in VARIABLES.values() for name in names]


def _preprocess(arguments: argparse.Namespace) -> int:
    from backend.cli.data_settings import read_settings
    from backend.cli.data_summary import print_outcome

    _refuse(arguments)
    if arguments.merge_group_keys:
        return _merge_group_keys(arguments)
    settings = read_settings(arguments, os.environ)
    if not arguments.quiet:
        _say_what_counts(arguments, settings)
    started = time.monotonic()
    outcome = _run(arguments, settings)
    seconds = None if outcome.up_to_date else time.monotonic() - started
    print_outcome(outcome.manifest, settings.job, seconds=seconds, json=arguments.json)
    return diagnostics.OK


def _refuse(arguments: argparse.Namespace) -> None:
    for flag, fix in data_flags.REFUSED.items():
        if data_flags.given(arguments, flag):
            raise UsageError.because(_("npudeck does not do this"), "", fix, field=flag)


def _say_what_counts(arguments: argparse.Namespace, settings: Settings) -> None:
    for name, value in settings.variables.items():
        diagnostics.say(f"{name}={value}")
    unused = [flag for flag in data_flags.UNUSED if data_flags.given(arguments, flag)]
    if unused:
        diagnostics.say(_("not used here: {flags}").format(flags=", ".join(unused)))


def _run(arguments: argparse.Namespace, settings: Settings) -> Outcome:
    from backend.cli.data_progress import JobProgress
    from backend.cli.job_display import display

    with told_as(settings.names):
        from backend.node.data.preprocess import run

        with display(quiet=arguments.quiet, start=_("loading the tokenizer")) as shown:
            return run(settings.job, JobProgress(shown, arguments.log_interval))


def _merge_group_keys(arguments: argparse.Namespace) -> int:
    """ModelLink's merge mode: --input is a folder of token files."""
    from backend.cli.data_settings import FLAGS
    from backend.cli.data_summary import print_merged

    if not arguments.input or len(arguments.input) != 1 or not arguments.output_prefix:
        raise UsageError.because(
            _("--merge-group-keys joins the token files of one folder"),
            "",
            _("give the folder as --input, and --output-prefix"),
        )
    results: list[dict[str, Any]] = []
    with told_as(FLAGS):
        from backend.node.data.merge import merge_folder

        for key in arguments.merge_group_keys:
            results.append(merge_folder(arguments.input[0], key, arguments.output_prefix, arguments.force))
    print_merged(results, json=arguments.json)
    return diagnostics.OK
