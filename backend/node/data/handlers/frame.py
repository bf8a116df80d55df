"""Full ids of texts, and the end-of-text token after them where the job asks for it."""

from __future__ import annotations

from gettext import gettext as _
from typing import TYPE_CHECKING, List, Sequence

from backend.node.data.ragged import Piece, Ragged, weave
from backend.node.job_lines import JobError

if TYPE_CHECKING:
    from backend.node.data.encoder import Encoder
    from backend.node.data.handlers.handler import HandlerOptions


def end_ids(options: HandlerOptions, encoder: Encoder) -> List[int]:
    """What `append_eod` puts after a sequence. Raises JobError when there is no end-of-text token."""
    return [end_of_text("append_eod", encoder)] if options.append_eod else []


def end_of_text(field: str, encoder: Encoder) -> int:
    """The end-of-text token, which the setting `field` needs. Raises JobError when there is none."""
    if encoder.eos is None:
        what = _("the tokenizer has no end-of-text token")
        raise JobError(field, what, "", _("name eos_token in its tokenizer_config.json"))
    return encoder.eos


def full(encoder: Encoder, texts: Sequence[str], end: Sequence[int] = ()) -> Ragged:
    """Ids of texts with the tokenizer's special tokens, then `end`; joined in one go if possible."""
    pieces: List[Piece]
    if encoder.before is None or encoder.after is None:
        pieces = [encoder.full(texts), end]
    else:
        pieces = [encoder.before, encoder.plain(texts), [*encoder.after, *end]]
    filled = [piece for piece in pieces if isinstance(piece, Ragged) or piece]
    only = filled[0]
    return only if len(filled) == 1 and isinstance(only, Ragged) else weave(len(texts), filled)
