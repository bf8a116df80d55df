"""Find, read and write the inventory file."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from backend.fleet.inventory_parse import parse_inventory
from backend.fleet.inventory_text import inventory_to_toml
from backend.fleet.node_sets import node_names
from backend.fleet.whole_files import write_whole
from backend.inventory import Inventory, SshOptions
from backend.problems import InputError, Problem, Severity
from backend.translation import _

VARIABLE = "NPUDECK_INVENTORY"
FILE_NAME = "npudeck.toml"

__all__ = [
    "FILE_NAME",
    "VARIABLE",
    "create_inventory",
    "find_inventory",
    "load_inventory",
    "node_names",
    "save_inventory",
    "there_already",
]


def find_inventory(option: str | None = None) -> str:
    """The file to read: the typed option, else $NPUDECK_INVENTORY, else ./npudeck.toml.

    Only the last is looked for; the other two are believed, so that a wrong name is reported as such. Raises
    `InputError` with the ways to get one when there is none.
    """
    named = option or os.environ.get(VARIABLE)
    if named:
        return named
    if Path(FILE_NAME).is_file():
        return FILE_NAME
    what = _("there is no inventory: neither --inventory nor ${variable} is given, nor is there ./{file}")
    fix = _(
        "write {file} (`npudeck fleet init`, docs/inventory.md), or run `npudeck demo` to try everything "
        "on this machine, or `npudeck demo fleet --dir DIR` to get a demo fleet with its inventory"
    )
    problem = Problem(
        "inventory",
        Severity.ERROR,
        what.format(variable=VARIABLE, file=FILE_NAME),
        "",
        fix.format(file=FILE_NAME),
    )
    raise InputError(problem)


def load_inventory(path: str) -> Inventory:
    """Relative file names of [ssh] are taken from the inventory's folder, `~` is one's home.

    Raises `InputError`: no such file, not readable, not TOML, or everything that is wrong in it.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except OSError as error:
        what = _("the inventory {path} cannot be read: {error}").format(path=path, error=error.strerror)
        raise InputError(Problem("inventory", Severity.ERROR, what)) from error
    except UnicodeDecodeError as error:
        what = _("the inventory {path} is not UTF-8 text").format(path=path)
        raise InputError(Problem("inventory", Severity.ERROR, what)) from error
    folder = Path(path).absolute().parent
    inventory = parse_inventory(text, path, named_after(folder))
    return replace(inventory, ssh=_with_whole_paths(inventory.ssh, folder))


def save_inventory(inventory: Inventory, path: str) -> None:
    """Atomic: the file is the old one or the new one. Raises `LocalError` when it cannot be written."""
    write_whole(path, inventory_to_toml(inventory), field="inventory")


def create_inventory(inventory: Inventory, path: str, *, overwrite: bool) -> None:
    """Write an inventory for people: nodes of one pattern on one line, [fleet] defaults said.

    Raises `InputError` when the inventory would not be read again, or when the file is there and stays.
    """
    text = inventory_to_toml(inventory, fold=True)
    parse_inventory(text, path)
    if not write_whole(path, text, field="inventory", new=not overwrite):
        raise there_already(path)


def there_already(path: str) -> InputError:
    return InputError.because(
        _("{path} is there already").format(path=path),
        _("it may describe a fleet in use"),
        _("name another file with -o, or replace it with --overwrite"),
        field="output",
    )


def named_after(folder: Path) -> str:
    """What a fleet without a name of its own is called: text, whatever bytes the folder's name has."""
    return os.fsencode(folder.name).decode("utf-8", "replace") or "fleet"


def _with_whole_paths(ssh: SshOptions, folder: Path) -> SshOptions:
    def whole(name: str | None) -> str | None:
        # "none" is a word of OpenSSH, not a file
        return name if name is None or name == "none" else str(folder / Path(name).expanduser())

    identities = tuple(str(whole(name)) for name in ssh.identity_files)
    return replace(
        ssh, config=whole(ssh.config), known_hosts=whole(ssh.known_hosts), identity_files=identities
    )
