"""AlpacaPretrainHandler: an instruction and its answer as one text to learn from as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Tuple

from backend.node.data.handlers.fields import encoded, usable, wrong_texts
from backend.node.data.handlers.frame import end_ids, full
from backend.node.data.handlers.handler import Encoded, HandlerOptions, Part

if TYPE_CHECKING:
    from backend.node.data.encoder import Encoder
    from backend.node.data.rows import Rows

# ModelLink's prompt: there is no blank before USER, and a row without input has the word None.
_START = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, "
    "detailed, and polite answers to the user's questions.USER: Below is an instruction that describes a "
    "task. Write a response that appropriately completes the request.\n\n### Instruction:\n"
)
_ANSWER = "\n\n### Response: ASSISTANT: "
_INPUT = " Input:\n"


class AlpacaPretrainHandler:
    """A field that a row lacks prints as the word None, as ModelLink does it."""

    packed = False
    columns: Tuple[str, ...] = ("instruction", "input", "output")
    required: Tuple[str, ...] = ("instruction", "output")
    outputs: Tuple[str, ...] = ("text",)

    def __init__(self, options: HandlerOptions, encoder: Encoder) -> None:
        self._encoder = encoder
        self._end = end_ids(options, encoder)

    def encode(self, rows: Rows) -> Encoded:
        """Ids of a block."""
        import numpy as np

        wrong = wrong_texts(rows, self.columns, nullable=True)
        columns = [usable(rows, name, wrong) for name in self.columns]
        texts = [_text(*values) for values in zip(*columns)]
        part = Part(full(self._encoder, texts, self._end), np.ones(len(texts), np.int64))
        return encoded(rows, wrong, {"text": part})


def _text(instruction: Any, given: Any, output: Any) -> str:
    inputs = _INPUT + given if given else "None"
    return f"{_START}{instruction}\n\n###{inputs}{_ANSWER}{output}"
