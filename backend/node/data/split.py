"""Raw data cut into files for several machines, such that their results together are those of one go."""

from __future__ import annotations

import contextlib
import os
from gettext import gettext as _
from gettext import ngettext
from typing import Iterator, List, Sequence, Union

from backend.node import durable
from backend.node.data import kinds
from backend.node.data.blocks import count_rows
from backend.node.data.inputs import find_inputs
from backend.node.data.new_folder import check_folder, made_folder
from backend.node.data.raw_rows import RawRows, open_raw_rows
from backend.node.ending import ended_by_signals
from backend.node.job_lines import JobError
from backend.node.storage_faults import storage_faults

ROWS_MULTIPLE = 50


def split(
    wanted: Union[str, Sequence[str]],
    directory: str,
    parts: int,
    rows_multiple: int = ROWS_MULTIPLE,
    force: bool = False,
) -> List[str]:
    """Cut the rows of the files `wanted` into `parts` files of nearly equal row counts; returns their paths.

    Every border lies at a multiple of `rows_multiple` rows, because rows are handled in groups of so many.
    JSON becomes JSON lines, CSV keeps its header, parquet stays parquet, all of them unpacked. `directory` is
    made when absent. All files get their names at the end, or none does, and a new directory goes again.
    Raises JobError (field "input", "directory", "parts", "force") and StorageError."""
    if not directory:
        what = _("the name of the folder is empty")
        raise JobError("directory", what, "", _("name the folder that the files go to"))
    with ended_by_signals(), storage_faults("directory", directory):
        check_folder(directory, "directory")
        return _split(find_inputs(wanted), directory, parts, rows_multiple, force)


def _split(files: List[str], directory: str, parts: int, rows_multiple: int, force: bool) -> List[str]:
    rows = sum(map(count_rows, files))
    groups = -(-rows // rows_multiple)
    if groups < parts:
        text = ngettext(
            "{rows:,} row cannot be cut into {parts:,} files",
            "{rows:,} rows cannot be cut into {parts:,} files",
            rows,
        )
        what = text.format(rows=rows, parts=parts)
        why = _("every file takes whole groups of {size} rows").format(size=rows_multiple)
        raise JobError("parts", what, why, _("ask for at most {groups}").format(groups=groups))
    borders = [min(rows, rows_multiple * (groups * part // parts)) for part in range(parts + 1)]
    with open_raw_rows(files) as source:
        stem = os.path.join(directory, _stem(files[0]))
        paths = [f"{stem}-{part + 1:05}-of-{parts:05}.{source.suffix}" for part in range(parts)]
        _refuse_existing(paths, files, force)
        with made_folder(directory), _removed_on_failure(paths):
            for path, begin, end in zip(paths, borders, borders[1:]):
                _write(source, path, end - begin)
            for path in paths:
                durable.publish(path)
    return paths


def _write(source: RawRows, path: str, count: int) -> None:
    with durable.open_temporary(path) as stream:
        source.write(stream, count)


def _stem(path: str) -> str:
    """The name of a file without what tells its kind: "a" of `a.jsonl.gz`."""
    name = os.path.basename(path)
    suffix = kinds.suffix_of(path)
    return name[: name.rindex("." + suffix)] if suffix in kinds.SUFFIXES else name


def _refuse_existing(paths: List[str], files: List[str], force: bool) -> None:
    own = {os.path.realpath(path) for path in files}
    for path in paths:
        if os.path.realpath(path) in own:
            what = _("{path} is one of the files to be cut").format(path=path)
            raise JobError("directory", what, "", _("write to another folder"))
        if os.path.exists(path) and not force:
            what = _("{path} is there already").format(path=path)
            raise JobError("force", what, "", _("choose another folder, or allow to replace it"))


@contextlib.contextmanager
def _removed_on_failure(paths: List[str]) -> Iterator[None]:
    """The finished temporary files do not stay behind when a later one fails."""
    try:
        yield
    except BaseException:
        for path in paths:
            with contextlib.suppress(OSError):
                os.unlink(durable.temporary_name(path))
        raise
