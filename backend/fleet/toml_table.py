"""Read one TOML table key by key, collecting every problem instead of stopping at the first."""

from __future__ import annotations

from typing import Any

from backend.fleet.node_sets import nearest
from backend.problems import Problem, Severity
from backend.translation import _

_KINDS = {
    str: _("a text in quotes"),
    int: _("a whole number"),
    float: _("a number"),
    list: _("a list of texts"),
}


class TomlTable:
    """`place` is where the table stands ("nodes[2]"); problems go into the list that all tables share."""

    def __init__(self, value: Any, place: str, problems: list[Problem]) -> None:
        self.place = place
        self._problems = problems
        self._values: dict[str, Any] = {}
        self._asked: set[str] = set()
        if isinstance(value, dict):
            self._values = value
        elif value is not None:
            self.problem("", _("{place} must be a table").format(place=place))

    def problem(self, key: str, what: str, why: str = "", fix: str = "", suggestion: str = "") -> None:
        place = ".".join(part for part in (self.place, key) if part)
        self._problems.append(Problem(place, Severity.ERROR, what, why, fix, suggestion))

    def text(self, key: str, default: str | None = None, *, required: bool = False) -> str | None:
        """A text of one line without control characters. An empty one counts as absent."""
        value = self._get(key, str, default)
        if isinstance(value, str) and not _one_line(value):
            self.problem(key, _("{key} holds a control character").format(key=key))
            return default
        if required and not value:
            self.problem(key, _("{key} is missing").format(key=key))
        return value or default

    def whole(self, key: str, default: int | None, low: int, high: int) -> int | None:
        value: int | None = self._get(key, int, default)
        if value is not None and not low <= value <= high:
            self.problem(
                key, _("{value} is not between {low} and {high}").format(value=value, low=low, high=high)
            )
            return default
        return value

    def seconds(self, key: str, default: float) -> float:
        value = self._get(key, float, default)
        if not 0 < value <= 3600:
            self.problem(key, _("{value} s is not between 0 and 3600").format(value=value))
            return default
        return float(value)

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._get(key, list, [])
        if not all(isinstance(item, str) and item and _one_line(item) for item in value):
            self.problem(key, _("{key} must be {kind}").format(key=key, kind=_KINDS[list]))
            return ()
        return tuple(value)

    def value(self, key: str) -> Any:
        """As it stands, for what is a table or a list of tables itself."""
        self._asked.add(key)
        return self._values.get(key)

    def rest(self) -> dict[str, Any]:
        """Everything, for a table whose keys are the user's own names."""
        self._asked.update(self._values)
        return self._values

    def finish(self) -> None:
        """Call when all keys have been asked for: whatever is left over is a spelling mistake."""
        for key in self._values:
            if key not in self._asked:
                close = nearest(key, self._asked)
                fix = _("did you mean {name!r}?").format(name=close) if close else ""
                known = _("known keys: {keys}").format(keys=", ".join(sorted(self._asked)))
                self.problem(key, _("unknown key {key!r}").format(key=key), known, fix, close)

    def _get(self, key: str, kind: type, default: Any) -> Any:
        self._asked.add(key)
        value = self._values.get(key)
        if value is None:
            return default
        wanted = (int, float) if kind is float else kind
        if not isinstance(value, wanted) or isinstance(value, bool):
            self.problem(key, _("{key} must be {kind}").format(key=key, kind=_KINDS[kind]))
            return default
        return value


def _one_line(text: str) -> bool:
    """Without control characters: none of our values has a use for them, and a terminal may."""
    return not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in text)
