"""What a name, a host, a user, a jump host or a directory of an inventory must look like.

Each check answers what is wrong as (what, why, fix), or None.
"""

from __future__ import annotations

import re

from backend.inventory import ALWAYS
from backend.translation import _

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_HOST = re.compile(r"[A-Za-z0-9:\[][A-Za-z0-9._:%\[\]-]*")
_PLAIN_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+(%[A-Za-z0-9._-]+)?\]")
# what OpenSSH refuses in a user's name (valid_ruser in ssh.c), and blanks
_NO_USER = re.compile(r"""^-|[\s'`";&<>|(){}:,/]|\\$""")

Wrong = tuple[str, str, str]


def wrong_name(name: str) -> Wrong | None:
    if NAME.fullmatch(name):
        return None
    what = _("{name!r} is not a node name").format(name=name)
    return what, _("letters, digits, . _ -"), _apart(name)


def wrong_group(name: str) -> Wrong | None:
    if name not in ALWAYS and NAME.fullmatch(name):
        return None
    why = _('letters, digits, . _ -; "all" means every node, "drained" those that nothing is started on')
    return _("{name!r} cannot name a group").format(name=name), why, ""


def wrong_host(host: str) -> Wrong | None:
    if _HOST.fullmatch(host):
        return None
    return _("{value!r} is not a host name or address").format(value=host), "", _apart(host)


def wrong_user(user: str) -> Wrong | None:
    if not _NO_USER.search(user):
        return None
    why = _("blanks, quotes and signs of the shell have no place in it, nor does - at its start")
    return _("{value!r} is not a user name").format(value=user), why, ""


def wrong_jump(jump: str) -> Wrong | None:
    """`[user@]host[:port]`, or several with commas between them."""
    for hop in jump.split(","):
        if why := _wrong_hop(hop.strip()):
            what = _("{value!r} is not a jump host").format(value=jump)
            return what, why, _("write [user@]host[:port], several with commas between them")
    return None


def wrong_directory(path: str) -> Wrong | None:
    if path.startswith("/"):
        return None
    why = _("paths on a node are absolute; ~ and variables are not expanded there")
    return _("{path!r} is not an absolute path").format(path=path), why, ""


def _wrong_hop(hop: str) -> str:
    user, at, place = hop.rpartition("@")
    if at and (not user or (wrong := wrong_user(user))):
        return wrong[0] if user and wrong else _("nobody stands before the @")
    host, colon, port = place.rpartition(":")
    if not colon or place.endswith("]"):
        host, port = place, "22"
    if not _PLAIN_HOST.fullmatch(host):
        if ":" in host and "[" not in host:
            return _("an IPv6 address stands in brackets: [2001:db8::1]:22")
        return _("{value!r} is not a host name or address").format(value=host)
    if not (port.isascii() and port.isdecimal() and 1 <= int(port) <= 65535):
        return _("{value!r} is not a port").format(value=port)
    return ""


def _apart(text: str) -> str:
    user, at, rest = text.rpartition("@")
    if not (at and user and rest):
        return ""
    return _('write the user apart: --user {user} of fleet init, user = "{user}" in the inventory').format(
        user=user
    )
