"""The prompt of ModelLink's instruction data: a system text, then messages under headings."""

from __future__ import annotations

SYSTEM = (
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request. Please note that you need to think through "
    "your response logically and step by step."
)
USER = "### Instruction:"
ASSISTANT = "### Response:"
OPENING = "\n" + SYSTEM + "\n"


def user_message(words: str) -> str:
    """A message of the user: heading and words on lines of their own."""
    return f"{USER}\n{words}\n"


def assistant_message(words: str) -> str:
    """A message of the assistant."""
    return f"{ASSISTANT}\n{words}\n"


def whole_text(asked: str, answer: str) -> str:
    """The text of a sample: `asked` is all messages before the last answer, one after the other."""
    return OPENING + asked + assistant_message(answer)


def prompt_of(whole: str) -> str:
    """What the labels leave out: everything up to the last heading of the assistant, wherever that stands."""
    return whole[: whole.rindex(ASSISTANT) + len(ASSISTANT)] + "\n"
