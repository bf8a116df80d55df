"""What a data set looks like, by its columns and first rows, and which handler makes tokens of it."""

from __future__ import annotations

from gettext import gettext as _
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

Columns = Dict[str, List[Any]]

TEXT, ALPACA, SHAREGPT, MESSAGES = "text", "alpaca", "sharegpt", "messages"
ALPACA_PAIRWISE, SHAREGPT_PAIRWISE = "alpaca_pairwise", "sharegpt_pairwise"
MOSS, BELLE, LEETCODE, UNKNOWN = "moss", "belle", "leetcode", "unknown"
PREPROCESSED = "preprocessed"

_LEETCODE = ("code_with_problem", "code_only", "explanation_only")
_SHARE = ("from", "value")
_ROLES = ("role", "content")
# ModelLink takes all seven names from the tags that are given: those not given are lost.
_ROLE_TAGS = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
    "observation_tag": "tool",
    "function_tag": "function_call",
    "system_tag": "system",
}


class Suggestion(NamedTuple):
    """A handler and the flags it needs here; `reason` says why it is this one."""

    handler: str
    reason: str
    json_keys: Tuple[str, ...] = ("text",)
    prompt_type: str = ""
    map_keys: Optional[Dict[str, Any]] = None


class Shape(NamedTuple):
    """`what`: one of the names above; `title`: the same in words; `suggested`: its handler is "" when nothing
    is known; `alternatives`: others that would take the same data."""

    what: str
    title: str
    suggested: Suggestion
    alternatives: Tuple[Suggestion, ...] = ()


def recognise(columns: Columns, prompt_type: str = "") -> Shape:
    """The shape of a data set with these first rows: values of each column, None where a row has none.

    With a prompt type only handlers that use one are suggested."""
    makers: Sequence[Callable[[Columns, str], Optional[Shape]]] = (
        _moss,
        _leetcode,
        _conversations,
        _alpaca,
        _plain,
    )
    for make in makers:
        shape = make(columns, prompt_type)
        if shape:
            return shape
    reason = _("the columns {names} are not those of a known kind of training data").format(
        names=", ".join(columns) or _("(none)")
    )
    return Shape(UNKNOWN, title_of(UNKNOWN), Suggestion("", reason))


def title_of(what: str) -> str:
    """A shape in words."""
    titles = {
        TEXT: _("plain text"),
        ALPACA: _("Alpaca instructions"),
        ALPACA_PAIRWISE: _("Alpaca instructions with a chosen and a rejected answer"),
        SHAREGPT: _("ShareGPT conversations"),
        SHAREGPT_PAIRWISE: _("ShareGPT conversations with a chosen and a rejected answer"),
        MESSAGES: _("conversations of messages with role and content"),
        MOSS: _("MOSS conversations"),
        BELLE: _("Belle conversations of several turns"),
        LEETCODE: _("programming problems with solution and explanation"),
        PREPROCESSED: _("already preprocessed"),
        UNKNOWN: _("not a known kind of training data"),
    }
    return titles[what]


def _texts(columns: Columns, name: str) -> List[str]:
    return [value for value in columns.get(name, ()) if isinstance(value, str)]


def _all_text(columns: Columns, name: str) -> bool:
    """Whether every row has a text there."""
    values = columns.get(name, ())
    return bool(values) and all(isinstance(value, str) for value in values)


def _moss(columns: Columns, _prompt_type: str) -> Optional[Shape]:
    chats = [chat for chat in columns.get("chat", ()) if isinstance(chat, dict)]
    turns = [turn for chat in chats for turn in chat.values() if isinstance(turn, dict)]
    if not any("Human" in turn and "MOSS" in turn for turn in turns):
        return None
    reason = _("the column chat holds turns of Human and MOSS")
    other = Suggestion(
        "MOSSMultiTurnHandler", _("for Baichuan models, whose own ids of user and assistant it writes")
    )
    return Shape(MOSS, title_of(MOSS), Suggestion("MOSSInstructionHandler", reason), (other,))


