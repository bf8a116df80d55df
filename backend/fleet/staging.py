"""Put code and files on a node: whole and verified, or not at all."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass

from backend.fleet.login_shell_client import check_commands_run
from backend.fleet.transport import Completed, Transport
from backend.inventory import Node
from backend.problems import NodeError, Problem, Severity
from backend.translation import _

_MAIN = b"import sys\n\nfrom backend.node.main import main\n\nsys.exit(main(sys.argv[1:]))\n"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest time a zip can hold
_SUMS = "SHA256SUMS"

# in two parts: a login shell that prints what it was told to do has not done it
_DONE = "npudeck-done"
_SAY_DONE = "printf 'npudeck-%s\\n' done"

_IS_THERE = f'cd "$1" 2>/dev/null && sha256sum -c - >/dev/null 2>&1 && {_SAY_DONE}'

# stdin ends early when the link breaks: the checksums decide, and only then does the name appear
_UNPACK = f"""
set -eu
umask 022
mkdir -p "$(dirname "$1")"
new=$(mktemp -d "$1.XXXXXX")
trap 'rm -rf "$new"' EXIT
tar -xf - -C "$new"
(cd "$new" && sha256sum -c {_SUMS} >/dev/null)
chmod 755 "$new"
if [ -d "$1" ]; then mv -T "$1" "$new.old"; fi
mv -T "$new" "$1"
rm -rf "$new.old"
{_SAY_DONE}
"""

_PUT = f"""
set -eu
umask 022
folder=$(dirname "$1")
mkdir -p "$folder"
new=$(mktemp "$folder/.put.XXXXXX")
trap 'rm -f "$new"' EXIT
cat >"$new"
[ "$(wc -c <"$new")" -eq "$3" ] || {{ echo "only a part arrived" >&2; exit 1; }}
chmod "$2" "$new"
sync "$new" 2>/dev/null || true
mv -f "$new" "$1"
{_SAY_DONE}
"""


@dataclass(frozen=True, slots=True)
class NodeCode:
    """`version`: 16 hexadecimal digits of the sources' SHA-256. `files`: name in the directory -> content."""

    version: str
    files: dict[str, bytes]


def build_node_code(sources: Mapping[str, bytes], agents: Mapping[str, bytes]) -> NodeCode:
    """`sources` go into node.zip under their names, `agents` stand beside it."""
    digest = hashlib.sha256()
    for name, content in sorted({**sources, **agents}.items()):
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return NodeCode(digest.hexdigest()[:16], {"node.zip": build_node_zip(sources), **agents})


def build_node_zip(sources: Mapping[str, bytes]) -> bytes:
    """What `python node.zip TASK job.json` runs; the same bytes for the same sources."""
    members = {"__main__.py": _MAIN, "backend/__init__.py": b"", **sources}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(members):
            information = zipfile.ZipInfo(name, _EPOCH)
            information.compress_type = zipfile.ZIP_DEFLATED
            information.external_attr = 0o644 << 16
            information.create_system = 3
            archive.writestr(information, members[name])
    return buffer.getvalue()


async def stage(
    transport: Transport, node: Node, code: NodeCode, directory: str, *, timeout_s: float = 60.0
) -> bool:
    """Make `directory` on the node hold `code`; True when it had to be sent. Raises `NodeError`."""
    sums = _checksums(code)
    is_there = ["sh", "-c", _IS_THERE, "sh", directory]
    if _did(await transport.run(node, is_there, stdin=sums, timeout_s=timeout_s)):
        return False
    archive = _tar({**code.files, _SUMS: sums})
    done = await transport.run(
        node, ["sh", "-c", _UNPACK, "sh", directory], stdin=archive, timeout_s=timeout_s
    )
    # where it failed, somebody else may have staged the same version at the same moment
    if not _did(done) and not _did(await transport.run(node, is_there, stdin=sums, timeout_s=timeout_s)):
        await check_commands_run(transport, node, timeout_s=timeout_s)
        raise _failed(node, directory, done.complaint())
    return True


async def put_file(
    transport: Transport, node: Node, path: str, text: bytes, mode: int = 0o644, *, timeout_s: float = 30.0
) -> None:
    """Write one file on the node, folders included; a reader sees the old or the new. Raises `NodeError`."""
    argv = ["sh", "-c", _PUT, "sh", path, f"{mode:o}", str(len(text))]
    done = await transport.run(node, argv, stdin=text, timeout_s=timeout_s)
    if not _did(done):
        await check_commands_run(transport, node, timeout_s=timeout_s)
        raise _failed(node, path, done.complaint())


def _did(done: Completed) -> bool:
    return done.ok and _DONE in done.text()


def _checksums(code: NodeCode) -> bytes:
    lines = (
        f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(code.files.items())
    )
    return "".join(lines).encode()


def _tar(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(files):
            member = tarfile.TarInfo(name)
            member.size = len(files[name])
            member.mode = 0o755 if name.endswith(".sh") else 0o644
            archive.addfile(member, io.BytesIO(files[name]))
    return buffer.getvalue()


def _failed(node: Node, path: str, complaint: str) -> NodeError:
    what = _("{path} cannot be written: {complaint}").format(path=path, complaint=complaint)
    fix = _(
        "see that the node's work_directory exists, has room and belongs to the user who works in it: "
        "npudeck check --fix gives it to the container's"
    )
    return NodeError(Problem(node.name, Severity.ERROR, what, "", fix))
