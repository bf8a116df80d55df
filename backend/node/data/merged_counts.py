"""What the description of joined token files counts: what is in the files, and what their parts left out."""

from __future__ import annotations

from typing import Any, Dict, Sequence

from backend.node.data.join_pairs import Joined
from backend.node.data.part_settings import Part

# What only the parts' own descriptions know.
_SUMMED = ("records", "kept", "empty", "dropped", "bad", "skipped")


def merged_counts(written: Sequence[Joined], packed: bool, parts: Sequence[Part]) -> Dict[str, Any]:
    """As preprocessing counts: sequences, documents and tokens of the pairs `written`, of the first alone
    where they hold the same samples (`packed`); "longest" of all that were seen, "longest_kept" of those
    written. Of parts that nothing describes every document is a record."""
    counting = written[:1] if packed else written
    longest = max(one.longest for one in counting)
    counts: Dict[str, Any] = {
        "sequences": sum(one.sequences for one in counting),
        "documents": sum(one.documents for one in counting),
        "tokens": sum(one.tokens for one in counting),
        "longest": longest,
        "longest_kept": longest,
    }
    described = [part.found["counts"] for part in parts if part.found and part.found.get("counts")]
    if len(described) < len(parts):
        records = {"records": written[0].documents, "kept": written[0].documents}
        return {**dict.fromkeys(_SUMMED, 0), **records, **counts}
    counts["longest"] = max([longest, *(int(one.get("longest", 0)) for one in described)])
    return {**{name: sum(int(one.get(name, 0)) for one in described) for name in _SUMMED}, **counts}


def merged_versions(parts: Sequence[Part]) -> Dict[str, str]:
    """The versions that all parts were made with, where they agree."""
    versions = [(part.found or {}).get("versions") or {} for part in parts]
    return {
        name: version
        for name, version in versions[0].items()
        if all(other.get(name) == version for other in versions)
    }
