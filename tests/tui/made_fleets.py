"""What nodes say, and fleets of them: well, ill and big."""

from __future__ import annotations

import dataclasses

from fake_desk import NOW, FakeDesk, created, small_inventory
from made_runs import add_failed, add_finished, add_running, add_stopped, iteration, stages_done

from backend.events import (
    DeviceDetails,
    DeviceReading,
    Disk,
    Finding,
    Hccs,
    HostDetails,
    Level,
    NodeDetailed,
    NodeNotReached,
    NodeObserved,
    Optics,
    ProcessReading,
    RunStateChanged,
    RunStatus,
    StageName,
)
from backend.state.lease import Lease, NodeLeases


def device(
    index: int, *, health: str = "OK", temp: int = 48, load: int = 90, hbm: int = 41_000
) -> DeviceReading:
    return DeviceReading(
        index,
        0,
        index,
        "910B3",
        health,
        90.0 + 3.1 * load,
        temp,
        0,
        0,
        f"0000:C{index}:00.0",
        load,
        0,
        0,
        hbm,
        65_536,
    )


def observed(node: str, devices: tuple[DeviceReading, ...], at: float = NOW - 1) -> NodeObserved:
    processes = tuple(
        ProcessReading(item.npu_id, item.chip_id, 4000 + item.npu_id, "python3", 38_000)
        for item in devices
        if item.aicore_pct
    )
    return NodeObserved(node, at, "23.0.5", devices, processes, 210.0)


def demo_desk(*, runs: bool = True) -> FakeDesk:
    """Four nodes of two NPUs: one card warns, one node is silent; runs in every state."""
    desk = FakeDesk(small_inventory())
    desk.apply(
        observed("demo-1", (device(0), device(1, load=88))),
        observed("demo-2", (device(0, load=91), device(1, load=87))),
        observed("demo-3", (device(0, health="Warning", load=0, hbm=2_900), device(1, load=0, hbm=2_900))),
        observed("demo-4", (device(0, load=0, hbm=2_900), device(1, load=0, hbm=2_900)), NOW - 60),
        NodeNotReached("demo-4", NOW - 14, "ssh: connection timed out after 10 s"),
    )
    if runs:
        for add in (add_stopped, add_finished, add_failed, add_running):
            add(desk)
    return desk


def desk_with_recipe(**changes: object) -> FakeDesk:
    """The demo's fleet without runs, and its recipe with these fields changed."""
    desk = demo_desk(runs=False)
    desk.recipe = dataclasses.replace(desk.recipe, **changes)
    return desk


def details(index: int, *, age: float = 20.0, **said: object) -> DeviceDetails:
    """What a sound chip says to the slower questions, `age` seconds ago; `said` takes the place of it."""
    kinds = ("health", "common", "ecc", "memory", "link", "net_health", "optical", "hccs")
    sound: dict[str, object] = {
        "answered": dict.fromkeys(kinds, NOW - age),
        "health": "OK",
        "codes": (),
        "hbm_capacity_mb": 65_536,
        "hbm_temp_c": 44,
        "ecc": {"HBM Double Bit Error Count": 0, "HBM Double Bit Isolated Pages Count": 0},
        "aicore_mhz": 1800,
        "aicore_rated_mhz": 1800,
        "hccs": Hccs(True, (4, 4, 4)),
        "link": "UP",
        "net_health": "Success",
        "optics": Optics(True, 41.0, tx_mw=(0.91, 0.93), rx_mw=(0.70, 0.74)),
    }
    return DeviceDetails(index, 0, index, **(sound | said))


def host(age: float = 12.0) -> HostDetails:
    return HostDetails(
        192, 41.3, 22.0, 1_546_000, 903_000, (Disk("/", 880_000, 412_000), Disk("/data", 7_000_000, 210_000)),
        Disk("/dev/shm", 512_000, 511_000), 0.0003, True, 2, (0, 1), "b", 0,
        {"driver": "24.1.rc3", "firmware": "7.5.0.1", "cann": "8.0.RC3", "torch_npu": "2.1.0.post8"},
        {"host": NOW - age, "versions": NOW - 240},
    )  # fmt: skip


