"""The parser of `npu-smi info`, over tables rendered here in all four layouts."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.events import DeviceReading, ProcessReading
from backend.probes.npu_smi_info import parse

CAPTURES = Path(__file__).resolve().parents[3] / ".." / "shared" / "captures" / "npu-smi"

THIN = "+-----------------------+---------------+--------------------------------------------------+"
THICK = THIN.replace("-", "=")
FULL = "+" + "-" * 92 + "+"


def banner(version: str = "25.2.0", driver: str = "25.2.1") -> str:
    return f"{FULL}\n| npu-smi {version}                 Version: {driver}                    |\n{THIN}\n"


HEAD_310 = (
    "| NPU     Name      | Health          | Power(W)     Temp(C)           Hugepages-Usage(page) |\n"
    "| Chip    Device    | Bus-Id          | AICore(%)    Memory-Usage(MB)                        |\n"
    + THICK
    + "\n"
)
HEAD_910 = (
    "| NPU   Name            | Health        | Power(W)    Temp(C)           Hugepages-Usage(page)|\n"
    "| Chip                  | Bus-Id        | AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)        |\n"
    + THICK
    + "\n"
)
HEAD_A3 = HEAD_910.replace("| Chip        ", "| Chip  Phy-ID")
HEAD_950 = (
    "| NPU ID | Name         | Health        | Power(W)    Temp(C)           Hugepages-Usage(page) |\n"
    "|        |              | Bus-Id        | NPU Util(%) Memory-Usage(MB)  HBM-Usage(MB)         |\n"
    + THICK
    + "\n"
)
PROCESS_HEAD = (
    f"{THIN}\n"
    "| NPU     Chip          | Process id    | Process name     | Process memory(MB)            |\n"
    f"{THICK}\n"
)


def card_910(npu: int, *, health: str = "OK", hbm: str = "3190 / 65536", name: str = "910B3") -> str:
    return (
        f"| {npu:<5} {name:<15} | {health:<13} | 97.5        41                0    / 0             |\n"
        f"| 0                     | 0000:C{npu}:00.0  | 7           0    / 0          {hbm:<20} |\n{THICK}\n"
    )


TABLE_910 = banner() + HEAD_910 + card_910(0) + card_910(5, health="Alarm", hbm="59828/ 65536")


def test_310_device_is_a_logic_id_and_there_is_no_hbm() -> None:
    rows = (
        "| 215     310P3     | OK              | NA           62                7210  / 7210          |\n"
        "| 1       3         | 0000:01:00.0    | 12           16302/ 44280                            |\n"
    )
    info = parse(banner("24.1.0.1") + HEAD_310 + rows + THICK)
    assert info.tool_version == "24.1.0.1"
    assert info.devices == (
        DeviceReading(
            npu_id=215,
            chip_id=1,
            phy_id=None,
            name="310P3",
            health="OK",
            power_w=None,
            temp_c=62,
            hugepages_used=7210,
            hugepages_total=7210,
            bus_id="0000:01:00.0",
            aicore_pct=12,
            memory_used_mb=16302,
            memory_total_mb=44280,
            hbm_used_mb=None,
            hbm_total_mb=None,
        ),
    )


def test_early_310_prints_no_hugepages_and_soc_boards_no_bus() -> None:
    head = HEAD_310.replace("Hugepages-Usage(page)", "")
    rows = "| 0 310 | OK | 12.8 58 |\n| 0 0 | NA | 0 5324 / 8192 |\n"
    (device,) = parse(head + rows).devices
    assert (device.power_w, device.temp_c, device.hugepages_total) == (12.8, 58, None)
    assert (device.bus_id, device.memory_used_mb) == (None, 5324)


def test_910_with_glued_hbm_and_card_ids_that_are_no_count() -> None:
    first, second = parse(TABLE_910).devices
    assert (first.npu_id, first.hbm_used_mb, first.aicore_pct) == (0, 3190, 7)
    assert (second.npu_id, second.health, second.hbm_used_mb, second.phy_id) == (5, "Alarm", 59828, None)


def test_a3_has_two_dies_a_physical_id_and_a_border_without_column_marks() -> None:
    rows = (
        "| 3     Ascend910       | OK            | 502.6       53                0    / 0             |\n"
        "| 0     6               | 0000:9D:00.0  | 13          0    / 0          63540/ 65536         |\n"
        f"{FULL}\n"
        "| 3     Ascend910       | OK            | -           53                0    / 0             |\n"
        "| 1     7               | 0000:9F:00.0  | 14          0    / 0          62186/ 65536         |\n"
    )
    first, second = parse(banner() + HEAD_A3 + rows + THICK).devices
    assert (first.npu_id, first.chip_id, first.phy_id, first.power_w) == (3, 0, 6, 502.6)
    assert (second.npu_id, second.chip_id, second.phy_id, second.power_w) == (3, 1, 7, None)


def test_950_has_four_cells_and_prints_no_chip() -> None:
    rows = (
        "| 2      | Ascend950    | OK            | 204.4       56                0     / 0             |\n"
        "|        |              | 0000:91:00.0  | 31          0    / 0          4439  / 86016         |\n"
    )
    processes = (
        f"{THIN}\n| NPU ID     | Process id    | Process name             | Process memory(MB)   |\n"
        "| 2          | 2018733       | python3                  | 30212                |\n"
    )
    info = parse(banner() + HEAD_950 + rows + THICK + "\n" + processes)
    (device,) = info.devices
    assert (device.npu_id, device.chip_id, device.name, device.aicore_pct) == (2, 0, "Ascend950", 31)
    assert (device.memory_total_mb, device.hbm_used_mb, device.hbm_total_mb) == (0, 4439, 86016)
    assert info.processes == (ProcessReading(2, None, 2018733, "python3", 30212),)


def test_processes_of_the_wide_table_and_names_that_are_missing() -> None:
    head = PROCESS_HEAD.replace("|\n+=", "| Process id in container |\n+=")
    rows = (
        "| 0       0             | 11            | mindie_llm_back  | 14513             | 7  |\n"
        "| 1       0             | 12            |                  | 5                 | NA |\n"
        "| No running processes found in NPU 2                                               |\n"
    )
    assert parse(TABLE_910 + head + rows).processes == (
        ProcessReading(0, 0, 11, "mindie_llm_back", 14513, 7),
        ProcessReading(1, 0, 12, "", 5, None),
    )


@pytest.mark.parametrize(
    ("row", "usage"),
    [
        ("| 4     910B3 | OK | 0.0 0 0 / 0 |", "| 0 | 0000:C1:00.0 | 0 0 / 0 0 / 0 |"),
        ("| 4           | OK | 0.0 0 0 / 0 |", "| 0 | 0000:C1:00.0 | 0 0 / 0 3190 / 65536 |"),
        ("| 4     910B3 | OK | NA 0 0 / 0  |", "| 0 | NA | 0 0 / 0 0 / 0 |"),
    ],
)
def test_a_row_of_zeros_is_not_healthy(row: str, usage: str) -> None:
    (device,) = parse(f"{HEAD_910}{row}\n{usage}\n").devices
    assert device.health == "UNKNOWN"


def test_a_board_without_power_sensor_keeps_its_word() -> None:
    (device,) = parse(HEAD_310 + "| 0 310B4 | OK | 0.0 65 15 / 15 |\n| 0 0 | NA | 0 3628 / 15609 |\n").devices
    assert (device.health, device.power_w) == ("OK", 0.0)


def test_rows_that_lost_their_partner_are_left_out() -> None:
    orphan = (
        "| 0                     | 0000:59:00.0  | 0           0    / 0          3408 / 65536         |\n"
    )
    cut = "| 7     910B3           | OK            | 97.5        41                0    / 0             |\n"
    info = parse(
        orphan + THICK + "\n" + card_910(3) + cut + THICK + "\n" + orphan + THICK + "\n" + card_910(4)
    )
    assert [(device.npu_id, device.hbm_used_mb) for device in info.devices] == [(3, 3190), (4, 3190)]


@pytest.mark.parametrize("table", [TABLE_910, TABLE_910.replace("+", "|"), TABLE_910.replace("+\n", "\n")])
@pytest.mark.parametrize("end", ["\n", "\r\n", "  \n"])
@pytest.mark.parametrize(
    "prefix",
    ["", "2026-01-02 03:04:05.678 ", "2026-01-02 03:04:05 | INFO | probe:run:7 - ", "\x1b[32m", "> "],
)
def test_borders_line_ends_and_prefixes_change_nothing(table: str, end: str, prefix: str) -> None:
    text = "".join(f"{prefix}{line}{end}" for line in table.splitlines())
    assert parse(f"root@node:~# npu-smi info{end}{text}").devices == parse(TABLE_910).devices


def test_runs_of_blanks_may_be_collapsed() -> None:
    assert parse("\n".join(" ".join(line.split()) for line in TABLE_910.splitlines())) == parse(TABLE_910)


def test_an_excerpt_without_header_is_read_by_the_shape_of_its_rows() -> None:
    a3 = "| 0 Ascend910 | OK | 166.4 43 0 / 0 |\n| 1 9 | 0000:9D:00.0 | 0 0 / 0 3195 / 65536 |\n"
    old = "| 0 310B4 | Alarm | 0.0 64 15 / 15 |\n| 0 2 | NA | 0 6680 / 15609 |\n"
    process = "| 6       0   | 37654   | hlt_host_devmm_   | 686   |\n"
    assert [(d.phy_id, d.hbm_used_mb) for d in parse(a3).devices] == [(9, 3195)]
    assert [(d.phy_id, d.memory_used_mb, d.hbm_total_mb) for d in parse(old).devices] == [(None, 6680, None)]
    assert parse(process).processes == (ProcessReading(6, 0, 37654, "hlt_host_devmm_", 686),)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "dcmi module initialize failed. ret is -8005",
        "bash: npu-smi: command not found",
        "| a | b |\n| 1 | 2 | 3 | 4 | 5 | 6 |",
        "+" + "-+" * 4000 + "x",
        "|" * 4000,
        "| 0 x | OK | " + "9" * 4000 + " 1 |",
        "|\n" * 1000,
    ],
)
def test_other_text_gives_nothing(text: str) -> None:
    info = parse(text)
    assert (info.tool_version, info.devices, info.processes) == (None, (), ())


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("|+-= /.0123456789NA\nOK:Bus-IdHBM(){}\x1b[m"), max_size=400))
def test_never_raises(text: str) -> None:
    parse(text)
    parse(TABLE_910 + text)
    parse(text + TABLE_910)


@settings(deadline=None)
@given(st.data())
def test_a_table_cut_or_damaged_anywhere_never_raises(data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(TABLE_910)))
    junk = data.draw(st.text(max_size=20))
    for device in parse(TABLE_910[:position] + junk).devices:
        assert device.npu_id in (0, 5)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 9999),
            st.sampled_from(["OK", "Warning", "Alarm", "Critical", "UNKNOWN"]),
            st.floats(1, 999),
            st.integers(1, 120),
            st.integers(0, 100),
            st.integers(0, 99999),
        ),
        max_size=16,
        unique_by=lambda card: card[0],
    )
)
def test_what_is_rendered_is_read(cards: list[tuple[int, str, float, int, int, int]]) -> None:
    text = banner() + HEAD_910
    for npu, health, power, temp, load, used in cards:
        text += (
            f"| {npu:<5d} 910B3           | {health:<13} | {power:<11.1f} {temp:<5d}     0    / 0       |\n"
        )
        text += (
            f"| 0               | 0000:C1:00.0  | {load:<11d} 0    / 0          {used:<5d}/ 65536      |\n"
        )
        text += THICK + "\n"
    read = [
        (d.npu_id, d.health, d.power_w, d.temp_c, d.aicore_pct, d.hbm_used_mb) for d in parse(text).devices
    ]
    assert read == [(npu, health, round(power, 1), *rest) for npu, health, power, *rest in cards]


def _captures() -> list[Path]:
    names = sorted((CAPTURES / "expected").glob("*.json")) if CAPTURES.is_dir() else []
    return [name for name in names if "devices" in json.loads(name.read_text())]


@pytest.mark.skipif(not CAPTURES.is_dir(), reason="the shared captures are not beside this checkout")
def test_agrees_with_every_published_capture() -> None:
    names = _captures()
    assert names
    wrong = []
    for name in names:
        info = parse((CAPTURES / "captures" / f"{name.stem}.txt").read_text(errors="replace"))
        processes = [asdict(process) for process in info.processes]
        for process in processes:
            del process["container_pid"]
        read = {
            "tool_version": info.tool_version,
            "devices": [asdict(device) for device in info.devices],
            "processes": processes,
        }
        if read != json.loads(name.read_text()):
            wrong.append(name.stem)
    assert not wrong
