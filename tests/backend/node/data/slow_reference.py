"""The rules of the data stage once more: one text at a time, plain lists, nothing cut, nothing shared.

`files_of(job)` gives the bytes of every file that a job has to write, by the end of its name. It reads the
rules as they are written down, without any of the shortcuts of the stage, and uses none of its code; that is
its whole worth, so please keep it slow.
"""

from __future__ import annotations

import csv
import io
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer
from tokenizers.processors import TemplateProcessing

Row = dict[str, Any]
Message = tuple[str, str]
# what a handler makes of one row: per key the row's sequences
Made = dict[str, list[list[int]]]

IGNORED = -100
GROUP = 50
LIMIT = 1_000_000
SAMPLE_KEYS = ("input_ids", "attention_mask", "labels")
PAIR_KEYS = ("chosen_input_ids", "chosen_labels", "rejected_input_ids", "rejected_labels")


# ---------------------------------------------------------------------------------------- the tokenizer

# class (without its "Fast") -> does it add BOS, does it add EOS, unless the folder says otherwise
_FRAMED = {
    "LlamaTokenizer": (True, False),
    "CodeLlamaTokenizer": (True, False),
    "GemmaTokenizer": (True, False),
    "CohereTokenizer": (True, False),
    "GPTNeoXTokenizer": (False, False),
}
_NAMED = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")


@dataclass
class Words:
    """A tokenizer folder as the rules see it."""

    core: Tokenizer
    bos: str | None
    eos: str | None
    unk: str | None
    additional: tuple[str, ...] = ()

    def whole(self, text: str) -> list[int]:
        return list(self.core.encode(text, add_special_tokens=True).ids)

    def bare(self, text: str) -> list[int]:
        return list(self.core.encode(text, add_special_tokens=False).ids)

    def id_of(self, token: str | None) -> int:
        found = None if token is None else self.core.token_to_id(token)
        if found is None and self.unk is not None:
            found = self.core.token_to_id(self.unk)
        assert found is not None, f"no id for {token!r}"
        return int(found)

    @property
    def eod(self) -> int:
        return self.id_of(self.eos)


def _object_in(path: Path) -> Row:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def _text_of(token: Any) -> str | None:
    text: str | None = token["content"] if isinstance(token, dict) else token
    return text


def _added(token: Any, special: bool = True) -> AddedToken:
    if not isinstance(token, dict):
        return AddedToken(token, normalized=False, special=special)
    flags = {name: token[name] for name in ("single_word", "lstrip", "rstrip", "normalized") if name in token}
    return AddedToken(token["content"], special=token.get("special", special), **flags)


def _add(core: Tokenizer, token: AddedToken) -> None:
    if token.special:
        core.add_special_tokens([token])
    else:
        core.add_tokens([token])


def _add_missing(core: Tokenizer, config: Row) -> None:
    listed = sorted(config.get("added_tokens_decoder", {}).items(), key=lambda entry: int(entry[0]))
    wanted = [_added(entry, special=False) for _, entry in listed]
    wanted += [_added(config[name]) for name in _NAMED if config.get(name)]
    wanted += [_added(token) for token in config.get("additional_special_tokens") or []]
    for token in wanted:
        if token.content not in {known.content for known in core.get_added_tokens_decoder().values()}:
            _add(core, token)


def _frame(core: Tokenizer, config: Row, bos: str | None, eos: str | None) -> None:
    adds = _FRAMED.get(str(config.get("tokenizer_class")).removesuffix("Fast"))
    if adds is None:
        return
    adds_bos, adds_eos = config.get("add_bos_token", adds[0]), config.get("add_eos_token", adds[1])
    pieces = ([bos] if adds_bos else []) + ["$A"] + ([eos] if adds_eos else [])
    used = {piece for piece in pieces if piece and piece != "$A"}
    known = [(piece, core.token_to_id(piece)) for piece in sorted(used)]
    core.post_processor = TemplateProcessing(single=pieces, pair=[*pieces, "$B"], special_tokens=known)


