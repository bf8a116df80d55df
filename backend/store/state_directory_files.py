"""Where npudeck keeps what it must remember: `$XDG_STATE_HOME/npudeck`, else `~/.local/state/npudeck`."""

from __future__ import annotations

import os
from pathlib import Path

from backend.problems import LocalError
from backend.translation import _


def state_directory() -> Path:
    """The directory, made private on first use. Raises `LocalError` when it cannot be made or written."""
    return private_directory(state_place())


def state_place() -> Path:
    """Where it is, or would be: for who only reads, and has read all where it is not there.

    Raises `LocalError` for a user without a home.
    """
    base = os.environ.get("XDG_STATE_HOME") or ""
    if base.startswith("/"):
        return Path(base) / "npudeck"
    try:
        return Path.home() / ".local" / "state" / "npudeck"
    except RuntimeError as error:
        raise LocalError.because(
            _("there is no home directory to keep the state in"),
            str(error),
            _("set XDG_STATE_HOME to a directory that you may write"),
        ) from error


def private_directory(path: Path) -> Path:
    """Make a directory that only its owner can read. Raises `LocalError`."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        writable = os.access(path, os.W_OK | os.X_OK)
    except OSError as error:
        raise LocalError.because(
            _("cannot make the state directory {path}").format(path=path),
            error.strerror or str(error),
            _("set XDG_STATE_HOME to a directory that you may write"),
        ) from error
    if not writable:
        raise LocalError.because(
            _("cannot write to the state directory {path}").format(path=path),
            _("permission denied"),
            _("make it yours (chown), or set XDG_STATE_HOME to a directory that you may write"),
        )
    return path


def run_directory(run_id: str) -> Path:
    """A run's own directory: recipe and inventory as launched, mirrors of its logs, the supervisor's log."""
    return private_directory(state_directory() / "runs" / run_id)
