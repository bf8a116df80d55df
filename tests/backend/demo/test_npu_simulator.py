"""The simulated npu-smi prints what the parser of the product reads, and follows real processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.demo.demo_node import simulator_script
from backend.demo.npu_faults import faults_of
from backend.demo.npu_load import IDLE_HBM_MB, NpuState, Rank, advanced
from backend.demo.npu_smi_text import HBM_TOTAL_MB, MOST_PROCESSES, Chip, info_text, list_text, mapping_text

processes = st.lists(
    st.tuples(st.integers(1, 4_194_304), st.just("python3"), st.integers(0, 99_999)), max_size=12
)
chips = st.builds(
    Chip,
    st.just(0),
    st.sampled_from(["OK", "Warning", "Alarm", "Critical"]),
    st.floats(1.0, 999.0).map(lambda watts: round(watts, 1)),
    st.integers(1, 120),
    st.integers(0, 100),
    st.integers(1, HBM_TOTAL_MB),
    processes,
)


@given(st.lists(chips, min_size=1, max_size=8))
def test_the_parser_reads_back_every_number(some: list[Chip]) -> None:
    npu_smi_info = pytest.importorskip("backend.probes.npu_smi_info")
    for number, chip in enumerate(some):
        chip.npu_id = number
    text = info_text(some)
    assert {len(line) for line in text.splitlines()} == {98}
    read = npu_smi_info.parse(text)
    assert read.tool_version == "23.0.6"
    assert [
        (
            d.npu_id,
            d.chip_id,
            d.name,
            d.health,
            d.power_w,
            d.temp_c,
            d.aicore_pct,
            d.hbm_used_mb,
            d.hbm_total_mb,
        )
        for d in read.devices
    ] == [
        (c.npu_id, 0, "910B3", c.health, c.power_w, c.temp_c, c.aicore_pct, c.hbm_used_mb, HBM_TOTAL_MB)
        for c in some
    ]
    assert [(p.npu_id, p.pid, p.name, p.memory_mb) for p in read.processes] == [
        (chip.npu_id, *process) for chip in some for process in chip.processes[:MOST_PROCESSES]
    ]


def test_list_and_mapping() -> None:
    assert list_text((0, 1)).splitlines()[0].split() == ["Total", "Count", ":", "2"]
    rows = [line.split() for line in mapping_text((0, 1)).splitlines()[1:]]
    assert [row[2] for row in rows] == ["0", "-", "1", "-"]


@given(st.floats(0.0, 1e6), st.floats(0.0, 1e6), st.floats(-10.0, 1e9))
def test_values_stay_within_what_a_card_can_show(used_s: float, age_s: float, elapsed_s: float) -> None:
    npu = advanced(NpuState(), [Rank(7, used_s, age_s, 300)], elapsed_s)
    assert 0 <= npu.aicore_pct <= 100
    assert 30 <= npu.temp_c <= 80
    assert 90 <= npu.power_w <= 350


def test_temperature_follows_the_load_slowly() -> None:
    npu = NpuState()
    seen = []
    for second in range(1, 200):
        npu = advanced(npu, [Rank(7, float(second), float(second), 300)], 1.0)
        seen.append(npu.temp_c)
    assert seen == sorted(seen)
    assert seen[1] < 45 < seen[-1]
    assert npu.aicore_pct == pytest.approx(100)


@pytest.fixture
def busy_rank(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that stands for NPU 1 and works."""
    environment = {
        "DEMO_FLEET": str(tmp_path),
        "DEMO_NODE": "demo-1",
        "LOCAL_RANK": "1",
        "PATH": os.environ["PATH"],
    }
    process = subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"], env=environment)
    yield process
    process.kill()
    process.wait()


