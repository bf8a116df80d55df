"""A SentencePiece model file as the tokenizer.json that LlamaTokenizerFast of transformers 4.43 makes of it.

The file is a protocol buffer (ModelProto of sentencepiece_model.proto): field 1 the pieces (1 text, 2 score,
3 type), field 2 the trainer's settings (3 the model type: 2 is BPE)."""

from __future__ import annotations

import struct
from typing import Any, Dict, Iterator, List, NamedTuple, Tuple

_BPE = 2
_NORMAL, _CONTROL, _USER_DEFINED = 1, 3, 4
_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5
_SPECIAL = 3


class Piece(NamedTuple):
    """An entry of the vocabulary; its place is its id. A higher score is merged earlier."""

    text: str
    score: float
    kind: int


def llama_tokenizer_json(data: bytes) -> Dict[str, Any]:
    """The parsed tokenizer.json of a model file's bytes, without normalizer. Raises ValueError."""
    pieces, model_type = _read(data)
    if model_type != _BPE or len(pieces) < _SPECIAL:
        raise ValueError("not a BPE model")
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            _added(number, piece) for number, piece in enumerate(pieces) if _is_added(number, piece)
        ],
        "normalizer": None,
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
                {"type": "Strip", "content": " ", "start": 1, "stop": 0},
            ],
        },
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": pieces[0].text,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": True,
            "byte_fallback": True,
            "vocab": {piece.text: number for number, piece in enumerate(pieces)},
            "merges": _merges(pieces),
        },
    }


def _is_added(number: int, piece: Piece) -> bool:
    return number < _SPECIAL or piece.kind in (_CONTROL, _USER_DEFINED)


def _added(number: int, piece: Piece) -> Dict[str, Any]:
    plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    special = number < _SPECIAL or piece.kind == _CONTROL
    return {"id": number, "content": piece.text, **plain, "special": special}


def _merges(pieces: List[Piece]) -> List[str]:
    """Every way to join two pieces to a third, the third with the highest score first."""
    numbers = {piece.text: number for number, piece in enumerate(pieces)}
    found: List[Tuple[float, str, str]] = []
    for number, (text, score, _kind) in enumerate(pieces):
        halves = [(text[:cut], text[cut:]) for cut in range(1, len(text))]
        known = [(left, right) for left, right in halves if left in numbers and right in numbers]
        known.sort(key=lambda pair: (numbers[pair[0]], numbers[pair[1]]))
        found += [(score if number >= _SPECIAL else 0.0, left, right) for left, right in known]
    found.sort(key=lambda merge: merge[0], reverse=True)
    return [f"{left} {right}" for _score, left, right in found]


def _read(data: bytes) -> Tuple[List[Piece], int]:
    pieces: List[Piece] = []
    model_type = 1
    for field, value in _fields(data):
        if field == 1:
            pieces.append(_piece(value))
        elif field == 2:
            model_type = dict(_fields(value)).get(3, model_type)
    return pieces, model_type


def _piece(data: Any) -> Piece:
    fields = dict(_fields(data))
    text, score, kind = fields.get(1, b""), fields.get(2, bytes(4)), fields.get(3, _NORMAL)
    if not isinstance(text, bytes) or not isinstance(score, bytes) or len(score) != 4:
        raise ValueError("a piece has no text or no score")
    return Piece(text.decode(), struct.unpack("<f", score)[0], kind)


def _fields(data: Any) -> Iterator[Tuple[int, Any]]:
    """Number and value of a message's fields: int, or bytes. Raises ValueError."""
    if not isinstance(data, bytes):
        raise ValueError("a message is due")  # noqa: TRY004 - the file is wrong, not the caller
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        size = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}.get(kind, -1)
        if kind == _BYTES:
            size, at = _varint(data, at)
        if size < 0 or at + size > len(data):
            raise ValueError("the file is cut off, or no SentencePiece model")
        yield key >> 3, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> Tuple[int, int]:
    number = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at += 1
        shift += 7
        if byte < 0x80:
            return number, at
    raise ValueError("the file is cut off, or no SentencePiece model")
