"""`npudeck health`: the worst first, unreachable never well, exit codes, and JSON that stays the same."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backend.cli import health_rounds
from backend.cli.health_findings import blocks
from backend.cli.health_report import (
    advice,
    exit_code,
    fleet_of,
    not_answered_lines,
    summary,
    to_json,
    to_rows,
)
from backend.cli.main import build_parser, main
from backend.events import (
    DeviceReading,
    Event,
    Finding,
    HostDetails,
    Level,
    NodeDetailed,
    NodeNotReached,
    NodeObserved,
    ProcessReading,
)
from backend.fleet.node_code_files import read_agent
from backend.inventory import Inventory, Node
from backend.probes.probe_plan import CODES
from backend.state.fleet_state import FleetState

WELL = DeviceReading(0, 0, None, "910B3", "OK", 90.2, 45, 0, 0, "0000:C1:00.0", 12, 0, 0, 3400, 65536)
NAMES = ("n01", "n02", "n03", "n04")
INVENTORY = Inventory("lab", tuple(Node(name, name, name, 2, "/w") for name in NAMES), "/s")


def seen(name: str, *devices: DeviceReading, processes: tuple[ProcessReading, ...] = ()) -> NodeObserved:
    return NodeObserved(name, 5.0, "24.1.0", devices, processes, 12.34)


def fleet(*events: Event, names: tuple[str, ...] = NAMES) -> FleetState:
    state = fleet_of(INVENTORY, names)
    state.apply(events)
    return state


SECOND = replace(WELL, npu_id=1)
MIXED = (
    seen(
        "n01",
        WELL,
        SECOND,
        processes=(ProcessReading(0, 0, 77, "python3", 61203), ProcessReading(0, 0, 78, "x", 1)),
    ),
    seen("n02", WELL, replace(SECOND, health="Alarm")),
    NodeNotReached("n03", 5.0, "no answer within 10 s"),
    seen("n04", replace(WELL, health="Warning", hbm_total_mb=None, hbm_used_mb=None, power_w=None)),
)


def test_worst_first() -> None:
    rows = to_rows(fleet(*MIXED))
    assert [(row[0], row[4]) for row in rows] == [
        ("n02", "Alarm"),
        ("n04", "missing"),
        ("n04", "Warning"),
        ("n03", "unreachable"),
        ("n01", "OK"),
        ("n01", "OK"),
        ("n02", "OK"),
    ]
    assert rows[3][-1] == "no answer within 10 s"
    assert rows[4][5:10] == ("90.2 W", "45 °C", "12 %", "3400/65536", "python3:77 +1")
    assert rows[2][5] == "-"


def test_what_a_node_says_does_not_steer_the_terminal() -> None:
    """A banner in colours, or a second line, stays one cell of one row."""
    state = fleet(NodeNotReached("n03", 5.0, "it said: \x1b[2J[bold]x\nn04\u202e"), names=("n03",))
    assert to_rows(state)[0][-1] == "it said: ␛[2J[bold]x n04\\u202e"
    assert to_json("lab", 1.0, state)["nodes"][0]["reason"] == "it said: \x1b[2J[bold]x\nn04\u202e"


def test_many_unreachable_nodes_are_one_word() -> None:
    state = fleet(*[NodeNotReached(name, 5.0, "no answer") for name in NAMES])
    assert summary(state).endswith("not reached: n[01-04]")
    assert advice(state) == "what keeps them: npudeck check --nodes 'n[01-04]'"
    assert advice(fleet(*MIXED[:2], names=("n01", "n02"))) == ""


def test_summary_names_the_unreachable() -> None:
    assert summary(fleet(*MIXED)) == (
        "4 nodes, 8 NPUs: 3 well, 1 warning, 2 alarm, 0 critical, 2 unknown; not reached: n03"
    )


def test_a_node_whose_npu_smi_fails_was_reached() -> None:
    state = fleet(
        NodeNotReached("n01", 5.0, "npu-smi: not found", answered=True),
        NodeNotReached("n02", 5.0, "no answer within 10 s"),
        names=("n01", "n02"),
    )
    [failing, silent] = to_rows(state)
    assert (failing[4], failing[-1]) == ("no table", "npu-smi: not found")
    assert silent[4] == "unreachable"
    assert summary(state).endswith("4 unknown; npu-smi failed: n01; not reached: n02")
    assert advice(state) == "what keeps them: npudeck check --nodes 'n[01-02]'"
    assert exit_code(state) == 4
    value = to_json("lab", 5.0, state)
    assert [node["state"] for node in value["nodes"]] == ["no table", "unreachable"]
    assert value["counts"]["unreachable"] == 1


def found(level: Level, name: str, npu: int | None = 1) -> NodeDetailed:
    return NodeDetailed(name, 5.0, (), None, (Finding("a_rule", level, name, npu, npu and 0, "what"),))


# what a node may be, and the exit code that it gives by itself
STATES: dict[str, tuple[Callable[[str], tuple[Event, ...]], int]] = {
    "well": (lambda name: (seen(name, WELL, SECOND),), 0),
    "Warning": (lambda name: (seen(name, WELL, replace(SECOND, health="Warning")),), 1),
    "Alarm": (lambda name: (seen(name, WELL, replace(SECOND, health="Alarm")),), 1),
    "Critical": (lambda name: (seen(name, WELL, replace(SECOND, health="Critical")),), 1),
    "unknown": (lambda name: (seen(name, WELL, replace(SECOND, health="UNKNOWN")),), 1),
    "hot": (lambda name: (seen(name, WELL, replace(SECOND, temp_c=90)),), 1),
    "missing": (lambda name: (seen(name, WELL),), 1),
    "no card": (lambda name: (seen(name),), 1),
    "finding of a chip": (lambda name: (seen(name, WELL, SECOND), found(Level.WARNING, name)), 1),
    "finding of a node": (lambda name: (seen(name, WELL, SECOND), found(Level.WARNING, name, None)), 1),
    "silent question": (lambda name: (seen(name, WELL, SECOND), found(Level.UNKNOWN, name)), 1),
    "not answered": (
        lambda name: (seen(name, WELL, SECOND), NodeDetailed(name, 5.0, (), None, (), {"ecc": "no rights"})),
        1,
    ),
    "no table": (lambda name: (NodeNotReached(name, 1.0, "npu-smi: not found", answered=True),), 1),
    "unreachable": (lambda name: (NodeNotReached(name, 1.0, "x"),), 4),
    "was well, is silent": (lambda name: (seen(name, WELL, SECOND), NodeNotReached(name, 6.0, "x")), 4),
    "never asked": (lambda name: (), 4),
}


@pytest.mark.parametrize("first", STATES)
def test_exit_code(first: str) -> None:
    """With every other state beside it: the graver code of both; what differs between nodes counts too."""
    events, code = STATES[first]
    for second, (more, other) in STATES.items():
        state = fleet(*events("n01"), *more("n02"), names=("n01", "n02"))
        assert exit_code(state) == max(code, other), second
        assert exit_code(state, (DIFFERS,)) == max(code, other, 1), second


def test_json() -> None:
    value = json.loads(json.dumps(to_json("lab", 5.0, fleet(*MIXED))))
    assert value["counts"] == {
        "nodes": 4, "npus": 8, "well": 3, "warning": 1, "alarm": 2, "critical": 0, "unknown": 2,
        "drained": 0, "unreachable": 1,
    }  # fmt: skip
    first, _second, third, fourth = value["nodes"]
    assert (first["state"], first["took_ms"], first["tool_version"]) == ("ok", 12.3, "24.1.0")
    assert first["devices"][0]["level"] == "well"
    assert first["devices"][0]["hbm_used_mb"] == 3400
    assert first["processes"][0]["pid"] == 77
    assert (third["state"], third["reason"], third["devices"]) == ("unreachable", "no answer within 10 s", [])
    assert fourth["missing"] == 1


@pytest.fixture
def scripted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    path = tmp_path / "npudeck.toml"
    path.write_text(
        '[fleet]\nname = "lab"\nwork_directory = "/w"\nshared_directory = "/s"\nnpus_per_node = 2\n'
        '[[nodes]]\nname = "n[01-04]"\n'
    )
    answers = {event.node: event for event in MIXED}

    async def observe_once(transport: Any, node: Node, timeout_s: float, clock: Any) -> Event:
        return answers[node.name]

    async def nothing_more(*arguments: Any) -> tuple[list[Any], str]:
        """The nodes print a row and no more."""
        return [], "" if arguments[3] is CODES else "cut off"

    monkeypatch.setattr("backend.probes.probe_worker.observe_once", observe_once)
    monkeypatch.setattr("backend.probes.probe_worker._ask_details", nothing_more)
    return ["-i", str(path), "health"]


def test_command_prints_a_table(scripted: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*scripted]) == 4
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["NODE", "NPU", "CHIP"]
    assert lines[1].startswith("n02 ")
    assert lines[-2].endswith("not reached: n03")
    assert lines[-1] == f"what keeps them: npudeck -i {scripted[1]} check --nodes n03"


def test_command_of_some_nodes_as_json(scripted: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*scripted, "n02", "n01", "--json"]) == 1
    value = json.loads(capsys.readouterr().out)
    assert [node["name"] for node in value["nodes"]] == ["n02", "n01"]
    assert value["fleet"] == "lab"


def test_watch_prints_one_object_a_round(
    scripted: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = 0
    batches = health_rounds.batches

    async def three(*arguments: Any) -> Any:
        nonlocal rounds
        async for batch in batches(*arguments):
            yield batch
            rounds += 1
            if rounds == 3:
                return

    monkeypatch.setattr(health_rounds, "batches", three)
    main([*scripted, "n01", "--json", "--watch", "--interval", "0.1"])
    assert [json.loads(line)["counts"]["nodes"] for line in capsys.readouterr().out.splitlines()] == [1, 1, 1]


def test_a_node_is_given_longer_than_its_npu_smi() -> None:
    """Else one whose npu-smi hangs, and says so, is taken for one that does not answer."""
    limits = re.findall(r"run (\d+) npu-smi info$", read_agent("probe.sh"), re.MULTILINE)
    assert limits
    assert build_parser().parse_args(["health"]).timeout >= max(map(int, limits)) + 3


def test_wrong_words(scripted: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*scripted, "n99"]) == 3
    assert "there is no node 'n99'" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main([*scripted, "--interval", "0"])
    assert ended.value.code == 2


ROWS = "fault 80E18402: \x1b[31m64 rows"
BAD = Finding(
    "fault_code", Level.CRITICAL, "n01", 1, 0, ROWS, "SeparateNPU", "replace it", since=3.0, code="80E18402"
)
AWAY = Finding("missing_npu", Level.ALARM, "n01", None, None, "1 NPU is missing", "", "look", 4.0)
DIFFERS = Finding("driver_differs", Level.WARNING, "", None, None, "driver 24.1: n01; 23.0: n02", "", "", 5.0)


def with_findings() -> FleetState:
    host = HostDetails(cpus=192, versions={"driver": "24.1"})
    state = fleet(seen("n01", WELL, SECOND), names=("n01",))
    state.apply([NodeDetailed("n01", 5.0, (), host, (BAD, AWAY))])
    return state


def test_findings_in_json_stand_where_they_belong() -> None:
    value = json.loads(json.dumps(to_json("lab", 5.0, with_findings(), (DIFFERS,))))
    assert [one["rule"] for one in value["findings"]] == ["driver_differs"]
    assert [(one["rule"], one["node"], one["npu_id"]) for one in value["all_findings"]] == [
        ("fault_code", "n01", 1),
        ("missing_npu", "n01", None),
        ("driver_differs", "", None),
    ]
    [node] = value["nodes"]
    assert [one["rule"] for one in node["findings"]] == ["missing_npu"]
    assert node["host"]["versions"] == {"driver": "24.1"}
    well, ill = node["devices"]
    assert (well["level"], well["findings"]) == ("well", [])
    assert ill["level"] == "critical"
    assert ill["findings"] == [
        {
            "rule": "fault_code",
            "level": "critical",
            "what": "fault 80E18402: \x1b[31m64 rows",
            "why": "SeparateNPU",
            "fix": "replace it",
            "since": 3.0,
            "code": "80E18402",
        }
    ]


def test_a_row_says_what_is_wrong_in_the_first_place_and_how_much_more() -> None:
    state = with_findings()
    [row] = [row for row in to_rows(state) if row[1] == "1"]
    assert row[-1] == "fault 80E18402: \u241b[31m64 rows"
    more = replace(BAD, rule="heat", level=Level.WARNING, what="hot", code="")
    state.apply([NodeDetailed("n01", 6.0, (), None, (BAD, more))])
    [row] = [row for row in to_rows(state) if row[1] == "1"]
    assert row[-1] == "fault 80E18402: \u241b[31m64 rows (+1)"


def test_findings_in_text_say_what_since_when_and_what_to_do() -> None:
    bad, away, differs = (block.splitlines() for block in blocks(with_findings(), (DIFFERS,), 5.0))
    at = time.strftime("%H:%M:%S", time.localtime(3.0))
    assert bad == [
        f"critical: n01 NPU 1 chip 0, since {at}",
        "  fault 80E18402: \u241b[31m64 rows",
        "  why: SeparateNPU",
        "  first: replace it",
    ]
    assert away[0].startswith("alarm: n01, since ")
    assert away[1:] == ["  1 NPU is missing", "  first: look"]
    assert differs[0].startswith("warning: fleet, since ")
    assert differs[1:] == ["  driver 24.1: n01; 23.0: n02"]


def test_an_old_trouble_has_its_date() -> None:
    now = 10 * 86400.0
    [block] = blocks(fleet(names=()), [replace(DIFFERS, since=now - 86400.0)], now)
    assert "since 1970-01-" in block


def test_what_is_done_about_the_same_is_said_of_all_its_nodes() -> None:
    found = [
        Finding("x", Level.ALARM, name, 0, 0, "bad", "", f"npudeck fleet drain {name}; mend it", 5.0)
        for name in ("n01", "n02", "n010")
    ]
    [block] = blocks(fleet(names=()), found, 6.0)
    assert block.splitlines()[-1] == "  first: npudeck fleet drain 'n[01-02,010]'; mend it"
    [block] = blocks(fleet(names=()), found[:1], 6.0)
    assert block.splitlines()[-1] == "  first: npudeck fleet drain n01; mend it"


def test_the_same_trouble_in_many_places_is_one_block() -> None:
    """A switch that dies takes many links: one block, and the one link that is another one's beside it."""
    down = Finding("link_down", Level.ALARM, "n01", 0, 0, "link DOWN", "cut off", "check", since=9.0)
    everywhere = [replace(down, node=f"n0{node}", npu_id=npu) for node in (1, 2, 3) for npu in (0, 1, 2, 5)]
    everywhere.append(replace(down, node="n04", npu_id=7, chip_id=1, since=3.0))
    other = replace(down, node="n04", npu_id=3, fix="check switch port 1")
    away = Finding("missing_npu", Level.ALARM, "n01", None, None, "1 NPU is missing")
    said = blocks(fleet(names=()), [*everywhere, other, away, replace(away, node="n02")], 10.0)
    assert [block.partition(", since")[0] for block in said] == [
        "alarm: n[01-03] NPU 0-2,5 chip 0, n04 NPU 7 chip 1",
        "alarm: n04 NPU 3 chip 0",
        "alarm: n[01-02]",
    ]
    [since] = [block.splitlines()[0] for block in said if "n[01-03]" in block]
    assert since.endswith(f"since {time.strftime('%H:%M:%S', time.localtime(3.0))}")


