"""Values of a config.json, each checked when it is taken."""

from __future__ import annotations

from gettext import gettext as _
from typing import Any, Iterable, Mapping, Optional

from backend.node.job_lines import JobError


class ConfigKeys:
    """`config` is the parsed file; errors are JobErrors about `field` that name the key."""

    def __init__(self, config: Mapping[str, Any], field: str) -> None:
        self.config = config
        self._field = field

    def count(self, name: str, default: Optional[int] = None) -> int:
        """A whole number of at least 1; `default` where the key is missing or null."""
        value = self.config.get(name)
        if value is None:
            if default is None:
                raise self.missing(name)
            return default
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise self.wrong(name, _("it must be a whole number of at least 1"))
        return value

    def number(self, name: str, default: float) -> float:
        """A number above 0; `default` where the key is missing or null."""
        value = self.config.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
            raise self.wrong(name, _("it must be a number above 0"))
        return float(value)

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
        what = _("config.json: {name} is {value}").format(name=name, value=self.config.get(name))
        return JobError(self._field, what, why)

    def missing(self, name: str) -> JobError:
        fix = _("fetch the model's config.json again")
        return JobError(self._field, _("config.json does not say {name}").format(name=name), "", fix)
