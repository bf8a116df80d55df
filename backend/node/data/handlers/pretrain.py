"""GeneralPretrainHandler: one sequence for every text, each column to a file of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, List, Tuple

from backend.node.data.handlers.fields import encoded, usable, wrong_texts
from backend.node.data.handlers.frame import end_ids, full
from backend.node.data.handlers.handler import Encoded, HandlerOptions, Part

if TYPE_CHECKING:
    from backend.node.data.encoder import Encoder
    from backend.node.data.rows import Rows


class GeneralPretrainHandler:
    """The text as it stands, with the tokenizer's special tokens and, if asked for, the end-of-text token. An
    empty text has no sequence; one of blanks has."""

    packed = False

    def __init__(self, options: HandlerOptions, encoder: Encoder) -> None:
        self.columns: Tuple[str, ...] = tuple(dict.fromkeys(options.json_keys))
        self.required = self.columns
        self.outputs = self.columns
        self._encoder = encoder
        self._end = end_ids(options, encoder)

    def encode(self, rows: Rows) -> Encoded:
        """Ids of a block."""
        wrong = wrong_texts(rows, self.columns)
        parts = {name: self._part(usable(rows, name, wrong)) for name in self.columns}
        return encoded(rows, wrong, parts)

    def _part(self, texts: List[str]) -> Part:
        import numpy as np

        counts = np.fromiter(map(bool, texts), np.int64, len(texts))
        return Part(full(self._encoder, [text for text in texts if text], self._end), counts)
