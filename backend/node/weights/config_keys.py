"""Values of a config.json, each checked when it is taken."""

from __future__ import annotations

from gettext import gettext as _
from typing import Any, Iterable, Mapping, Optional, Tuple

from backend.node.job_lines import JobError

# More than any model has: a count above it is damage or malice, and would only be counted up to.
MOST = 10**9
MOST_LAYERS = 10_000
_LARGEST_SCALE = 10**6
_MOST_SHOWN = 40


def is_number(value: Any) -> bool:
    """Whether it is a number above 0 that a float can hold: true is none, neither is NaN."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1e300


def is_scale(value: Any) -> bool:
    """Whether a rank or an alpha of an adapter can be true: no weights are left under a change that is scaled
    a million times."""
    return is_number(value) and value <= _LARGEST_SCALE


def shown(value: object) -> str:
    """A value in a message: a text in quotes, what is long cut short."""
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "…"


class ConfigKeys:
    """`config` is the parsed file; errors are JobErrors about `field` that name the key."""

    def __init__(self, config: Mapping[str, Any], field: str) -> None:
        self.config = config
        self._field = field

    def count(self, name: str, default: Optional[int] = None, most: int = MOST) -> int:
        """A whole number from 1 to `most`; `default` where the key is missing or null."""
        value = self.config.get(name)
        if value is None:
            if default is None:
                raise self.missing(name)
            return default
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise self.wrong(name, _("it must be a whole number of at least 1"))
        if value > most:
            raise self.wrong(name, _("no model has more than {most}").format(most=most))
        return value

    def number(self, name: str, default: float) -> float:
        """A number above 0; `default` where the key is missing or null."""
        value = self.config.get(name)
        if value is None:
            return default
        if not is_number(value):
            raise self.wrong(name, _("it must be a number above 0"))
        return float(value)

    def rotary_settings(self) -> Tuple[Mapping[str, Any], Optional[float]]:
        """What newer configs say of positions in one object, and its theta; nothing where there is none."""
        rope = self.config.get("rope_parameters")
        if rope is None:
            return {}, None
        if not isinstance(rope, dict):
            raise self.wrong("rope_parameters", _("it must be an object"))
        theta = rope.get("rope_theta")
        if theta is not None and not is_number(theta):
            what = _("config.json: {name} is {value}").format(
                name="rope_parameters.rope_theta", value=shown(theta)
            )
            raise JobError(self._field, what, _("it must be a number above 0"))
        return rope, None if theta is None else float(theta)

    def head_dim(self, name: str, hidden: int, heads: int) -> int:
        """The width of a head: the key's, or what the heads leave of the hidden width."""
        if self.config.get(name) is None and hidden % heads:
            what = _("config.json: {heads} heads do not divide the hidden width {hidden}").format(
                heads=heads, hidden=hidden
            )
            raise JobError(self._field, what)
        return self.count(name, hidden // heads or None)

    def dtype(self, known: Iterable[str]) -> str:
        """The name of the weights' dtype, "" where the file does not say."""
        # Newer configs call it dtype.
        name = "torch_dtype" if self.config.get("torch_dtype") is not None else "dtype"
        value = self.config.get(name)
        if value is None:
            return ""
        text = str(value)
        text = text[len("torch.") :] if text.startswith("torch.") else text
        if text not in known:
            raise self.wrong(name, _("known: {names}").format(names=", ".join(known)))
        return text

    def refuse(self, name: str) -> None:
        """Raise when a switch is on for which there is no place in a Megatron tree."""
        if self.config.get(name):
            raise self.wrong(name, _("models with these weights are not supported"))

    def require_true(self, name: str) -> None:
        """Raise when a switch is off that the weights need."""
        if not self.config.get(name, True):
            raise self.wrong(name, _("models without it are not supported"))

    def wrong(self, name: str, why: str) -> JobError:
        what = _("config.json: {name} is {value}").format(name=name, value=shown(self.config.get(name)))
        return JobError(self._field, what, why)

    def error(self, what: str, why: str, fix: str = "") -> JobError:
        """About the whole file."""
        return JobError(self._field, what, why, fix)

    def missing(self, name: str) -> JobError:
        fix = _("fetch the model's config.json again")
        return JobError(self._field, _("config.json does not say {name}").format(name=name), "", fix)
