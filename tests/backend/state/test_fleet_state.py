from __future__ import annotations

from dataclasses import replace

from backend.events import DeviceReading, Finding, Level, NodeDetailed, NodeNotReached, NodeObserved
from backend.inventory import Inventory, Node
from backend.state.device_health import judge
from backend.state.fleet_state import FleetState

DEVICE = DeviceReading(0, 0, None, "910B3", "OK", 90.0, 45, 0, 0, "0000:C1:00.0", 0, 0, 0, 2900, 65536)
FLEET = Inventory("lab", tuple(Node(name, name, name, 2, "/w") for name in ("n1", "n2", "n3")), "/shared")


def seen(node: str, at: float, *devices: DeviceReading) -> NodeObserved:
    return NodeObserved(node, at, "23.0", devices, (), 12.0)


def test_a_node_that_was_never_asked_is_unknown() -> None:
    state = FleetState.of(FLEET)
    assert state.nodes["n1"].level is Level.UNKNOWN
    assert (state.counts().npus, state.counts().unknown, state.counts().well) == (6, 6, 0)


def test_silence_turns_good_news_into_unknown_and_keeps_the_last_reading() -> None:
    state = FleetState.of(FLEET)
    state.apply([seen("n1", 1.0, DEVICE, DEVICE)])
    assert state.nodes["n1"].level is Level.WELL
    state.apply([NodeNotReached("n1", 5.0, "timed out")])
    state.apply([NodeNotReached("n1", 9.0, "timed out again")])
    view = state.nodes["n1"]
    assert (view.level, view.unreachable_since, view.observed_at) == (Level.UNKNOWN, 5.0, 1.0)
    assert len(view.devices) == 2
    state.apply([seen("n1", 12.0, DEVICE, DEVICE)])
    assert state.nodes["n1"].unreachable_since is None


def test_a_node_that_answers_without_its_npu_smi_is_not_well() -> None:
    state = FleetState.of(FLEET)
    state.apply([seen("n1", 1.0, DEVICE, DEVICE), NodeNotReached("n1", 5.0, "npu-smi: not found", True)])
    view = state.nodes["n1"]
    assert (view.reachable, view.answered, view.level) == (False, True, Level.UNKNOWN)
    state.apply([NodeNotReached("n1", 9.0, "timed out")])
    assert not state.nodes["n1"].answered
    state.apply([seen("n1", 12.0, DEVICE, DEVICE)])
    assert (state.nodes["n1"].reachable, state.nodes["n1"].answered) == (True, False)


def test_a_missing_npu_is_an_alarm() -> None:
    state = FleetState.of(FLEET)
    state.apply([seen("n2", 1.0, DEVICE)])
    assert state.nodes["n2"].missing == 1
    assert state.nodes["n2"].level is Level.ALARM


def test_only_changed_nodes_are_named_and_the_worst_come_first() -> None:
    state = FleetState.of(FLEET)
    batch = [seen("n1", 1.0, DEVICE, DEVICE), seen("n3", 1.0, DEVICE, replace(DEVICE, health="Warning"))]
    assert state.apply(batch) == {"n1", "n3"}
    assert state.apply(batch) == set()
    assert [view.name for view in state.worst_first()] == ["n3", "n2", "n1"]


def test_judgement_of_words_and_heat() -> None:
    assert judge(DEVICE).level is Level.WELL
    assert judge(replace(DEVICE, health="Critical")).level is Level.CRITICAL
    assert judge(replace(DEVICE, health="Critical", temp_c=110)).level is Level.CRITICAL
    assert judge(replace(DEVICE, health="UNKNOWN")).level is Level.UNKNOWN
    assert judge(replace(DEVICE, health="whatever")).level is Level.UNKNOWN
    assert judge(replace(DEVICE, temp_c=90)).level is Level.WARNING
    assert judge(replace(DEVICE, temp_c=110)).level is Level.ALARM
    assert judge(replace(DEVICE, health="Alarm", temp_c=90)).level is Level.ALARM


def detailed(node: str, *findings: Finding) -> NodeDetailed:
    return NodeDetailed(node, 1.0, (), None, findings)


def test_findings_make_a_chip_worse_and_never_better() -> None:
    state = FleetState.of(FLEET)
    other = replace(DEVICE, npu_id=1, health="Alarm")
    state.apply([seen("n1", 1.0, DEVICE, other)])
    hot = Finding("optics", Level.WARNING, "n1", 0, 0, "dark optics", "Rx Los Flag is raised")
    mild = Finding("optics", Level.WARNING, "n1", 1, 0, "dark optics")
    assert state.apply([detailed("n1", hot, mild)]) == {"n1"}
    first, second = state.nodes["n1"].verdicts()
    assert (first.level, first.sentence) == (Level.WARNING, "dark optics: Rx Los Flag is raised")
    assert (second.level, second.sentence) == (Level.ALARM, "npu-smi reports Alarm")


def test_critical_is_shown_as_critical_and_unknown_is_not_well() -> None:
    state = FleetState.of(FLEET)
    state.apply([seen("n1", 1.0, DEVICE, replace(DEVICE, npu_id=1))])
    gone = Finding("fault_code", Level.CRITICAL, "n1", 0, 0, "fault")
    silent = Finding("no_answer", Level.UNKNOWN, "n1", 1, 0, "no answer about: ecc")
    state.apply([detailed("n1", gone, silent)])
    assert [verdict.level for verdict in state.nodes["n1"].verdicts()] == [Level.CRITICAL, Level.UNKNOWN]
    assert (state.counts().critical, state.counts().alarm, state.counts().well) == (1, 0, 0)


def test_a_silent_node_has_no_findings() -> None:
    state = FleetState.of(FLEET)
    state.apply([seen("n1", 1.0, DEVICE), detailed("n1", Finding("heat", Level.ALARM, "n1", 0, 0, "hot"))])
    assert state.nodes["n1"].findings
    state.apply([NodeNotReached("n1", 2.0, "cut")])
    assert state.nodes["n1"].findings == ()
    assert state.nodes["n1"].level is Level.UNKNOWN


def test_what_is_wrong_with_the_whole_node_counts_for_it_and_what_differs_for_the_fleet() -> None:
    state = FleetState.of(replace(FLEET, drained=("n3",)))
    state.apply(
        [seen("n1", 1.0, DEVICE, DEVICE), detailed("n1", Finding("x", Level.WARNING, "n1", None, None, "x"))]
    )
    assert state.nodes["n1"].level is Level.WARNING
    differs = Finding("cann_differs", Level.WARNING, "", None, None, "CANN 8.0: n1; 8.1: n2")
    assert state.apply([detailed("", differs)]) == set()
    assert state.findings == (differs,)
    assert state.counts().drained == 1
