"""`npudeck fleet init`: write the inventory, from what there is already or from what is typed."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from backend.cli.arguments import Commands, add_command, add_json
from backend.cli.flag_types import path, positive, text
from backend.inventory import Inventory
from backend.problems import UsageError
from backend.translation import _, ngettext


def register(commands: Commands) -> None:
    """Declare the command."""
    words = _("write npudeck.toml from a node set, a host file, an SSH config, or what you type")
    parser = add_command(commands, "init", words, _init)
    parser.add_argument(
        "nodes",
        type=text,
        nargs="*",
        metavar="NODES",
        help=_("node set, e.g. n[01-64]; with --hostfile or --ssh-config: which of theirs (default all)"),
    )
    _add_sources(parser)
    _add_values(parser)
    parser.add_argument(
        "-o",
        "--output",
        type=path,
        default="npudeck.toml",
        metavar="FILE",
        help=_("write there (default ./npudeck.toml); - is stdout"),
    )
    parser.add_argument("--overwrite", action="store_true", help=_("replace FILE where it is there"))
    add_json(parser)


def _add_sources(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--hostfile",
        type=path,
        metavar="FILE",
        help=_("a host or node set a line, as mpirun, deepspeed and hosts(5) have them; - is stdin"),
    )
    parser.add_argument(
        "--ssh-config",
        type=path,
        nargs="?",
        const="~/.ssh/config",
        metavar="FILE",
        help=_("the hosts that an SSH config names one by one (default ~/.ssh/config)"),
    )


def _add_values(parser: argparse.ArgumentParser) -> None:
    values: tuple[tuple[str, str, str], ...] = (
        ("--name", "NAME", _("what the fleet is called (default: the name of the file's folder)")),
        ("--host", "PATTERN", _('what SSH connects to, e.g. "{name}.cluster" or "10.0.0.[1-64]"')),
        ("--address", "PATTERN", _("what other nodes use as MASTER_ADDR (default: the host)")),
        ("--work-directory", "DIR", _("private to each node (default /home/ma-user/ws)")),
        ("--shared-directory", "DIR", _("seen by every node (default: the work directory)")),
        ("--user", "USER", _("who logs in (default: what the SSH config says)")),
        ("--identity", "FILE", _("the private key (default: the SSH config's, the usual ones, ssh-agent)")),
        ("--jump", "HOST", _("a jump host, [user@]host[:port]")),
        ("--known-hosts", "FILE", _("where host keys are known from (default ~/.ssh/known_hosts)")),
    )
    for flag, metavar, help in values:
        parser.add_argument(flag, type=text, metavar=metavar, help=help)
    parser.add_argument(
        "--port", type=positive, metavar="N", help=_("SSH port (default: the SSH config's, 22)")
    )
    parser.add_argument("--npus", type=positive, metavar="N", help=_("NPUs of a node (default 8)"))
    parser.add_argument(
        "--group",
        type=text,
        action="append",
        default=[],
        metavar="NAME=NODES",
        help=_("a group of nodes, e.g. rack-a=n[01-16]; may be repeated"),
    )


def _init(arguments: argparse.Namespace) -> int:
    from backend.cli.diagnostics import say
    from backend.cli.fleet_init_inventory import from_arguments
    from backend.cli.output import print_line
    from backend.fleet.inventory_text import inventory_to_toml

    shown = arguments.output == "-"
    if shown and arguments.json:
        raise UsageError.because(
            _("-o - and --json both write to stdout"), fix=_("name a file with -o, or leave --json out")
        )
    if not (arguments.nodes or arguments.hostfile or arguments.ssh_config):
        _ask(arguments)
    inventory = from_arguments(arguments)
    if shown:
        print_line(inventory_to_toml(inventory, fold=True).rstrip("\n"))
        return 0
    _write(arguments, inventory)
    say(_("next: `npudeck fleet trust` shows the nodes' host keys, `npudeck health` asks them"))
    return 0


def _ask(arguments: argparse.Namespace) -> None:
    from backend.cli.fleet_init_questions import ask
    from backend.fleet.inventory_files import there_already

    if arguments.json or not (sys.stdin and sys.stdin.isatty() and sys.stderr and sys.stderr.isatty()):
        raise UsageError.because(
            _("it is not said what nodes there are"),
            fix=_("name them (npudeck fleet init 'n[01-64]'), or give --hostfile FILE or --ssh-config"),
        )
    # not after the last answer
    if Path(arguments.output).exists() and not arguments.overwrite:
        raise there_already(arguments.output)
    ask(arguments)


def _write(arguments: argparse.Namespace, inventory: Inventory) -> None:
    from backend.cli.diagnostics import say
    from backend.cli.output import print_json, print_line
    from backend.fleet.inventory_files import create_inventory
    from backend.fleet.node_sets import folded

    folder = Path(arguments.output).parent
    made = not folder.exists()
    create_inventory(inventory, arguments.output, overwrite=arguments.overwrite)
    if made:
        say(_("made the folder {folder}").format(folder=folder))
    names = [node.name for node in inventory.nodes]
    if arguments.json:
        print_json({"inventory": arguments.output, "name": inventory.name, "nodes": names})
        return
    words = ngettext("{path}: {count} node, {names}", "{path}: {count} nodes, {names}", len(names))
    print_line(words.format(path=arguments.output, count=len(names), names=folded(names)))
