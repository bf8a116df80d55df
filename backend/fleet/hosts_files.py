"""Read the lists of hosts that `fleet init` starts from."""

from __future__ import annotations

import sys
from pathlib import Path

from backend.fleet.hosts_parse import Found, parse_hostfile, parse_ssh_config
from backend.problems import InputError
from backend.translation import _

_DEEPEST = 8  # an ssh config that includes itself


def read_hostfile(path: str) -> tuple[list[Found], list[Found]]:
    """The hosts, and what is left out (see `parse_hostfile`). `-` is stdin. Raises `InputError`."""
    if path == "-":
        return parse_hostfile(sys.stdin.read(), _("standard input"))
    return parse_hostfile(_text(Path(path)), path)


def read_ssh_config(path: str) -> list[Found]:
    """The hosts that an OpenSSH client config names one by one, its includes followed. Raises `InputError`.

    Address, port, user and jump host stay in the config: SSH looks there at every login.
    """
    names: dict[str, None] = {}
    whole = Path(path).expanduser()
    # a word without a slash that is no file was rather meant for nodes
    if "/" not in path and not whole.exists():
        raise InputError.because(
            _("{path} is no SSH config: there is no such file").format(path=path),
            _("the word after --ssh-config is a file"),
            _("nodes stand behind --: npudeck fleet init --ssh-config -- '{path}'").format(path=path),
        )
    _collect(whole, names, 0)
    return [Found(name, name) for name in names]


def _collect(path: Path, names: dict[str, None], depth: int) -> None:
    found, included = parse_ssh_config(_text(path))
    names.update(dict.fromkeys(found))
    if depth == _DEEPEST:
        return
    for pattern in included:
        whole = Path(pattern).expanduser()
        # as ssh_config(5) has it: relative names belong to ~/.ssh
        base = Path("/") if whole.is_absolute() else Path.home() / ".ssh"
        for entry in sorted(base.glob(str(whole).lstrip("/"))):
            if entry.is_file():
                _collect(entry, names, depth + 1)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError.because(
            _("{path} cannot be read: {error}").format(path=path, error=error.strerror),
            fix=_("name a file that is there and that you may read"),
        ) from error
    except UnicodeDecodeError as error:
        raise InputError.because(
            _("{path} is not UTF-8 text").format(path=path), fix=_("save it as UTF-8")
        ) from error
