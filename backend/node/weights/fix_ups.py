"""What files of a model's folder need changed before the vendor's stack works with them, and the changes.

Source: the training guide names the models and files on its page on tokenizer files; it shows its edits as
pictures, so these are our own. What they cure: the assertion on the padding's side and `padding_side` of
transformers 4.45 (ChatGLM 3, GLM 4), questions to CUDA on a machine without it (Qwen), settings of sampling
that newer transformers refuse to save (Llama 2), the fast tokenizer's other vocabulary (Yi).
"""

from __future__ import annotations

import json
import re
from gettext import gettext as _
from typing import Callable, Dict, NamedTuple, Optional

NEEDED, DONE, SETTING = "needed", "done", "setting"

# Answers the text changed, the same text where that is not needed any more, None where it has no such place.
Change = Callable[[str], Optional[str]]


class FixUp(NamedTuple):
    """`key` names it; `file`: the file it is about; `change` None: nothing in a file, `how` says what to do.

    `why` and `how` are sentences."""

    key: str
    file: str
    why: str
    how: str
    change: Optional[Change]


GLM_TOKENIZER = "tokenization_chatglm.py"
QWEN_MODEL = "modeling_qwen.py"
GENERATION = "generation_config.json"

_ASSERTION = re.compile(r"^([ \t]*)(#[ \t]*)?(assert self\.padding_side == [\"']left[\"'].*)$", re.MULTILINE)
_PAD = re.compile(r"def _pad\((?P<arguments>[^()]*(?:\([^()]*\)[^()]*)*)\)")
_CUDA_QUESTIONS = re.compile(
    r"^(SUPPORT_BF16|SUPPORT_FP16)[ \t]*=[ \t]*(SUPPORT_CUDA and torch\.cuda\..*)$", re.MULTILINE
)
_CUDA_ANSWERED = re.compile(r"^(SUPPORT_BF16|SUPPORT_FP16)[ \t]*=", re.MULTILINE)


def fix_ups(family: str) -> Dict[str, FixUp]:
    """By key: those that models of a family ("" when unknown) may need."""
    every = [
        FixUp(
            "padding-side",
            GLM_TOKENIZER,
            _("the tokenizer stops with an AssertionError where a caller pads on the right"),
            _('the line `assert self.padding_side == "left"` becomes a comment; padding stays on the left'),
            _without_assertion,
        ),
        FixUp(
            "pad-argument",
            GLM_TOKENIZER,
            _("transformers 4.45 and newer call _pad with padding_side, which this file does not know"),
            _("_pad takes padding_side and does not look at it"),
            _with_pad_argument,
        ),
        FixUp(
            "cuda-questions",
            QWEN_MODEL,
            _("the model asks CUDA what it can do when it is loaded, and an NPU has no answer"),
            _("SUPPORT_BF16 and SUPPORT_FP16 become True; the lines before stay as comments"),
            _without_cuda_questions,
        ),
        FixUp(
            "sampling",
            GENERATION,
            _("it sets a temperature or top_p without do_sample, and newer transformers refuse to save that"),
            _("do_sample becomes true"),
            _with_sampling,
        ),
    ]
    if family == "yi":
        every.append(
            FixUp(
                "slow-tokenizer",
                "",
                _("the fast tokenizer counts 63992 words where the model has 64000"),
                _("train and preprocess with --tokenizer-not-use-fast; no file changes"),
                None,
            )
        )
    return {one.key: one for one in every}


def state_of(fix_up: FixUp, text: str) -> Optional[str]:
    """NEEDED, DONE, or None where the text has no place for it."""
    changed = fix_up.change(text) if fix_up.change else None
    if changed is None:
        return None
    return DONE if changed == text else NEEDED


def _without_assertion(text: str) -> Optional[str]:
    if not _ASSERTION.search(text):
        return None
    return _ASSERTION.sub(lambda found: f"{found.group(1)}# {found.group(3)}", text)


def _with_pad_argument(text: str) -> Optional[str]:
    found = _PAD.search(text)
    if found is None:
        return None
    arguments = found.group("arguments")
    if "padding_side" in arguments or "**" in arguments:
        return text
    listed = arguments.rstrip()
    tail = arguments[len(listed) :]
    indent = re.search(r"\n([ \t]+)\S[^\n]*$", listed)
    start = f"\n{indent.group(1)}" if indent else " "
    listed = listed if listed.endswith(",") else listed + ","
    end = "," if "\n" in tail else ""
    return (
        text[: found.start("arguments")]
        + f"{listed}{start}padding_side=None{end}{tail}"
        + text[found.end() - 1 :]
    )


def _without_cuda_questions(text: str) -> Optional[str]:
    if not _CUDA_ANSWERED.search(text):
        return None
    return _CUDA_QUESTIONS.sub(r"# \g<0>\n\1 = True", text)


def _with_sampling(text: str) -> Optional[str]:
    """None for what is not a JSON object: that is said elsewhere."""
    try:
        content = json.loads(text)
    except ValueError:
        return None
    if not isinstance(content, dict):
        return None
    neutral = {"temperature": 1.0, "top_p": 1.0}
    sampled = any(content.get(name) not in (None, value) for name, value in neutral.items())
    if not sampled:
        return None
    if content.get("do_sample"):
        return text
    content["do_sample"] = True
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
