"""Handlers by the names that ModelLink gives them; a handler's module is imported when it is made."""

from __future__ import annotations

import difflib
import importlib
from gettext import gettext as _
from typing import TYPE_CHECKING, Dict, NamedTuple

from backend.node.job_lines import JobError

if TYPE_CHECKING:
    from backend.node.data.encoder import Encoder
    from backend.node.data.handlers.handler import Handler, HandlerKind, HandlerOptions

_ROOM = "backend.node.data.handlers"
# What ModelLink runs when --handler-name is not given.
DEFAULT_HANDLER = "GeneralPretrainHandler"


class LazyKind(NamedTuple):
    """A handler's class, by the file of this folder that holds it. `styled`: it needs a prompt template."""

    module: str
    name: str
    styled: bool = False

    def __call__(self, options: HandlerOptions, encoder: Encoder) -> Handler:
        kind: HandlerKind = getattr(importlib.import_module(f"{_ROOM}.{self.module}"), self.name)
        return kind(options, encoder)


_KINDS = (
    LazyKind("pretrain", "GeneralPretrainHandler"),
    LazyKind("alpaca_pretrain", "AlpacaPretrainHandler"),
    LazyKind("instruction", "GeneralInstructionHandler"),
    LazyKind("belle", "BelleMultiTurnInstructionHandler"),
    LazyKind("leetcode", "LeetcodePythonInstructionHandler"),
    LazyKind("moss", "MOSSInstructionHandler"),
    LazyKind("moss", "MOSSMultiTurnHandler"),
    LazyKind("alpaca_style", "AlpacaStyleInstructionHandler", True),
    LazyKind("sharegpt_style", "SharegptStyleInstructionHandler", True),
    LazyKind("pairwise", "AlpacaStylePairwiseHandler", True),
    LazyKind("pairwise", "SharegptStylePairwiseHandler", True),
)
HANDLERS: Dict[str, LazyKind] = {kind.name: kind for kind in _KINDS}


def check_handler(name: str, prompt_type: str, has_map_keys: bool = False) -> LazyKind:
    """The kind of handler called `name` ("": the default), before anything is loaded.

    Raises JobError for an unknown name, for a prompt template too many or too few, and for other names of
    columns (`has_map_keys`) where none can be given."""
    kind = HANDLERS.get(name or DEFAULT_HANDLER)
    if kind is None:
        raise _unknown(name)
    if kind.styled and not prompt_type:
        from backend.node.data.handlers.templates import TEMPLATES

        what = _("{handler} needs a prompt template").format(handler=kind.name)
        why = _("it says how a conversation is written as one text")
        raise JobError("prompt_type", what, why, _("one of {names}").format(names=", ".join(TEMPLATES)))
    if has_map_keys and not kind.styled:
        what = _("{handler} reads its columns under their own names").format(handler=kind.name)
        why = _("only handlers with a prompt template know other names")
        raise JobError("map_keys", what, why, _("leave it out, or choose such a handler"))
    if prompt_type and not kind.styled:
        what = _("{handler} does not use a prompt template").format(handler=kind.name)
        names = ", ".join(other.name for other in _KINDS if other.styled)
        why = _("these do: {names}").format(names=names)
        raise JobError("prompt_type", what, why, _("leave it out, or choose one of these handlers"))
    return kind


def make_handler(name: str, options: HandlerOptions, encoder: Encoder) -> Handler:
    """The handler called `name`. Raises JobError when there is none, or when the options do not suit it."""
    return check_handler(name, options.prompt_type)(options, encoder)


def _unknown(name: str) -> JobError:
    what = _("there is no handler {name}").format(name=name)
    lower = {known.lower(): known for known in HANDLERS}
    near = difflib.get_close_matches(name.lower(), list(lower), n=3, cutoff=0.5)
    fix = _("did you mean {names}").format(names=", ".join(lower[word] for word in near)) if near else ""
    return JobError("handler", what, _("there are: {names}").format(names=", ".join(HANDLERS)), fix)
