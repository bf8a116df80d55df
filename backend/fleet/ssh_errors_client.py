"""What asyncssh and the operating system say about a failed login, as Problems a person can act on."""

from __future__ import annotations

import os
import socket

import asyncssh

from backend.fleet.host_key_words import changed_key_fix, unknown_key
from backend.problems import HostKeyError, NodeError, NodeUnreachableError, Problem, Severity
from backend.translation import _


def translated(error: BaseException, label: str, place: str, timeout_s: float, keys: str = "") -> NodeError:
    """The error to raise for node `label` at `place` ("host:port"); `keys` lists what was offered."""
    if isinstance(error, asyncssh.PermissionDenied):
        return _refused_login(error, label, place, keys)
    if isinstance(error, asyncssh.KeyExchangeFailed):
        return _no_common_algorithm(error, label, place)
    if isinstance(error, TimeoutError):
        what = _("{place} did not answer within {seconds:g} s").format(place=place, seconds=timeout_s)
        return NodeUnreachableError(_problem(label, what))
    if isinstance(error, asyncssh.ConfigParseError):
        return NodeError(_problem(label, _("the SSH config cannot be read: {error}").format(error=error)))
    if isinstance(error, asyncssh.KeyImportError | asyncssh.KeyEncryptionError):
        what = _("an SSH key cannot be used: {error}").format(error=error)
        return NodeError(
            _problem(label, what, "", _("a key with a passphrase belongs into ssh-agent (ssh-add)"))
        )
    if isinstance(error, socket.gaierror):
        what = _("the host name {place} cannot be resolved").format(place=place)
        silent = error.errno == socket.EAI_AGAIN
        why = _("the name service does not answer") if silent else str(error.strerror or error)
        return NodeUnreachableError(_problem(label, what, why))
    if isinstance(error, ConnectionRefusedError):
        what = _("{place} refuses the connection").format(place=place)
        return NodeUnreachableError(_problem(label, what, _("no SSH server listens there")))
    if isinstance(error, asyncssh.ChannelOpenError):
        what = _("{place} cannot be reached through the jump host: {error}")
        return NodeUnreachableError(_problem(label, what.format(place=place, error=error.reason)))
    if isinstance(error, FileNotFoundError | PermissionError) and error.filename:
        what = _("{file} cannot be read: {error}").format(file=error.filename, error=error.strerror)
        return NodeError(_problem(label, what))
    if isinstance(error, OSError):
        what = _("{place} cannot be reached: {error}").format(place=place, error=_said(error))
        return NodeUnreachableError(_problem(label, what))
    if isinstance(error, asyncssh.DisconnectError):
        what = _("{place} ended the connection: {error}").format(place=place, error=error.reason)
        return NodeUnreachableError(_problem(label, what))
    return NodeError(_problem(label, _("no SSH to {place}: {error}").format(place=place, error=error)))


def _said(error: OSError) -> str:
    """The system's words: asyncio puts the address in their place, which the message has already."""
    return os.strerror(error.errno) if error.errno else str(error)


def lost(label: str, what: str) -> NodeUnreachableError:
    """The link broke under a call."""
    return NodeUnreachableError(_problem(label, what))


def refused_key(
    label: str,
    host: str,
    port: int,
    offered: asyncssh.SSHKey | None,
    known: asyncssh.SSHKnownHosts,
    files: tuple[str, ...],
    error: asyncssh.HostKeyNotVerifiable,
) -> HostKeyError:
    """Unknown, changed, or revoked: with the fingerprint, the file, and the line that would make it known."""
    name = host if port == 22 else f"[{host}]:{port}"
    if offered is None:
        what = _("the host key of {name} is not accepted: {error}").format(name=name, error=error.reason)
        return HostKeyError(_problem(label, what))
    line = f"{name} {offered.export_public_key('openssh').decode().split(' ', 2)[0]} {_base64(offered)}"
    fingerprint = offered.get_fingerprint()
    before = [key.get_fingerprint() for key in known.match(host, "", None if port == 22 else port)[0]]
    if before:
        what = _("the host key of {name} has changed").format(name=name)
        why = _("it offers {new}, known is {old}; this is also what somebody in between looks like").format(
            new=fingerprint, old=", ".join(before)
        )
        fix = changed_key_fix(name, files[0])
    else:
        what = unknown_key(name)
        why = _("it offers {new}, which is not in {files}").format(new=fingerprint, files=", ".join(files))
        fix = _(
            "compare the fingerprint with the one shown on the node; then `npudeck fleet trust` writes it, "
            "or add to {file}: {line}"
        ).format(file=files[0], line=line)
    return HostKeyError(_problem(label, what, why, fix))


def _refused_login(error: asyncssh.PermissionDenied, label: str, place: str, keys: str) -> NodeError:
    what = _("{place} refuses the login").format(place=place)
    why = _("keys tried: {keys}").format(keys=keys) if keys else _("there was no key to try")
    fix = _("put the public key into ~/.ssh/authorized_keys there, or name another in [ssh] identity_files")
    return NodeError(_problem(label, what, f"{why} ({error.reason})", fix))


def _no_common_algorithm(error: asyncssh.KeyExchangeFailed, label: str, place: str) -> NodeError:
    if "host key" in error.reason.lower():
        what = _("{place} offers none of the kinds of host key that are known for it").format(place=place)
        why = _("its keys have changed, or only an old kind was recorded")
        fix = _("compare its fingerprints with those shown on the node, then add the new key to known_hosts")
        return HostKeyError(_problem(label, what, why, fix))
    return NodeError(
        _problem(
            label, _("no common SSH algorithm with {place}: {error}").format(place=place, error=error.reason)
        )
    )


def _base64(key: asyncssh.SSHKey) -> str:
    return key.export_public_key("openssh").decode().split()[1]


def _problem(label: str, what: str, why: str = "", fix: str = "") -> Problem:
    return Problem(label, Severity.ERROR, what, why, fix)
