"""What runs on a node to unpack the code package and to say what code lies there; and what it prints. Pure.

Python 3.9 without anything else. A script that somebody edited (the guide tells to) is never overwritten
unasked: a file counts as edited when it differs from what npudeck put there, which the manifest remembers.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from backend.fleet.code_package import CODE, NEEDED, SOURCES

MARK = "npudeck-code "

UNPACK = r"""
import hashlib, json, os, shutil, sys, tempfile, time, zipfile

archive_path, folder, prefix, package, overwrite = sys.argv[1:6]
manifest_path = os.path.join(folder, "llm_train", ".npudeck-code.json")


def say(**words):
    print("npudeck-code " + json.dumps(words), flush=True)


def digest(path):
    found = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            found.update(block)
    return found.hexdigest()


def put(source, target, mode):
    os.makedirs(os.path.dirname(target), exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=".npudeck-", dir=os.path.dirname(target))
    try:
        with os.fdopen(handle, "wb") as sink:
            shutil.copyfileobj(source, sink, 1 << 20)
            sink.flush()
            os.fsync(sink.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise


try:
    with open(manifest_path) as file:
        before = json.load(file)["files"]
except (OSError, ValueError, KeyError):
    before = {}
with zipfile.ZipFile(archive_path) as archive:
    files, fresh, edited = {}, [], []
    for info in archive.infolist():
        name = info.filename[len(prefix):]
        if info.is_dir() or not info.filename.startswith(prefix) or not name:
            continue
        with archive.open(info) as source:
            found = hashlib.sha256()
            for block in iter(lambda: source.read(1 << 20), b""):
                found.update(block)
        files[name] = found.hexdigest()
        target = os.path.join(folder, name)
        there = digest(target) if os.path.isfile(target) else None
        if there == files[name]:
            continue
        fresh.append((info, name))
        if there is not None and before.get(name) != there:
            edited.append(name)
    if edited and overwrite != "yes":
        say(state="edited", edited=edited[:20], count=len(edited))
        sys.exit(0)
    aside = os.path.join(folder, ".npudeck", "edited", time.strftime("%Y%m%d-%H%M%S"))
    for name in edited:
        os.makedirs(os.path.dirname(os.path.join(aside, name)), exist_ok=True)
        shutil.copy2(os.path.join(folder, name), os.path.join(aside, name))
    for info, name in fresh:
        mode = info.external_attr >> 16 & 0o777 | (0o755 if name.endswith(".sh") else 0o644)
        with archive.open(info) as source:
            put(source, os.path.join(folder, name), mode)
text = json.dumps({"package": package, "sha256": digest(archive_path), "at": int(time.time()),
                   "files": files})
os.makedirs(os.path.dirname(manifest_path), exist_ok=True)
import io
put(io.BytesIO(text.encode()), manifest_path, 0o644)
say(state="unpacked" if fresh else "same", written=len(fresh), files=len(files), edited=edited[:20],
    count=len(edited), aside=aside if edited else "", tops=sorted({name.split("/")[0] for name in files}))
"""

LOOK = r"""
import hashlib, json, os, subprocess, sys

folder = sys.argv[1]
code = os.path.join(folder, sys.argv[2])
needed, sources = sys.argv[3].split(","), sys.argv[4].split(",")


def commit(path):
    if not os.path.exists(os.path.join(path, ".git")):
        return "no git" if os.path.isdir(path) else "missing"
    git = ["git", "-c", "safe.directory=*", "-C", path]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              check=True, timeout=20).stdout.decode().strip()
        changed = subprocess.run([*git, "status", "--porcelain", "-uno"], stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL, check=True, timeout=60).stdout
        return head + ("+changed" if changed.strip() else "")
    except (OSError, subprocess.SubprocessError):
        return "unreadable"


manifest, changed = {}, []
try:
    with open(os.path.join(folder, "llm_train", ".npudeck-code.json")) as file:
        manifest = json.load(file)
    for name, wanted in manifest["files"].items():
        try:
            with open(os.path.join(folder, name), "rb") as file:
                there = hashlib.sha256(file.read()).hexdigest()
        except OSError:
            there = None
        if there != wanted:
            changed.append(name)
except (OSError, ValueError, KeyError, TypeError, AttributeError):
    pass
missing = [name for name in needed if not os.path.exists(os.path.join(code, name))]
print("npudeck-code " + json.dumps({
    "package": manifest.get("package", ""), "sha256": manifest.get("sha256", ""), "missing": missing,
    "changed": changed[:20], "count": len(changed),
    "commits": {name: commit(os.path.join(code, name)) for name in sources},
}))
"""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """`state`: unpacked, same, or edited (then nothing was written). `edited`: at most 20 of
    `edited_count`. `tops`: what of the package stands in the work directory itself.
    """

    state: str
    written: int = 0
    edited: tuple[str, ...] = ()
    edited_count: int = 0
    aside: str = ""
    tops: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CodeThere:
    """What lies on a node. `commits`: of Megatron-LM and the others: a hash, with +changed where files
    differ.
    """

    package: str
    sha256: str
    missing: tuple[str, ...]
    changed: tuple[str, ...]
    changed_count: int
    commits: tuple[tuple[str, str], ...]


# `python` of the inventory may be the container's, and this runs on the host
_ANY_PYTHON = 'python=$1; shift; command -v "$python" >/dev/null 2>&1 || python=python3; exec "$python" "$@"'


def unpack_argv(
    python: str, archive: str, folder: str, prefix: str, package: str, overwrite: bool
) -> tuple[str, ...]:
    words = ("sh", "-c", _ANY_PYTHON, "sh", python, "-c", UNPACK)
    return (*words, archive, folder, prefix, package, "yes" if overwrite else "no")


def look_argv(python: str, folder: str) -> tuple[str, ...]:
    return (python, "-c", LOOK, folder, CODE, ",".join(NEEDED), ",".join(SOURCES))


def parse_unpacked(text: str) -> Unpacked:
    """Raises `ValueError` for anything else."""
    said = _said(text)
    return Unpacked(
        str(said["state"]),
        int(said.get("written", 0)),
        tuple(map(str, said.get("edited", ()))),
        int(said.get("count", 0)),
        str(said.get("aside", "")),
        tuple(map(str, said.get("tops", ()))),
    )


def parse_look(text: str) -> CodeThere:
    """Raises `ValueError` for anything else."""
    said = _said(text)
    return CodeThere(
        str(said["package"]),
        str(said["sha256"]),
        tuple(map(str, said["missing"])),
        tuple(map(str, said["changed"])),
        int(said["count"]),
        tuple((str(name), str(commit)) for name, commit in said["commits"].items()),
    )


def _said(text: str) -> dict[str, Any]:
    line = next((line for line in text.splitlines() if line.startswith(MARK)), None)
    if line is None:
        raise ValueError(text[-200:])
    said: dict[str, Any] = json.loads(line.removeprefix(MARK))
    return said
