"""Logs that hold several tables: the last whole one counts, and no chip is there twice."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.events import Health
from backend.probes.npu_smi_info import parse
from backend.probes.npu_smi_layout import LONGEST_TEXT, clean_lines
from backend.probes.npu_smi_tables import read_list, read_mapping
from backend.probes.screen_text import has_places, pages_of

THIN, THICK = "+-----------+----------+------+", "+===========+==========+======+"
PROCESSES = f"| NPU   Chip | Process id | Process name | Process memory(MB) |\n{THICK}\n"


def table(*words: str, processes: bool = True, version: str = "24.1.0") -> str:
    """A table as npu-smi prints it; card n has the health word `words[n]`."""
    text = f"{THIN}\n| npu-smi {version}      Version: {version} |\n{THIN}\n"
    text += "| NPU   Name | Health | Power(W) Temp(C) Hugepages-Usage(page) |\n"
    text += f"| Chip | Bus-Id | AICore(%) Memory-Usage(MB) HBM-Usage(MB) |\n{THICK}\n"
    for npu, word in enumerate(words):
        text += f"| {npu}  910B3 | {word} | 97.5 41 0 / 0 |\n"
        text += f"| 0 | 0000:C1:00.0 | 7 0 / 0 3316 / 65536 |\n{THICK}\n"
    return text + (PROCESSES if processes else "")


def words_of(text: str) -> list[str]:
    return [device.health for device in parse(text).devices]


def test_the_last_table_counts() -> None:
    info = parse(table("OK", "OK") + "Sat Nov 28 16:00:02\n" + table("OK", "Alarm", version="25.0"))
    assert [device.health for device in info.devices] == ["OK", "Alarm"]
    assert (info.tool_version, info.tables, info.shown) == ("25.0", 2, 2)


def test_a_card_that_is_lost_in_the_last_table_is_not_taken_from_the_one_before() -> None:
    assert words_of(table("OK", "OK", "OK") + table("OK", "OK")) == ["OK", "OK"]


@pytest.mark.parametrize(
    ("processes", "lines"), [(True, 14), (True, 9), (True, 7), (True, 4), (False, 8), (False, 4)]
)
def test_a_table_that_is_cut_short_is_not_shown_in_the_place_of_a_whole_one(
    processes: bool, lines: int
) -> None:
    whole = table("Warning", "OK", "OK", processes=processes)
    cut = "".join(table("OK", "OK", "OK", processes=processes).splitlines(keepends=True)[:lines])
    info = parse(whole + cut)
    assert [device.health for device in info.devices] == ["Warning", "OK", "OK"]
    assert info.shown == 1


def test_one_table_alone_is_shown_however_short() -> None:
    whole = table("Warning", "OK")
    info = parse("".join(whole.splitlines(keepends=True)[:9]))
    assert ([device.health for device in info.devices], info.tables, info.shown) == (["Warning"], 1, 1)


def test_tables_without_their_headers_are_told_by_the_card_that_comes_again() -> None:
    rows = "".join(table("OK", "OK").splitlines(keepends=True)[6:-2])
    later = "".join(table("OK", "Alarm").splitlines(keepends=True)[6:-2])
    info = parse(rows * 3 + later)
    assert ([device.health for device in info.devices], info.tables) == (["OK", "Alarm"], 4)


def test_two_rows_for_one_chip_are_never_well_by_the_one_that_is() -> None:
    rows = [f"| {npu}  910B3 | {word} | 9.0 41 0 / 0 |\n| 0 | NA | 7 0 / 0 3316 / 65536 |\n" for npu, word in
            ((0, "OK"), (1, "Alarm"), (1, "OK"), (2, "OK"), (2, "Critical"))]  # fmt: skip
    assert words_of("".join(rows)) == ["OK", "Alarm", "Critical"]


@settings(deadline=None)
@given(
    st.lists(
        st.lists(st.sampled_from(["OK", "Alarm", "UNKNOWN"]), min_size=1, max_size=4), min_size=1, max_size=5
    ),
    st.booleans(),
    st.data(),
)
def test_no_chip_is_there_twice_and_none_is_well_that_no_table_calls_well(
    logged: list[list[str]], processes: bool, data: st.DataObject
) -> None:
    text = "".join(table(*words, processes=processes) for words in logged)
    assert words_of(text) == logged[-1]
    cut = text[: data.draw(st.integers(0, len(text)))]
    devices = parse(cut).devices
    assert len({(device.npu_id, device.chip_id) for device in devices}) == len(devices)
    for device in devices:
        said = {words[device.npu_id] for words in logged if device.npu_id < len(words)}
        assert device.health != Health.OK or "OK" in said


def test_what_pdsh_mixes_is_not_put_together() -> None:
    """Two nodes line by line: the first row of one card must not meet the second row of another."""
    mixed = "".join(
        f"n01: {first}\n10.0.0.2: {second}\n"
        for first, second in zip(
            table("OK", "OK").splitlines(), table("OK", "Alarm", version="25.0").splitlines(), strict=True
        )
    )
    info = parse(mixed)
    assert (info.tables, info.tool_version) == (2, "25.0")
    assert [device.health for device in info.devices] == ["OK", "Alarm"]


@pytest.mark.parametrize("width", [30, 25, 17, 12])
def test_rows_that_a_narrow_terminal_broke_are_whole_again(width: int) -> None:
    rows = [
        "| 0     910B3               | OK            | 97.5        41                0    / 0             |",
        "| 0                         | 0000:C1:00.0  | 7           0    / 0          3316 / 65536         |",
    ]
    broken = "\n".join(row[start : start + width] for row in rows for start in range(0, len(row), width))
    [device] = parse(broken).devices
    assert (device.temp_c, device.aicore_pct, device.hbm_used_mb, device.hbm_total_mb) == (41, 7, 3316, 65536)


def test_a_repeated_mapping_or_list_is_there_once() -> None:
    mapping = "NPU ID  Chip ID  Chip Logic ID  Chip Name\n4  0  0  910B3\n5  0  1  910B3\n"
    answer = read_mapping((mapping + mapping).splitlines())
    assert answer is not None
    assert [row["npu_id"] for row in answer["mapping"]] == [4, 5]
    listed = "Total Count : 2\nNPU ID : 0\nChip Count : 1\nNPU ID : 1\nChip Count : 1\n"
    answer = read_list((listed + listed).splitlines())
    assert answer is not None
    assert (answer["total_count"], len(answer["npus"])) == (2, 2)


def test_what_is_put_at_its_place_replaces_what_stood_there() -> None:
    first = "\x1b[?1049h\x1b[1;1H\x1b[2J" + table("OK", "OK").replace("\n", "\r\n")
    # the word of the second card, and then its temperature
    row = next(
        number for number, line in enumerate(table("OK", "OK").splitlines(), 1) if line.startswith("| 1")
    )
    assert words_of(first) == ["OK", "OK"]
    changed = first + f"\x1b[{row};14HAlarm | \x1b[22G97.5 84 "
    assert words_of(changed) == ["OK", "Alarm"]
    assert words_of(changed + "\x1b[60;1H\x1b[?1049l") == ["OK", "Alarm"]


@pytest.mark.skipif(shutil.which("watch") is None, reason="needs watch")
def test_a_log_of_watch(tmp_path: Path) -> None:
    """The second table has an Alarm: watch writes only the cells that changed."""
    for number, text in enumerate((table("OK", "OK", "OK"), table("OK", "Alarm", "OK"))):
        (tmp_path / str(number)).write_text(text)
    tool = tmp_path / "npu-smi"
    # it has been asked a third time when the second answer is on the screen
    tool.write_text(
        f"#!/bin/sh\ncd {tmp_path}\n"
        "if [ -e second ]; then >third; elif [ -e first ]; then >second; else >first; exec cat 0; fi\n"
        "exec cat 1\n"
    )
    tool.chmod(0o755)
    for term in ("xterm", "linux", "vt100", "screen"):
        for name in ("first", "second", "third"):
            (tmp_path / name).unlink(missing_ok=True)
        with (tmp_path / "log").open("wb") as log:
            watch = subprocess.Popen(
                ["watch", "-n", "0.5", str(tool)],
                env={**os.environ, "TERM": term, "COLUMNS": "120", "LINES": "60"},
                stdout=log,
                stderr=subprocess.DEVNULL,
            )
            until = time.monotonic() + 30
            while watch.poll() is None and not (tmp_path / "third").exists() and time.monotonic() < until:
                time.sleep(0.05)
            watch.terminate()
            watch.wait(timeout=10)
        text = (tmp_path / "log").read_bytes().decode()
        if not has_places(text):
            continue  # this machine does not know the terminal
        info = parse(text)
        assert [device.health for device in info.devices] == ["OK", "Alarm", "OK"], term
        assert {(one.power_w, one.temp_c, one.hbm_total_mb) for one in info.devices} == {(97.5, 41, 65536)}, (
            term
        )


@settings(deadline=None, max_examples=300)
@given(st.text(alphabet=st.sampled_from("\x1b[;0159HdGKJXP@bABCDhl?\r\n\bab|")), st.integers(1, 50))
def test_any_moves_are_followed(text: str, most: int) -> None:
    pages_of(text, most)
    clean_lines("\x1b[2;3H" + text)


@pytest.mark.parametrize(
    "text", ["\x1b[499;999Hx\x1b[2J", "\x1b[1;999Hx\n", "x\x1b[999b", "\x1b[1;1H\x1b[9@"]
)
def test_hostile_moves_are_bounded(text: str) -> None:
    many = text * (LONGEST_TEXT // len(text))
    assert sum(map(len, clean_lines(many))) < 2 * LONGEST_TEXT
