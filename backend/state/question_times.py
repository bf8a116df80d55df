"""How often a watched node is asked about what, and from when on an answer is old; pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

# How often each kind is asked for, in seconds, while a node is watched. A question costs the node some 0.1 s
# of one core for each chip; the table of all cards comes between them at its own pace.
DETAILS: Mapping[str, int] = MappingProxyType(
    {
        "health": 60,
        "link": 30,
        "host": 30,
        "common": 60,
        "ecc": 120,
        "net_health": 120,
        "link_stat": 120,
        "stat": 120,
        "hccs": 120,
        "usages": 300,
        "memory": 300,
        "optical": 300,
        "pcie-err": 600,
        "sio-info": 600,
        "versions": 1800,
        "fec": 1800,
        "tls": 1800,
        "ip": 1800,
        "lldp": 1800,
    }
)
_GRACE_S = 60


def is_old(kind: str, age_s: float) -> bool:
    """The next two answers to this question are overdue."""
    return age_s > 2 * DETAILS.get(kind, 0) + _GRACE_S
