"""From an answer to the fields of `DeviceDetails` that it fills; names are those that the tools print."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from backend.events import Hccs, LinkChange, Optics
from backend.probes.answer import Answer, Value, whole

Fields = dict[str, Any]
_LANE = {
    "tx_mw": re.compile(r"Tx Power\d*"),
    "rx_mw": re.compile(r"Rx Power\d*"),
    "media_snr_db": re.compile(r"Media SNR Lane\d+"),
}
_FLAG = re.compile(r"[TR]x (?:Los|LoL|LOL) Flag", re.IGNORECASE)
_IFNAME = re.compile(r"Ifname:\s*(\S{1,64})")
_AHEAD_S = 60.0
_EVENT = re.compile(r"event id\s*=\s*(?:0x)?([0-9A-Fa-f]{8,9})")


def fields_of(answer: Answer, at: float, utc_offset_s: int = 0) -> Fields | None:
    """What the answer says. None when its kind says nothing of a chip's health.

    `at`: UTC epoch seconds of the answer; `utc_offset_s`: of the node's clock, for histories that print local
    time without their own "current time".
    """
    if answer.kind == "unsupported":
        return {}
    if answer.kind == "link_stat":
        return {"changes": _changes(answer, at, utc_offset_s)}
    reader = _READERS.get(answer.kind)
    return reader(answer) if reader else None


def counters_of(answer: Answer) -> dict[str, int]:
    """Counters that only grow while all is as it should be: packets, retries, bit errors, as `kind: name`."""
    if answer.kind not in ("stat", "ecc", "sio-info", "pcie-err", "hccs"):
        return {}
    found: dict[str, int] = {}
    for name, value in answer.values.items():
        numbers = value if isinstance(value, tuple) else (value,)
        whole_numbers = [number for number in map(whole, numbers) if number is not None]
        counts = name.endswith("count") if name.startswith("hccs ") else name != "Chip Count"
        if counts and whole_numbers and len(whole_numbers) == len(numbers):
            found[f"{answer.kind}: {name}"] = sum(whole_numbers)
    return found


def _health(answer: Answer) -> Fields:
    word = answer.values.get("Health Status", answer.values.get("Health"))
    codes = answer.values.get("Error Code")
    texts = answer.values.get("Error Information")
    return {
        # no word is not a good word
        "health": word if isinstance(word, str) else "UNKNOWN",
        "codes": _texts(codes) if codes is not None else None,
        "code_texts": _texts(texts),
    }


def _events(answer: Answer) -> Fields:
    texts = _texts(answer.values.get("Fault Event Information"))
    codes = tuple(match.group(1).upper() for text in texts for match in _EVENT.finditer(text))
    # asked right after the health, whose codes it words with their severity; without events those stand
    return {"codes": codes, "code_texts": texts} if codes else {}


def _usages(answer: Answer) -> Fields:
    fields = {
        "hbm_capacity_mb": whole(answer.values.get("HBM Capacity(MB)")),
        "aicore_pct": whole(answer.values.get("Aicore Usage Rate(%)")),
    }
    # a zero is what a failed query prints; a chip without HBM prints no such name
    return {name: value for name, value in fields.items() if value is not None}


def _common(answer: Answer) -> Fields:
    return {
        "aicore_rated_mhz": whole(_first(answer.values, "Aicore Freq(MHZ)", "Aicore Freq(MHz)")),
        "aicore_mhz": whole(_first(answer.values, "Aicore curFreq(MHZ)", "Aicore curFreq(MHz)")),
        "aicore_pct": whole(answer.values.get("Aicore Usage Rate(%)")),
    }


def _memory(answer: Answer) -> Fields:
    fields = {
        "hbm_capacity_mb": whole(answer.values.get("HBM Capacity(MB)")),
        "hbm_temp_c": whole(_first(answer.values, "HBM Temperature(C)", "HBM Temperature (C)")),
    }
    return {name: value for name, value in fields.items() if value is not None}


def _ecc(answer: Answer) -> Fields:
    counts = {name: number for name, value in answer.values.items() if (number := whole(value)) is not None}
    counts.pop("Chip Count", None)
    return {"ecc": counts}


def _hccs(answer: Answer) -> Fields:
    status = answer.values.get("hccs health status")
    lane = answer.values.get("hccs first error lane")
    return {
        "hccs": Hccs(
            healthy=None if status is None else status == "OK",
            lane_modes=_numbers(answer.values.get("hccs lane mode")),
            errors=_sum(answer.values.get("hccs error count")),
            retries=_sum(answer.values.get("hccs retry count")),
            first_error_lane="" if lane is None else str(lane),
        )
    }


def _link(answer: Answer) -> Fields:
    status = answer.values.get("link status")
    ports = answer.extra.get("ports", {})
    return {"link": status if isinstance(status, str) else None, "ports": dict(ports)}


def _net_health(answer: Answer) -> Fields:
    status = answer.values.get("net health status")
    return {"net_health": status if isinstance(status, str) else "Unknown"}


def _optical(answer: Answer) -> Fields:
    values = answer.values
    lanes = {
        name: tuple(
            number for key in values if pattern.fullmatch(key) and (number := _real(values[key])) is not None
        )
        for name, pattern in _LANE.items()
    }
    raised = (key for key in values if _FLAG.fullmatch(key) and whole(values[key]))
    present = values.get("present")
    return {
        "optics": Optics(
            present=None if present is None else present == "present",
            temp_c=_real(values.get("temperature")),
            temp_range_c=(_real(values.get("Temp Low Thres")), _real(values.get("Temp High Thres"))),
            tx_range_mw=(_real(values.get("TxPower Low Thres")), _real(values.get("TxPower High Thres"))),
            rx_range_mw=(_real(values.get("RxPower Low Thres")), _real(values.get("RxPower High Thres"))),
            raised=tuple(sorted(raised)),
            error=str(answer.extra.get("error", "")),
            **lanes,
        )
    }


def _fec(answer: Answer) -> Fields:
    mode = answer.values.get("fec mode")
    return {"fec": mode if isinstance(mode, str) else None}


def _tls(answer: Answer) -> Fields:
    return {"tls_switch": whole(answer.values.get("tls switch"))}


def _ip(answer: Answer) -> Fields:
    address = answer.values.get("ipaddr")
    return {"address": address if isinstance(address, str) else ""}


def _lldp(answer: Answer) -> Fields:
    match = _IFNAME.search(str(answer.values.get("Port ID", "")))
    return {"switch_port": match.group(1) if match else None}


def _nothing(answer: Answer) -> Fields:
    """Its counters are all that it says."""
    return {}


def _changes(answer: Answer, at: float, utc_offset_s: int) -> tuple[LinkChange, ...]:
    current = _seconds(answer.values.get("current time"))
    found = []
    for change in answer.extra.get("changes", ()):
        moment = _seconds(change.get("at"))
        if moment is None:
            continue
        # the tool's own clock says how long ago it was; without it the node's zone must do
        epoch = moment - utc_offset_s if current is None else at - (current - moment)
        if epoch > at + _AHEAD_S:
            # the node's clock was set back since, as a reboot does: nobody knows when it was
            continue
        port = f"{change['udie']}/{change['port']}" if "port" in change else ""
        found.append(LinkChange(epoch, change.get("state") == "UP", port))
    return tuple(found)


def _seconds(text: Any) -> float | None:
    """Seconds of a time without a zone, as if it were UTC."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def _first(values: Mapping[str, Value], *names: str) -> Value:
    return next((values[name] for name in names if name in values), None)


def _texts(value: Value) -> tuple[str, ...]:
    return tuple(str(part) for part in value) if isinstance(value, tuple) else ()


def _numbers(value: Value) -> tuple[int, ...]:
    parts = value if isinstance(value, tuple) else (value,)
    return tuple(number for number in map(whole, parts) if number is not None)


def _sum(value: Value) -> int | None:
    return sum(_numbers(value)) if value is not None else None


def _real(value: Value) -> float | None:
    return float(value) if isinstance(value, int | float) else None


_READERS: dict[str, Callable[[Answer], Fields]] = {
    "health": _health,
    "current-fault-event": _events,
    "usages": _usages,
    "common": _common,
    "memory": _memory,
    "ecc": _ecc,
    "hccs": _hccs,
    "link": _link,
    "ub_connect": _link,
    "net_health": _net_health,
    "optical": _optical,
    "fec": _fec,
    "tls": _tls,
    "ip": _ip,
    "lldp": _lldp,
    "stat": _nothing,
    "sio-info": _nothing,
    "pcie-err": _nothing,
}