def ask_simulator(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    tool = folder / "npu-smi"
    tool.write_text(simulator_script(folder / "npus.json", "0=warning"))
    tool.chmod(0o755)
    environment = {"DEMO_FLEET": str(folder), "DEMO_NODE": "demo-1", "PATH": os.environ["PATH"]}
    return subprocess.run([tool, *words], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="the load is read from /proc")
def test_a_working_process_shows_on_its_npu(tmp_path: Path, busy_rank: subprocess.Popen[bytes]) -> None:
    npu_smi_info = pytest.importorskip("backend.probes.npu_smi_info")
    deadline = time.monotonic() + 20
    while True:
        read = npu_smi_info.parse(ask_simulator(tmp_path, "info").stdout)
        idle, busy = read.devices
        if busy.aicore_pct > 10 and busy.power_w > 97:
            break
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert [(p.npu_id, p.pid) for p in read.processes] == [(1, busy_rank.pid)]
    assert busy.hbm_used_mb > IDLE_HBM_MB
    assert (idle.aicore_pct, idle.health, busy.health) == (0, "Warning", "OK")


def test_an_idle_node_and_other_words(tmp_path: Path) -> None:
    assert "No running processes found in NPU 1" in ask_simulator(tmp_path, "info").stdout
    assert "Total Count" in ask_simulator(tmp_path, "info", "-l").stdout
    assert "23.0.6" in ask_simulator(tmp_path, "-v").stdout
    refused = ask_simulator(tmp_path, "set", "-t", "reset")
    assert (refused.returncode, refused.stdout) == (1, "")


@pytest.mark.parametrize(
    "junk", ["", "{", "[]", '{"at": 1}', '{"at": "x", "npus": [{}, {}]}', '{"at": 9e99, "npus": [1]}']
)
def test_a_broken_state_file_does_no_harm(tmp_path: Path, junk: str) -> None:
    (tmp_path / "npus.json").write_text(junk)
    result = ask_simulator(tmp_path, "info")
    assert (result.returncode, result.stderr) == (0, "")


def test_paths_with_blanks(tmp_path: Path) -> None:
    folder = tmp_path / "a b'c"
    folder.mkdir()
    assert ask_simulator(folder, "info").returncode == 0
    shutil.rmtree(folder)


def test_details_are_what_the_parser_of_the_product_reads(tmp_path: Path) -> None:
    recognise = pytest.importorskip("backend.probes.recognise")
    for kind in ("health", "common", "usages", "ecc", "memory"):
        [answer] = recognise.read(ask_simulator(tmp_path, "info", "-t", kind, "-i", "1", "-c", "0").stdout)
        assert answer.kind == kind
        assert answer.values
        [whole] = recognise.read(ask_simulator(tmp_path, "info", "-t", kind, "-i", "1").stdout)
        assert (whole.kind, whole.npu_id, whole.chip_id) == (kind, 1, 0)
    [answer] = recognise.read(ask_simulator(tmp_path, "info", "-t", "hccs", "-i", "1", "-c", "0").stdout)
    assert (answer.kind, answer.values) == ("unsupported", {"query": "hccs"})


def test_a_card_that_is_not_there_is_refused(tmp_path: Path) -> None:
    done = ask_simulator(tmp_path, "info", "-t", "health", "-i", "99")
    assert done.returncode == 1
    assert done.stdout.startswith("Invalid card id.")


def test_faults_show_in_both_tools(tmp_path: Path) -> None:
    recognise = pytest.importorskip("backend.probes.recognise")
    npu_smi_info = pytest.importorskip("backend.probes.npu_smi_info")
    state, environment = tmp_path / "npus.json", {"PATH": os.environ["PATH"]}

    def ask(tool: str, faults: str, *words: str) -> str:
        path = tmp_path / tool
        path.write_text(simulator_script(state, faults, tool))
        path.chmod(0o755)
        return subprocess.run([path, *words], env=environment, capture_output=True, text=True).stdout

    [code] = recognise.read(ask("npu-smi", "1=critical", "info", "-t", "health", "-i", "1", "-c", "0"))
    assert (code.values["Health Status"], code.values["Error Code"]) == ("Critical", ("80E18402",))
    left = npu_smi_info.parse(ask("npu-smi", "1=lost", "info")).devices
    assert [device.npu_id for device in left] == [0]
    for faults, word in (("0=link", "DOWN"), ("", "UP")):
        [link] = recognise.read(ask("hccn_tool", faults, "-i", "0", "-link", "-g"))
        assert link.values == {"link status": word}
    [optics] = recognise.read(ask("hccn_tool", "0=link", "-i", "0", "-optical", "-g"))
    assert optics.values["Rx Los Flag"] == "0xf"


def test_words_that_are_no_faults_are_left_out() -> None:
    assert set(faults_of("0=link,1=nonsense,x=warning,,2")) == {0}
