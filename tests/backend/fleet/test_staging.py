"""Code and files reach a node whole, or not at all."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from loopback_ssh import LoopbackHost

from backend.fleet.node_code_files import load_node_code
from backend.fleet.ssh_client import SshTransport
from backend.fleet.staging import build_node_code, build_node_zip, put_file, stage
from backend.inventory import Node
from backend.problems import NodeError


def test_zip_is_the_same_for_the_same_sources() -> None:
    sources = {"backend/node/b.py": b"B = 1\n", "backend/node/a.py": b"A = 1\n"}
    first = build_node_zip(sources)
    assert first == build_node_zip(dict(reversed(sources.items())))
    names = zipfile.ZipFile(io.BytesIO(first)).namelist()
    assert names == ["__main__.py", "backend/__init__.py", "backend/node/a.py", "backend/node/b.py"]


def test_version_follows_every_byte() -> None:
    base = build_node_code({"a.py": b"1"}, {"job.sh": b"x"})
    assert base.version == build_node_code({"a.py": b"1"}, {"job.sh": b"x"}).version
    assert len(base.version) == 16
    others = [
        build_node_code({"a.py": b"2"}, {"job.sh": b"x"}),
        build_node_code({"a.py": b"1"}, {"job.sh": b"y"}),
        build_node_code({"b.py": b"1"}, {"job.sh": b"x"}),
    ]
    assert len({base.version, *(other.version for other in others)}) == 4


def test_node_code_of_the_package(tmp_path: Path) -> None:
    code = load_node_code()
    assert set(code.files) == {"node.zip", "job.sh", "follow.py", "probe.sh"}
    names = zipfile.ZipFile(io.BytesIO(code.files["node.zip"])).namelist()
    assert "backend/node/__init__.py" in names
    assert not [name for name in names if "__pycache__" in name or not name.endswith(".py")]
    (tmp_path / "node.zip").write_bytes(code.files["node.zip"])
    place = str(tmp_path / "node.zip")
    probe = f"import sys; sys.path[:0] = [{place!r}]; import backend.node as n; print(n.__file__)"
    done = subprocess.run([sys.executable, "-I", "-c", probe], capture_output=True, text=True, check=True)
    assert "node.zip" in done.stdout


async def test_stages_once(transport: SshTransport, node: Node, host: LoopbackHost) -> None:
    code = build_node_code({"backend/node/a.py": b"A = 1\n"}, {"job.sh": b"#!/bin/sh\n", "follow.py": b""})
    directory = f"{node.work_directory}/.npudeck/code/{code.version}"
    assert await stage(transport, node, code, directory) is True
    assert (Path(directory) / "job.sh").read_bytes() == b"#!/bin/sh\n"
    assert (Path(directory) / "node.zip").read_bytes() == code.files["node.zip"]
    before = len(host.commands)
    assert await stage(transport, node, code, directory) is False
    assert len(host.commands) == before + 1
    assert [path.name for path in Path(directory).parent.iterdir()] == [code.version]


async def test_damaged_code_is_sent_again(transport: SshTransport, node: Node) -> None:
    code = build_node_code({"backend/node/a.py": b"A = 1\n"}, {"job.sh": b"#!/bin/sh\n"})
    directory = f"{node.work_directory}/.npudeck/code/{code.version}"
    await stage(transport, node, code, directory)
    (Path(directory) / "job.sh").write_bytes(b"#!/bin/evil\n")
    assert await stage(transport, node, code, directory) is True
    assert (Path(directory) / "job.sh").read_bytes() == b"#!/bin/sh\n"
    assert [path.name for path in Path(directory).parent.iterdir()] == [code.version]


async def test_unwritable_place_is_said(transport: SshTransport, node: Node) -> None:
    code = build_node_code({}, {"job.sh": b""})
    with pytest.raises(NodeError, match="cannot be written"):
        await stage(transport, node, code, "/proc/nowhere/code")


async def test_put_file(transport: SshTransport, node: Node) -> None:
    path = Path(node.work_directory) / "runs" / "it's here" / "job.json"
    await put_file(transport, node, str(path), b'{"a": 1}', 0o600)
    assert path.read_bytes() == b'{"a": 1}'
    assert path.stat().st_mode & 0o777 == 0o600
    await put_file(transport, node, str(path), b"")
    assert path.read_bytes() == b""
    assert [entry.name for entry in path.parent.iterdir()] == ["job.json"]
    with pytest.raises(NodeError, match="cannot be written"):
        await put_file(transport, node, "/proc/nowhere", b"x")


async def test_half_a_file_is_never_there(node: Node) -> None:
    class Short:
        """Delivers half of stdin, as a link that breaks does."""

        async def run(self, node: Node, argv: list[str], *, stdin: bytes = b"", timeout_s: float = 0):  # type: ignore[no-untyped-def]
            from backend.fleet.transport import Completed

            done = subprocess.run(argv, input=stdin[: len(stdin) // 2], capture_output=True, check=False)
            return Completed(done.returncode, done.stdout, done.stderr)

    path = Path(node.work_directory) / "job.json"
    with pytest.raises(NodeError, match="only a part arrived"):
        await put_file(Short(), node, str(path), b"x" * 1000)  # type: ignore[arg-type]
    assert list(path.parent.iterdir()) == []
    code = build_node_code({}, {"job.sh": b"y" * 40_000})
    with pytest.raises(NodeError):
        await stage(Short(), node, code, f"{node.work_directory}/code/{code.version}")  # type: ignore[arg-type]
    assert list((path.parent / "code").iterdir()) == []
