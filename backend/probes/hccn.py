"""Answers of hccn_tool, of both its command lines: `-i N -link -g` (910, A3) and `-g -link -i N` (950).

Formats: the open-source driver (hicann/driver, network/hccn), Huawei's hccn_tool references, MindCluster's
guide for collecting logs. N is the chip's physical id.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from backend.probes.answer import MOST_VALUES, Answer, Collected, Value, pair_of, value_of
from backend.probes.answer_sections import Section
from backend.probes.npu_smi_layout import is_separator, split_cells

MOST_CHANGES = 1000
_CHANGE = re.compile(r"([A-Z][a-z]{2} [A-Z][a-z]{2} +\d{1,2} \d\d:\d\d:\d\d \d{4})\s+LINK[ _](UP|DOWN)\b")
_WHEN = "%a %b %d %H:%M:%S %Y"
_TLS = re.compile(r"\b(tls [a-z ]{3,40})\[(\d{1,9})\]")
_TLS_DEVICE = re.compile(r"(?:dev_id:|device )(\d{1,5})")
_CERTIFICATE = re.compile(r"\[([a-z0-9 ]{1,20}) cert\] info")
_CERTIFICATE_FIELD = re.compile(r"^\s*([a-z_ ]{3,40})\[([^\]]{0,300})\]")
_GATEWAY = re.compile(
    r"default gateway\s*:\s*([^,\s]{1,60})(?:\s*,\s*Iface\s*:\s*(\S{1,32}))?", re.IGNORECASE
)
_PORT = re.compile(r"(port \d{1,3})\s*:\s*(.+)")
_ROUND_TRIP = re.compile(r"recv seq=(\d{1,9}),\s*time=([0-9.]{1,20})\s*ms")
_PING = re.compile(r"(\d{1,9}) packets transmitted, (\d{1,9}) received, ([0-9.]{1,8})% packet loss")
_PINGED = re.compile(r"device (\d{1,5}) PING (\S{1,60})", re.IGNORECASE)
_REFUSAL = re.compile(r"(?:^get \w+ failed|unreachable|not support|failed|invalid|error)", re.IGNORECASE)


def moment(text: str) -> str | None:
    """`Tue Aug  1 14:44:40 2022` as ISO 8601 without a zone: the clock is the node's. None for other text."""
    try:
        return datetime.strptime(" ".join(text.split()), _WHEN).isoformat()  # noqa: DTZ007 -- none is printed
    except ValueError:
        return None


def read_hccn(section: Section) -> Answer:
    """One answer; a section of which nothing can be read keeps its lines under `extra["error"]`."""
    table = None if section.kind == "link_stat" else read_port_table(section)
    answer = table or _READERS.get(section.kind, _pairs)(section)
    if answer.values or answer.extra:
        return answer
    said = " ".join(" ".join(section.lines).split())
    return Answer(section.kind, section.device, None, {}, {"error": said[:400]} if said else {})


def _pairs(section: Section) -> Answer:
    collected = Collected()
    refusals: list[str] = []
    rows: list[dict[str, Value]] = []
    names: list[str] = []
    again: dict[str, str] = {}
    for line in section.lines:
        pair = pair_of(line)
        if is_separator(line):
            continue
        if line.lstrip().startswith("|"):
            names = _take_row(split_cells(line), names, rows)
        elif pair and pair[0] in collected.values and len(again) < MOST_CHANGES:
            # port_info prints some names for the port and once more for its physical layer
            again[pair[0]] = pair[1]
        elif pair and pair[1] and pair[0]:
            collected.add(*pair)
        elif _REFUSAL.search(line) and len(refusals) < 10:
            refusals.append(line.strip()[:200])
    extra = collected.extra(error=" ".join(refusals), rows=rows, again=again)
    return Answer(section.kind, section.device, None, collected.values, extra)


def read_port_table(section: Section) -> Answer | None:
    """A table of ports as a 950 prints many answers: the first row's values, all rows in `extra["rows"]`.

    None when there is no such table. Its columns tell the kind where nothing else does.
    """
    rows: list[dict[str, Value]] = []
    names: list[str] = []
    for line in section.lines:
        if not is_separator(line) and line.lstrip().startswith("|"):
            names = _take_row(split_cells(line), names, rows)
    if names[:1] != ["NPU"] or "UDie" not in names or not rows:
        return None
    kind = section.kind or next((kind for name, kind in _TABLE_KINDS if name in names), "ports")
    npu = rows[0].get("NPU")
    device = npu if isinstance(npu, int) and section.device is None else section.device
    values = {name: value for name, value in rows[0].items() if name != "NPU"}
    return Answer(kind, device, None, values, {"rows": rows} if len(rows) > 1 else {})


def _take_row(cells: Sequence[str], names: list[str], rows: list[dict[str, Value]]) -> list[str]:
    """The names that hold from here on: those of a header, or the ones before."""
    if not names or (cells and cells[0] == names[0]):
        return list(cells)
    if len(cells) == len(names) and len(rows) < MOST_CHANGES:
        rows.append({name: value_of("", cell)[0] for name, cell in zip(names, cells, strict=True)})
    return names


