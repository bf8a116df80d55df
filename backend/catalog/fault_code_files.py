"""The fault codes of the catalog, read when the first one is looked up."""

from __future__ import annotations

from functools import cache
from importlib import resources

from backend.catalog.fault_code import FaultCode, Handling


def find_fault_code(code: str) -> FaultCode | None:
    """The entry of a code in any spelling (`0x80e18402`); None for one that is not known."""
    return load_fault_codes().get(code.strip().upper().removeprefix("0X"))


@cache
def load_fault_codes() -> dict[str, FaultCode]:
    """Every known code by itself, in capitals without 0x."""
    text = resources.files("backend.catalog").joinpath("fault_codes.tsv").read_text("utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    rows = [line.split("\t") for line in lines[1:]]
    return {
        code: FaultCode(code, Handling(level) if level else None, meaning, source)
        for code, level, meaning, source in rows
    }
