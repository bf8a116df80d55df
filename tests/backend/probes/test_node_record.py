"""Frames of a node become details and findings; what was not answered is not taken for well."""

from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from backend.events import DeviceReading, Level, LinkChange, NodeDetailed, NodeObserved
from backend.probes.circumstances import Circumstances
from backend.probes.node_record import NodeRecord
from backend.probes.probe_plan import FrameHeader
from backend.state.question_times import DETAILS
from tests.backend.probes.answer_texts import CASES

WELL = DeviceReading(0, 0, None, "910B3", "OK", 90.0, 45, 0, 0, "0000:C1:00.0", 0, 0, 0, 2900, 65536)
SEEN = NodeObserved("n1", 100.0, "24.1", (WELL, replace(WELL, npu_id=1)), (), 1.0)


def frame(kind: str, npu: int = 0, chip: int | None = 0, code: int = 0) -> FrameHeader:
    return FrameHeader(code, 0, kind, npu, chip, npu)


def judged(record: NodeRecord, at: float = 100.0) -> NodeDetailed:
    return record.judged(SEEN, Circumstances("n1", at, 2, since=0.0))


def rules(record: NodeRecord, at: float = 100.0) -> list[tuple[str, int | None]]:
    return [(finding.rule, finding.npu_id) for finding in judged(record, at).findings]


ECC = "HBM Double Bit Error Count : 0\nHBM Double Bit Isolated Pages Count : {rows}\n"


def test_answers_fill_the_chip_that_was_asked() -> None:
    record = NodeRecord()
    record.take(frame("ecc", 1), ECC.format(rows=64), 100.0)
    record.take(frame("health", 1), "Health Status : OK\nError Code : NA\n", 101.0)
    record.take(frame("link", 0), "link status: UP\n", 102.0)
    detail = {device.npu_id: device for device in judged(record).devices}
    assert detail[1].ecc == {"HBM Double Bit Error Count": 0, "HBM Double Bit Isolated Pages Count": 64}
    assert (detail[1].health, detail[1].codes) == ("OK", ())
    assert detail[1].answered == {"ecc": 100.0, "health": 101.0}
    assert (detail[0].link, detail[0].ecc) == ("UP", None)
    assert rules(record) == [("hbm_rows_isolated", 1)]


def test_of_a_cards_answer_the_right_chip_is_taken() -> None:
    said = (
        "NPU ID : 0\nChip Count : 2\n\nHealth : OK\nChip ID : 0\n\nHealth : Alarm\nChip ID : 1\n\n"
        "Health : Warning\nChip Name : mcu\n"
    )
    record = NodeRecord()
    record.take(frame("health", 0, 1), said, 100.0)
    record.take(frame("health", 0, 0), said, 100.0)
    assert {device.chip_id: device.health for device in judged(record).devices} == {0: "OK", 1: "Alarm"}


def test_silence_is_a_failure() -> None:
    record = NodeRecord()
    for npu in (0, 1):
        record.take(frame("ecc", npu, code=124), "", 100.0)
    found = judged(record).findings
    assert [(one.rule, one.level, one.why) for one in found] == [
        ("no_answer", Level.UNKNOWN, "no answer within 5 s")
    ] * 2
    record.take(frame("ecc", 0), ECC.format(rows=0), 101.0)
    assert rules(record) == [("no_answer", 1)]


def test_what_the_node_does_not_offer_is_no_failure() -> None:
    record = NodeRecord()
    for npu in (0, 1):
        record.take(frame("hccs", npu), "This device does not support querying hccs.\n", 100.0)
        record.take(frame("link", npu, code=127), "timeout: failed to run command 'hccn_tool'\n", 100.0)
        record.take(frame("tls", npu, code=1), "Command execute failed!\n", 100.0)
        record.take(frame("ecc", npu, code=1), "permission denied\n", 100.0)
    assert rules(record) == []
    # but where one chip answers, the other one's refusal is a failure
    record.take(frame("ecc", 0), ECC.format(rows=0), 100.0)
    assert rules(record) == [("no_answer", 1)]


