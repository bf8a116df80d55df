"""The fleet's own files on this machine, written whole, with a refusal in words."""

from __future__ import annotations

from pathlib import Path

from backend.problems import InputError, LocalError, Problem, Severity
from backend.translation import _
from backend.whole_files import NotRegularError, put_whole


def write_whole(
    path: str, text: str | bytes, mode: int | None = None, *, field: str = "", new: bool = False
) -> bool:
    """`put_whole`, with folders made. Raises `InputError` where something else than a file is, `LocalError`
    when it cannot be written; `field` is where the problem points.
    """
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        return put_whole(path, text, mode=mode, new=new)
    except NotRegularError as error:
        what = _("{path} is not a regular file").format(path=path)
        raise InputError(Problem(field, Severity.ERROR, what, "", _("name another file"))) from error
    except UnicodeEncodeError as error:
        what = _("{path} cannot be written: {word!r} is not UTF-8 text")
        word = error.object[max(0, error.start - 20) : error.end + 20]
        raise InputError(Problem(field, Severity.ERROR, what.format(path=path, word=word))) from error
    except OSError as error:
        what = _("{path} cannot be written: {error}").format(path=path, error=error.strerror)
        raise LocalError(Problem(field, Severity.ERROR, what)) from error
