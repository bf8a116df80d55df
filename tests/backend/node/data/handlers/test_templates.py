"""Every prompt template, written out by hand."""

from __future__ import annotations

from typing import Any

import pytest
from block_of_rows import LetterEncoder, block, sequences

from backend.node.data.handlers.conversations import Conversation, Message, written
from backend.node.data.handlers.handler import HandlerOptions
from backend.node.data.handlers.sharegpt_style import SharegptStyleInstructionHandler
from backend.node.data.handlers.slots import Mark, Token
from backend.node.data.handlers.templates import TEMPLATES, template_named
from backend.node.job_lines import JobError

CALL = '{"name": "look", "arguments": {"q": "é"}}'
TALK = (
    Message("user", "Ask", "c", 1),
    Message("function", CALL, "c", 2),
    Message("observation", "Seen", "c", 3),
    Message("assistant", "Say", "c", 4),
    Message("user", "More", "c", 5),
    Message("assistant", "End", "c", 6),
)
ACTION = 'Action: look\nAction Input: {"q": "é"}'
NAMED = 'look\n{"q": "é"}'
BOS, EOS = Mark.BOS, Mark.EOS
START = [Token("[gMASK]"), Token("sop")]
HEADER = "<|start_header_id|>{}<|end_header_id|>\n\n"
ANSWER3 = "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
IM = "<|im_end|>\n<|im_start|>assistant\n"
CHATML: list[list[Any]] = [
    ["<|im_start|>system\nSys<|im_end|>\n", f"<|im_start|>user\nAsk{IM}"],
    [ACTION, EOS],
    ["\n", f"<|im_start|>tool\nSeen{IM}"],
    ["Say", EOS],
    ["\n", f"<|im_start|>user\nMore{IM}"],
    ["End", EOS],
]
DEEPSEEK: list[list[Any]] = [
    [BOS, "Sys\n\n", "User: Ask\n\nAssistant:"],
    [ACTION, EOS],
    ["User: Seen\n\nAssistant:"],
    ["Say", EOS],
    ["User: More\n\nAssistant:"],
    ["End", EOS],
]
MISTRAL: list[list[Any]] = [
    [BOS, "Sys", "[INST] Ask [/INST]"],
    [ACTION, EOS],
    ["[INST] Seen [/INST]"],
    ["Say", EOS],
    ["[INST] More [/INST]"],
    ["End", EOS],
]
USER, ASSISTANT, SYSTEM, SEEN = (
    Token("<|user|>"),
    Token("<|assistant|>"),
    Token("<|system|>"),
    Token("<|observation|>"),
)
GEMMA = "<end_of_turn>\n<start_of_turn>model\n"
WRITTEN: dict[str, list[list[Any]]] = {
    "default": [
        ["Sys\n", "Human: Ask\nAssistant:"],
        [ACTION, EOS],
        ["\n", "Human: Seen\nAssistant:"],
        ["Say", EOS],
        ["\n", "Human: More\nAssistant:"],
        ["End", EOS],
    ],
    "empty": [["Sys", "Ask"], [ACTION, EOS], ["Seen"], ["Say"], ["More"], ["End"]],
    "chatglm2": [
        [*START, "Sys", "[Round 0]\n\n问：Ask\n\n答："],
        [ACTION],
        ["\n\n", "[Round {{idx}}]\n\n问：Seen\n\n答："],
        ["Say"],
        ["\n\n", "[Round 2]\n\n问：More\n\n答："],
        ["End"],
    ],
    "chatglm3": [
        [*START, SYSTEM, "\n", "Sys", USER, "\n", "Ask", ASSISTANT],
        [ACTION],
        [SEEN, "\n", "Seen", ASSISTANT],
        ["\n", "Say"],
        [USER, "\n", "More", ASSISTANT],
        ["\n", "End"],
    ],
    "chatglm3_system": [
        [*START, SYSTEM, "\n", "Sys", USER, "\n", "Ask", ASSISTANT],
        [NAMED],
        [SEEN, "\n", "Seen", ASSISTANT],
        ["\n", "Say"],
        [USER, "\n", "More", ASSISTANT],
        ["\n", "End"],
    ],
    "glm4": [
        ["[gMASK]<sop>", "<|system|>\nSys", "<|user|>\nAsk<|assistant|>"],
        [NAMED],
        ["<|observation|>\nSeen<|assistant|>"],
        ["\nSay"],
        ["<|user|>\nMore<|assistant|>"],
        ["\nEnd"],
    ],
    "chatml": CHATML,
    "chatml_de": CHATML,
    "qwen": CHATML,
    "llama3": [
        [BOS, HEADER.format("system") + "Sys<|eot_id|>", HEADER.format("user") + "Ask" + ANSWER3],
        [ACTION, EOS],
        [HEADER.format("tool") + "Seen" + ANSWER3],
        ["Say", EOS],
        [HEADER.format("user") + "More" + ANSWER3],
        ["End", EOS],
    ],
    "mistral": MISTRAL,
    "mixtral": MISTRAL,
    "gemma": [
        [BOS, "Sys", f"<start_of_turn>user\nAsk{GEMMA}"],
        [ACTION],
        ["<end_of_turn>\n", f"<start_of_turn>tool\nSeen{GEMMA}"],
        ["Say"],
        ["<end_of_turn>\n", f"<start_of_turn>user\nMore{GEMMA}"],
        ["End"],
    ],
    "llama2": [
        [BOS, "[INST] <<SYS>>\nSys\n<</SYS>>\n\nAsk [/INST]"],
        [ACTION, EOS],
        [BOS, "[INST] Seen [/INST]"],
        ["Say", EOS],
        [BOS, "[INST] More [/INST]"],
        ["End", EOS],
    ],
    "alpaca": [
        ["Sys", "### Instruction:\nAsk\n\n### Response:\n"],
        [ACTION, EOS],
        ["\n\n", "### Instruction:\nSeen\n\n### Response:\n"],
        ["Say", EOS],
        ["\n\n", "### Instruction:\nMore\n\n### Response:\n"],
        ["End", EOS],
    ],
    "deepseek2": DEEPSEEK,
    "deepseek2-lite": DEEPSEEK,
}
GLM_TOKENS = {"[gMASK]": 10, "sop": 11, "<|user|>": 12, "<|assistant|>": 13, "<|system|>": 14}
DEFAULT_SYSTEM = {
    "chatglm3_system": "You are ChatGLM3, a large language model trained by Zhipu.AI. "
    "Follow the user's instructions carefully. Respond using markdown.",
    "chatml_de": "Du bist ein freundlicher und hilfsbereiter KI-Assistent.",
    "qwen": "You are a helpful assistant.",
    "alpaca": "Below is an instruction that describes a task. "
    "Write a response that appropriately completes the request.\n\n",
}
GLM_STOPS = ("<|user|>", "<|observation|>")
STOP_WORDS = {
    "chatglm3": GLM_STOPS,
    "chatglm3_system": GLM_STOPS,
    "glm4": GLM_STOPS,
    "chatml": ("<|im_end|>", "<|im_start|>"),
    "chatml_de": ("<|im_end|>", "<|im_start|>"),
    "qwen": ("<|im_end|>",),
    "llama3": ("<|eot_id|>",),
}
WITH_BOS = {"llama3", "mistral", "mixtral", "gemma", "llama2", "deepseek2", "deepseek2-lite"}
ONE_EOS = {"chatglm2", "chatglm3", "chatglm3_system", "glm4", "gemma"}


