"""GeneralInstructionHandler, and what all handlers with the instruction prompt have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, List, Tuple

from backend.node.data.handlers.fields import Wrong, encoded, usable, wrong_texts
from backend.node.data.handlers.frame import end_ids
from backend.node.data.handlers.handler import Encoded, HandlerOptions, Part
from backend.node.data.handlers.instruction_prompt import user_message
from backend.node.data.handlers.prompt_mask import Exchange, PromptMask, labels

if TYPE_CHECKING:
    from backend.node.data.encoder import Encoder
    from backend.node.data.rows import Rows

OUTPUTS = ("input_ids", "attention_mask", "labels")


class InstructionHandler:
    """One sample a row: the whole prompt as ids, labels only for the last answer."""

    packed = True
    outputs: Tuple[str, ...] = OUTPUTS
    columns: Tuple[str, ...] = ()

    def __init__(self, options: HandlerOptions, encoder: Encoder) -> None:
        self.required = self.columns
        self._mask = PromptMask(encoder, end_ids(options, encoder))

    def encode(self, rows: Rows) -> Encoded:
        """Ids of a block."""
        import numpy as np

        wrong = wrong_texts(rows, self.columns)
        exchanges = self.exchanges(rows, wrong)
        masked = self._mask.encode([(exchange,) for exchange in exchanges])
        once = np.ones(len(exchanges), np.int64)
        sequences = (masked.ids, None, labels(masked))
        return encoded(rows, wrong, {name: Part(found, once) for name, found in zip(OUTPUTS, sequences)})

    def exchanges(self, rows: Rows, wrong: Wrong) -> List[Exchange]:
        """What is asked and answered in the rows that are not wrong; may find more of them wrong."""
        raise NotImplementedError


class GeneralInstructionHandler(InstructionHandler):
    """instruction and input are the question, a newline between them even when there is no input."""

    columns = ("instruction", "input", "output")

    def exchanges(self, rows: Rows, wrong: Wrong) -> List[Exchange]:
        columns = [usable(rows, name, wrong) for name in self.columns]
        return [(user_message(f"{asked}\n{given}"), output) for asked, given, output in zip(*columns)]