def _leetcode(columns: Columns, _prompt_type: str) -> Optional[Shape]:
    if not all(_texts(columns, name) for name in _LEETCODE):
        return None
    reason = _("there are the columns {names}").format(names=", ".join(_LEETCODE))
    return Shape(LEETCODE, title_of(LEETCODE), Suggestion("LeetcodePythonInstructionHandler", reason))


def _conversations(columns: Columns, prompt_type: str) -> Optional[Shape]:
    for name, values in columns.items():
        message = _first_message(values)
        if message is None:
            continue
        what, tags = (SHAREGPT, None) if set(_SHARE) <= set(message) else (MESSAGES, dict(_ROLE_TAGS))
        if what == MESSAGES and not set(_ROLES) <= set(message):
            continue
        mapped: Dict[str, Any] = {} if name == "conversations" else {"messages": name}
        if tags:
            mapped["tags"] = tags
        # These columns are read only where they are mapped.
        mapped.update({key: key for key in ("system", "tools") if any(_texts(columns, key))})
        reason = _("the column {name} holds lists of messages with {keys}").format(
            name=name, keys=" + ".join(_SHARE if what == SHAREGPT else _ROLES)
        )
        handler = "SharegptStyleInstructionHandler"
        if all(any(isinstance(one, dict) for one in columns.get(key, ())) for key in ("chosen", "rejected")):
            what, handler = SHAREGPT_PAIRWISE, "SharegptStylePairwiseHandler"
        suggestion = Suggestion(handler, reason, prompt_type=prompt_type, map_keys=mapped or None)
        return Shape(what, title_of(what), suggestion)
    return None


def _first_message(values: Sequence[Any]) -> Optional[Dict[str, Any]]:
    for value in values:
        if isinstance(value, list) and value and isinstance(value[0], dict):
            return value[0]
    return None


def _alpaca(columns: Columns, prompt_type: str) -> Optional[Shape]:
    if not _texts(columns, "instruction"):
        return None
    if columns.get("chosen") and columns.get("rejected"):
        reason = _("there are the columns instruction, chosen and rejected")
        suggestion = Suggestion("AlpacaStylePairwiseHandler", reason, prompt_type=prompt_type)
        return Shape(ALPACA_PAIRWISE, title_of(ALPACA_PAIRWISE), suggestion)
    if not columns.get("output"):
        return None
    styled = Suggestion(
        "AlpacaStyleInstructionHandler",
        _("it takes rows without input, and writes them in the model's own prompt format"),
        prompt_type=prompt_type,
    )
    text = (Suggestion("GeneralPretrainHandler", _("for pretraining on the column text")),)
    others = text if _all_text(columns, "text") else ()
    turns = _texts(columns, "instruction")
    if not prompt_type and sum("Human:" in one and "Assistant:" in one for one in turns) * 2 > len(turns):
        reason = _("most instructions hold turns of Human: and Assistant:")
        suggestion = Suggestion("BelleMultiTurnInstructionHandler", reason)
        return Shape(BELLE, title_of(BELLE), suggestion, others)
    if prompt_type or not _all_text(columns, "input"):
        return Shape(ALPACA, title_of(ALPACA), styled, others)
    general = Suggestion(
        "GeneralInstructionHandler", _("there are the columns instruction, input and output")
    )
    return Shape(ALPACA, title_of(ALPACA), general, (styled, *others))


def _plain(columns: Columns, _prompt_type: str) -> Optional[Shape]:
    names = [name for name in columns if _texts(columns, name)]
    if not names:
        return None
    # The usual names first, then the column with the longest texts.
    chosen = next((name for name in ("text", "content") if name in names), "")
    if not chosen:
        chosen = max(names, key=lambda name: sum(map(len, _texts(columns, name))))
    reason = _("the column {name} holds text").format(name=chosen)
    return Shape(TEXT, title_of(TEXT), Suggestion("GeneralPretrainHandler", reason, (chosen,)))