def test_the_table_has_all_names() -> None:
    assert set(TEMPLATES) == set(WRITTEN)


@pytest.mark.parametrize("name", sorted(WRITTEN))
def test_a_conversation_is_written_as_the_model_knows_it(name: str) -> None:
    messages = written(template_named(name), Conversation(TALK, "Sys", "", "s"))
    assert [message.pieces for message in messages] == WRITTEN[name]


@pytest.mark.parametrize("name", sorted(WRITTEN))
@pytest.mark.parametrize("system", [None, ""])
def test_without_a_system_text_there_is_the_templates_own_or_none(name: str, system: str | None) -> None:
    first = written(template_named(name), Conversation(TALK, system, "", "s"))[0].pieces
    own = DEFAULT_SYSTEM.get(name)
    expected = [
        piece.replace("Sys", own) if isinstance(piece, str) and own else piece
        for piece in WRITTEN[name][0]
        if own or not (isinstance(piece, str) and "Sys" in piece and "Ask" not in piece)
    ]
    if name == "chatglm3":
        expected = [*START, USER, "\n", "Ask", ASSISTANT]
    if name == "llama2":
        expected = [BOS, "[INST] Ask [/INST]"]
    assert first == expected


@pytest.mark.parametrize("name", sorted(WRITTEN))
def test_what_the_tokenizer_is_told(name: str) -> None:
    template = template_named(name)
    assert template.stop_words == STOP_WORDS.get(name, ())
    assert template.replace_eos == (name in {"chatml", "chatml_de", "qwen", "llama3"})
    assert template.needs_bos == (name in WITH_BOS)
    assert template.efficient_eos == (name in ONE_EOS)


