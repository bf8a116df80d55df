"""MOSS conversations: MOSSInstructionHandler and MOSSMultiTurnHandler."""

from __future__ import annotations

from typing import TYPE_CHECKING, List, Tuple

from backend.node.data.handlers.fields import encoded
from backend.node.data.handlers.frame import end_of_text, full
from backend.node.data.handlers.handler import IGNORED, Encoded, HandlerOptions, Part
from backend.node.data.handlers.instruction import OUTPUTS
from backend.node.data.handlers.instruction_prompt import user_message
from backend.node.data.handlers.moss_turns import Turn, read_turns
from backend.node.data.handlers.prompt_mask import PromptMask, labels
from backend.node.data.ragged import Ragged, put, starts, weave

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from backend.node.data.encoder import Encoder
    from backend.node.data.rows import Rows

# ModelLink reads these data in pieces of 10 MiB, and a piece decides the order of the turns.
_PIECE_BYTES = 10 << 20
# Baichuan's marks of the user and of the assistant, whatever the tokenizer.
_USER_ID = 195
_ASSISTANT_ID = 196


class _MossHandler:
    """`append_eod` has no effect on these data."""

    packed = True
    block_bytes = _PIECE_BYTES
    columns: Tuple[str, ...] = ("chat",)
    required: Tuple[str, ...] = ("chat",)
    outputs: Tuple[str, ...] = OUTPUTS


class MOSSInstructionHandler(_MossHandler):
    """One sample after every turn, with all turns up to it; the samples of a row are one document."""

    def __init__(self, options: HandlerOptions, encoder: Encoder) -> None:
        self._mask = PromptMask(encoder)

    def encode(self, rows: Rows) -> Encoded:
        """Ids of a block."""
        import numpy as np

        talks, wrong = read_turns(rows, "chat")
        masked = self._mask.encode([[(user_message(user), said) for user, said in talk] for talk in talks])
        counts = np.fromiter(map(len, talks), np.int64, len(talks))
        sequences = (masked.ids, None, labels(masked))
        return encoded(rows, wrong, {name: Part(found, counts) for name, found in zip(OUTPUTS, sequences)})


class MOSSMultiTurnHandler(_MossHandler):
    """One sample a row; the labels of all answers count."""

    def __init__(self, options: HandlerOptions, encoder: Encoder) -> None:
        self._encoder = encoder
        self._eos = end_of_text("handler", encoder)

    def encode(self, rows: Rows) -> Encoded:
        """Ids of a block."""
        import numpy as np

        talks, wrong = read_turns(rows, "chat")
        ids, shown = self._sequences(talks)
        once = np.ones(len(talks), np.int64)
        parts = {name: Part(found, once) for name, found in zip(OUTPUTS, (ids, None, shown))}
        return encoded(rows, wrong, parts)

    def _sequences(self, talks: List[List[Turn]]) -> Tuple[Ragged, Ragged]:
        """Ids and labels, one sequence a conversation."""
        import numpy as np

        texts = [words for talk in talks for turn in talk for words in turn]
        words = full(self._encoder, texts)
        users, answers = words.lengths[::2], words.lengths[1::2]
        # Every text has a mark before it: the user's or the assistant's.
        size = words.lengths + 1
        flat = np.empty(int(size.sum()), np.int32)
        marks = starts(size)
        flat[marks[::2]], flat[marks[1::2]] = _USER_ID, _ASSISTANT_ID
        put(flat, marks + 1, words)
        shown = flat.copy()
        shown[_spans(users + 2, answers)] = IGNORED
        shown[marks[::2]] = self._eos
        turns = users + answers + 2
        lengths = _sums(turns, [len(talk) for talk in talks])
        ended = [weave(len(talks), [Ragged(part, lengths), [self._eos]]) for part in (flat, shown)]
        return ended[0], ended[1]


def _spans(on: NDArray[np.int64], off: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Flags: as often as `on` says set, then as often as `off` says not set, row by row."""
    import numpy as np

    flags: NDArray[np.bool_] = np.repeat(
        np.tile(np.array([True, False]), len(on)), np.stack((on, off), axis=1).ravel()
    )
    return flags


def _sums(values: NDArray[np.int64], counts: List[int]) -> NDArray[np.int64]:
    """Sums of as many consecutive values as each count says: int64 [counts]."""
    import numpy as np

    running = np.concatenate(([0], np.cumsum(values)))
    ends = np.cumsum(np.array(counts, np.int64))
    sums: NDArray[np.int64] = np.diff(running[np.concatenate(([0], ends))])
    return sums
