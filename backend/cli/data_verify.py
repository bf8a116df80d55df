"""`npudeck data verify PREFIX`: are the token files whole, and fit to train on?"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from itertools import compress, groupby
from operator import itemgetter
from pathlib import PurePath
from typing import Any

from backend import number_words as words
from backend.cli import diagnostics
from backend.cli.arguments import Commands, add_command, add_json
from backend.cli.data_flags import add_tokenizer_flags
from backend.cli.flag_types import path, positive
from backend.cli.job_problems import told_as
from backend.translation import _, ngettext

_NAMES = {
    "prefix": "PREFIX",
    "data_prefix": "PREFIX",
    "tokenizer": "--tokenizer-name-or-path",
    "tokenizer_type": "--tokenizer-type",
    "vocab_file": "--vocab-file",
    "merge_file": "--merge-file",
}


def declare(actions: Commands) -> None:
    parser = add_command(
        actions, "verify", _("see whether token files are whole; exit code 1 when they are not"), _verify
    )
    parser.add_argument(
        "prefix", type=path, metavar="PREFIX", help=_("what --output-prefix was, or one pair of files")
    )
    parser.add_argument(
        "--vocab-size", type=positive, metavar="N", help=_("ids must be below N (default: the tokenizer's)")
    )
    add_tokenizer_flags(parser, _("the one that made the files"))
    parser.add_argument("--quiet", action="store_true", help=_("no progress"))
    add_json(parser)


def _verify(arguments: argparse.Namespace) -> int:
    from backend.cli.data_progress import BytesProgress
    from backend.cli.job_display import display
    from backend.cli.report_output import print_report

    with told_as(_NAMES):
        from backend.node.data.verify import verify

        with display(quiet=arguments.quiet, start=_("looking at the index")) as shown:
            report = verify(arguments.prefix, _vocabulary(arguments), BytesProgress(shown))
    print_report(report, report_lines(report), json=arguments.json)
    return diagnostics.OK if report["sound"] else diagnostics.NO


def _vocabulary(arguments: argparse.Namespace) -> int | None:
    """The vocabulary's size; None when nobody knows which tokenizer it was."""
    from backend.cli.data_tokenizer import recorded_tokenizer, tokenizer_of

    if arguments.vocab_size is not None:
        return int(arguments.vocab_size)
    options = tokenizer_of(arguments) or recorded_tokenizer(arguments.prefix)
    if options is None:
        return None
    from backend.node.data.encoder_choice import load_encoder

    return load_encoder(options).vocabulary


def report_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """One row a pair, what is wrong, and the verdict."""
    yield from set_lines(report["sets"])
    yield ""
    for file, findings in groupby(report["findings"], key=itemgetter("file")):
        yield f"{diagnostics.printable(file)}:"
        yield from map(_finding, findings)
    more = report["found"] - len(report["findings"])
    if more:
        yield ngettext("and {n} more like these", "and {n} more like these", more).format(n=words.count(more))
    if report["vocabulary"] is None:
        yield _("ids were not held against a vocabulary: give --tokenizer-name-or-path or --vocab-size")
    yield _verdict(report)


def set_lines(sets: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    headings = (_("files"), _("sequences"), _("documents"), _("tokens"), _("ids"), _("trained"))
    known = (*(True,) * 4, *(any(key in one for one in sets) for key in ("smallest", "trained")))
    rows = [headings, *map(_cells, sets)]
    yield from words.columns([tuple(compress(row, known)) for row in rows])


def _cells(one: Mapping[str, Any]) -> tuple[str, ...]:
    name = one["key"] or PurePath(one["path"]).name
    if "tokens" not in one:
        return (name, *"–" * 5)
    span = "–"
    if one.get("smallest") is not None:
        span = "…".join(dict.fromkeys((str(one["smallest"]), str(one["largest"]))))
    trained = words.share(one["trained"], one["tokens"]) if "trained" in one else ""
    return (name, *(words.count(one[key]) for key in ("sequences", "documents", "tokens")), span, trained)


def _finding(finding: Mapping[str, Any]) -> str:
    place = []
    for key, text in (
        ("document", _("document {n}")),
        ("sequence", _("sequence {n}")),
        ("position", _("position {n}")),
    ):
        # most documents are one sequence: the number once is enough
        said = key == "sequence" and finding["sequence"] == finding["document"]
        if finding[key] is not None and not said:
            place.append(text.format(n=finding[key]))
    return "  " + (f"{', '.join(place)}: " if place else "") + str(finding["what"])


def _verdict(report: Mapping[str, Any]) -> str:
    pairs = ngettext("{n} pair of files", "{n} pairs of files", len(report["sets"])).format(
        n=len(report["sets"])
    )
    if report["sound"]:
        return _("sound: {pairs}, {size} of ids").format(pairs=pairs, size=words.size(report["bytes"]))
    faults = ngettext("{n} fault", "{n} faults", report["found"]).format(n=words.count(report["found"]))
    return _("not sound: {faults} in {pairs}").format(faults=faults, pairs=pairs)