def words_in(folder: Path, prompt_type: str | None = None) -> Words:
    core = Tokenizer.from_file(str(folder / "tokenizer.json"))
    core.no_truncation()
    core.no_padding()
    config = _object_in(folder / "special_tokens_map.json") | _object_in(folder / "tokenizer_config.json")
    _add_missing(core, config)
    bos, eos, unk = (_text_of(config.get(name)) for name in ("bos_token", "eos_token", "unk_token"))
    _frame(core, config, bos, eos)
    core.encode_special_tokens = bool(config.get("split_special_tokens"))
    additional = tuple(str(_text_of(token)) for token in config.get("additional_special_tokens") or ())
    words = Words(core, bos, eos, unk, additional)
    if prompt_type is not None:
        _fit(words, TEMPLATES[prompt_type])
    return words


def _fit(words: Words, template: Template) -> None:
    stops = list(template.stops)
    if template.replaces_eos:
        words.eos = stops.pop(0)
        _add(words.core, _added(words.eos))
    if words.eos is None:
        words.eos = "<|endoftext|>"
        _add(words.core, _added(words.eos))
    for stop in stops:
        if stop not in words.additional:
            _add(words.core, _added(stop))


# ------------------------------------------------------------------------------------------- templates


@dataclass(frozen=True)
class Mark:
    """A piece that is one id: BOS, EOS, or a token by its name."""

    name: str


BOS, EOS = Mark("bos"), Mark("eos")
Piece = str | Mark


def _token(name: str) -> Mark:
    return Mark("token:" + name)


@dataclass(frozen=True)
class Template:
    user: tuple[Piece, ...] = ("{{content}}",)
    assistant: tuple[Piece, ...] | None = None
    system: tuple[Piece, ...] = ("{{content}}",)
    observation: tuple[Piece, ...] | None = None
    function: tuple[Piece, ...] | None = None
    prefix: tuple[Piece, ...] = ()
    separator: tuple[Piece, ...] = ()
    default_system: str = ""
    stops: tuple[str, ...] = ()
    efficient: bool = False
    replaces_eos: bool = False
    has_tools: bool = True
    system_in_user: bool = False

    def closed(self, slot: str) -> tuple[Piece, ...]:
        return (slot,) if self.efficient else (slot, EOS)


_GLM_STOPS = ("<|user|>", "<|observation|>")
_GLM3: dict[str, Any] = {
    "user": (_token("<|user|>"), "\n", "{{content}}", _token("<|assistant|>")),
    "assistant": ("\n", "{{content}}"),
    "observation": (_token("<|observation|>"), "\n", "{{content}}", _token("<|assistant|>")),
    "stops": _GLM_STOPS,
    "efficient": True,
}
_GLM_PREFIX = (_token("[gMASK]"), _token("sop"))


def _im(role: str) -> tuple[str]:
    return (f"<|im_start|>{role}\n{{{{content}}}}<|im_end|>\n<|im_start|>assistant\n",)


_IM: dict[str, Any] = {
    "user": _im("user"),
    "observation": _im("tool"),
    "system": ("<|im_start|>system\n{{content}}<|im_end|>\n",),
    "separator": ("\n",),
    "replaces_eos": True,
}


def _llama3(role: str, after: str = "") -> tuple[str]:
    return (f"<|start_header_id|>{role}<|end_header_id|>\n\n{{{{content}}}}<|eot_id|>{after}",)


_LLAMA3_ANSWER = "<|start_header_id|>assistant<|end_header_id|>\n\n"


def _gemma(role: str) -> tuple[str]:
    return (f"<start_of_turn>{role}\n{{{{content}}}}<end_of_turn>\n<start_of_turn>model\n",)


_INST = Template(user=("[INST] {{content}} [/INST]",), prefix=(BOS,))
_DEEPSEEK = Template(user=("User: {{content}}\n\nAssistant:",), system=("{{content}}\n\n",), prefix=(BOS,))

