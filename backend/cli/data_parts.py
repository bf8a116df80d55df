"""`npudeck data split` and `merge`: one data set on many machines, with the bytes of one go."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from backend import number_words as words
from backend.cli import diagnostics
from backend.cli.arguments import Commands, add_command, add_json
from backend.cli.flag_types import path, positive
from backend.cli.job_problems import told_as
from backend.translation import _

_SPLIT_NAMES = {"input": "FILE", "directory": "--output-dir", "parts": "--parts", "force": "--output-dir"}
_MERGE_NAMES = {
    "prefixes": "PREFIX",
    "prefix": "PREFIX",
    "data_prefix": "PREFIX",
    "out": "OUT",
    "output_prefix": "OUT",
}


def declare(actions: Commands) -> None:
    splitting = add_command(actions, "split", _("cut raw data into files for several machines"), _split)
    splitting.add_argument("files", nargs="+", type=path, metavar="FILE", help=_("files, a folder or globs"))
    splitting.add_argument("--parts", type=positive, required=True, metavar="N", help=_("how many files"))
    splitting.add_argument(
        "--output-dir",
        required=True,
        type=path,
        metavar="DIR",
        help=_("where they go; it is made when absent"),
    )
    splitting.add_argument("--force", action="store_true", help=_("replace files of these names"))
    add_json(splitting)

    merging = add_command(actions, "merge", _("join token files that were made in parts"), _merge)
    merging.add_argument("prefixes", nargs="+", type=path, metavar="PREFIX", help=_("the parts, in order"))
    merging.add_argument("out", type=path, metavar="OUT", help=_("prefix of the result"))
    merging.add_argument(
        "--force",
        action="store_true",
        help=_("replace a result that is there, join parts that were made in different ways"),
    )
    add_json(merging)


def _split(arguments: argparse.Namespace) -> int:
    from backend.cli.output import print_json

    wanted = arguments.files[0] if len(arguments.files) == 1 else arguments.files
    with told_as(_SPLIT_NAMES):
        from backend.node.data.split import split

        paths = split(wanted, arguments.output_dir, arguments.parts, force=arguments.force)
        sizes = [Path(one).stat().st_size for one in paths]
    if arguments.json:
        print_json([{"path": one, "bytes": size} for one, size in zip(paths, sizes, strict=True)])
    else:
        _print_parts(paths, sizes)
    return diagnostics.OK


def _print_parts(paths: Sequence[str], sizes: Sequence[int]) -> None:
    from backend.cli.output import print_line

    for one, size in zip(paths, sizes, strict=True):
        print_line(f"{words.size(size):>7}  {diagnostics.printable(one)}")
    diagnostics.say(_("preprocess each part, then join the results in this order: npudeck data merge"))


def _merge(arguments: argparse.Namespace) -> int:
    from backend.cli.data_summary import print_merged

    with told_as(_MERGE_NAMES):
        from backend.node.data.merge import merge

        result = merge(arguments.prefixes, arguments.out, arguments.force)
    print_merged([result], json=arguments.json)
    return diagnostics.OK
