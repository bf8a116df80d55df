"""Every rule: where it speaks, where it is silent, and that unknown is never well."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.events import (
    DeviceDetails,
    DeviceReading,
    Finding,
    Hccs,
    HostDetails,
    Level,
    LinkChange,
    NodeDetailed,
    NodeObserved,
    Optics,
    ProcessReading,
)
from backend.probes.circumstances import Circumstances
from backend.probes.judge_device import judge_device, judge_processes
from backend.probes.judge_fleet import judge_fleet
from backend.probes.judge_node import judge_node
from backend.probes.npu_smi_info import parse
from backend.state.finding import carry_since, worst

WELL = DeviceReading(3, 0, None, "910B3", "OK", 90.0, 45, 0, 0, "0000:C1:00.0", 0, 0, 0, 2900, 65536)
FINE = DeviceDetails(3, 0, 3, health="OK", codes=(), hbm_capacity_mb=65536, link="UP", net_health="Success")
NOW = Circumstances("n1", 5000.0, 8, since=1000.0)


def judged(
    reading: DeviceReading = WELL, details: DeviceDetails | None = FINE, **others: Any
) -> list[Finding]:
    return list(judge_device(reading, details, others.pop("now", NOW), **others))


def said(**changes: Any) -> list[tuple[str, Level]]:
    """Rules and levels for a chip that is well but for these details."""
    return [(finding.rule, finding.level) for finding in judged(details=replace(FINE, **changes))]


def test_a_chip_that_is_well_has_no_finding() -> None:
    assert judged() == []
    assert judged(details=None) == []


@pytest.mark.parametrize(
    ("word", "level"),
    [
        ("Warning", Level.WARNING),
        ("Alarm", Level.ALARM),
        ("Critical", Level.CRITICAL),
        ("UNKNOWN", Level.UNKNOWN),
        ("", Level.UNKNOWN),
        ("ok", Level.UNKNOWN),
        ("NA", Level.UNKNOWN),
    ],
)
def test_health_words(word: str, level: Level) -> None:
    [finding] = judged(replace(WELL, health=word))
    assert (finding.rule, finding.level, finding.node, finding.npu_id, finding.chip_id) == (
        "health_word",
        level,
        "n1",
        3,
        0,
    )
    assert (finding.what, finding.fix) != ("", "")
    assert finding.since == 5000.0
    assert [found.level for found in judged(details=replace(FINE, health=word))] == [level]


@given(st.text(max_size=12), st.text(max_size=12))
def test_only_the_two_words_ok_are_well(word: str, again: str) -> None:
    found = judged(replace(WELL, health=word), replace(FINE, health=again))
    assert bool(found) == ((word, again) != ("OK", "OK"))


def test_a_card_that_says_ok_and_is_not() -> None:
    table = (
        "| NPU   Name | Health | Power(W) Temp(C) Hugepages-Usage(page) |\n"
        "| Chip | Bus-Id | AICore(%) Memory-Usage(MB) HBM-Usage(MB) |\n"
        "| 3  | OK | 0.0 0 0 / 0 |\n| 0 | 0000:C1:00.0 | 0 0 / 0 0 / 0 |\n"
    )
    [reading] = parse(table).devices
    assert worst(judged(reading, None)) is Level.UNKNOWN


def test_heat() -> None:
    assert [(one.rule, one.level) for one in judged(replace(WELL, temp_c=90))] == [("heat", Level.WARNING)]
    assert [one.level for one in judged(replace(WELL, temp_c=105))] == [Level.ALARM]
    assert judged(replace(WELL, temp_c=None)) == []


@pytest.mark.parametrize(
    ("temp", "codes", "rules"),
    [
        (95, (), []),
        (96, (), ["hbm_heat"]),
        (96, ("80E00209",), ["fault_code"]),
        (110, ("80E0020B",), ["fault_code"]),
        (None, (), []),
    ],
)
def test_heat_of_the_memory(temp: int | None, codes: tuple[str, ...], rules: list[str]) -> None:
    assert [one.rule for one in judged(details=replace(FINE, hbm_temp_c=temp, codes=codes))] == rules


@pytest.mark.parametrize(
    ("name", "total", "capacity", "peers", "rules"),
    [
        ("910B3", 65536, 65536, None, []),
        ("910B3", 65536, 62260, None, []),
        ("910B3", 65536, 62259, None, ["hbm_size"]),
        ("910B", 31129, None, None, ["hbm_size"]),
        ("910B3", 0, None, None, ["hbm_size"]),
        ("910B4-1", 32768, None, None, ["hbm_size"]),
        ("910B4", 32768, None, None, []),
        # a name that is not known: the peers say what is usual
        ("xxx", 60000, None, 86016, ["hbm_size"]),
        ("xxx", 60000, None, 60000, []),
        ("310P3", None, None, None, []),
        ("310P3", 0, 0, 0, []),
    ],
)
def test_hbm_size(
    name: str, total: int | None, capacity: int | None, peers: int | None, rules: list[str]
) -> None:
    reading = replace(WELL, name=name, hbm_total_mb=total)
    found = judged(reading, replace(FINE, hbm_capacity_mb=capacity), peers_hbm_mb=peers)
    assert [finding.rule for finding in found] == rules


@pytest.mark.parametrize(
    ("counts", "rules"),
    [
        ({"HBM Double Bit Error Count": 0, "HBM Single Bit Error Count": 9}, []),
        ({"HBM Double Bit Error Count": 1}, [("ecc_double_bit", Level.ALARM)]),
        ({"HBM Double Bit Isolated Pages Count": 15}, []),
        ({"HBM Double Bit Isolated Pages Count": 16}, [("hbm_rows_isolated", Level.WARNING)]),
        ({"HBM Double Bit Isolated Pages Count": 63}, [("hbm_rows_isolated", Level.WARNING)]),
        ({"HBM Double Bit Isolated Pages Count": 64}, [("hbm_rows_isolated", Level.CRITICAL)]),
        (
            # whose HBM is to be replaced needs no advice to start its job again
            {"HBM Double Bit Isolated Pages Count": 64, "HBM Double Bit Error Count": 2},
            [("hbm_rows_isolated", Level.CRITICAL)],
        ),
        ({"HBM Double Bit Next-Isolated Pages Count": 2}, [("ecc_pending_rows", Level.WARNING)]),
    ],
)
def test_ecc(counts: dict[str, int], rules: list[tuple[str, Level]]) -> None:
    assert said(ecc=counts) == rules


@pytest.mark.parametrize(
    ("code", "level"),
    [
        ("80E18402", Level.CRITICAL),
        ("80E0020B", Level.CRITICAL),
        ("80E18401", Level.WARNING),
        ("80E01801", Level.ALARM),
        ("80C98009", Level.WARNING),
        ("81078603", None),
        ("A4025021", None),
        ("DEADBEEF", Level.WARNING),
    ],
)
def test_fault_codes(code: str, level: Level | None) -> None:
    found = judged(details=replace(FINE, codes=(code,), code_texts=("what npu-smi says",)))
    assert [finding.level for finding in found] == ([level] if level is not None else [])
    for finding in found:
        assert (finding.rule, finding.code) == ("fault_code", code)
        assert code in finding.what
        assert (finding.why, finding.fix) != ("", "")


def test_a_code_without_public_meaning_has_the_tools_own() -> None:
    [finding] = judged(details=replace(FINE, codes=("DEADBEEF",), code_texts=("heart beat lost",)))
    assert finding.what == "fault DEADBEEF: heart beat lost"


@pytest.mark.parametrize(
    ("severity", "level"), [(0, Level.WARNING), (1, Level.WARNING), (2, Level.ALARM), (3, Level.CRITICAL)]
)
def test_a_code_that_is_not_published_has_the_severity_that_a_950_says(severity: int, level: Level) -> None:
    text = f"event id=0xDEADBEEF, severity={severity}, node type ex=215"
    found = judged(details=replace(FINE, codes=("DEADBEEF",), code_texts=(text,)))
    assert [finding.level for finding in found] == [level]


def with_codes(word: str, *codes: str, **changes: Any) -> list[Finding]:
    """Of a card whose row and whose answer about its health say the same word."""
    return judged(replace(WELL, health=word), replace(FINE, health=word, codes=codes, **changes))


def test_a_word_and_its_code_are_one_finding() -> None:
    [finding] = with_codes("Alarm", "A4025021", "8C084E00")
    assert (finding.rule, finding.level, finding.code) == ("fault_code", Level.ALARM, "8C084E00")
    assert finding.why == "npu-smi reports Alarm; MindCluster's level for it is FreeRestartNPU"
    # the graver of both words for it holds
    [finding] = with_codes("Critical", "80E18401")
    assert (finding.level, finding.code) == (Level.CRITICAL, "80E18401")
    [finding] = with_codes("Warning", "80E18402")
    assert finding.level is Level.CRITICAL


def test_of_several_codes_the_worst_one_explains_the_word() -> None:
    found = with_codes("Critical", "80C98009", "80E01801", "80E01801")
    assert [(one.code, one.level) for one in found] == [
        ("80C98009", Level.WARNING),
        ("80E01801", Level.CRITICAL),
    ]


def test_a_word_that_no_code_explains_stands_for_itself() -> None:
    [harmless] = with_codes("Warning", "A4025021")
    assert (harmless.rule, harmless.why) == ("health_word", "A4025021")
    [bare] = with_codes("Warning")
    assert (bare.rule, bare.why) == ("health_word", "npu-smi prints no fault code")
    # codes that came with another word, or long ago, are of another fault perhaps
    rules = [one.rule for one in judged(replace(WELL, health="Alarm"), replace(FINE, codes=("80E18401",)))]
    assert rules == ["health_word", "fault_code"]
    found = with_codes("Warning", "80E18401", answered={"health": NOW.at - 1000})
    assert [one.rule for one in found] == ["health_word", "fault_code"]


def test_a_known_sign_says_what_to_do() -> None:
    [finding] = with_codes("Warning", "80E18401", ecc={"HBM Double Bit Isolated Pages Count": 17})
    assert finding.fix.startswith("end the job at a checkpoint and start it again")
    [finding] = with_codes("Critical", "80E18402", ecc={"HBM Double Bit Isolated Pages Count": 64})
    assert finding.fix == "take it out of use: npudeck fleet drain n1; have it repaired or replaced"


@pytest.mark.parametrize(
    ("code", "times", "level"),
    [
        ("80E3A203", 1, Level.ALARM),
        ("80E3A203", 2, Level.CRITICAL),
        ("80E18005", 2, Level.ALARM),
        ("80E18005", 3, Level.CRITICAL),
        ("80C98009", 9, Level.WARNING),
    ],
)
def test_a_code_that_comes_again_within_a_day(code: str, times: int, level: Level) -> None:
    details = replace(FINE, codes=(code,))
    [finding] = judged(details=details, now=replace(NOW, came={(3, 0, code): times}))
    assert finding.level is level
    assert (f"it came {times} times within a day" in finding.why) == (level is Level.CRITICAL)


@pytest.mark.parametrize(("again", "found"), [(5, False), (5000, True)])
def test_a_share_of_packets_sent_again(again: int, found: bool) -> None:
    counts = {"stat: roce_new_pkt_rty_num": again, "stat: roce_tx_all_pkt_num": 10**6}
    rules = said(grown=counts, counters=counts)
    assert rules == ([("retransmissions", Level.WARNING)] if found else [])
    # without the number of packets nothing is known of the share
    counts.pop("stat: roce_tx_all_pkt_num")
    assert said(grown=counts, counters=counts) == []


def test_single_bit_errors_have_a_rate() -> None:
    now = replace(NOW, spans={(3, 0, "ecc"): 120.0, (3, 0, "stat"): 7.0})
    [finding] = judged(details=replace(FINE, grown={"ecc: HBM Single Bit Error Count": 40}), now=now)
    assert finding.what == "the memory corrected 40 single-bit errors"
    assert finding.why == "within 120 s; 1200 an hour"


@pytest.mark.parametrize(
    ("changes", "rules"),
    [
        ({"link": "DOWN"}, [("link_down", Level.ALARM)]),
        (
            {"link": "PARTIAL LINK", "ports": {"port 4": "UP", "port 5": "DOWN"}},
            [("link_down", Level.WARNING)],
        ),
        ({"link": "DOWN", "net_health": "Receive timeout"}, [("link_down", Level.ALARM)]),
        ({"net_health": "Init"}, []),
        ({"net_health": "Socket fail"}, [("net_health", Level.WARNING)]),
        ({"net_health": "Receive timeout"}, [("net_health", Level.WARNING)]),
        ({"net_health": "Unknown"}, [("net_health", Level.UNKNOWN)]),
        ({"address": ""}, [("no_address", Level.WARNING)]),
        ({"address": "192.0.2.7"}, []),
        ({"failed": {"ecc": "no answer within 5 s"}}, [("no_answer", Level.UNKNOWN)]),
        ({"hccs": Hccs(healthy=True, lane_modes=(4, 4))}, []),
        ({"hccs": Hccs(healthy=False)}, [("hccs", Level.ALARM)]),
        ({"hccs": Hccs(healthy=True, lane_modes=(4, 2))}, [("hccs", Level.WARNING)]),
        ({"hccs": Hccs(healthy=True, first_error_lane="3")}, [("hccs", Level.WARNING)]),
        ({"grown": {"pcie-err: Lcrc Error Count": 1}}, [("pcie_errors", Level.WARNING)]),
        ({"grown": {"sio-info: RX Error Count": 1}}, [("die_link_errors", Level.WARNING)]),
        ({"grown": {"hccs: hccs retry count": 1}}, [("hccs_errors", Level.WARNING)]),
        ({"grown": {"stat: mac_rx_fcs_err_pkt_num": 1}}, [("packet_errors", Level.WARNING)]),
        ({"grown": {"stat: mac_rx_total_pkt_num": 10**9}}, []),
        ({"grown": {"ecc: HBM Single Bit Error Count": 9}}, []),
        ({"grown": {"ecc: HBM Single Bit Error Count": 10}}, [("single_bit_growth", Level.WARNING)]),
        ({"grown": {"ecc: HBM Double Bit Isolated Pages Count": 1}}, [("double_bit_growth", Level.WARNING)]),
    ],
)
def test_links_and_counters(changes: dict[str, Any], rules: list[tuple[str, Level]]) -> None:
    assert said(**changes) == rules


def test_a_link_is_down_since_its_last_fall() -> None:
    changes = (LinkChange(900.0, False), LinkChange(901.0, True), LinkChange(4000.0, False))
    found = judged(details=replace(FINE, link="DOWN", changes=changes))
    assert [(one.rule, one.since) for one in found] == [("link_down", 4000.0)]


def test_flaps_since_the_job_began() -> None:
    changes = (
        LinkChange(500.0, False),
        LinkChange(600.0, True),
        LinkChange(2000.0, False),
        LinkChange(2010.0, True),
        LinkChange(3000.0, False),
        LinkChange(3031.0, True),
    )
    found = judged(details=replace(FINE, changes=changes))
    assert [(one.rule, one.since, one.what) for one in found] == [
        ("link_flap", 3000.0, "the link was down for 31 s")
    ]
    assert judged(details=replace(FINE, changes=changes), now=replace(NOW, since=None)) == []


def test_short_falls_of_a_link_count_together() -> None:
    at = 200_000.0
    falls = [LinkChange(at - 90_000, False, "0/4"), LinkChange(at - 89_995, True, "0/4")]
    for count in range(5):
        found = judged(
            details=replace(FINE, changes=tuple(falls)), now=replace(NOW, at=at, since=at - 86_400)
        )
        assert found == []
        began = at - 50_000 + 100 * count
        falls += [LinkChange(began, False, "0/4"), LinkChange(began + 5, True, "0/4")]
    [finding] = judged(
        details=replace(FINE, changes=tuple(falls)), now=replace(NOW, at=at, since=at - 86_400)
    )
    assert (finding.rule, finding.since) == ("link_flap", at - 50_000)
    assert finding.what == "port 0/4: the link went down 5 times within a day"
    # a long one among them says more
    falls += [LinkChange(at - 900, False, "0/4"), LinkChange(at - 800, True, "0/4")]
    [finding] = judged(
        details=replace(FINE, changes=tuple(falls)), now=replace(NOW, at=at, since=at - 86_400)
    )
    assert finding.what == "port 0/4: the link was down for 100 s"


@pytest.mark.parametrize(
    ("optics", "rules"),
    [
        (Optics(present=True, rx_mw=(1.0, 1.1), rx_range_mw=(0.14, 3.5)), []),
        (Optics(present=True, rx_mw=(1.0, 0.01), rx_range_mw=(0.14, 3.5)), ["optics"]),
        (Optics(present=True, tx_mw=(9.9,), tx_range_mw=(0.28, 3.5)), ["optics"]),
        (Optics(present=True, tx_mw=(9.9,), tx_range_mw=(None, None)), []),
        (Optics(present=True, raised=("Rx Los Flag",)), ["optics"]),
        (Optics(present=True, temp_c=71.0, temp_range_c=(0.0, 70.0)), ["optics"]),
        (Optics(present=True, media_snr_db=(23.0, 11.9)), ["optics"]),
        (Optics(present=False), ["optics_missing"]),
        (Optics(error="Control link unreachable"), ["optics"]),
        (Optics(), []),
    ],
)
def test_optics(optics: Optics, rules: list[str]) -> None:
    assert [rule for rule, _level in said(optics=optics)] == rules


@pytest.mark.parametrize(
    ("load", "mhz", "peers", "rules"),
    [
        (90, 1200, 1800, ["slow_clock"]),
        (0, 800, 1800, []),
        (90, 1800, 1800, []),
        (90, 1750, 1800, []),
        (90, 800, None, []),
        (90, None, 1800, []),
    ],
)
def test_clock_below_the_peers_under_load(
    load: int, mhz: int | None, peers: int | None, rules: list[str]
) -> None:
    found = judged(replace(WELL, aicore_pct=load), replace(FINE, aicore_mhz=mhz), peers_mhz=peers)
    assert [finding.rule for finding in found] == rules


def node(*readings: DeviceReading, processes: tuple[ProcessReading, ...] = ()) -> NodeObserved:
    return NodeObserved("n1", 5000.0, "24.1", readings, processes, 1.0)


def cards(count: int, **changes: Any) -> tuple[DeviceReading, ...]:
    return tuple(replace(WELL, npu_id=number, **changes) for number in range(count))


def test_the_slow_chip_of_a_busy_node_is_named() -> None:
    clocks = [1800, 1800, 1200, 1800]
    details = [DeviceDetails(number, 0, aicore_mhz=mhz) for number, mhz in enumerate(clocks)]
    found = judge_node(node(*cards(4, aicore_pct=80)), details, None, replace(NOW, expected_npus=4))
    assert [(one.rule, one.npu_id) for one in found] == [("slow_clock", 2)]


@pytest.mark.parametrize(
    ("on_bus", "part"),
    [(None, "not listed: NPU 7"), (8, "the driver has lost"), (7, "the PCI bus lacks it too")],
)
def test_missing_cards(on_bus: int | None, part: str) -> None:
    host = HostDetails(pci_npus=on_bus)
    [finding] = judge_node(node(*cards(7)), [], host, NOW)
    assert (finding.rule, finding.level, finding.npu_id) == ("missing_npu", Level.ALARM, None)
    assert finding.what == "1 NPU is missing, npu-smi lists 7 of 8"
    assert part in finding.why
    assert finding.why.startswith("not listed: NPU 7")
    assert judge_node(node(*cards(8)), [], host, NOW) == ()


@pytest.mark.parametrize(
    ("there", "expected", "names"),
    [
        ([(0, 0), (2, 0), (3, 0)], 4, "NPU 1"),
        ([(0, 0), (0, 1), (1, 1)], 4, "NPU 1 chip 0"),
        # numbers that do not begin at 0, or a card whose second chip nobody lists, tell nothing
        ([(4, 0), (5, 0), (6, 0)], 4, ""),
        ([(0, 0), (1, 0)], 3, "NPU 2"),
        ([(0, 0), (0, 1)], 3, ""),
        ([], 2, ""),
    ],
)
def test_which_card_is_missing(there: list[tuple[int, int]], expected: int, names: str) -> None:
    readings = [replace(WELL, npu_id=npu, chip_id=chip) for npu, chip in there]
    [finding] = judge_node(node(*readings), [], None, replace(NOW, expected_npus=expected))
    assert finding.why == (
        f"not listed: {names}" if names else "the inventory expects more than npu-smi lists"
    )


def test_foreign_processes_on_a_leased_card() -> None:
    processes = (
        ProcessReading(3, 0, 100, "python3", 5),
        ProcessReading(3, 0, 101, "intruder", 5),
        ProcessReading(3, 0, 900, "python3", 5, container_pid=102),
        ProcessReading(4, 0, 103, "free", 5),
    )
    leased = replace(NOW, leased={3: frozenset({100, 102})})
    [finding] = judge_processes(WELL, processes, leased)
    assert (finding.rule, finding.what) == ("foreign_process", "1 foreign process: intruder:101")
    assert judge_processes(WELL, processes, NOW) == ()


def test_the_second_dies_of_an_a3_are_missing_and_not_further_cards() -> None:
    readings = [replace(WELL, npu_id=npu, phy_id=2 * npu) for npu in range(2)]
    [finding] = judge_node(node(*readings), [], None, replace(NOW, expected_npus=4))
    assert finding.why == "not listed: NPU 0 chip 1, NPU 1 chip 1"


def test_error_correction_that_one_port_lacks() -> None:
    details = [DeviceDetails(number, 0, fec="rs FEC mode") for number in range(3)]
    details.append(DeviceDetails(3, 0, fec="no FEC mode"))
    found = judge_node(node(*cards(4)), details, None, replace(NOW, expected_npus=4))
    assert [(one.rule, one.npu_id) for one in found] == [("fec_differs", 3)]


def detailed(name: str, tls: int | None = 0, fec: str | None = "rs", **versions: str) -> NodeDetailed:
    device = DeviceDetails(0, 0, tls_switch=tls, fec=fec)
    return NodeDetailed(name, 1.0, (device,), HostDetails(versions=versions))


def test_differences_between_nodes() -> None:
    same = [detailed(f"n{number}", driver="24.1.0", cann="8.0") for number in range(5)]
    assert judge_fleet(same, 9.0) == ()
    assert judge_fleet([*same, detailed("n9")], 9.0) == ()
    [finding] = judge_fleet([*same, detailed("n9", driver="23.0.6", cann="8.0")], 9.0)
    assert (finding.rule, finding.level, finding.node, finding.npu_id) == (
        "driver_differs",
        Level.WARNING,
        "",
        None,
    )
    assert finding.what == "driver 24.1.0: n0, n1, n2 and 2 more; 23.0.6: n9"
    assert "n0" in finding.fix
    rules = [one.rule for one in judge_fleet([detailed("a", tls=0), detailed("b", tls=1, fec="no")], 9.0)]
    assert rules == ["tls_differs", "fec_differs"]


def test_a_difference_inside_one_node_counts_for_tls() -> None:
    mixed = replace(
        detailed("a"), devices=(DeviceDetails(0, 0, tls_switch=0), DeviceDetails(1, 0, tls_switch=1))
    )
    [finding] = judge_fleet([mixed], 9.0)
    assert (finding.rule, finding.what) == ("tls_differs", "TLS switch off and on: a")
    assert finding.fix == "set one and the same for all NPUs of all nodes"
    [finding] = judge_fleet([mixed, detailed("b", tls=1)], 9.0)
    assert finding.fix == "bring the smaller groups to what b has"


def test_error_correction_that_differs_inside_a_node_is_said_of_its_cards_alone() -> None:
    mixed = replace(detailed("a"), devices=(DeviceDetails(0, 0, fec="rs"), DeviceDetails(1, 0, fec="no")))
    assert judge_fleet([mixed, mixed], 9.0) == ()
    assert [one.rule for one in judge_fleet([mixed, detailed("b")], 9.0)] == ["fec_differs"]


def test_since_is_carried_and_the_worst_comes_first() -> None:
    early = Finding("heat", Level.WARNING, "n1", 3, 0, "86 °C", since=100.0)
    late = replace(early, what="91 °C", since=200.0)
    worse = Finding("link_down", Level.ALARM, "n1", 3, 0, "link DOWN", since=200.0)
    assert carry_since([early], [late, worse]) == (worse, replace(late, since=100.0))
    # gone and back again: it begins anew
    assert carry_since([], [late]) == (late,)


words = st.sampled_from(["OK", "Warning", "Alarm", "Critical", "UNKNOWN", "x"])


@settings(deadline=None)
@given(
    words,
    words,
    st.sampled_from(["UP", "DOWN"]),
    st.integers(0, 70),
    st.sampled_from([(), ("80E18402",), ("A4025021",)]),
    st.integers(0, 120),
)
def test_a_broken_chip_is_never_well(
    word: str, again: str, link: str, rows: int, codes: tuple[str, ...], temp: int
) -> None:
    details = replace(
        FINE, health=again, link=link, codes=codes, ecc={"HBM Double Bit Isolated Pages Count": rows}
    )
    level = worst(judged(replace(WELL, health=word, temp_c=temp), details))
    broken = (word, again, link) != ("OK", "OK", "UP") or rows >= 16 or codes == ("80E18402",) or temp >= 85
    assert (level is not Level.WELL) == broken
    if "Critical" in (word, again) or rows >= 64 or codes == ("80E18402",):
        assert level is Level.CRITICAL
