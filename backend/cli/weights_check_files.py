"""`npudeck weights check-files DIR`: the files beside the weights that a model needs."""

from __future__ import annotations

import argparse
from pathlib import Path

from backend.cli import diagnostics
from backend.cli.arguments import Commands, add_command, add_json
from backend.cli.flag_types import folder
from backend.cli.weights_problems import told_with_flags
from backend.problems import UsageError
from backend.translation import _

_NAMES = {
    "directory": "DIR",
    "hf_directory": "DIR",
    "like_directory": "--like",
    "output_directory": "--fix-into",
}


def declare(actions: Commands) -> None:
    parser = add_command(
        actions,
        "check-files",
        _("see whether config, tokenizer and code of a model are whole; exit code 1 when they are not"),
        _check_files,
    )
    parser.add_argument("directory", type=folder, metavar="DIR", help=_("folder of the Hugging Face model"))
    parser.add_argument(
        "--like", type=folder, metavar="HF_DIR", help=_("name the files of the original that DIR has not")
    )
    parser.add_argument(
        "--fix-into",
        type=folder,
        metavar="OUT_DIR",
        help=_("write the files there with the known changes that training needs; DIR stays as it is"),
    )
    parser.add_argument("--overwrite", action="store_true", help=_("replace an OUT_DIR that is there"))
    add_json(parser)


def _check_files(arguments: argparse.Namespace) -> int:
    from backend.cli.report_output import print_report
    from backend.cli.weights_check_files_report import report_lines
    from backend.cli.weights_folders import MODEL, explained, is_of_another_kind

    if arguments.overwrite and arguments.fix_into is None:
        what, fix = _("nothing is written"), _("give --fix-into, or leave it out")
        raise UsageError.because(what, "", fix, field="--overwrite")
    folders = {"directory": (arguments.directory, MODEL)}
    if arguments.like is not None:
        folders["like_directory"] = (arguments.like, MODEL)
    with told_with_flags(_NAMES, folders, can_overwrite=True):
        from backend.node.weights.check_files import check_files

        for key, (path, kind) in folders.items():
            if Path(path).is_dir() and is_of_another_kind(path, kind):
                wrong = explained(path, kind, key)
                if wrong is not None:
                    raise wrong
        report = check_files(arguments.directory, arguments.fix_into, arguments.like, arguments.overwrite)
    print_report(report, report_lines(report), json=arguments.json)
    return diagnostics.OK if report["sound"] else diagnostics.NO