@pytest.mark.parametrize("name", sorted(WRITTEN))
def test_ids_and_labels_of_a_conversation(name: str) -> None:
    tokens = {**GLM_TOKENS, "<|observation|>": 15}
    encoder = LetterEncoder(tokens)
    handler = SharegptStyleInstructionHandler(HandlerOptions(prompt_type=name), encoder)
    values = [
        {"from": "system", "value": "Sys"},
        {"from": "human", "value": "Ask"},
        {"from": "function_call", "value": CALL},
        {"from": "observation", "value": "Seen"},
        {"from": "gpt", "value": "Say"},
        {"from": "human", "value": "More"},
        {"from": "gpt", "value": "End"},
    ]
    encoded = handler.encode(block({"conversations": values}, columns=handler.columns))
    texts, hidden = [], []
    for number, message in enumerate(WRITTEN[name]):
        shown = "".join(_shown(piece) for piece in message)
        count = sum(len(piece) if isinstance(piece, str) else 1 for piece in message)
        later = name in ONE_EOS and number > 0
        texts.append(shown)
        mask = "<eos>" + "_" * (count - 1) if later else "_" * count
        hidden.append(shown if number % 2 else mask)
    end = "<eos>" if name in ONE_EOS else ""
    (ids,), (labels,) = _decoded(encoder, encoded, "input_ids"), _decoded(encoder, encoded, "labels")
    assert ids == "".join(texts) + end
    assert labels == "".join(hidden) + end
    assert encoded.parts["attention_mask"].sequences is None
    assert encoder.calls[0] == list(dict.fromkeys(encoder.calls[0]))


def _decoded(encoder: LetterEncoder, encoded: Any, key: str) -> list[str]:
    return [encoder.decode(row) for row in sequences(encoded, key)]


def _shown(piece: Any) -> str:
    if isinstance(piece, Token):
        return f"<{piece.text}>"
    return piece if isinstance(piece, str) else f"<{piece.value}>"


@pytest.mark.parametrize("name", sorted(WITH_BOS))
def test_a_tokenizer_without_bos_is_refused(name: str) -> None:
    with pytest.raises(JobError) as caught:
        SharegptStyleInstructionHandler(HandlerOptions(prompt_type=name), LetterEncoder(bos=None))
    assert caught.value.field == "prompt_type"
    assert "beginning-of-text" in caught.value.what


@pytest.mark.parametrize("name", ["chatglm2", "chatglm3"])
def test_a_tokenizer_without_the_templates_tokens_is_refused(name: str) -> None:
    with pytest.raises(JobError, match=r"\[gMASK\], sop"):
        SharegptStyleInstructionHandler(HandlerOptions(prompt_type=name), LetterEncoder())
    SharegptStyleInstructionHandler(HandlerOptions(prompt_type=name), LetterEncoder(unknown=3))


def test_a_tokenizer_without_eos_is_refused() -> None:
    with pytest.raises(JobError, match="end-of-text"):
        SharegptStyleInstructionHandler(HandlerOptions(prompt_type="default"), LetterEncoder(eos=None))


def test_an_unknown_name_gets_the_near_ones() -> None:
    with pytest.raises(JobError) as caught:
        template_named("chatml-de")
    assert caught.value.field == "prompt_type"
    assert "chatml_de" in caught.value.fix


def test_no_name_gets_all_of_them() -> None:
    with pytest.raises(JobError, match="no prompt template") as caught:
        template_named("")
    assert "deepseek2-lite" in caught.value.fix