def ill_desk() -> FakeDesk:
    """One card critical, a link down, a card gone, a question without answer, nodes drained and held."""
    desk = FakeDesk(small_inventory())
    sick = device(1, health="Critical", load=0)
    at = NOW - 190
    row = ("demo-2", 1, 0)
    fault = "fault 80E18402: HBM: the total number of multi-bit ECC isolation lines reaches 64"
    findings = (
        Finding("health_word", Level.CRITICAL, *row, "npu-smi reports Critical", "80E18402", "see", at, ""),
        Finding("fault_code", Level.CRITICAL, *row, fault, "MindCluster's level for it is SeparateNPU",
                "take it out of use; have it repaired or replaced", at, "80E18402"),
        Finding("ecc_double_bit", Level.ALARM, *row, "2 uncorrectable errors", "", "reset the NPU", at),
    )  # fmt: skip
    down = Finding("link_down", Level.ALARM, "demo-1", 1, 0, "link DOWN", "HCCL cannot reach this NPU",
                   "check cable, optical module and switch port", NOW - 3000)  # fmt: skip
    gone = Finding("missing_npu", Level.ALARM, "demo-4", None, None, "1 NPU is missing (1 of 2)",
                   "they are not on the PCI bus either", "power it off and on", NOW - 40)  # fmt: skip
    mute = Finding("no_answer", Level.UNKNOWN, "demo-3", 0, 0, "no answer about: ecc", "no answer within 5 s",
                   "look at dmesg", NOW - 70)  # fmt: skip
    differs = Finding("cann_differs", Level.WARNING, "", None, None, "CANN 8.0.RC3: demo-1; 8.0: demo-3",
                      "one job needs the same version", "bring demo-3 to it", NOW - 90)  # fmt: skip
    rows = {"HBM Double Bit Error Count": 2, "HBM Double Bit Isolated Pages Count": 66}
    mute_ecc = details(0, age=900.0, failed={"ecc": "no answer within 5 s"}, hccs=None)
    desk.apply(
        observed("demo-1", (device(0), device(1))),
        observed("demo-2", (device(0), sick)),
        observed("demo-3", (device(0, load=0), device(1, load=0))),
        observed("demo-4", (device(0, load=0),)),
        NodeDetailed("demo-1", NOW - 1, (details(0), details(1, link="DOWN")), host(), (down,)),
        NodeDetailed(
            "demo-2",
            NOW - 1,
            (details(0), details(1, ecc=rows, health="Critical", codes=("80E18402",))),
            host(),
            findings,
        ),
        NodeDetailed("demo-3", NOW - 1, (mute_ecc, details(1)), host(900.0), (mute,)),
        NodeDetailed("demo-4", NOW - 1, (details(0),), None, (gone,)),
        NodeDetailed("", NOW - 1, (), None, (differs,)),
    )
    desk.fleet.drained = {"demo-1": "cable ordered"}
    desk.fleet.drained_by = {"demo-1": ("ops2@gate", NOW - 2700)}
    mine = Lease("all", "r4-r4-3f2a91", "ops1@bastion", NOW - 100, "held")
    theirs = Lease("1", "by-hand-ops2-gate", "ops2@gate", NOW - 5400, "held", 40, 0, "profiling")
    desk.fleet.holdings = {
        "demo-1": NodeLeases(NOW - 4, (mine,)),
        "demo-2": NodeLeases(NOW - 4, (mine,)),
        "demo-3": NodeLeases(NOW - 4, (theirs,)),
        "demo-4": NodeLeases(NOW - 4),
    }
    add_running(desk)
    return desk


def big_desk() -> FakeDesk:
    """Thirty-two nodes of eight: an alarm, a hot card, a missing card, a silent node."""
    desk = FakeDesk(small_inventory(32, 8, "n"))
    for place in range(1, 33):
        devices = [
            device(i, load=(place * 7 + i * 13) % 100, hbm=(place * 997 + i * 4001) % 60_000, temp=45 + i)
            for i in range(8)
        ]
        if place == 14:
            devices[2] = device(2, health="Alarm", load=0)
        if place == 7:
            devices[3] = device(3, temp=91)
        if place == 19:
            devices.pop()
        desk.apply(observed(f"n{place:02d}", tuple(devices)))
    desk.apply(NodeNotReached("n21", NOW - 14, "ssh: connection timed out after 10 s"))
    nodes = tuple(f"n{place:02d}" for place in range(1, 17))
    desk.apply(created("r7", NOW - 9000, nodes=nodes, model="llama2-70b", kind="sft", npus=128, total=5000))
    desk.apply(
        RunStateChanged("r7", NOW - 8900, RunStatus.RUNNING),
        *stages_done("r7", NOW - 8960, StageName.TRAIN, nodes),
    )
    desk.apply(*(iteration("r7", n, NOW - 8900 + n * 7, 5000) for n in range(1, 1241)))
    return desk
