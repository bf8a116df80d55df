"""One lane's work: a block of raw rows in, ids for every output file out."""

from __future__ import annotations

import threading
from gettext import gettext as _
from typing import Dict, NamedTuple

from backend.node.data.data_job import DataJob
from backend.node.data.encoder import Encoder, EncoderMismatchError
from backend.node.data.encoder_choice import load_encoder
from backend.node.data.handlers.choose import make_handler
from backend.node.data.handlers.handler import Encoded, Handler
from backend.node.data.rows import Block


class Done(NamedTuple):
    """A block that has been encoded. `bytes_read`: of the whole input; `note`: a sentence about the encoder,
    "" when all is as it was."""

    encoded: Encoded
    bytes_read: int
    note: str


class BlockEncoder:
    """A tokenizer and a handler, loaded once and used by the lanes of one process. Raises JobError.

    When the fast encoder gives other ids than `tokenizers` anywhere, it is never used again and the block is
    encoded anew.
    """

    def __init__(self, job: DataJob) -> None:
        self._job = job
        self._lock = threading.Lock()
        self.note = ""
        try:
            self._load(job.encoder)
        except EncoderMismatchError as error:
            # The handler tries its prompts out when it is made.
            self._load("tokenizers")
            self.note = _("gigatoken is not used: {error}").format(error=error)

    def _load(self, encoder: str) -> None:
        loaded = load_encoder(self._job.tokenizer_options(encoder))
        self.encoder: Encoder = loaded
        self.handler: Handler = make_handler(self._job.handler, self._job.handler_options(), loaded)

    def __call__(self, block: Block) -> Done:
        handler = self.handler
        rows = block.rows(handler.columns)
        note = ""
        try:
            encoded = handler.encode(rows)
        except EncoderMismatchError as error:
            note = _("gigatoken is not used any more: {error}; the block is encoded anew").format(error=error)
            self._fall_back(handler)
            encoded = self.handler.encode(rows)
        return Done(encoded, block.done, note)

    def versions(self) -> Dict[str, str]:
        return dict(self.encoder.versions)

    def _fall_back(self, failed: Handler) -> None:
        with self._lock:
            if self.handler is failed:
                self._load("tokenizers")
