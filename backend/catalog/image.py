"""The container image of a release of the guide's package."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Image:
    """An image and the versions that must match it. `driver` is the host's, the others are inside.

    `release` is the release of the AscendCloud package ("6.3.907").
    """

    release: str
    address: str
    cann: str
    driver: str
    pytorch: str
    python: str
    source: str
