"""`npudeck fleet push KIND SOURCE`: code, data, weights and tokenizers, where the guide has them."""

from __future__ import annotations

import argparse
import re

from backend.cli.arguments import Commands, add_command, add_inventory, add_json
from backend.cli.flag_types import path
from backend.cli.fleet_push_words import GOES_ON, KINDS
from backend.problems import UsageError
from backend.translation import _


def register(commands: Commands) -> None:
    """Declare the commands."""
    words = _("bring the code package, data, weights or a tokenizer to the nodes, resumed and checked")
    parser = add_command(commands, "push", words, _push)
    add_inventory(parser)
    parser.add_argument(
        "kind",
        choices=("code", *KINDS),
        metavar="KIND",
        help=_("code (AscendCloud-….zip), data, model or tokenizer"),
    )
    parser.add_argument(
        "source", nargs="+", type=path, metavar="SOURCE", help=_("files and folders of this machine")
    )
    parser.add_argument("--nodes", metavar="NODES", help=_("node set or group (default: !drained)"))
    parser.add_argument(
        "--name", metavar="NAME", help=_("folder below models/ or tokenizers/ (default: the source's name)")
    )
    parser.add_argument(
        "--owner",
        type=_owner,
        metavar="USER[:GROUP]",
        help=_("whom the files shall belong to there"),
    )
    parser.add_argument(
        "--overwrite", action="store_true", help=_("code: replace edited files too, copies are kept")
    )
    parser.add_argument(
        "--install",
        action="store_true",
        help=_("code: run its scripts/install.sh, once for each work directory"),
    )
    parser.add_argument(
        "--bundle",
        type=path,
        metavar="DIR",
        help=_("for --install without a network: a folder with wheels/ and git/*.git"),
    )
    add_json(parser)
    words = _("compare the code package and its sources' commits over the nodes")
    parser = add_command(commands, "code", words, _code)
    add_inventory(parser)
    parser.add_argument(
        "nodes", nargs="*", metavar="NODES", help=_("nodes, groups or node sets (default: all)")
    )
    add_json(parser)


def _owner(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*(:[A-Za-z0-9_][A-Za-z0-9._-]*)?", text):
        raise argparse.ArgumentTypeError(_("{text!r} is not USER or USER:GROUP").format(text=text))
    return text


def _push(arguments: argparse.Namespace) -> int:
    """Exit code 4: a node did not get it; 6: files edited there are kept."""
    import asyncio

    from backend.cli.diagnostics import say
    from backend.cli.fleet_push_run import push_code, push_data

    _refuse_nonsense(arguments)
    work = push_code if arguments.kind == "code" else push_data
    try:
        return asyncio.run(work(arguments))
    except KeyboardInterrupt:
        say(GOES_ON)
        raise


def _refuse_nonsense(arguments: argparse.Namespace) -> None:
    code = arguments.kind == "code"
    if not code and (arguments.install or arguments.bundle or arguments.overwrite):
        raise UsageError.because(_("--install, --bundle and --overwrite are for code"))
    if arguments.bundle and not arguments.install:
        raise UsageError.because(_("--bundle is of use with --install alone"))
    if arguments.name is not None and (
        arguments.kind in ("code", "data") or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", arguments.name)
    ):
        raise UsageError.because(
            _("{name!r} cannot name the folder").format(name=arguments.name),
            _("--name is for model and tokenizer: letters, digits, `.`, `_`, `-`"),
        )
    if code and len(arguments.source) != 1:
        raise UsageError.because(_("one code package at a time"))


def _code(arguments: argparse.Namespace) -> int:
    """Exit code 0: the same everywhere and whole; 1: it differs or lacks something; 4: a node not reached."""
    import asyncio

    from backend.cli.fleet_code import compare

    return asyncio.run(compare(arguments))
