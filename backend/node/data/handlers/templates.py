"""The prompt templates of ModelLink's --prompt-type, as one table."""

from __future__ import annotations

import difflib
from gettext import gettext as _
from typing import Dict, NamedTuple, Optional, Tuple

from backend.node.data.handlers.slots import Mark, Slots, Token
from backend.node.job_lines import JobError


class Template(NamedTuple):
    """How messages are written down. `efficient_eos`: EOS stands once, at the end of a sample, and not after
    every answer; `replace_eos`: the tokenizer's EOS becomes the first stop word; `stop_words`: all of them,
    that first one included; `system_in_user`: the system text goes into the first user message;
    `tells_tools`: a list of tools is put into words behind the system text."""

    name: str
    user: Slots
    assistant: Slots
    system: Slots
    observation: Slots
    function: Slots
    prefix: Slots
    separator: Slots
    default_system: str
    stop_words: Tuple[str, ...]
    replace_eos: bool
    efficient_eos: bool
    system_in_user: bool
    tells_tools: bool

    @property
    def needs_bos(self) -> bool:
        """Whether it cannot be used with a tokenizer that has no beginning-of-text token."""
        slots = self.user + self.assistant + self.system + self.observation + self.function
        return Mark.BOS in slots + self.prefix + self.separator


def _template(
    name: str,
    user: Slots,
    assistant: Optional[Slots] = None,
    system: Slots = ("{{content}}",),
    observation: Optional[Slots] = None,
    function: Optional[Slots] = None,
    prefix: Slots = (),
    separator: Slots = (),
    default_system: str = "",
    stop_words: Tuple[str, ...] = (),
    replace_eos: bool = False,
    efficient_eos: bool = False,
    system_in_user: bool = False,
    tells_tools: bool = True,
) -> Template:
    end: Slots = () if efficient_eos else (Mark.EOS,)
    call = "Action: {{name}}\nAction Input: {{arguments}}"
    return Template(
        name,
        user,
        ("{{content}}", *end) if assistant is None else assistant,
        system,
        user if observation is None else observation,
        (call, *end) if function is None else function,
        prefix,
        separator,
        default_system,
        stop_words,
        replace_eos,
        efficient_eos,
        system_in_user,
        tells_tools,
    )


_START = (Token("[gMASK]"), Token("sop"))
_GLM_STOPS = ("<|user|>", "<|observation|>")
_CHATGLM3_USER = (Token("<|user|>"), "\n", "{{content}}", Token("<|assistant|>"))
_CHATGLM3_OBSERVATION = (Token("<|observation|>"), "\n", "{{content}}", Token("<|assistant|>"))
_CHATGLM3_SYSTEM = (Token("<|system|>"), "\n", "{{content}}")
_CHATML_ANSWER = "<|im_end|>\n<|im_start|>assistant\n"
_CHATML_USER = ("<|im_start|>user\n{{content}}" + _CHATML_ANSWER,)
_CHATML_OBSERVATION = ("<|im_start|>tool\n{{content}}" + _CHATML_ANSWER,)
_CHATML_SYSTEM = ("<|im_start|>system\n{{content}}<|im_end|>\n",)
_CHATML_STOPS = ("<|im_end|>", "<|im_start|>")
_LLAMA3_HEAD = "<|start_header_id|>{}<|end_header_id|>\n\n"
_LLAMA3_ANSWER = "{{content}}<|eot_id|>" + _LLAMA3_HEAD.format("assistant")
_GEMMA_ANSWER = "\n{{content}}<end_of_turn>\n<start_of_turn>model\n"

