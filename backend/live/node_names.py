"""Many nodes in few words, for the screens."""

from __future__ import annotations

from functools import lru_cache

from backend.fleet.node_sets import folded


@lru_cache(maxsize=256)
def named_together(names: tuple[str, ...]) -> str:
    """`n[01-32]`: the screens ask every second."""
    return folded(names)
