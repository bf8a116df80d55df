"""What of this machine goes where: files and folders, walked once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from backend.problems import InputError
from backend.translation import _


@dataclass(frozen=True, slots=True)
class Item:
    """One file: where it is here, its path below the target folder, its size; or an `empty` folder.

    Empty folders count: git takes no folder for a repository whose refs/ is missing.
    """

    source: Path
    name: str
    size: int
    empty: bool = False


def plan_upload(sources: Sequence[str], into: str = "") -> list[Item]:
    """Files under their names, folders with everything in them; `into` is put before all names.

    With `into` a single folder's contents go right there. Links are followed: a Hugging Face cache is made of
    them. Raises `InputError` for what is neither file nor folder, and for two files of one name.
    """
    items: dict[str, Item] = {}
    for source in sources:
        path = Path(source)
        base = (
            into
            if into and len(sources) == 1 and path.is_dir()
            else "/".join(filter(None, [into, path.name]))
        )
        for item in _walk(path, base):
            if item.name in items:
                raise InputError.because(_("{name} is there twice").format(name=item.name), field="source")
            items[item.name] = item
    if all(item.empty for item in items.values()):
        raise InputError.because(
            _("there is no file in {names}").format(names=", ".join(sources)), field="source"
        )
    return list(items.values())


def _walk(path: Path, name: str, above: frozenset[tuple[int, int]] = frozenset()) -> Iterator[Item]:
    """`above`: the folders that `path` lies in, by device and number."""
    try:
        if name != name.strip() or not name.isprintable():
            what = _("{path!r}: such a name is asking for trouble on a node").format(path=str(path))
            raise InputError.because(what, _("it holds controls, or blanks at its ends"), field="source")
        if path.is_file():
            yield Item(path, name, path.stat().st_size)
            return
        if not path.is_dir():
            what = _("{path} is neither a file nor a folder") if path.exists() else _("there is no {path}")
            if path.is_symlink() and not path.exists():
                what = _("{path} is a link to what is not there")
            raise InputError.because(what.format(path=path), field="source")
        folder = path.stat()
        here = (folder.st_dev, folder.st_ino)
        if here in above:
            what = _("{path} is a link to a folder that it lies in").format(path=path)
            fix = _("remove the link, or name the files and folders beside it one by one")
            raise InputError.because(what, _("it could be followed without end"), fix, field="source")
        entries = sorted(os.scandir(path), key=lambda entry: entry.name)
        if not entries:
            yield Item(path, name, 0, empty=True)
        for entry in entries:
            if not entry.name.startswith(".npudeck"):
                yield from _walk(Path(entry.path), f"{name}/{entry.name}", above | {here})
    except (OSError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or _("its folders lie too deep")
        what = _("{path} cannot be read: {error}").format(path=path, error=reason)
        raise InputError.because(what, field="source") from error
