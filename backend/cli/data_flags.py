"""The flags of ModelLink's preprocessing, under their own names, and those that npudeck adds."""

from __future__ import annotations

import argparse
import json
from typing import Any

from backend.cli.arguments import add_json
from backend.cli.flag_types import path, positive
from backend.translation import _

TOKENIZER_TYPES = ("PretrainedFromHF", "GPT2BPETokenizer", "BertWordPieceLowerCase", "BertWordPieceCase")

# flags of ModelLink that change nothing here, and whether they take a value
UNUSED = {
    "--cache-dir": True,
    "--overwrite-cache": False,
    "--streaming": False,
    "--dataset-impl": True,
    "--make-vocab-size-divisible-by": True,
    "--pad-vocab-size-to": True,
    "--keep-newlines": False,
    "--datasets": True,
    "--dataset-dir": True,
    "--max-samples": True,
    "--mix-strategy": True,
    "--interleave-probs": True,
    "--seed": True,
}

# flags of ModelLink that would change the result, and what to do instead
REFUSED = {
    "--split-sentences": _("give documents whole; the trainer cuts them"),
    "--hf-datasets-params": _("name the files themselves with --input"),
}


def add_preprocess_flags(parser: argparse.ArgumentParser) -> None:
    """Everything that `data preprocess` takes. What a variable may say as well has the default None."""
    _add_what(parser)
    add_tokenizer_flags(parser)
    _add_how(parser)
    _add_own(parser)
    _add_without_effect(parser)


def _add_what(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--input",
        nargs="+",
        type=path,
        metavar="FILE",
        help=_("raw data: files, a folder or globs (default: the guide's variables)"),
    )
    parser.add_argument(
        "--output-prefix",
        type=path,
        metavar="PREFIX",
        help=_("where the result goes: directory/name, without ending"),
    )
    add_handler_flags(parser)


def add_handler_flags(parser: argparse.ArgumentParser) -> None:
    """What decides how a record becomes a sample; `inspect` has the same."""
    parser.add_argument(
        "--handler-name", metavar="HANDLER", help=_("what makes samples of records (GeneralPretrainHandler)")
    )
    parser.add_argument(
        "--json-keys",
        nargs="+",
        type=_column,
        metavar="KEY",
        help=_("columns of text for pretraining (default: text)"),
    )
    parser.add_argument(
        "--prompt-type", default="", metavar="TEMPLATE", help=_("chat template, such as qwen or llama2")
    )
    parser.add_argument(
        "--map-keys",
        type=_json_object,
        metavar="JSON",
        help=_('your columns under the names a handler knows: \'{"prompt": "question"}\''),
    )
    parser.add_argument(
        "--append-eod", action="store_true", help=_("put the end-of-text token after every document")
    )
    parser.add_argument(
        "--seq-length", type=positive, metavar="N", help=_("leave out samples of N tokens or more")
    )


def add_tokenizer_flags(parser: argparse.ArgumentParser, default: str = "") -> None:
    """Which tokenizer, for every command that needs one; `default`: in words, what is taken
    without a folder."""
    group = parser.add_argument_group(_("tokenizer"))
    folder = _("folder of the tokenizer")
    if default:
        folder += _(" (default: {default})").format(default=default)
    group.add_argument("--tokenizer-name-or-path", "--tokenizer", type=path, metavar="FOLDER", help=folder)
    group.add_argument(
        "--tokenizer-type",
        choices=TOKENIZER_TYPES,
        metavar="TYPE",
        help=_("{types} (default: the first)").format(types=", ".join(TOKENIZER_TYPES)),
    )
    group.add_argument(
        "--vocab-file", default="", type=path, metavar="FILE", help=_("vocabulary of a GPT2BPE or Bert type")
    )
    group.add_argument(
        "--merge-file", default="", type=path, metavar="FILE", help=_("merges of GPT2BPETokenizer")
    )
    group.add_argument(
        "--tokenizer-not-use-fast",
        action="store_true",
        help=_("take the slow tokenizer of a family that has both"),
    )
    group.add_argument(
        "--trust-remote-code",
        action="store_true",
        help=_("run Python code that lies in the tokenizer's folder, for families that need it"),
    )


def _add_how(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--pack", action="store_true", help=_("fill samples of --seq-length tokens with several records")
    )
    parser.add_argument("--workers", type=positive, metavar="N", help=_("processors to use (default: all)"))
    parser.add_argument(
        "--n-subs",
        type=positive,
        default=1,
        metavar="N",
        help=_("group and pack N subsets apart (default: 1)"),
    )
    parser.add_argument(
        "--log-interval",
        type=positive,
        metavar="N",
        help=_("a line every N records (default: every few seconds)"),
    )
    parser.add_argument(
        "--merge-group-keys",
        nargs="+",
        metavar="KEY",
        help=_("instead: join the token files in the folder --input, one result a KEY"),
    )


def _add_own(parser: argparse.ArgumentParser) -> None:
    own = parser.add_argument_group(_("of npudeck"))
    own.add_argument(
        "--encoder",
        choices=("auto", "tokenizers", "gigatoken"),
        default="auto",
        help=_("library that makes the ids (default: the fastest that is proven to give the same)"),
    )
    own.add_argument(
        "--on-bad-row",
        choices=("fail", "skip"),
        default="fail",
        help=_("a record that cannot be used ends the work, or is left out and counted (default: fail)"),
    )
    own.add_argument("--force", action="store_true", help=_("replace a result that npudeck did not make"))
    own.add_argument("--quiet", action="store_true", help=_("no progress and no remarks"))
    add_json(parser)


def _add_without_effect(parser: argparse.ArgumentParser) -> None:
    """So that an old command line is understood; not listed in the help, which is long enough."""
    for flag, takes_value in UNUSED.items():
        if takes_value:
            parser.add_argument(flag, nargs="+", metavar="VALUE", help=argparse.SUPPRESS)
        else:
            parser.add_argument(flag, action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--split-sentences", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--hf-datasets-params", help=argparse.SUPPRESS)


def given(arguments: argparse.Namespace, flag: str) -> bool:
    """Whether the flag stands on the command line (flags without default)."""
    return getattr(arguments, flag.removeprefix("--").replace("-", "_")) not in (None, False)


def _column(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError(_("the name of a column is empty"))
    return text


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        words = _("{text!r} is not JSON: {why}").format(text=text, why=error)
        raise argparse.ArgumentTypeError(words) from error
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(_("{text!r} is not a JSON object").format(text=text))
    return value