TEMPLATES: dict[str, Template] = {
    "default": Template(
        user=("Human: {{content}}\nAssistant:",), system=("{{content}}\n",), separator=("\n",)
    ),
    "empty": Template(assistant=("{{content}}",)),
    "chatglm2": Template(
        user=("[Round {{idx}}]\n\n问：{{content}}\n\n答：",),
        prefix=_GLM_PREFIX,
        separator=("\n\n",),
        efficient=True,
    ),
    "chatglm3": Template(
        system=(_token("<|system|>"), "\n", "{{content}}"), prefix=_GLM_PREFIX, has_tools=False, **_GLM3
    ),
    "chatglm3_system": Template(
        system=(*_GLM_PREFIX, _token("<|system|>"), "\n", "{{content}}"),
        function=("{{name}}\n{{arguments}}",),
        default_system="You are ChatGLM3, a large language model trained by Zhipu.AI. "
        "Follow the user's instructions carefully. Respond using markdown.",
        **_GLM3,
    ),
    "glm4": Template(
        user=("<|user|>\n{{content}}<|assistant|>",),
        assistant=("\n{{content}}",),
        system=("<|system|>\n{{content}}",),
        function=("{{name}}\n{{arguments}}",),
        observation=("<|observation|>\n{{content}}<|assistant|>",),
        prefix=("[gMASK]<sop>",),
        stops=_GLM_STOPS,
        efficient=True,
        has_tools=False,
    ),
    "chatml": Template(stops=("<|im_end|>", "<|im_start|>"), **_IM),
    "chatml_de": Template(
        stops=("<|im_end|>", "<|im_start|>"),
        default_system="Du bist ein freundlicher und hilfsbereiter KI-Assistent.",
        **_IM,
    ),
    "qwen": Template(stops=("<|im_end|>",), default_system="You are a helpful assistant.", **_IM),
    "llama3": Template(
        user=_llama3("user", _LLAMA3_ANSWER),
        system=_llama3("system"),
        observation=_llama3("tool", _LLAMA3_ANSWER),
        prefix=(BOS,),
        stops=("<|eot_id|>",),
        replaces_eos=True,
    ),
    "mistral": _INST,
    "mixtral": _INST,
    "gemma": Template(
        user=_gemma("user"),
        observation=_gemma("tool"),
        prefix=(BOS,),
        separator=("<end_of_turn>\n",),
        efficient=True,
    ),
    "llama2": Template(
        user=(BOS, "[INST] {{content}} [/INST]"),
        system=("<<SYS>>\n{{content}}\n<</SYS>>\n\n",),
        system_in_user=True,
    ),
    "alpaca": Template(
        user=("### Instruction:\n{{content}}\n\n### Response:\n",),
        separator=("\n\n",),
        default_system="Below is an instruction that describes a task. "
        "Write a response that appropriately completes the request.\n\n",
    ),
    "deepseek2": _DEEPSEEK,
    "deepseek2-lite": _DEEPSEEK,
}


def _filled(slots: tuple[Piece, ...], **values: str) -> list[Piece]:
    filled: list[Piece] = []
    for slot in slots:
        text = slot
        for name, value in values.items():
            if isinstance(text, str):
                text = text.replace("{{" + name + "}}", value, 1)
        filled.append(text)
    return filled


def _call_of(content: str) -> tuple[str, str]:
    try:
        call = json.loads(content)
        return call["name"], json.dumps(call["arguments"], ensure_ascii=False)
    except (ValueError, KeyError, TypeError):
        return "", ""


def _parameter_line(name: str, parameter: Row, required: Any) -> str:
    line = f"  - {name} ({parameter.get('type', '')}"
    line += ", required" if name in required else ""
    line += f"): {parameter.get('description', '')}"
    if parameter.get("enum"):
        line += ", should be one of [" + ", ".join(parameter["enum"]) + "]"
    if parameter.get("items"):
        line += ", where each item should be " + str(parameter["items"].get("type", ""))
    return line + "\n"


def _tool_lines(tool: Row) -> str:
    parameters = tool["parameters"]
    required = parameters.get("required", [])
    lines = f"> Tool Name: {tool['name']}\nTool Description: {tool.get('description', '')}\nTool Args:\n"
    for name, parameter in parameters["properties"].items():
        lines += _parameter_line(name, parameter, required)
    return lines + "\n"