def _link(section: Section) -> Answer:
    ports: dict[str, str] = {}
    status: Value = None
    for line in section.lines:
        port = _PORT.search(line)
        pair = pair_of(line)
        if port and len(ports) < MOST_VALUES:
            ports[port.group(1)] = port.group(2).strip()
        elif pair and pair[0].lower() == "link status":
            status = value_of("", pair[1])[0]
    kind = "ub_connect" if ports else section.kind or "link"
    return Answer(kind, section.device, None, {"link status": status}, {"ports": ports} if ports else {})


def _ip(section: Section) -> Answer:
    values: dict[str, Value] = {}
    for name, text in filter(None, map(pair_of, section.lines)):
        if name in ("ipaddr", "netmask"):
            values[name] = text or None
    return Answer("ip", section.device, None, values) if values else _pairs(section)


def _gateway(section: Section) -> Answer:
    match = _GATEWAY.search("\n".join(section.lines))
    if match is None:
        return _pairs(section)
    return Answer(
        "gateway", section.device, None, {"default gateway": match.group(1), "Iface": match.group(2)}
    )


def _fec(section: Section) -> Answer:
    for line in section.lines:
        pair = pair_of(line)
        if pair and pair[0].lower() == "fec mode":
            return Answer("fec", section.device, None, {"fec mode": pair[1] or None})
        if "no fec mode" in line.lower():
            return Answer("fec", section.device, None, {"fec mode": "no FEC mode"})
    return _pairs(section)


def _tls(section: Section) -> Answer:
    values: dict[str, Value] = {}
    certificates: list[dict[str, str]] = []
    device = section.device
    for line in section.lines:
        named = _CERTIFICATE.search(line)
        field = _CERTIFICATE_FIELD.match(line)
        if named and len(certificates) < 32:
            certificates.append({"name": named.group(1)})
        elif certificates and field:
            certificates[-1][field.group(1).strip()] = field.group(2)
        elif not certificates:
            values |= {name: int(number) for name, number in _TLS.findall(line)}
            found = _TLS_DEVICE.search(line)
            device = int(found.group(1)) if found and device is None else device
    return Answer("tls", device, None, values, {"certificates": certificates} if certificates else {})


def _link_stat(section: Section) -> Answer:
    values: dict[str, Value] = {}
    changes: list[dict[str, Any]] = []
    device = section.device
    for line in section.lines:
        change = _CHANGE.search(line)
        cells = split_cells(line) if "|" in line else []
        pair = pair_of(line)
        if len(cells) == 5 and cells[0].isdecimal() and len(changes) < MOST_CHANGES:
            device = int(cells[0]) if device is None else device
            state = cells[3].upper().removeprefix("LINK").strip("_ ")
            changes.append({"at": moment(cells[4]), "state": state, "udie": cells[1], "port": cells[2]})
        elif change and len(changes) < MOST_CHANGES:
            changes.append({"at": moment(change.group(1)), "state": change.group(2)})
        elif pair and pair[0] == "current time":
            values["current time"] = moment(pair[1])
        elif pair and pair[0] in ("link up count", "link down count"):
            values[pair[0]] = value_of("", pair[1])[0]
    return Answer("link_stat", device, None, values, {"changes": changes})


def _lldp(section: Section) -> Answer:
    values: dict[str, Value] = {}
    name = ""
    for line in section.lines:
        text = line.strip()
        if text.endswith(" TLV"):
            name = text.removesuffix(" TLV")
        elif name and text and text != "End of LLDPDU TLV" and len(values) < MOST_VALUES:
            before = values.get(name)
            values[name] = f"{before}\n{text}"[:2000] if before else text
    return Answer("lldp", section.device, None, values)


def _ping(section: Section) -> Answer:
    text = "\n".join(section.lines)
    asked, summary = _PINGED.search(text), _PING.search(text)
    values: dict[str, Value] = {"address": asked.group(2) if asked else None}
    if summary:
        sent, received, loss = summary.groups()
        values |= {"transmitted": int(sent), "received": int(received), "packet loss(%)": _decimal(loss)}
    times = [_decimal(time) for _, time in _ROUND_TRIP.findall(text)][:MOST_CHANGES]
    device = int(asked.group(1)) if asked and section.device is None else section.device
    return Answer("ping", device, None, values, {"times_ms": times} if times else {})


def _down_data(section: Section) -> Answer:
    rows: list[dict[str, Value]] = []
    names: list[str] = []
    for line in section.lines:
        if not is_separator(line) and line.lstrip().startswith("|"):
            names = _take_row(split_cells(line), names, rows)
    place = re.search(r"udie (\d{1,4}) port (\d{1,4})", "\n".join(section.lines))
    values: dict[str, Value] = {"udie": int(place.group(1)), "port": int(place.group(2))} if place else {}
    return Answer("down_data", section.device, None, values, {"rows": rows} if rows else {})


def _decimal(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


_TABLE_KINDS = (("rs_mode", "fec"), ("Speed", "speed"), ("snr", "serdes"), ("SNR", "serdes"))
_READERS: dict[str, Callable[[Section], Answer]] = {
    "link": _link,
    "ub_connect": _link,
    "ip": _ip,
    "gateway": _gateway,
    "fec": _fec,
    "tls": _tls,
    "link_stat": _link_stat,
    "lldp": _lldp,
    "ping": _ping,
    "down_data": _down_data,
}