def test_what_the_first_look_found_may_be_older() -> None:
    state = with_findings()
    said = blocks(state, (replace(DIFFERS, since=5.5),), 9.0, (3.5, 5.0))
    assert [" or before" in block for block in said] == [False, True, False]


def test_findings_decide_the_exit_code() -> None:
    assert exit_code(with_findings()) == 1
    assert exit_code(fleet(seen("n01", WELL, SECOND), names=("n01",)), (DIFFERS,)) == 1


MISSED = {"link": "hccn_tool: not found", "ecc": "no rights\x1b", "optical": "hccn_tool: not found"}


def with_missed() -> FleetState:
    """Two nodes that are well as far as anybody knows."""
    state = fleet(*(seen(name, WELL, SECOND) for name in ("n01", "n02")), names=("n01", "n02"))
    state.apply(NodeDetailed(name, 5.0, (), None, (), MISSED) for name in ("n01", "n02"))
    return state


def test_what_was_not_answered_is_said_and_is_not_well() -> None:
    assert not_answered_lines(with_missed()) == [
        "not answered: link, optical on n[01-02] (hccn_tool: not found)",
        "not answered: ecc on n[01-02] (no rights\u241b)",
    ]
    assert exit_code(with_missed()) == 1
    value = json.loads(json.dumps(to_json("lab", 5.0, with_missed())))
    assert value["not_answered"][0] == {
        "kinds": ["link", "optical"],
        "nodes": ["n01", "n02"],
        "why": "hccn_tool: not found",
    }
    assert to_json("lab", 5.0, with_findings())["not_answered"] == []


def test_deep_questions_without_an_answer_are_said(
    scripted: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*scripted, "n01"]) == 0
    assert "not answered" not in capsys.readouterr().out
    assert main([*scripted, "n01", "--deep"]) == 1
    out = capsys.readouterr().out
    assert "not answered: health, link, host, " in out
    assert " on n01 (cut off)" in out


def test_command_says_the_reasons(scripted: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*scripted, "n02"]) == 1
    out = capsys.readouterr().out
    assert "alarm: n02 NPU 1 chip 0, since " in out
    assert "  npu-smi reports Alarm\n" in out
    assert "add --deep" in out
