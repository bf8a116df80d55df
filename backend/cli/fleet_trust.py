"""`npudeck fleet trust`: see the nodes' host keys once, and write down those that are right."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from backend.cli.arguments import Commands, add_command, add_inventory, add_json
from backend.cli.fleet_selection import add_nodes, chosen_names, nodes_of, open_fleet
from backend.fleet.host_key_words import changed_key_fix
from backend.fleet.host_keys import HostKey
from backend.inventory import Inventory, Node
from backend.translation import _, ngettext

if TYPE_CHECKING:
    from backend.fleet.host_keys_client import HostKeys

_GOOD = ("known", "certified", "added")


def register(commands: Commands) -> None:
    """Declare the command."""
    words = _("show the host keys of nodes, and write those that are not known yet into known_hosts")
    parser = add_command(commands, "trust", words, _trust)
    add_inventory(parser)
    add_nodes(parser, _("nodes, groups or node sets (default: all)"))
    parser.add_argument(
        "--yes",
        action="store_true",
        help=_("write down keys of unknown hosts without asking; a changed key is never taken"),
    )
    add_json(parser)


def _trust(arguments: argparse.Namespace) -> int:
    """Exit code 0: every key is known now; 1: no was said; 4: a key is unknown or has changed, or no
    answer.
    """
    from backend.cli.output import print_json

    inventory = open_fleet(arguments)
    nodes = nodes_of(chosen_names(arguments.nodes, inventory), inventory)
    trusting = _Trusting(arguments, inventory)
    code = asyncio.run(trusting.all(nodes))
    if arguments.json:
        print_json(trusting.to_json())
    return code


class _Trusting:
    """Jump hosts first: what is behind one is seen only through it."""

    def __init__(self, arguments: argparse.Namespace, inventory: Inventory) -> None:
        self._arguments = arguments
        self._inventory = inventory
        self._states: dict[str, tuple[HostKey, str]] = {}
        self._declined = False

    async def all(self, nodes: Sequence[Node]) -> int:
        from backend.fleet.host_keys_client import HostKeys

        while True:
            # known_hosts is read anew: connections to jump hosts are made with what it says now
            looking = HostKeys(self._inventory.ssh)
            try:
                jumps = await looking.of_jumps(nodes)
                if self._take(jumps):
                    continue
                if all(key.state in _GOOD for key in jumps):
                    self._take(await self._looked(looking, nodes))
                break
            finally:
                await looking.close()
        self._say_the_rest()
        bad = any(state not in _GOOD for _key, state in self._states.values())
        return 1 if self._declined else 4 if bad else 0

    async def _looked(self, looking: HostKeys, nodes: Sequence[Node]) -> list[HostKey]:
        from backend.cli.job_display import display
        from backend.cli.waiting_nodes import show_waiting

        names = [node.name for node in nodes]
        with display(quiet=False, start=_("asking")) as shown:
            return await looking.of_nodes(nodes, lambda answered: show_waiting(shown, names, answered))

    def to_json(self) -> dict[str, Any]:
        keys = [
            {
                "node": key.label,
                "host": key.name,
                "state": state,
                "algorithm": key.algorithm,
                "fingerprint": key.fingerprint,
                "expected": list(key.expected),
                "known_hosts": key.file,
                "reason": key.reason,
            }
            for key, state in self._states.values()
        ]
        return {"fleet": self._inventory.name, "keys": keys}

    def _take(self, keys: Sequence[HostKey]) -> bool:
        """Show them, ask, write; True when something was written."""
        from backend.fleet.known_hosts_files import add_known_hosts

        self._states |= {key.label: (key, key.state) for key in keys if key.label not in self._states}
        unknown = [key for key in keys if key.state == "unknown"]
        self._show(keys)
        if not unknown or not self._wanted(unknown):
            return False
        for file in dict.fromkeys(key.file for key in unknown):
            add_known_hosts(file, [key.line for key in unknown if key.file == file])
        self._states |= {key.label: (key, "added") for key in unknown}
        return True

    def _show(self, keys: Sequence[HostKey]) -> None:
        from backend.cli.diagnostics import printable
        from backend.cli.output import print_table

        if self._arguments.json or not keys:
            return
        rows = [
            (
                key.label,
                key.name,
                key.state,
                key.algorithm or "-",
                key.fingerprint or printable(key.reason) or "-",
            )
            for key in keys
        ]
        print_table((_("NODE"), _("HOST"), _("STATE"), _("KIND"), _("FINGERPRINT")), rows)

    def _wanted(self, unknown: Sequence[HostKey]) -> bool:
        from backend.cli.diagnostics import say

        if self._arguments.yes:
            return True
        if self._arguments.json or not (
            sys.stdin and sys.stdin.isatty() and sys.stderr and sys.stderr.isatty()
        ):
            return False
        say(_("Compare with what the nodes themselves say: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub"))
        count = ngettext("{n} new key", "{n} new keys", len(unknown)).format(n=len(unknown))
        question = _("write {count} into {file}? [y/N] ").format(count=count, file=unknown[0].file)
        yes = _agreed(question)
        self._declined = not yes
        if not yes:
            names = ", ".join(key.label for key in unknown)
            say(_("nothing was written; not known yet: {names}").format(names=names))
        return yes

    def _say_the_rest(self) -> None:
        from backend.cli.diagnostics import say, say_problem

        for key, state in self._states.values():
            if state in ("changed", "revoked"):
                say_problem(_changed(key))
        waiting = [key.label for key, state in self._states.values() if state == "unknown"]
        added = [key for key, state in self._states.values() if state == "added"]
        if added:
            count = ngettext("{n} key", "{n} keys", len(added)).format(n=len(added))
            say(_("{count} written into {file}").format(count=count, file=added[0].file))
        if waiting and not self._declined:
            say(_("not known yet: {names}; --yes writes them down").format(names=", ".join(waiting)))


def _agreed(question: str) -> bool:
    """Asked until it is yes or no; Enter and the end of the answers are no."""
    from backend.cli.diagnostics import say

    while True:
        sys.stderr.write(question)
        sys.stderr.flush()
        line = sys.stdin.readline()
        if not line:
            say("")
        word = line.strip().lower()
        if word in ("", "n", "no", "y", "yes"):
            return word in ("y", "yes")
        say(_("answer y or n"))


def _changed(key: HostKey) -> Any:
    from backend.problems import Problem, Severity

    if key.state == "revoked":
        what = _("the host key of {name} is revoked in {file}").format(name=key.name, file=key.file)
        return Problem(key.label, Severity.ERROR, what)
    why = _("it offers {new}, known is {old}; this is also what somebody in between looks like")
    return Problem(
        key.label,
        Severity.ERROR,
        _("the host key of {name} has changed; it is not taken").format(name=key.name),
        why.format(new=key.fingerprint, old=", ".join(key.expected)),
        changed_key_fix(key.name, key.file),
    )
