"""A fault code of an NPU or its host, and how grave its handling level is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Handling(StrEnum):
    """What MindCluster's scheduler does at a fault, the mildest first (its faultCode.json).

    These are its configurable defaults. They are not npu-smi's words Warning, Alarm and Critical.
    """

    NOT_HANDLE = "NotHandleFault"
    SUB_HEALTH = "SubHealthFault"
    RESTART_REQUEST = "RestartRequest"
    RESTART_BUSINESS = "RestartBusiness"
    FREE_RESTART_NPU = "FreeRestartNPU"
    RESTART_NPU = "RestartNPU"
    PRE_SEPARATE_NPU = "PreSeparateNPU"
    SEPARATE_NPU = "SeparateNPU"


@dataclass(frozen=True, slots=True)
class FaultCode:
    """`level` is None, `meaning` empty where nothing is published; `source` says where the rest is from."""

    code: str
    level: Handling | None
    meaning: str
    source: str
