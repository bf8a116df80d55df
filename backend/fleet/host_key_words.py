"""What is said of host keys that are not known, or no longer those that are: the same in every command."""

from __future__ import annotations

import shlex

from backend.translation import _


def unknown_key(name: str) -> str:
    """`name`: the host as known_hosts has it."""
    return _("the host key of {name} is not known").format(name=name)


def says_unknown_key(reason: str) -> bool:
    """Whether a reason is `unknown_key` of some host, with or without what follows."""
    before, after = unknown_key("\0").split("\0")
    return reason.startswith(before) and after in reason


def changed_key_fix(name: str, file: str) -> str:
    """Without the new key: it may be somebody else's, and is not to be pasted before that is known."""
    fix = _("find out why; only if the node was reinstalled: {command}, then `npudeck fleet trust`")
    return fix.format(command=shlex.join(["ssh-keygen", "-R", name, "-f", file]))
