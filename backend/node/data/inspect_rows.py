"""Rows of raw data through a handler: examples, lengths, and how many samples they make."""

from __future__ import annotations

from gettext import gettext as _
from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from backend.node.data.character_encoder import CharacterEncoder
from backend.node.data.encoder import Encoder, TokenizerOptions
from backend.node.data.encoder_choice import load_encoder
from backend.node.data.handlers.choose import HANDLERS, make_handler
from backend.node.data.handlers.handler import Encoded, Handler, HandlerOptions
from backend.node.data.handlers.templates import template_named
from backend.node.data.model_view import examples
from backend.node.data.row_sample import RowSample, sample_rows
from backend.node.data.rows import BadRow
from backend.node.data.sample_figures import Scale, lengths_in_short, what_follows
from backend.node.data.template_guess import FALLBACK, guess_prompt_type

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EXAMPLES = 5
BAD_LISTED = 10


class Question(NamedTuple):
    """How the rows are to be read, and for what: as the arguments of `inspect_data`."""

    handler: str
    prompt_type: str
    json_keys: Tuple[str, ...]
    map_keys: Optional[Dict[str, Any]]
    append_eod: bool
    tokenizer: Optional[TokenizerOptions]
    seq_length: Optional[int]
    gbs: Optional[int]


def inspect_rows(files: Sequence[str], question: Question) -> Dict[str, Any]:
    """The keys of `inspect_data` from "records" on. Raises JobError, OSError."""
    encoder, prompt_type = _load(question)
    options = HandlerOptions(question.json_keys, question.append_eod, prompt_type, question.map_keys)
    handler = make_handler(question.handler, options, encoder)
    sample = sample_rows(files, handler.columns)
    encoded = [handler.encode(rows) for rows in sample.parts]
    lengths = _lengths(encoded, handler)
    follows = _follows(lengths, handler, sample, question)
    bad = [row for one in encoded for row in one.bad]
    notes = _notes(sample, handler, follows, question)
    if prompt_type != question.prompt_type:
        notes.insert(0, _assumed(prompt_type))
    return {
        "handler": question.handler,
        "prompt_type": prompt_type,
        "records": sample.records,
        "records_exact": sample.exact,
        "unit": "tokens" if question.tokenizer else "characters",
        "encoder": encoder_in_words(encoder) if question.tokenizer else None,
        "examples": examples(sample.parts[0], handler, encoder, EXAMPLES) if sample.parts else [],
        "sampled": sample.rows,
        "lengths": lengths_in_short(lengths),
        **follows,
        "samples_exact": sample.whole and follows["samples"] is not None,
        **bad_in_words(bad),
        "skipped_found": sum(len(one.skipped) for one in encoded),
        "notes": notes,
    }


def bad_in_words(bad: Sequence[BadRow]) -> Dict[str, Any]:
    """ "bad" and "bad_found" of `inspect_data`."""
    listed = [{"place": row.where(), "field": row.field, "why": row.why} for row in bad[:BAD_LISTED]]
    return {"bad": listed, "bad_found": len(bad)}


def load_plainly(options: TokenizerOptions) -> Encoder:
    """The tokenizer with the encoder that needs no proof first: a sample is soon encoded."""
    return load_encoder(options._replace(encoder="tokenizers"))


def encoder_in_words(encoder: Encoder) -> Dict[str, Any]:
    """{"name", "note", "vocabulary"}."""
    return {"name": encoder.name, "note": encoder.note, "vocabulary": encoder.vocabulary}


def _load(question: Question) -> Tuple[Encoder, str]:
    """The encoder, with the template's changes to the tokenizer, and the prompt type (given or guessed)."""
    options = question.tokenizer
    if options is None:
        plain: Encoder = CharacterEncoder()
    else:
        options = options._replace(needs_eos=question.append_eod)
        plain = load_plainly(options)
    prompt_type = question.prompt_type
    kind = HANDLERS.get(question.handler)
    if kind and kind.styled and not prompt_type:
        prompt_type = guess_prompt_type(plain)
    if not prompt_type or options is None:
        return plain, prompt_type
    template = template_named(prompt_type)
    changed = options._replace(
        with_template=True, replace_eos=template.replace_eos, stop_words=template.stop_words
    )
    return load_plainly(changed), prompt_type


def _assumed(prompt_type: str) -> str:
    if prompt_type == FALLBACK:
        text = _("no prompt type is given: the examples are written with {name}; name that of your model")
    else:
        text = _("no prompt type is given: {name} is taken, because the tokenizer has its tokens")
    return text.format(name=prompt_type)


def _lengths(encoded: Sequence[Encoded], handler: Handler) -> NDArray[np.int64]:
    """Tokens of every sequence: of the longest output that counts for the over-length rule, int64."""
    import numpy as np

    found = [np.empty(0, np.int64)]
    for one in encoded:
        names = handler.outputs if handler.packed else handler.outputs[:1]
        shares = [one.parts[name].sequences for name in names]
        lengths = [share.lengths for share in shares if share is not None]
        found.append(np.maximum.reduce(lengths))
    return np.concatenate(found)


def _follows(
    lengths: NDArray[np.int64], handler: Handler, sample: RowSample, question: Question
) -> Dict[str, Any]:
    scale = Scale(sample.rows, sample.records)
    follows = what_follows(lengths, handler.packed, scale, question.seq_length, question.gbs)
    if question.tokenizer:
        return follows
    # Characters say nothing about tokens; the count of samples stands where no length decides about it.
    if not handler.packed or question.seq_length:
        return dict.fromkeys(follows)
    return {**follows, "beyond": None, "tokens": None}


def _notes(sample: RowSample, handler: Handler, follows: Dict[str, Any], question: Question) -> List[str]:
    notes = []
    if not sample.exact:
        notes.append(_("the number of records is estimated from the bytes that the sample takes"))
    if not sample.spread:
        notes.append(_("the sample is from the start of the data, which may differ from the rest"))
    if len(handler.outputs) > 1 and not handler.packed:
        notes.append(_("lengths and samples are those of the column {name}").format(name=handler.outputs[0]))
    if follows["beyond"] and not handler.packed:
        notes.append(
            _(
                "texts of {length:,} tokens or more are left out: without a sequence length all are kept"
            ).format(length=question.seq_length)
        )
    if follows["iterations"] == 0:
        notes.append(
            _("{samples:,} samples are fewer than one batch of {gbs:,}: training would end at once").format(
                samples=follows["samples"], gbs=question.gbs
            )
        )
    return notes
