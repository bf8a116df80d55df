"""What ModelLink's --map-keys may say: which column or tag a handler reads for which of its own names."""

from __future__ import annotations

import difflib
from gettext import gettext as _
from typing import Any, Dict, Iterable, Mapping, Optional

from backend.node.data.handlers.conversations import value_kind
from backend.node.job_lines import JobError

FIELD = "map_keys"


def mapped(given: Optional[Mapping[str, Any]], defaults: Mapping[str, str]) -> Dict[str, str]:
    """`defaults` with what is given instead; their names are allowed, and texts for them. Raises JobError."""
    wanted = given or {}
    check_names(wanted, defaults)
    columns = dict(defaults)
    for name, value in wanted.items():
        if not isinstance(value, str) or not value:
            what = _("{name} is mapped to no name of a column").format(name=name)
            why = _("it is {kind}").format(kind=value_kind(value)) if value != "" else _("it is empty")
            raise JobError(
                FIELD, what, why, _("give the column's name, or leave {name} out").format(name=name)
            )
        columns[name] = value
    return columns


def check_names(given: Mapping[str, Any], allowed: Iterable[str]) -> None:
    """See that nothing but `allowed` is mapped. Raises JobError."""
    names = list(allowed)
    for name in given:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1) or names
            what = _("{name} cannot be mapped").format(name=name)
            raise JobError(FIELD, what, "", _("possible names: {names}").format(names=", ".join(near)))
