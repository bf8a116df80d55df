"""The changes to files of models: each on code as it is shipped, twice the same as once."""

from __future__ import annotations

import ast
import json

import pytest

from backend.node.weights.fix_ups import DONE, NEEDED, fix_ups, state_of

GLM = """
class ChatGLMTokenizer:
    def _pad(
            self,
            encoded_inputs: Union[Dict[str, EncodedInput], BatchEncoding],
            max_length: Optional[int] = None,
            padding_strategy: PaddingStrategy = PaddingStrategy.DO_NOT_PAD,
            return_attention_mask: Optional[bool] = None,
    ) -> dict:
        # Load from model defaults
        assert self.padding_side == "left"

        required_input = encoded_inputs[self.model_input_names[0]]
"""
QWEN = """
SUPPORT_CUDA = torch.cuda.is_available()
SUPPORT_BF16 = SUPPORT_CUDA and torch.cuda.is_bf16_supported()
SUPPORT_FP16 = SUPPORT_CUDA and torch.cuda.get_device_capability(0)[0] >= 7
SUPPORT_TORCH2 = hasattr(torch, '__version__')
"""


def changed(key: str, text: str) -> str:
    change = fix_ups("")[key].change
    assert change is not None
    found = change(text)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("key", "text"), [("padding-side", GLM), ("pad-argument", GLM), ("cuda-questions", QWEN)]
)
def test_a_change_is_code_and_is_made_once(key: str, text: str) -> None:
    fix_up = fix_ups("")[key]
    assert state_of(fix_up, text) == NEEDED
    once = changed(key, text)
    ast.parse(once)
    assert changed(key, once) == once
    assert state_of(fix_up, once) == DONE
    assert state_of(fix_up, "import os\n") is None


def test_the_padding_s_argument_is_the_last_one() -> None:
    found = ast.parse(changed("pad-argument", GLM)).body[0]
    assert isinstance(found, ast.ClassDef)
    function = found.body[0]
    assert isinstance(function, ast.FunctionDef)
    assert [one.arg for one in function.args.args][-2:] == ["return_attention_mask", "padding_side"]


@pytest.mark.parametrize(
    "signature", ["def _pad(self, a)", "def _pad(self, a,)", "def _pad(self, a: D = f())"]
)
def test_a_signature_on_one_line(signature: str) -> None:
    once = changed("pad-argument", f"class T:\n    {signature}:\n        pass\n")
    ast.parse(once)
    assert "padding_side=None)" in once


@pytest.mark.parametrize("end", ["padding_side: str = 'left'", "**kwargs"])
def test_a_signature_that_takes_it_is_done(end: str) -> None:
    text = f"def _pad(self, a, {end}):\n    pass\n"
    assert state_of(fix_ups("")["pad-argument"], text) == DONE


def test_the_assertion_becomes_a_comment_where_it_stands() -> None:
    assert '        # assert self.padding_side == "left"\n' in changed("padding-side", GLM)


def test_the_other_questions_stay() -> None:
    found = changed("cuda-questions", QWEN)
    assert "SUPPORT_BF16 = True\n" in found
    assert "SUPPORT_FP16 = True\n" in found
    assert "SUPPORT_CUDA = torch.cuda.is_available()\n" in found


@pytest.mark.parametrize(
    ("content", "state"),
    [
        ({"temperature": 0.6, "top_p": 0.9}, NEEDED),
        ({"temperature": 0.6, "do_sample": False}, NEEDED),
        ({"temperature": 0.6, "do_sample": True}, DONE),
        ({"temperature": 1.0, "top_p": 1.0}, None),
        ({"eos_token_id": 2}, None),
        ([], None),
    ],
)
def test_sampling(content: object, state: str | None) -> None:
    fix_up = fix_ups("")["sampling"]
    text = json.dumps(content)
    assert state_of(fix_up, text) == state
    if state == NEEDED:
        assert json.loads(changed("sampling", text))["do_sample"] is True
    assert state_of(fix_up, "{broken") is None


def test_only_yi_has_the_other_vocabulary() -> None:
    assert "slow-tokenizer" in fix_ups("yi")
    assert "slow-tokenizer" not in fix_ups("llama2")