def test_growth_between_two_answers() -> None:
    record = NodeRecord()
    record.take(frame("stat"), "packet statistics:\nmac_rx_fcs_err_pkt_num:7\n", 100.0)
    assert rules(record) == []
    record.take(frame("stat"), "packet statistics:\nmac_rx_fcs_err_pkt_num:9\n", 160.0)
    [finding] = judged(record).findings
    assert (finding.rule, finding.what, finding.why) == (
        "packet_errors",
        "packets were damaged: mac_rx_fcs_err_pkt_num +2",
        "within 60 s",
    )
    record.take(frame("stat"), "packet statistics:\nmac_rx_fcs_err_pkt_num:9\n", 220.0)
    assert rules(record) == []


def test_growth_has_the_time_of_its_own_kind() -> None:
    record = NodeRecord()
    for at, count in ((100.0, 0), (700.0, 1)):
        record.take(frame("pcie-err"), f"TX Error Count : 0\nLcrc Error Count : {count}\n", at)
    for at in (690.0, 720.0):
        record.take(frame("stat"), "packet statistics:\nmac_rx_fcs_err_pkt_num:7\n", at)
    [finding] = judged(record).findings
    assert (finding.rule, finding.why) == ("pcie_errors", "within 600 s")


def test_a_reboot_is_no_damage() -> None:
    """Counters begin anew, the history of the link is gone, and its clock may still be wrong."""
    record = NodeRecord()
    stat = (
        "packet statistics:\nmac_rx_fcs_err_pkt_num:{bad}\n"
        "roce_new_pkt_rty_num:{again}\nroce_tx_all_pkt_num:{sent}\n"
    )
    link = "current time : {now}\nlink change records :\n {at}:59 2026 LINK UP\n {at}:02 2026 LINK DOWN\n"
    before = [stat.format(bad=70, again=9, sent=10**6), ECC.format(rows=3), "Lcrc Error Count : 8\n"]
    after = [stat.format(bad=2, again=1, sent=10), ECC.format(rows=3), "Lcrc Error Count : 0\n"]
    for at, answers in ((100.0, before), (220.0, before), (900.0, after), (1020.0, after)):
        for kind, said in zip(("stat", "ecc", "pcie-err"), answers, strict=True):
            record.take(frame(kind), said, at)
        record.take(frame("link_stat"), link.format(now="Thu Jan 1 00:01:00 1970", at="Sat Nov 28 16:00"), at)
        assert rules(record, at) == []


def test_a_code_that_comes_again_is_counted_while_it_is_watched() -> None:
    record = NodeRecord()
    bad = "Health Status : Alarm\nError Code : 80E3A203\nError Information : x\n"
    fine = "Health Status : OK\nError Code : NA\n"
    levels = []
    for at, said in ((0.0, bad), (60.0, bad), (120.0, fine), (180.0, bad), (90_000.0, fine), (90_060.0, bad)):
        record.take(frame("health"), said, at)
        codes = [one for one in judged(record, at).findings if one.rule == "fault_code"]
        levels.append([(one.level, one.since) for one in codes])
    once = [(Level.ALARM, 0.0)]
    assert levels[:3] == [once, once, []]
    # the second time within a day; and a day later it counts as the first time
    assert levels[3:] == [[(Level.CRITICAL, 180.0)], [], [(Level.ALARM, 90_060.0)]]


def test_a_950_that_is_connected_to_none_is_well() -> None:
    record = NodeRecord()
    record.take(frame("link", 0, None), "link status : DOWN\n", 0.0)
    assert rules(record) == []
    record.take(frame("link", 0, None), "link status : DOWN\nport 4 : DOWN\nport 5 : DOWN\n", 0.0)
    assert rules(record) == [("link_down", 0)]
    record.take(frame("link", 0, None), "link status : UP\nport 4 : UP\nport 5 : UP\n", 0.0)
    assert rules(record) == []


