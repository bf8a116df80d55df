"""Open a code package on this machine: what it holds, and whether it may be unpacked anywhere."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from backend.fleet.code_package import Layout, Member, complaints, inner_package, layout_of
from backend.problems import InputError, LocalError
from backend.translation import _


@dataclass(frozen=True, slots=True)
class CodePackage:
    """A zip with the code of the guide. `name`: of the file that was given, or of the package inside it."""

    name: str
    path: Path
    layout: Layout
    left_out: tuple[str, ...] = ()


@contextmanager
def opened_package(path: str) -> Iterator[CodePackage]:
    """The package in `path`: itself, or the AscendCloud-LLM zip inside it, which is laid out for the while.

    Raises `InputError` for what is no such package, is not whole, or would unpack elsewhere.
    """
    names = [member.name for member in _members(Path(path))]
    inner = inner_package(names)
    if inner is None:
        yield _checked(Path(path).name, Path(path), ())
        return
    others = tuple(Path(name).name for name in names if name.endswith(".zip") and name != inner)
    with tempfile.TemporaryDirectory(prefix="npudeck-package-") as folder:
        copy = Path(folder) / Path(inner).name
        _lay_out(path, inner, copy)
        yield _checked(copy.name, copy, others)


def _lay_out(path: str, inner: str, copy: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            size = archive.getinfo(inner).file_size
            room = shutil.disk_usage(copy.parent).free
            if size > room:
                raise LocalError.because(
                    _("the package inside {path} needs {size} MB in {folder}, {room} MB are free").format(
                        path=path, size=size // 1_000_000, folder=copy.parent.parent, room=room // 1_000_000
                    ),
                    fix=_("make room, name another folder in TMPDIR, or unpack it and push what is inside"),
                )
            with archive.open(inner) as source, copy.open("wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)
    except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError, zlib.error) as error:
        raise _broken(path, str(error)) from error


def _checked(name: str, path: Path, left_out: tuple[str, ...]) -> CodePackage:
    members = _members(path)
    layout = layout_of(member.name for member in members)
    if layout.missing:
        raise InputError.because(
            _("{name} is no code package of the guide").format(name=name),
            _("it lacks {names}").format(names=", ".join(layout.missing)),
            _("take AscendCloud-….zip, or the AscendCloud-LLM-….zip inside it"),
            field="source",
        )
    if found := complaints(members):
        raise InputError.because(
            _("{name} is not unpacked").format(name=name), "; ".join(found[:3]), field="source"
        )
    _refuse_damage(path)
    return CodePackage(name, path, layout, left_out)


def _refuse_damage(path: Path) -> None:
    """Found here, it costs one message; found on the nodes, an upload to each of them."""
    try:
        with zipfile.ZipFile(path) as archive:
            bad = archive.testzip()
    except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, zlib.error) as error:
        raise _broken(path.name, str(error)) from error
    if bad is not None:
        raise _broken(path.name, _("the checksum of {name} is wrong").format(name=bad))


def _members(path: Path) -> list[Member]:
    try:
        with zipfile.ZipFile(path) as archive:
            return [
                Member(
                    info.filename, info.file_size, info.external_attr >> 16 if info.create_system == 3 else 0
                )
                for info in archive.infolist()
            ]
    except OSError as error:
        what = _("{path} cannot be read").format(path=path)
        raise InputError.because(what, error.strerror or str(error), field="source") from error
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise _broken(str(path), str(error)) from error


def _broken(path: str, why: str) -> InputError:
    what = _("{path} cannot be read as a zip").format(path=path)
    return InputError.because(
        what, why, _("compare its size and checksum with the download's"), field="source"
    )
