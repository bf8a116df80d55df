"""What is known of the host keys of a fleet, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["known", "unknown", "changed", "revoked", "certified", "unreachable"]


@dataclass(frozen=True, slots=True)
class HostKey:
    """One host, `name` as known_hosts has it. `label`: the node, or the jump host.

    `known`: the key is in one of the files; `unknown`: none is, `line` would make it known in `file`;
    `changed`: another one is (`expected`, fingerprints); `certified`: an authority vouches for the host;
    `unreachable`: it showed no key, `reason` says why. Fingerprints are SHA256:… as ssh-keygen -l shows them.
    """

    label: str
    name: str
    state: State
    algorithm: str = ""
    fingerprint: str = ""
    line: str = ""
    file: str = ""
    expected: tuple[str, ...] = ()
    reason: str = ""
