"""`npudeck data show PREFIX --doc N`: a document of token files as the text that a model sees."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from backend import number_words as words
from backend.cli import diagnostics
from backend.cli.arguments import Commands, add_command, add_json
from backend.cli.data_flags import add_tokenizer_flags
from backend.cli.data_text import Look, look_of_stdout, run_lines
from backend.cli.flag_types import path, whole
from backend.cli.job_problems import told_as
from backend.problems import InputError
from backend.translation import _, ngettext

if TYPE_CHECKING:
    from backend.node.data.encoder import Encoder

_NAMES = {
    "prefix": "PREFIX",
    "data_prefix": "PREFIX",
    "document": "--doc",
    "tokenizer": "--tokenizer-name-or-path",
    "tokenizer_type": "--tokenizer-type",
    "vocab_file": "--vocab-file",
    "merge_file": "--merge-file",
}


def declare(actions: Commands) -> None:
    parser = add_command(actions, "show", _("one document of token files as text"), _show)
    parser.add_argument(
        "prefix", type=path, metavar="PREFIX", help=_("what --output-prefix was, or one pair of files")
    )
    parser.add_argument("--doc", type=_number, default=0, metavar="N", help=_("which document (default: 0)"))
    parser.add_argument("--ids", action="store_true", help=_("the token ids instead of text"))
    add_tokenizer_flags(parser, _("the one that made the files"))
    add_json(parser)


def _number(text: str) -> int:
    try:
        return whole(text)
    except ValueError as error:
        what = _("{text!r} is not the number of a document").format(text=text)
        raise argparse.ArgumentTypeError(what) from error


def _show(arguments: argparse.Namespace) -> int:
    from backend.cli.report_output import print_report

    with told_as(_NAMES):
        from backend.node.data.show import show
        from backend.node.data.token_sets import find_sets

        # a wrong prefix is said before the question which tokenizer made it
        find_sets(arguments.prefix)
        found = show(arguments.prefix, arguments.doc, None if arguments.ids else _encoder(arguments))
    print_report(found, document_lines(found, look_of_stdout(full=True)), json=arguments.json)
    return diagnostics.OK


def _encoder(arguments: argparse.Namespace) -> Encoder:
    """Raises InputError when nobody says which tokenizer it was."""
    from backend.cli.data_tokenizer import recorded_tokenizer, tokenizer_of

    options = tokenizer_of(arguments) or recorded_tokenizer(arguments.prefix)
    if options is None:
        raise InputError.because(
            _("it is not known which tokenizer made {prefix}").format(prefix=arguments.prefix),
            _("there is no description of npudeck beside it, or its tokenizer is gone"),
            _("give --tokenizer-name-or-path, or --ids to see the ids"),
            field="--tokenizer-name-or-path",
        )
    from backend.node.data.encoder_choice import load_encoder

    return load_encoder(options)


def document_lines(found: Mapping[str, Any], look: Look) -> Iterator[str]:
    """Every sequence of the document, masked and trained text apart."""
    yield _("document {number} of {count} (the first is 0)").format(
        number=found["document"], count=words.count(found["documents"])
    )
    for part in found["parts"]:
        if not part["sequences"]:
            yield ""
            yield _("{key}: empty, left out for its length").format(key=part["key"])
        for sequence in part["sequences"]:
            yield ""
            yield sequence_heading(part["key"], sequence)
            yield from run_lines(sequence["runs"], sequence["ids"], look)


def sequence_heading(key: str, sequence: Mapping[str, Any]) -> str:
    """`input_ids, sequence 3: 184 tokens, 63 trained`."""
    name = _("{key}, sequence {number}").format(key=key, number=sequence["sequence"])
    return f"{name}: {token_words(sequence)}"


def token_words(sequence: Mapping[str, Any]) -> str:
    """`184 tokens, 63 trained`; the labels are counted where there are more of them than ids."""
    tokens = sequence["tokens"]
    text = ngettext("{tokens} token", "{tokens} tokens", tokens).format(tokens=words.count(tokens))
    if sequence["trained"] != tokens:
        text += _(", {trained} trained").format(trained=words.count(sequence["trained"]))
    if sequence.get("labels", tokens) != tokens:
        text += _(", {labels} labels").format(labels=words.count(sequence["labels"]))
    return text
