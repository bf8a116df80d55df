"""Cables pulled and power cut under a watch of eight machines: the right states in time, and the others
untouched.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from namespace_fleet import Machine, NamespaceFleet, why_not

from backend.fleet.inventory_files import save_inventory

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
REASON = why_not()
INTERVAL_S = 1.0
DEADLINE_S = 3.0
# what a busy machine that runs eight of them, and other tests beside, may add
SLACK_S = 2.0

pytestmark = [pytest.mark.sshd, pytest.mark.skipif(bool(REASON), reason=REASON)]


@dataclass
class Watch:
    """What the watcher on the bastion has said so far."""

    lines: list[dict[str, Any]] = field(default_factory=list)

    def of(self, machine: Machine, since: float = 0.0) -> list[dict[str, Any]]:
        return [line for line in list(self.lines) if line["node"] == machine.name and line["t"] >= since]

    def until(self, machine: Machine, seen: bool, since: float, limit_s: float) -> float:
        """Seconds from `since` on until the machine was seen, or was missed."""
        end = time.monotonic() + limit_s + 5
        while True:
            found = [line["t"] for line in self.of(machine, since) if line["seen"] is seen]
            if found:
                took: float = found[0] - since
                assert took <= limit_s, f"{machine.name}: {took:.1f} s"
                return took
            assert time.monotonic() < end, (machine.name, seen, self.of(machine, since)[-3:])
            time.sleep(0.02)

    def undisturbed(self, machines: list[Machine], since: float, until: float) -> None:
        """None of them was missed, and none was later than one interval."""
        for machine in machines:
            lines = [line for line in self.of(machine, since) if line["t"] <= until]
            assert all(line["seen"] and line["npus"] == 8 for line in lines), machine.name
            times = [line["t"] for line in lines]
            gaps = [after - before for before, after in itertools.pairwise(times)]
            assert gaps, machine.name
            assert max(gaps) <= 2 * INTERVAL_S + SLACK_S, f"{machine.name}: {max(gaps):.2f} s"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NamespaceFleet]:
    fleet = NamespaceFleet(tmp_path_factory.mktemp("spaces"), 8)
    try:
        fleet.start()
        fleet.wait()
        save_inventory(fleet.inventory(), fleet.inventory().path)
        yield fleet
    finally:
        fleet.stop()


@pytest.fixture(scope="module")
def watch(fleet: NamespaceFleet) -> Iterator[Watch]:
    words = [str(HERE / "watch_nodes.py"), fleet.inventory().path, str(INTERVAL_S), str(DEADLINE_S)]
    process = subprocess.Popen(
        fleet.inside(["env", f"PYTHONPATH={ROOT}", sys.executable, *words]), stdout=subprocess.PIPE, text=True
    )
    watch = Watch()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            watch.lines.append(json.loads(line))

    reader = threading.Thread(target=read)
    reader.start()
    began = time.monotonic()
    for machine in fleet.machines:
        watch.until(machine, True, began, 20)
    yield watch
    process.kill()
    process.wait()
    reader.join(10)


def others(fleet: NamespaceFleet, *hurt: Machine) -> list[Machine]:
    return [machine for machine in fleet.machines if machine not in hurt]


@pytest.fixture(autouse=True)
def all_seen(fleet: NamespaceFleet, watch: Watch) -> None:
    since = time.monotonic()
    for machine in fleet.machines:
        watch.until(machine, True, since, 10)


def npudeck(fleet: NamespaceFleet, tmp_path: Path, *words: str) -> tuple[int, Any]:
    """A command on the bastion."""
    environment = [
        f"PYTHONPATH={ROOT}",
        f"XDG_STATE_HOME={tmp_path}",
        f"NPUDECK_INVENTORY={fleet.inventory().path}",
    ]
    place = words.index("--") if "--" in words else len(words)
    argv = ["env", *environment, sys.executable, "-P", "-m", "backend.cli"]
    argv += [*words[:place], "--json", *words[place:]]
    done = subprocess.run(fleet.inside(argv), capture_output=True, text=True, check=False, timeout=120)
    return done.returncode, json.loads(done.stdout)


def test_a_pulled_cable_and_its_return(fleet: NamespaceFleet, watch: Watch) -> None:
    hurt = fleet.machines[2]
    began = time.monotonic()
    fleet.cut(hurt)
    watch.until(hurt, False, began, INTERVAL_S + DEADLINE_S + SLACK_S)
    time.sleep(4)
    silent = [line for line in watch.of(hurt, began + INTERVAL_S) if line["seen"]]
    assert silent == []
    healed = time.monotonic()
    fleet.heal(hurt)
    # TCP asks again by itself, in pauses that have grown while the cable was out; so do new logins
    watch.until(hurt, True, healed, 20)
    time.sleep(3)
    watch.undisturbed([hurt], time.monotonic() - 2.5, time.monotonic())
    watch.undisturbed(others(fleet, hurt), began, time.monotonic())


def test_a_short_cut_is_no_failure(fleet: NamespaceFleet, watch: Watch) -> None:
    hurt = fleet.machines[6]
    began = time.monotonic()
    fleet.cut(hurt)
    time.sleep(0.8)
    fleet.heal(hurt)
    time.sleep(6)
    assert all(line["seen"] for line in watch.of(hurt, began))
    watch.undisturbed(others(fleet, hurt), began, time.monotonic())


def test_power_off_and_boot(fleet: NamespaceFleet, watch: Watch, tmp_path: Path) -> None:
    hurt = fleet.machines[4]
    code, held = npudeck(fleet, tmp_path, "fleet", "hold", hurt.name, "--for", "2d")
    assert (code, held["nodes"][0]["leases"][0]["state"]) == (0, "held")
    began = time.monotonic()
    fleet.power_off(hurt)
    watch.until(hurt, False, began, INTERVAL_S + DEADLINE_S + SLACK_S)
    watch.undisturbed(others(fleet, hurt), began, time.monotonic())
    # what cannot be asked is said so, and nobody waits for it longer than a login may take
    asked = time.monotonic()
    code, answers = npudeck(fleet, tmp_path, "fleet", "run", "all", "--timeout", "3", "--", "hostname")
    assert (code, time.monotonic() - asked < 20) == (4, True)
    assert [node["node"] for node in answers["nodes"] if node["state"] != "exit"] == [hurt.name]
    assert {group["nodes"] for group in answers["groups"]} == {machine.name for machine in fleet.machines}
    booted = time.monotonic()
    fleet.boot(hurt)
    watch.until(hurt, True, booted, 20)
    # a lease of two days ends with the machine that it was for
    code, leases = npudeck(fleet, tmp_path, "fleet", "leases", hurt.name)
    assert [(lease["state"], lease["over"]) for lease in leases["nodes"][0]["leases"]] == [("reboot", True)]
    watch.undisturbed(others(fleet, hurt), began, time.monotonic())


def test_half_of_the_fleet_at_once(fleet: NamespaceFleet, watch: Watch) -> None:
    hurt, began = fleet.machines[:4], time.monotonic()
    acts: list[Callable[[Machine], None]] = [fleet.cut, fleet.power_off, fleet.cut, fleet.power_off]
    for act, machine in zip(acts, hurt, strict=True):
        act(machine)
    for machine in hurt:
        watch.until(machine, False, began, INTERVAL_S + DEADLINE_S + SLACK_S)
    back = time.monotonic()
    for act, machine in zip([fleet.heal, fleet.boot, fleet.heal, fleet.boot], hurt, strict=True):
        act(machine)
    for machine in hurt:
        watch.until(machine, True, back, 20)
    watch.undisturbed(fleet.machines[4:], began, time.monotonic())
