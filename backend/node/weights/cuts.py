"""The piece of a part that one tensor parallel rank holds: views of the sources wherever that is possible."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Dict, List, NamedTuple

from backend.node.weights.families import mapping

if TYPE_CHECKING:
    from torch import Tensor


class Place(NamedTuple):
    """Rank `rank` of `tp`, and what a cut must know of the model: kv heads, width of a head, padded rows."""

    rank: int
    tp: int
    kv_heads: int
    head_dim: int
    padded_vocab: int


def _copy(sources: List[Tensor], place: Place) -> Tensor:
    return sources[0]


def _rows(tensor: Tensor, place: Place) -> Tensor:
    return tensor.chunk(place.tp, dim=0)[place.rank]


def _columns(sources: List[Tensor], place: Place) -> Tensor:
    return sources[0].chunk(place.tp, dim=1)[place.rank]


def _gate_up(sources: List[Tensor], place: Place) -> Tensor:
    import torch

    return torch.cat([_rows(source, place) for source in sources])


def _qkv(sources: List[Tensor], place: Place) -> Tensor:
    """Group after group: its query heads, its key head, its value head. Keeps the order of rows in a head."""
    import torch

    groups = place.kv_heads // place.tp
    pieces = [_rows(source, place) for source in sources]
    rest = pieces[0].shape[1:]
    blocks = [piece.reshape(groups, -1, place.head_dim, *rest) for piece in pieces]
    return torch.cat(blocks, dim=1).reshape(-1, *rest)


def _vocabulary(sources: List[Tensor], place: Place) -> Tensor:
    import torch

    count = place.padded_vocab // place.tp
    real = sources[0][place.rank * count : (place.rank + 1) * count]
    missing = count - len(real)
    if missing == 0:
        return real
    return torch.cat([real, sources[0][-1:].expand(missing, -1)])


CUTS: Dict[str, Callable[[List[Tensor], Place], Tensor]] = {
    mapping.COPY: _copy,
    mapping.COLUMNS: _columns,
    mapping.QKV: _qkv,
    mapping.GATE_UP: _gate_up,
    mapping.VOCABULARY: _vocabulary,
}
