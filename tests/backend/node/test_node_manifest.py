from __future__ import annotations

import os
from pathlib import Path

from backend.node import manifest


def make(tmp_path: Path) -> tuple[str, dict[str, object]]:
    source = tmp_path / "in.txt"
    source.write_text("data")
    (tmp_path / "out.bin").write_bytes(b"1234")
    made_from: dict[str, object] = {"inputs": [manifest.describe_file(str(source))], "keys": ("a", "b")}
    path = str(tmp_path / "out.manifest.json")
    manifest.write(path, made_from, {"records": 1}, [str(tmp_path / "out.bin")], {"lib": "1"})
    return path, made_from


def test_unchanged_is_current(tmp_path: Path) -> None:
    path, made_from = make(tmp_path)
    assert manifest.is_current(manifest.read(path), made_from, str(tmp_path))


def test_an_output_of_another_size_is_not_current(tmp_path: Path) -> None:
    path, made_from = make(tmp_path)
    (tmp_path / "out.bin").write_bytes(b"123")
    assert not manifest.is_current(manifest.read(path), made_from, str(tmp_path))
    (tmp_path / "out.bin").unlink()
    assert not manifest.is_current(manifest.read(path), made_from, str(tmp_path))


def test_other_settings_are_not_current(tmp_path: Path) -> None:
    path, made_from = make(tmp_path)
    assert not manifest.is_current(manifest.read(path), {**made_from, "keys": ["a"]}, str(tmp_path))


def test_a_damaged_manifest_counts_as_none(tmp_path: Path) -> None:
    path, made_from = make(tmp_path)
    Path(path).write_text("{")
    assert manifest.read(path) is None
    assert not manifest.is_current(None, made_from, str(tmp_path))


def test_a_change_inside_is_seen_with_equal_size_and_time(tmp_path: Path) -> None:
    source = tmp_path / "in.bin"
    source.write_bytes(bytes(1 << 20))
    before = manifest.describe_file(str(source))
    with source.open("r+b") as stream:
        stream.seek((1 << 19) + 5)
        stream.write(b"x")
    os.utime(source, ns=(before["mtime_ns"], before["mtime_ns"]))
    after = manifest.describe_file(str(source))
    assert (before["size"], before["mtime_ns"]) == (after["size"], after["mtime_ns"])
    assert before["fingerprint"] != after["fingerprint"]
