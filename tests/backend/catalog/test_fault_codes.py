"""The table of fault codes: whole, unambiguous, and read only when it is needed."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from backend.catalog.fault_code import Handling
from backend.catalog.fault_code_files import find_fault_code, load_fault_codes


def test_every_code_is_sound() -> None:
    codes = load_fault_codes()
    assert len(codes) == 866
    for code, entry in codes.items():
        assert re.fullmatch(r"[0-9A-F]{8,9}", code)
        assert entry.level is not None or entry.meaning
        assert set(entry.source.split("+")) <= {"faultCode", "kg-config"}
        assert ("faultCode" in entry.source, "kg-config" in entry.source) == (
            entry.level is not None,
            bool(entry.meaning),
        )


@pytest.mark.parametrize(
    ("spelling", "level", "part"),
    [
        ("80E18402", Handling.SEPARATE_NPU, "reaches 64"),
        ("0x80e18402", Handling.SEPARATE_NPU, "reaches 64"),
        (" 80E0020B ", Handling.SEPARATE_NPU, "temperature"),
        ("81078603", Handling.NOT_HANDLE, "link status change"),
        ("A4025021", Handling.NOT_HANDLE, ""),
        # of two levels the graver one holds
        ("A2301001", Handling.SEPARATE_NPU, ""),
    ],
)
def test_look_up(spelling: str, level: Handling, part: str) -> None:
    entry = find_fault_code(spelling)
    assert entry is not None
    assert entry.level is level
    assert part in entry.meaning


@pytest.mark.parametrize("code", ["", "0", "FFFFFFFF", "x\ty"])
def test_unknown_codes_are_none(code: str) -> None:
    assert find_fault_code(code) is None


def test_nothing_is_read_before_the_first_look_up() -> None:
    script = (
        "from backend.catalog.fault_code_files import load_fault_codes as load\n"
        "print(load.cache_info().currsize)"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True).stdout
    assert said == "0\n"
