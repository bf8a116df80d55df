"""HBM: its size, its bit errors and the rows that were taken out of use."""

from __future__ import annotations

import shlex

from backend.events import DeviceDetails, DeviceReading, Level
from backend.probes.circumstances import Findings
from backend.probes.judge_fault_codes import OUT_OF_USE
from backend.translation import _, ngettext

# MindCluster's fault diagnosis: less than this of the rated size is a fault
LEAST_SHARE = 0.95
# codes 80E18401 and 80E18402: multi-bit isolated rows of one device
MANY_ROWS, TOO_MANY_ROWS = 16, 64
_MANY_CODE, _TOO_MANY_CODE = "80E18401", "80E18402"
# MB as npu-smi prints them, by the chip's name; "910B" alone is the first generation
RATED_HBM_MB = {
    "910A": 32768,
    "910ProA": 32768,
    "910ProB": 32768,
    "910B": 32768,
    "910B1": 65536,
    "910B2": 65536,
    "910B2C": 65536,
    "910B3": 65536,
    "910B4": 32768,
    "910B4-1": 65536,
    "Ascend910": 65536,
}


def judge_hbm_size(
    findings: Findings, reading: DeviceReading, details: DeviceDetails | None, peers_mb: int | None
) -> None:
    """Against the rated size, or for an unknown chip against the largest of its peers."""
    seen = (
        details.hbm_capacity_mb if details and details.hbm_capacity_mb is not None else reading.hbm_total_mb
    )
    rated = RATED_HBM_MB.get(reading.name, peers_mb)
    if seen is None or not rated or seen >= LEAST_SHARE * rated:
        return
    if seen == 0 and reading.name not in RATED_HBM_MB:
        # chips without HBM print a zero
        return
    findings.add(
        "hbm_size",
        Level.ALARM,
        _("HBM has {seen} MB of {rated} MB").format(seen=seen, rated=rated),
        _("less than {share:.0%} of the rated size").format(share=LEAST_SHARE),
        _("reset the NPU when no job uses it; if it stays, have it repaired"),
    )


def judge_ecc(findings: Findings, ecc: dict[str, int], codes: tuple[str, ...]) -> None:
    """Uncorrectable errors and isolated rows; `ecc` has the names that `-t ecc` prints.

    Of rows that a fault code names nothing is said again, and of memory that is to be replaced only that.
    """
    errors = ecc.get("HBM Double Bit Error Count", 0) + ecc.get("DDR Double Bit Error Count", 0)
    rows = max(
        ecc.get("HBM Double Bit Isolated Pages Count", 0),
        ecc.get("HBM Isolated Page Count", 0),
        ecc.get("DDR Double Bit Isolated Pages Count", 0),
    )
    coming = max(
        ecc.get("HBM Double Bit Next-Isolated Pages Count", 0), ecc.get("HBM Pending Retire Page Count", 0)
    )
    if rows >= TOO_MANY_ROWS and _TOO_MANY_CODE not in codes:
        _rows(findings, Level.CRITICAL, rows, TOO_MANY_ROWS, _out_of_use(findings))
    elif MANY_ROWS <= rows < TOO_MANY_ROWS and not {_MANY_CODE, _TOO_MANY_CODE} & set(codes):
        _rows(findings, Level.WARNING, rows, MANY_ROWS, _("start the job again; then reset the NPU"))
    if errors > 0 and rows < TOO_MANY_ROWS and _TOO_MANY_CODE not in codes:
        findings.add(
            "ecc_double_bit",
            Level.ALARM,
            ngettext("{n} uncorrectable memory error", "{n} uncorrectable memory errors", errors).format(
                n=errors
            ),
            _("double-bit errors since the last reset of the NPU"),
            _("start the job again from its last checkpoint; reset the NPU when no job uses it"),
        )
    if coming > 0:
        findings.add(
            "ecc_pending_rows",
            Level.WARNING,
            ngettext(
                "{n} memory page is to be isolated at the next reset",
                "{n} memory pages are to be isolated at the next reset",
                coming,
            ).format(n=coming),
            _("until then jobs may meet its double-bit errors"),
            _("reset the NPU when no job uses it"),
        )


def _out_of_use(findings: Findings) -> str:
    return OUT_OF_USE.format(node=shlex.quote(findings.circumstances.node))


def _rows(findings: Findings, level: Level, rows: int, limit: int, fix: str) -> None:
    findings.add(
        "hbm_rows_isolated",
        level,
        _("{rows} memory rows isolated after double-bit errors").format(rows=rows),
        _("{limit} rows or more; from {most} on it is to be replaced").format(
            limit=limit, most=TOO_MANY_ROWS
        ),
        fix,
    )
