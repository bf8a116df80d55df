"""SFTP of a demo node: the same files under the same names as its commands see."""

from __future__ import annotations

import os
from pathlib import Path

import asyncssh


class RemoteFiles(asyncssh.SFTPServer):
    """Relative names start at the node's home, as with sshd; absolute ones are those of this machine."""

    def __init__(self, channel: asyncssh.SSHServerChannel[bytes], home: Path) -> None:
        super().__init__(channel)
        self._home = os.fsencode(home)

    def map_path(self, path: bytes) -> bytes:
        return os.path.join(self._home, path)  # noqa: PTH118 - names are bytes here
