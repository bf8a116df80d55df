"""gigatoken itself: a tokenizers.Tokenizer in, ids out, and where the two differ."""

from __future__ import annotations

import contextlib
import os
import threading
from gettext import gettext as _
from typing import Any, List, Optional, Sequence, Tuple

from backend.node.data.code_point_proof import differing_characters
from backend.node.data.encoder import EncoderMismatchError
from backend.node.data.ragged import Ragged
from backend.node.data.tokenizers_encoder import encode

# Characters after which the engine is made anew: its memory has grown by some 10 MB then.
_REMEMBERED = 24_000_000
_TRIMMED = 4_000_000


class GigatokenUnusableError(Exception):
    """gigatoken is not there, cannot read this tokenizer, or reads it differently; says which."""


class GigatokenEngine:
    """gigatoken for one `tokenizers.Tokenizer`. Safe for several threads at once."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self._process = os.getpid()
        self._content = tokenizer.to_str()
        self._lock = threading.Lock()
        self._fast = self._made()
        self._seen = 0

    def _made(self) -> Any:
        import gigatoken

        try:
            return gigatoken.Tokenizer.from_json(self._content)
        except (KeyboardInterrupt, SystemExit, MemoryError):
            raise
        # A panic in its native code is no Exception.
        except BaseException as error:
            raise GigatokenUnusableError(
                _("gigatoken cannot read this tokenizer: {error}").format(error=_first_line(error))
            ) from error

    def _fresh(self, texts: Sequence[str]) -> Any:
        """The engine for these texts. It remembers every word that it has met, for ever: from time to time a
        new one takes its place, and what the C library keeps of the old one is given back."""
        with self._lock:
            before = self._seen // _TRIMMED
            self._seen += sum(map(len, texts))
            if self._seen // _TRIMMED != before:
                give_back_memory()
            if self._seen > _REMEMBERED:
                self._fast, self._seen = self._made(), 0
            return self._fast

    def encode(self, texts: Sequence[str]) -> Ragged:
        """Plain ids, unchecked. Raises EncoderMismatchError where gigatoken fails."""
        import numpy as np

        if not texts:
            return Ragged(np.empty(0, np.int32), np.empty(0, np.int64))
        try:
            # Its threads do not survive a fork.
            alone = os.getpid() != self._process
            layout = self._fresh(texts).encode_batch(list(texts), parallel=not alone).layout
        except (KeyboardInterrupt, SystemExit, MemoryError):
            raise
        except BaseException as error:
            raise EncoderMismatchError(
                _("gigatoken failed: {error}").format(error=_first_line(error))
            ) from error
        offsets = np.asarray(layout.offsets.data, np.int64)
        flat = np.asarray(layout.content.data)[offsets[0] : offsets[-1]]
        return Ragged(
            flat.view(np.int32) if flat.dtype == np.uint32 else flat.astype(np.int32), np.diff(offsets)
        )

    def differs(self, texts: List[str]) -> Optional[str]:
        """The first text that it encodes otherwise than the tokenizers library, None if there is none."""
        return first_difference(texts, self.encode(texts), encode(self.tokenizer, texts))

    def differing_characters(self) -> List[Tuple[int, int]]:
        """Ranges of code points that it encodes otherwise than the tokenizers library."""
        return differing_characters(self.encode, lambda texts: encode(self.tokenizer, texts))


def give_back_memory() -> None:
    """Hand free memory back to the system, which glibc would keep; nothing with another C library."""
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def first_difference(texts: Sequence[str], one: Ragged, other: Ragged) -> Optional[str]:
    """The first text that has other ids in `one` than in `other`, None if there is none."""
    import numpy as np

    if np.array_equal(one.lengths, other.lengths) and np.array_equal(one.flat, other.flat):
        return None
    at = 0
    for text, ours, theirs in zip(texts, one.lengths.tolist(), other.lengths.tolist()):
        if ours != theirs or not np.array_equal(one.flat[at : at + ours], other.flat[at : at + ours]):
            return text
        at += ours
    return texts[-1]


def differs_for(text: str) -> str:
    """A sentence that names the text on which the two disagree."""
    shown = text if len(text) <= 40 else text[:40] + "…"
    return _("gigatoken gives other ids than tokenizers for {text!r}").format(text=shown)


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


def gigatoken_version() -> str:
    """The version of the installed gigatoken. Raises GigatokenUnusableError."""
    try:
        import gigatoken  # noqa: F401 - only whether it is there
    except Exception as error:
        raise GigatokenUnusableError(_("gigatoken is not installed")) from error
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("gigatoken")
    except PackageNotFoundError:
        return "?"