_TABLE = (
    _template("default", ("Human: {{content}}\nAssistant:",), system=("{{content}}\n",), separator=("\n",)),
    _template("empty", ("{{content}}",), assistant=("{{content}}",)),
    _template(
        "chatglm2",
        ("[Round {{idx}}]\n\n问：{{content}}\n\n答：",),
        prefix=_START,
        separator=("\n\n",),
        efficient_eos=True,
    ),
    _template(
        "chatglm3",
        _CHATGLM3_USER,
        assistant=("\n", "{{content}}"),
        system=_CHATGLM3_SYSTEM,
        observation=_CHATGLM3_OBSERVATION,
        prefix=_START,
        stop_words=_GLM_STOPS,
        efficient_eos=True,
        tells_tools=False,
    ),
    _template(
        "chatglm3_system",
        _CHATGLM3_USER,
        assistant=("\n", "{{content}}"),
        system=_START + _CHATGLM3_SYSTEM,
        observation=_CHATGLM3_OBSERVATION,
        function=("{{name}}\n{{arguments}}",),
        default_system="You are ChatGLM3, a large language model trained by Zhipu.AI. "
        "Follow the user's instructions carefully. Respond using markdown.",
        stop_words=_GLM_STOPS,
        efficient_eos=True,
    ),
    _template(
        "glm4",
        ("<|user|>\n{{content}}<|assistant|>",),
        assistant=("\n{{content}}",),
        system=("<|system|>\n{{content}}",),
        observation=("<|observation|>\n{{content}}<|assistant|>",),
        function=("{{name}}\n{{arguments}}",),
        prefix=("[gMASK]<sop>",),
        stop_words=_GLM_STOPS,
        efficient_eos=True,
        tells_tools=False,
    ),
    _template(
        "chatml",
        _CHATML_USER,
        system=_CHATML_SYSTEM,
        observation=_CHATML_OBSERVATION,
        separator=("\n",),
        stop_words=_CHATML_STOPS,
        replace_eos=True,
    ),
    _template(
        "chatml_de",
        _CHATML_USER,
        system=_CHATML_SYSTEM,
        observation=_CHATML_OBSERVATION,
        separator=("\n",),
        default_system="Du bist ein freundlicher und hilfsbereiter KI-Assistent.",
        stop_words=_CHATML_STOPS,
        replace_eos=True,
    ),
    _template(
        "qwen",
        _CHATML_USER,
        system=_CHATML_SYSTEM,
        observation=_CHATML_OBSERVATION,
        separator=("\n",),
        default_system="You are a helpful assistant.",
        stop_words=_CHATML_STOPS[:1],
        replace_eos=True,
    ),
    _template(
        "llama3",
        (_LLAMA3_HEAD.format("user") + _LLAMA3_ANSWER,),
        system=(_LLAMA3_HEAD.format("system") + "{{content}}<|eot_id|>",),
        observation=(_LLAMA3_HEAD.format("tool") + _LLAMA3_ANSWER,),
        prefix=(Mark.BOS,),
        stop_words=("<|eot_id|>",),
        replace_eos=True,
    ),
    _template("mistral", ("[INST] {{content}} [/INST]",), prefix=(Mark.BOS,)),
    _template("mixtral", ("[INST] {{content}} [/INST]",), prefix=(Mark.BOS,)),
    _template(
        "gemma",
        ("<start_of_turn>user" + _GEMMA_ANSWER,),
        observation=("<start_of_turn>tool" + _GEMMA_ANSWER,),
        prefix=(Mark.BOS,),
        separator=("<end_of_turn>\n",),
        efficient_eos=True,
    ),
    _template(
        "llama2",
        (Mark.BOS, "[INST] {{content}} [/INST]"),
        system=("<<SYS>>\n{{content}}\n<</SYS>>\n\n",),
        system_in_user=True,
    ),
    _template(
        "alpaca",
        ("### Instruction:\n{{content}}\n\n### Response:\n",),
        separator=("\n\n",),
        default_system="Below is an instruction that describes a task. "
        "Write a response that appropriately completes the request.\n\n",
    ),
    _template(
        "deepseek2",
        ("User: {{content}}\n\nAssistant:",),
        system=("{{content}}\n\n",),
        prefix=(Mark.BOS,),
    ),
    _template(
        "deepseek2-lite",
        ("User: {{content}}\n\nAssistant:",),
        system=("{{content}}\n\n",),
        prefix=(Mark.BOS,),
    ),
)

TEMPLATES: Dict[str, Template] = {template.name: template for template in _TABLE}


def template_named(name: str) -> Template:
    """The template of that name. Raises JobError for an empty or unknown one."""
    if name in TEMPLATES:
        return TEMPLATES[name]
    if not name:
        what = _("no prompt template is given")
        why = _("this handler writes the messages down as a template says")
        fix = _("choose one of {names}").format(names=", ".join(TEMPLATES))
        raise JobError("prompt_type", what, why, fix)
    near = difflib.get_close_matches(name, TEMPLATES, 3) or list(TEMPLATES)
    what = _("there is no prompt template {name}").format(name=name)
    raise JobError("prompt_type", what, "", _("choose one of {names}").format(names=", ".join(near)))
