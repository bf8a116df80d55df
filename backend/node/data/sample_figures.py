"""Lengths of a sample as a few figures, and what follows from them for all of the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, NamedTuple, Optional

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Scale(NamedTuple):
    """From the sample to the whole: `records` rows in all for `rows` that were looked at."""

    rows: int
    records: int

    def __call__(self, count: int) -> int:
        """`count` of the sample, of the whole."""
        return count if self.rows == self.records else round(count * self.records / max(1, self.rows))


def lengths_in_short(lengths: NDArray[np.int64]) -> Optional[Dict[str, Any]]:
    """{"median", "p90", "p99", "longest"} (int: lengths that occur), "mean" (float); None without lengths."""
    import numpy as np

    if not len(lengths):
        return None
    ordered = np.sort(lengths)
    at = {name: ordered[min(len(ordered) - 1, int(share * len(ordered)))] for name, share in _SHARES.items()}
    figures: Dict[str, Any] = {name: int(value) for name, value in at.items()}
    figures["mean"] = float(lengths.mean())
    return figures


_SHARES = {"median": 0.5, "p90": 0.9, "p99": 0.99, "longest": 1.0}


def what_follows(
    lengths: NDArray[np.int64],
    packed: bool,
    scale: Scale,
    seq_length: Optional[int],
    gbs: Optional[int],
    dropping: bool = True,
) -> Dict[str, Any]:
    """ "beyond", "samples", "tokens" and "iterations" (see `inspect_data`) of data whose sequences have these
    lengths in tokens. `packed`: instruction data; `dropping`: whether long sequences are left out."""
    import numpy as np

    kept = lengths
    beyond = None
    if seq_length:
        long = lengths >= seq_length
        beyond = float(np.mean(long)) if len(lengths) else 0.0
        kept = lengths[~long] if dropping else lengths
    tokens = scale(int(kept.sum()))
    samples = scale(len(kept)) if packed else None
    if not packed and seq_length:
        samples = max(0, tokens - 1) // seq_length
    iterations = samples // gbs if gbs and samples is not None else None
    return {"beyond": beyond, "samples": samples, "tokens": tokens, "iterations": iterations}