def tools_text(tools: str) -> str:
    try:
        listed = json.loads(tools)
        if len(listed) == 0:
            return ""
        text = "You have access to the following tools:\n" + "".join(_tool_lines(tool) for tool in listed)
        names = ", ".join(tool["name"] for tool in listed)
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
    text += "Use the following format if using a tool:\n```\n"
    text += f"Action: tool name (one of [{names}]).\n"
    text += "Action Input: the input to the tool, in a JSON format representing the kwargs "
    return text + '(e.g. ```{"input": "hello world", "num_beams": 5}```).\n```\n'


def _message_pieces(template: Template, message: Message, number: int, system: str) -> list[Piece]:
    role, content = message
    if role == "user" and template.system_in_user:
        return _filled(template.user, content=system + content)
    if role == "user":
        return _filled(template.user, content=content, idx=str(number // 2))
    if role == "observation":
        return _filled(template.observation or template.user, content=content)
    if role == "assistant":
        return _filled(template.assistant or template.closed("{{content}}"), content=content)
    name, arguments = _call_of(content)
    slots = template.function or template.closed("Action: {{name}}\nAction Input: {{arguments}}")
    return _filled(slots, name=name, arguments=arguments)


def _pieces(template: Template, messages: list[Message], system: str, tools: str) -> list[list[Piece]]:
    system = system or template.default_system
    head: list[Piece] = []
    if system or tools:
        told = tools_text(tools) if tools and template.has_tools else ""
        head = _filled(template.system, content=system + told)
    made: list[list[Piece]] = []
    for number, message in enumerate(messages):
        before: list[Piece] = []
        inside = ""
        if number == 0 and template.system_in_user:
            before, inside = list(template.prefix), "".join(str(piece) for piece in head)
        elif number == 0:
            before = [*template.prefix, *head]
        elif number % 2 == 0:
            before = list(template.separator)
        made.append(before + _message_pieces(template, message, number, inside))
    return made


def _ids_of(words: Words, pieces: list[Piece]) -> list[int]:
    ids: list[int] = []
    for piece in pieces:
        if isinstance(piece, str):
            ids += words.bare(piece) if piece else []
        elif piece == BOS:
            ids += [words.id_of(words.bos)] if words.bos else []
        elif piece == EOS:
            ids.append(words.eod)
        else:
            ids.append(words.id_of(piece.name.removeprefix("token:")))
    return ids


def _pairs(encoded: list[list[int]]) -> list[tuple[list[int], list[int]]]:
    pairs: list[tuple[list[int], list[int]]] = []
    so_far = 0
    for source, target in zip(encoded[::2], encoded[1::2], strict=True):
        room = LIMIT - so_far
        if room <= 0:
            break
        both = len(source) + len(target)
        share = max(1, int(room * (len(target) / both)) if both else 0)
        source = source[: room - min(share, len(target))]
        target = target[:share]
        pairs.append((source, target))
        so_far += len(source) + len(target)
    return pairs


@dataclass
class Talk:
    """A row of a template handler: the messages asked, the answers, and what stands before them."""

    prompt: list[Message] = field(default_factory=list)
    answers: list[Message] = field(default_factory=list)
    system: str = ""
    tools: str = ""


def _talk_pairs(words: Words, template: Template, talk: Talk, messages: list[Message]) -> list[Any]:
    pieces = _pieces(template, messages, talk.system, talk.tools)
    return _pairs([_ids_of(words, some) for some in pieces])


def _instruction_sample(words: Words, template: Template, talk: Talk, append_eod: bool) -> Made:
    messages = talk.prompt + talk.answers
    if len(talk.prompt) % 2 == 0 or len(talk.answers) != 1:
        messages = [("user", ""), ("assistant", "")]
    ids: list[int] = []
    labels: list[int] = []
    for number, (source, target) in enumerate(_talk_pairs(words, template, talk, messages)):
        masked = [IGNORED] * len(source)
        if template.efficient and number > 0:
            masked = [words.eod] + [IGNORED] * (len(source) - 1)
        ids += source + target
        labels += masked + target
    if not ids and not template.efficient:
        raise ValueError("a sample without ids")
    ends = ([words.eod] if template.efficient else []) + ([words.eod] if append_eod else [])
    ids, labels = ids + ends, labels + ends
    return {"input_ids": [ids], "attention_mask": [[1] * len(ids)], "labels": [labels]}


def _pairwise_sample(words: Words, template: Template, talk: Talk) -> Made:
    end = [words.eod] if template.efficient else []
    good, bad = (_talk_pairs(words, template, talk, [*talk.prompt, answer]) for answer in talk.answers)
    prompt: list[int] = []
    for source, target in good[:-1]:
        prompt += source + target
    prompt += good[-1][0]
    made: Made = {}
    for name, answer in (("chosen", good[-1][1] + end), ("rejected", bad[-1][1] + end)):
        made[f"{name}_input_ids"] = [prompt + answer]
        made[f"{name}_labels"] = [[IGNORED] * len(prompt) + answer]
    return made


# ---------------------------------------------------------------------------- rows of template handlers

_TAGS = {
    "role_tag": "from",
    "content_tag": "value",
    "user_tag": "human",
    "assistant_tag": "gpt",
    "observation_tag": "observation",
    "function_tag": "function_call",
    "system_tag": "system",
}


def _alpaca_talk(row: Row, columns: Row, pairwise: bool) -> Talk | None:
    asked = [row[columns.get("prompt", "instruction")], row[columns.get("query", "input")]]
    talk = Talk(prompt=[("user", "\n".join(part for part in asked if part))])
    talk.system = (row[columns["system"]] if columns.get("system") else "") or ""
    talk.answers = _alpaca_pair(row, columns) if pairwise else _alpaca_answers(row, columns)
    return talk if talk.answers else None


def _alpaca_answers(row: Row, columns: Row) -> list[Message]:
    response = row[columns.get("response", "output")]
    if isinstance(response, str):
        return [("assistant", response)]
    return [("assistant", text) for text in response] if isinstance(response, list) else []


def _alpaca_pair(row: Row, columns: Row) -> list[Message]:
    chosen, rejected = row[columns.get("chosen", "chosen")], row[columns.get("rejected", "rejected")]
    if isinstance(chosen, list):
        chosen, rejected = chosen[0], rejected[1]
    return [("assistant", chosen), ("assistant", rejected)] if isinstance(chosen, str) else []


def _sharegpt_talk(row: Row, columns: Row, pairwise: bool) -> Talk | None:
    tags = columns.get("tags", _TAGS)
    turns = list(row[columns.get("messages", "conversations")])
    role, content = tags.get("role_tag"), tags.get("content_tag")
    talk = Talk()
    if tags.get("system_tag") and turns[0][role] == tags["system_tag"]:
        talk.system = turns.pop(0)[content]
    elif columns.get("system"):
        talk.system = row[columns["system"]] or ""
    talk.tools = (row[columns["tools"]] or "") if columns.get("tools") else ""
    if not _in_order([turn[role] for turn in turns], tags, pairwise):
        return None
    said = [_said(turn, tags) for turn in turns]
    talk.prompt, talk.answers = said[:-1], said[-1:]
    if pairwise:
        both = [row[columns.get("chosen", "chosen")], row[columns.get("rejected", "rejected")]]
        if any(turn[role] not in (tags["assistant_tag"], tags["function_tag"]) for turn in both):
            return None
        talk.prompt, talk.answers = said, [_said(turn, tags) for turn in both]
    return talk


def _in_order(roles: list[str], tags: Row, pairwise: bool) -> bool:
    asks = (tags.get("user_tag"), tags.get("observation_tag"))
    tells = (tags.get("assistant_tag"), tags.get("function_tag"))
    if not roles or len(roles) % 2 != int(pairwise):
        return False
    return all(role in (tells if number % 2 else asks) for number, role in enumerate(roles))


def _said(turn: Row, tags: Row) -> Message:
    names = {
        tags.get("user_tag"): "user",
        tags.get("assistant_tag"): "assistant",
        tags.get("observation_tag"): "observation",
        tags.get("function_tag"): "function",
    }
    return names[turn[tags["role_tag"]]], turn[tags["content_tag"]]


# ----------------------------------------------------------------------------------- the plain handlers

_SYSTEM = (
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request. "
    "Please note that you need to think through your response logically and step by step."
)
_CHAT = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
    "USER: Below is an instruction that describes a task. "
    "Write a response that appropriately completes the request.\n\n### Instruction:\n"
)


def _full_prompt(messages: list[Message]) -> str:
    full = "\n" + _SYSTEM + "\n"
    for role, content in messages:
        head = "### Instruction:" if role == "user" else "### Response:"
        full += head + "\n" + content + "\n"
    return full


def _masked_sample(words: Words, full: str, ends: list[int]) -> tuple[list[int], list[int]]:
    answer = "### Response:"
    prompt = full[: full.rindex(answer) + len(answer)] + "\n"
    hidden = len(words.whole(prompt))
    ids = words.whole(full) + ends
    return ids, [IGNORED] * hidden + ids[hidden:]


def _general_messages(row: Row) -> list[Message]:
    return [("user", row["instruction"] + "\n" + row["input"]), ("assistant", row["output"])]


def _belle_messages(row: Row) -> list[Message]:
    messages: list[Message] = []
    for part in row["instruction"].split("Human:"):
        if part == "":
            continue
        said = [piece.strip() for piece in part.split("Assistant:")]
        if len(said) == 1:
            messages.append(("assistant", said[0]))
        else:
            messages += [("user", said[0]), ("assistant", said[1])]
    messages.pop()
    return [*messages, ("assistant", row["output"].strip())]


def _leetcode_messages(row: Row) -> list[Message]:
    problem = row["code_with_problem"].split("```")[0].strip()
    return [("user", problem), ("assistant", row["code_only"] + "\n" + row["explanation_only"])]


def _moss_turns(row: Row) -> list[tuple[str, str]]:
    turns = []
    for turn in row["chat"].values():
        if turn:
            user = turn["Human"].replace("<eoh>", "").replace("<|Human|>: ", "").strip()
            assistant = turn["MOSS"].replace("<|MOSS|>:", "").replace("<eom>", "").strip()
            turns.append((user, assistant))
    return turns


def _moss_samples(words: Words, row: Row) -> Made:
    made: Made = {key: [] for key in SAMPLE_KEYS}
    messages: list[Message] = []
    for user, assistant in _moss_turns(row):
        messages += [("user", user), ("assistant", assistant)]
        ids, labels = _masked_sample(words, _full_prompt(messages), [])
        made["input_ids"].append(ids)
        made["attention_mask"].append([1] * len(ids))
        made["labels"].append(labels)
    return made


def _moss_multi(words: Words, row: Row) -> Made:
    ids: list[int] = []
    labels: list[int] = []
    for user, assistant in _moss_turns(row):
        asked, told = words.whole(user), words.whole(assistant)
        ids += [195, *asked, 196, *told]
        labels += [words.eod] + [IGNORED] * (len(asked) + 1) + told
    ids, labels = [*ids, words.eod], [*labels, words.eod]
    return {"input_ids": [ids], "attention_mask": [[1] * len(ids)], "labels": [labels]}


def _alpaca_text(row: Row) -> str:
    given = " Input:\n" + row["input"] if row.get("input") else "None"
    text = f"{_CHAT}{row.get('instruction')}\n\n###{given}\n\n### Response: ASSISTANT: {row.get('output')}"
    return str(text)


_MESSAGES = {
    "GeneralInstructionHandler": _general_messages,
    "BelleMultiTurnInstructionHandler": _belle_messages,
    "LeetcodePythonInstructionHandler": _leetcode_messages,
}


# -------------------------------------------------------------------------------------------- one stage


@dataclass
class Stage:
    """One job with its tokenizer loaded."""

    handler: str
    keys: tuple[str, ...]
    words: Words
    append_eod: bool = False
    prompt_type: str | None = None
    columns: Row = field(default_factory=dict)

    def made_of(self, row: Row) -> Made | None:
        """What this row becomes; None where the handler leaves the row out."""
        if self.handler in _MESSAGES:
            return self._messages_made(row)
        if self.handler == "MOSSInstructionHandler":
            return _moss_samples(self.words, row)
        if self.handler == "MOSSMultiTurnHandler":
            return _moss_multi(self.words, row)
        if "Style" in self.handler:
            return self._template_made(row)
        text = {"text": _alpaca_text(row)} if self.handler == "AlpacaPretrainHandler" else row
        return {key: self._text_made(text[key]) for key in self.keys}

    def _text_made(self, text: str) -> list[list[int]]:
        return [self.words.whole(text) + self._ends] if len(text) > 0 else []

    @property
    def _ends(self) -> list[int]:
        return [self.words.eod] if self.append_eod else []

    def _messages_made(self, row: Row) -> Made:
        full = _full_prompt(_MESSAGES[self.handler](row))
        ids, labels = _masked_sample(self.words, full, self._ends)
        return {"input_ids": [ids], "attention_mask": [[1] * len(ids)], "labels": [labels]}

    def _template_made(self, row: Row) -> Made | None:
        assert self.prompt_type is not None
        template = TEMPLATES[self.prompt_type]
        pairwise = "Pairwise" in self.handler
        read = _alpaca_talk if self.handler.startswith("Alpaca") else _sharegpt_talk
        talk = read(row, self.columns, pairwise)
        if talk is None or not talk.prompt:
            return None
        if pairwise:
            return _pairwise_sample(self.words, template, talk)
        return _instruction_sample(self.words, template, talk, self.append_eod)


def _keys_of(job: Row, handler: str) -> tuple[str, ...]:
    if "Pairwise" in handler:
        return PAIR_KEYS
    if "Instruction" in handler or "MOSS" in handler:
        return SAMPLE_KEYS
    return ("text",) if handler == "AlpacaPretrainHandler" else tuple(job.get("json_keys") or ("text",))


def stage_of(job: Row) -> Stage:
    handler = job.get("handler", "GeneralPretrainHandler")
    columns = job.get("map_keys") or {}
    words = words_in(Path(job["tokenizer"]), job.get("prompt_type"))
    append_eod = bool(job.get("append_eod"))
    return Stage(handler, _keys_of(job, handler), words, append_eod, job.get("prompt_type"), columns)


# ------------------------------------------------------------------------------------- sequences, files

# the documents of one key, each a list of sequences
Documents = list[list[list[int]]]


def _grouped(made: list[Made], keys: tuple[str, ...], limit: int | None) -> dict[str, Documents]:
    documents: dict[str, Documents] = {key: [] for key in keys}
    for start in range(0, len(made), GROUP):
        group = made[start : start + GROUP]
        kept = {key: [row[key] for row in group if row[key]] for key in keys}
        dropped = set()
        for rows in kept.values():
            for j, sequences in enumerate(rows):
                for k, sequence in enumerate(sequences):
                    if limit is not None and len(sequence) >= limit:
                        dropped.add((j, k))
        for key, rows in kept.items():
            for j, sequences in enumerate(rows):
                documents[key].append([one for k, one in enumerate(sequences) if (j, k) not in dropped])
    return documents


def _bins(lengths: list[int], room: int) -> Iterator[list[int]]:
    """Lengths that share a sequence. One that leaves no room to spare fills a sequence of its own."""
    left = sorted(length for length in lengths if length <= room)
    yield from ([length] for length in lengths if length > room)
    while left:
        taken: list[int] = []
        free = room
        while any(length <= free for length in left):
            largest = max(length for length in left if length <= free)
            left.remove(largest)
            taken.append(largest)
            free -= largest
        yield taken


def _packed(made: list[Made], limit: int) -> dict[str, Documents]:
    samples = [ids for row in made for ids in row["input_ids"] if len(ids) <= limit]
    unused: dict[int, list[list[int]]] = {}
    for ids in samples:
        unused.setdefault(len(ids), []).append(ids)
    documents: dict[str, Documents] = {key: [] for key in SAMPLE_KEYS}
    for lengths in _bins([len(ids) for ids in samples], limit - 1):
        joined = [token for length in lengths for token in unused[length].pop()]
        for key, pad in zip(SAMPLE_KEYS, (0, 1, IGNORED), strict=True):
            documents[key].append([joined + [pad] * (limit - len(joined))])
    return documents


def _file_pair(documents: Documents) -> tuple[bytes, bytes]:
    sequences = [sequence for document in documents for sequence in document]
    body = b"".join(struct.pack(f"<{len(sequence)}i", *sequence) for sequence in sequences)
    lengths, pointers, ends = [len(sequence) for sequence in sequences], [], [0]
    offset = 0
    for length in lengths:
        pointers.append(offset)
        offset += 4 * length
    for document in documents:
        ends.append(ends[-1] + len(document))
    head = b"MMIDIDX\x00\x00" + struct.pack("<QBQQ", 1, 4, len(lengths), len(ends))
    table = struct.pack(f"<{len(lengths)}i", *lengths) + struct.pack(f"<{len(pointers)}q", *pointers)
    return body, head + table + struct.pack(f"<{len(ends)}q", *ends)


def _subsets(rows: list[Row], count: int) -> list[list[Row]]:
    gap = len(rows) // max(1, min(count, len(rows)))
    return [rows[start : start + gap] for start in range(0, len(rows), gap)]


# what a row raises that cannot be used
BAD = (TypeError, KeyError, IndexError, ValueError, AttributeError)


def is_bad(stage: Stage, row: Row) -> bool:
    """Whether a job has to stop at this row, or to leave it out."""
    try:
        stage.made_of(row)
    except BAD:
        return True
    return False


def files_of(job: Row, rows: list[Row] | None = None) -> dict[str, bytes]:
    """Every file that this job has to write, by what stands behind the output prefix."""
    stage = stage_of(job)
    rows = rows_in(Path(job["input"])) if rows is None else rows
    whole: dict[str, Documents] = {key: [] for key in stage.keys}
    for subset in _subsets(rows, job.get("n_subs") or 1):
        made = [one for one in (stage.made_of(row) for row in subset) if one is not None]
        limit = job.get("seq_length")
        documents = (
            _packed(made, int(job["seq_length"])) if job.get("pack") else _grouped(made, stage.keys, limit)
        )
        for key, some in documents.items():
            whole[key] += some
    files: dict[str, bytes] = {}
    for key, documents_of_key in whole.items():
        name = f"_{key}_document" if "Pretrain" in stage.handler else f"_packed_{key}_document"
        files[name + ".bin"], files[name + ".idx"] = _file_pair(documents_of_key)
    return files


# ---------------------------------------------------------------------------------------------- reading


def _lined_up(rows: list[Row]) -> list[Row]:
    """Every row with the columns of all rows, and the turns of a chat in the order first met."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    full = [{name: row.get(name) for name in columns} for row in rows]
    turns = list(dict.fromkeys(turn for row in full for turn in (row.get("chat") or {})))
    for row in full:
        chat = row.get("chat")
        if isinstance(chat, dict):
            row["chat"] = {turn: chat.get(turn) for turn in turns}
    return full


def rows_in(path: Path) -> list[Row]:
    if path.suffix == ".parquet":
        from pyarrow import parquet

        return list(parquet.read_table(path).to_pylist())
    text = path.read_text(encoding="utf-8-sig")
    if path.suffix == ".txt":
        return [{"text": line.removesuffix("\n")} for line in io.StringIO(text, newline=None)]
    if path.suffix == ".csv":
        return list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8"), newline="")))
    if text.lstrip().startswith("["):
        return _lined_up(json.loads(text))
    lines = io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="\n")
    return _lined_up([json.loads(line) for line in lines if line.strip()])
