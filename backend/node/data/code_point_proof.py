"""Which characters two tokenizer engines read differently, because their tables are of two Unicode versions.

A newer version knows more letters, more marks that change places, more pairs that are one character. Every
character is tried beside letters, a digit and two marks; of blocks whose characters are all of one kind a
sample is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Callable, Iterator, List, Sequence, Tuple

from backend.node.data.ragged import Ragged

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Encode = Callable[[Sequence[str]], Ragged]

# First and last code point of what is tried whole, then of what is tried by samples.
_WHOLE = (
    (0x0000, 0x33FF),
    (0x4D80, 0x4DFF),
    (0x9F80, 0xABFF),
    (0xD780, 0xD7FF),
    (0xF900, 0x11FFF),
    (0x14680, 0x16FFF),
    (0x1AFF0, 0x1FFFF),
    (0xE0000, 0xE01FF),
)
_SAMPLED = (
    (0x3400, 0x4D7F),
    (0x4E00, 0x9F7F),
    (0xAC00, 0xD77F),
    (0xE000, 0xF8FF),
    (0x12000, 0x1467F),
    (0x17000, 0x1AFEF),
    (0x20000, 0x33FFF),
)
_STEP = 16
# Pairs that have been one character since Unicode 13 or 16 (UnicodeData.txt, canonical decompositions).
_PAIRS = (
    "\U000105d2\u0307",
    "\U000105da\u0307",
    "\U00011382\U000113c9",
    "\U00011384\U000113bb",
    "\U0001138b\U000113c2",
    "\U00011390\U000113c9",
    "\U000113c2\U000113c2",
    "\U000113c2\U000113b8",
    "\U000113c2\U000113c9",
    "\U00011935\U00011930",
    "\U0001611e\U0001611e",
    "\U0001611e\U00016129",
    "\U0001611e\U0001611f",
    "\U00016129\U0001611f",
    "\U0001611e\U00016120",
    "\U00016121\U0001611f",
    "\U00016122\U0001611f",
    "\U00016121\U00016120",
    "\U00016d67\U00016d67",
    "\U00016d63\U00016d67",
    "\U00016d69\U00016d67",
)
_AT_ONCE = 8192
# Beyond this many the engines disagree in more than their age.
_MOST_RANGES = 2000


def differing_characters(one: Encode, other: Encode) -> List[Tuple[int, int]]:
    """Ranges of code points (first and last) that the two encode differently somewhere."""
    found: List[Tuple[int, int]] = []
    for points, width in _portions():
        texts = [_probe(chr(point)) for point in points]
        for index in _differing_rows(one(texts), other(texts)).tolist():
            first = points[index]
            last = first + width - 1
            if found and found[-1][1] + 1 == first:
                found[-1] = (found[-1][0], last)
            else:
                found.append((first, last))
    pairs = _differing_rows(one(_PAIRS), other(_PAIRS)).tolist()
    # The second of a pair may be a common mark.
    return found + [(first, first) for first in sorted({ord(_PAIRS[index][0]) for index in pairs})]


def pattern_of(ranges: Sequence[Tuple[int, int]]) -> str:
    """A character class as a regular expression; "" for no ranges."""
    if not ranges:
        return ""
    parts = (f"{re.escape(chr(first))}-{re.escape(chr(last))}" for first, last in ranges)
    return "[" + "".join(parts) + "]"


def too_many(ranges: Sequence[Tuple[int, int]]) -> bool:
    """Whether so many characters differ that only another tokenizer can be the reason."""
    return len(ranges) > _MOST_RANGES or any(first < 0x80 for first, _last in ranges)


def _probe(character: str) -> str:
    return f"a{character}\u0334b\u0345{character}1"


def _portions() -> Iterator[Tuple[List[int], int]]:
    """Code points to try, and how many each stands for."""
    for spans, step in ((_WHOLE, 1), (_SAMPLED, _STEP)):
        points = [point for first, last in spans for point in range(first, last + 1, step)]
        for at in range(0, len(points), _AT_ONCE):
            yield points[at : at + _AT_ONCE], step


def _differing_rows(one: Ragged, other: Ragged) -> NDArray[np.int64]:
    """Indexes of the lists that are not the same in both."""
    import numpy as np

    differs = one.lengths != other.lengths
    same = ~differs
    a = one.flat[np.repeat(same, one.lengths)]
    b = other.flat[np.repeat(same, other.lengths)]
    rows = np.repeat(np.flatnonzero(same), one.lengths[same])
    differs[rows[a != b]] = True
    return np.flatnonzero(differs)