def test_since_stays_while_the_trouble_stays() -> None:
    record = NodeRecord()
    record.take(frame("link"), "link status: DOWN\n", 100.0)
    assert [one.since for one in judged(record, 100.0).findings] == [100.0]
    assert [one.since for one in judged(record, 500.0).findings] == [100.0]
    record.take(frame("link"), "link status: UP\n", 600.0)
    assert judged(record, 600.0).findings == ()
    record.take(frame("link"), "link status: DOWN\n", 700.0)
    assert [one.since for one in judged(record, 700.0).findings] == [700.0]


def test_histories_are_put_on_the_bastions_clock() -> None:
    said = (
        "[devid 0]current time        : Wed Aug  2 03:36:43 2022\n[devid 0]link change records :\n"
        "[devid 0]    Wed Aug  2 03:36:00 2022    LINK DOWN\n"
    )
    record = NodeRecord()
    record.take(frame("link_stat"), said, 10_000.0)
    assert judged(record).devices[0].changes == (LinkChange(10_000.0 - 43, False),)
    # a 950 prints no time of its own: the node's zone must do
    table = "link up count : 1\n| 0 | 1 | 5 | LINK_DOWN | Thu Jan 1 02:00:00 1970 |\n"
    record.take(FrameHeader(0, 0, "host"), "[zone]\n+0200\n", 0.0)
    record.take(frame("link_stat", 1, None), table, 10_000.0)
    assert judged(record).devices[1].changes == (LinkChange(0.0, False, "1/5"),)


def test_load_of_the_processors_between_two_answers() -> None:
    record = NodeRecord()
    record.take(FrameHeader(0, 0, "host"), "[stat]\ncpu  100 0 0 900 0 0 0 0\n", 0.0)
    record.take(FrameHeader(0, 0, "host"), "[stat]\ncpu  150 0 0 950 0 0 0 0\n", 0.0)
    record.take(FrameHeader(0, 0, "versions"), "[cann]\nversion=8.0.RC3\n", 0.0)
    host = judged(record).host
    assert host is not None
    assert (host.cpu_pct, host.versions) == (50.0, {"cann": "8.0.RC3"})


def test_no_address_and_dark_optics_are_answers() -> None:
    record = NodeRecord()
    record.take(frame("ip", code=1), "Get ipconf failed, because no ip was preset there!\n", 0.0)
    record.take(frame("link"), "link status: UP\n", 0.0)
    record.take(frame("optical", code=1), "Control link unreachable\n", 0.0)
    assert sorted(rules(record)) == [("no_address", 0), ("optics", 0)]


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(DETAILS)),
            st.integers(0, 3),
            st.sampled_from([0, 1, None]),
            st.sampled_from([0, 1, 124, 127, 141]),
            st.sampled_from([text for text, _expected in CASES.values()]) | st.text(max_size=60),
        ),
        max_size=8,
    )
)
def test_any_frames_are_taken(frames: list[tuple[str, int, int | None, int, str]]) -> None:
    record = NodeRecord()
    for kind, npu, chip, code, said in frames:
        record.take(frame(kind, npu, chip, code), said, 100.0)
        judged(record)


WORDS = [
    "Health",
    "Health Status",
    " : ",
    ":",
    "OK",
    "Alarm",
    "\n",
    "link status",
    "UP",
    "DOWN",
    "Chip Name",
    "mcu",
]


@settings(deadline=None, max_examples=300)
@given(st.lists(st.sampled_from(WORDS) | st.text(max_size=5), max_size=12).map("".join))
def test_a_good_word_is_only_what_the_tool_said(text: str) -> None:
    record = NodeRecord()
    record.take(frame("health"), text, 100.0)
    record.take(frame("link"), text, 100.0)
    for device in judged(record).devices:
        if device.health == "OK":
            assert re.search(r"Health(?: Status)?\s*:\s*OK", text)
        if device.link == "UP":
            assert re.search(r"link status\s*:\s*UP", text, re.IGNORECASE)
