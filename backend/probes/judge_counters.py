"""Counters that only grow while something is wrong: packets, links of the board, corrected memory errors."""

from __future__ import annotations

from backend.events import DeviceDetails, Level
from backend.probes.circumstances import Findings
from backend.translation import _

# errors that a sound link does not have, by parts of hccn_tool's names
_ERRORS = (
    "bad_pkt",
    "bad_oct",
    "fcs_err",
    "_err_pkt",
    "qp_status_err",
    "verification_err",
    "crc_err",
    "out_err",
)
_RETRIES = ("new_pkt_rty", "retry_req")
# a share of packets sent again that costs throughput (npudeck's own choice)
MOST_RETRIES = 0.001
_SENT = "stat: roce_tx_all_pkt_num"
# HBM corrects them, and one now and then is ordinary. Nobody publishes a limit; npudeck's own choice: so many
# between two questions are no chance
LEAST_SINGLE_BITS = 10
_SINGLE_BITS = ("ecc: HBM Single Bit Error Count", "ecc: DDR Single Bit Error Count")
_BOARD = (
    # isolated pages that grow announce the next ones
    ("double_bit_growth", "ecc", "HBM Double Bit Isolated", _("memory pages taken out of use grew")),
    ("pcie_errors", "pcie-err", "", _("errors on the PCIe link grew")),
    ("die_link_errors", "sio-info", "", _("errors between the dies of the chip grew")),
    ("hccs_errors", "hccs", "", _("errors on the HCCS links to the other NPUs grew")),
)


def judge_counters(findings: Findings, details: DeviceDetails) -> None:
    """What grew between the last two answers of each kind."""
    for rule, kind, names, title in _BOARD:
        grown = _of_kind(details, kind, names)
        if grown:
            findings.add(
                rule,
                Level.WARNING,
                f"{title}: {_listed(grown)}",
                _span(findings, kind),
                _("look again in an hour: errors that go on growing are a fault of the hardware"),
            )
    _judge_single_bits(findings, details)
    _judge_packets(findings, details)


def _judge_single_bits(findings: Findings, details: DeviceDetails) -> None:
    count = sum(details.grown.get(name, 0) for name in _SINGLE_BITS)
    if count < LEAST_SINGLE_BITS:
        return
    seconds = findings.seconds_between("ecc")
    rate = _("{rate:.0f} an hour").format(rate=count * 3600 / seconds) if seconds else ""
    findings.add(
        "single_bit_growth",
        Level.WARNING,
        _("the memory corrected {count} single-bit errors").format(count=count),
        "; ".join(part for part in (_span(findings, "ecc"), rate) if part),
        _("nothing is lost yet; if it goes on, reset the NPU when no job uses it"),
    )


def _judge_packets(findings: Findings, details: DeviceDetails) -> None:
    grown = _of_kind(details, "stat")
    errors = {name: count for name, count in grown.items() if any(part in name for part in _ERRORS)}
    if errors:
        findings.add(
            "packet_errors",
            Level.WARNING,
            _("packets were damaged: {counters}").format(counters=_listed(errors)),
            _span(findings, "stat"),
            _("check cable and optical module; compare with the switch's own counters"),
        )
    again = sum(count for name, count in grown.items() if any(part in name for part in _RETRIES))
    sent = details.grown.get(_SENT, 0)
    # without the number of packets sent nothing is known of the share
    if again and _SENT in details.counters and again > MOST_RETRIES * sent:
        findings.add(
            "retransmissions",
            Level.WARNING,
            (
                _("{count} packets were sent again, of {sent}")
                if sent
                else _("{count} packets were sent again")
            ).format(count=again, sent=sent),
            _span(findings, "stat"),
            _("look for congestion (PFC pauses) and for errors on the way"),
        )


def _of_kind(details: DeviceDetails, kind: str, names: str = "") -> dict[str, int]:
    prefix = f"{kind}: {names}"
    cut = len(kind) + 2
    return {name[cut:]: count for name, count in details.grown.items() if name.startswith(prefix)}


def _listed(grown: dict[str, int]) -> str:
    shown = [f"{name} +{count}" for name, count in sorted(grown.items())]
    return ", ".join(shown[:5]) + (", …" if len(shown) > 5 else "")


def _span(findings: Findings, kind: str) -> str:
    seconds = findings.seconds_between(kind)
    return _("within {seconds:.0f} s").format(seconds=seconds) if seconds else ""
