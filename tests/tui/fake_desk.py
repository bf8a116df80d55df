"""A scripted desk: fleets and runs in every state, without nodes, files or time of its own."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator

from backend.catalog.model import Architecture
from backend.engines.stages import LaunchPlan, NodeCommand, Requirements, StagePlan
from backend.events import (
    CheckpointSaved,
    DeviceDetails,
    DeviceReading,
    Disk,
    Event,
    Finding,
    Hccs,
    HostDetails,
    IterationLogged,
    Level,
    LogGapFound,
    NodeDetailed,
    NodeLinkChanged,
    NodeNotReached,
    NodeObserved,
    Optics,
    ProcessReading,
    RunCreated,
    RunStateChanged,
    RunStatus,
    StageChanged,
    StageName,
    StageProgressed,
    StageStatus,
)
from backend.inventory import Inventory, Node
from backend.live.desk import LogChunk, LogSource
from backend.problems import Problem
from backend.recipes.check import check_with_catalog
from backend.recipes.fields import Recipe
from backend.state.fleet_state import FleetState
from backend.state.run_state import RunBook

NOW = 1_763_900_000.0
SMALL = Architecture("llama2", 4, 128, 4, 2, 32, 352, 1024, 10000.0, 256, 1e-5)


def demo_recipe() -> Recipe:
    return Recipe(
        model="tiny-llama",
        data_path="/srv/share/data/topics.jsonl",
        hf_weights="/srv/share/models/tiny-llama",
        tensor_parallel=2,
        pipeline_parallel=2,
        nodes=2,
        npus_per_node=2,
        micro_batch_size=2,
        global_batch_size=8,
        seq_length=128,
        max_position_embeddings=256,
        lr=3e-3,
        min_lr=3e-4,
        train_iterations=120,
        save_interval=60,
        architecture=SMALL,
    )


def small_inventory(count: int = 4, npus: int = 2, prefix: str = "demo-") -> Inventory:
    nodes = tuple(
        Node(f"{prefix}{i:02d}" if count > 9 else f"{prefix}{i}", "127.0.0.1", f"10.0.0.{i}", npus, "/work")
        for i in range(1, count + 1)
    )
    return Inventory("lab-a" if count > 9 else "demo", nodes, "/srv/share", path="npudeck.toml")


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


class FakeDesk:
    """Implements `Desk`. `push` hands a batch to the stream, as the collector would."""

    def __init__(
        self, inventory: Inventory | None, recipe: Recipe | None = None, recipe_path: str = "recipe.toml"
    ) -> None:
        self.inventory = inventory
        self.fleet = FleetState.of(inventory) if inventory else FleetState()
        self.runs = RunBook()
        self.recipe = recipe or demo_recipe()
        self.recipe_path = recipe_path
        self.logged: dict[str, list[str]] = {}
        self.launched: list[Recipe] = []
        self.stopped: list[str] = []
        self.saved: list[tuple[Recipe, str]] = []
        self.opened = False
        self.reads = 0
        self.closed = False
        self.blockers: tuple[Problem, ...] = ()
        self._queue: asyncio.Queue[tuple[Event, ...] | None] = asyncio.Queue()

    def apply(self, *events: Event) -> None:
        self.fleet.apply(events)
        self.runs.apply(events)

    def push(self, *events: Event) -> None:
        self.apply(*events)
        self._queue.put_nowait(events)

    def end(self) -> None:
        self._queue.put_nowait(None)

    async def open(self) -> None:
        self.opened = True

    async def batches(self) -> AsyncIterator[tuple[Event, ...]]:
        while (batch := await self._queue.get()) is not None:
            yield batch

    def check(self, recipe: Recipe) -> tuple[Problem, ...]:
        return check_with_catalog(recipe)

    def preview(self, recipe: Recipe) -> LaunchPlan:
        assert self.inventory is not None
        stages = []
        for name in (StageName.DATA, StageName.WEIGHTS, StageName.TRAIN):
            count = recipe.nodes if name is StageName.TRAIN else 1
            commands = tuple(
                NodeCommand(
                    node.name,
                    rank,
                    ("python3", "node.zip", name.value, "--job", f"/work/{name.value}.json"),
                    (("MASTER_ADDR", self.inventory.nodes[0].address), ("NODE_RANK", str(rank))),
                    node.work_directory,
                )
                for rank, node in enumerate(self.inventory.nodes[:count])
            )
            stages.append(StagePlan(name, commands))
        needs = Requirements(
            modules=("torch",),
            first_node_modules=(),
            npus_per_node=recipe.npus_per_node,
            readable=(recipe.data_path,),
        )
        return LaunchPlan(
            "native", tuple(stages), needs, self.inventory.nodes[0].name, blockers=self.blockers
        )

    async def launch(self, recipe: Recipe) -> str:
        self.launched.append(recipe)
        run_id = f"r{len(self.runs.runs) + 1}"
        self.push(created(run_id, NOW), RunStateChanged(run_id, NOW, RunStatus.PREPARING, "checking 2 nodes"))
        return run_id

    async def stop(self, run_id: str) -> None:
        self.stopped.append(run_id)
        self.push(RunStateChanged(run_id, NOW, RunStatus.STOPPING))

    def logs(self, run_id: str) -> tuple[LogSource, ...]:
        names = [key.partition("/")[2] for key in self.logged if key.startswith(f"{run_id}/")]
        return tuple(LogSource(name, name.partition("/")[2], name.partition("/")[0]) for name in names)

    async def read_log(self, run_id: str, source: str, offset: int, limit: int = 262_144) -> LogChunk:
        """Offsets count lines here, not bytes: the screen must not care."""
        self.reads += 1
        lines = self.logged[f"{run_id}/{source}"]
        start = max(0, len(lines) + offset) if offset < 0 else offset
        return LogChunk(tuple(lines[start:]), start, len(lines))

    def save_recipe(self, recipe: Recipe, path: str) -> None:
        self.saved.append((recipe, path))

    async def close(self) -> None:
        self.closed = True


# ---- runs ----------------------------------------------------------------------------------------------


def created(
    run_id: str,
    at: float,
    *,
    nodes: tuple[str, ...] = ("demo-1", "demo-2"),
    model: str = "tiny-llama",
    kind: str = "pretrain",
    npus: int = 4,
    total: int = 120,
    actor: str = "ops1@bastion",
) -> RunCreated:
    return RunCreated(
        run_id,
        at,
        f"{run_id}-3f2a91",
        model,
        kind,
        "native",
        nodes,
        npus,
        total,
        8,
        128,
        "demo",
        "npudeck.toml",
        "",
        actor,
    )


def loss_at(iteration: int) -> float:
    return 2.0 + 4.9 * math.exp(-iteration / 30) + 0.06 * math.sin(iteration * 1.7)


def iteration(run_id: str, number: int, at: float, total: int = 120) -> IterationLogged:
    return IterationLogged(
        run_id, at, 1, number, total, number * 8, 480.0, 3e-3, 8, loss_at(number), 1.0, 0.9, 0, 0, None,
        533.0 + 20 * math.sin(number / 9), "train/demo-2", number * 300,
    )  # fmt: skip


def log_line(number: int, total: int = 120) -> str:
    return (
        f" [2026-11-23 12:11:{number % 60:02d}] iteration {number:8d}/{total:8d} | "
        f"consumed samples: {number * 8:12d} | "
        f"elapsed time per iteration (ms): 480.0 | learning rate: 3.000E-03 | global batch size:     8 | "
        f"lm loss: {loss_at(number):.6E} | loss scale: 1.0 | grad norm: 0.912 | "
        "number of skipped iterations:   0 | number of nan iterations:   0 |"
    )


def stages_done(
    run_id: str, at: float, upto: StageName, nodes: tuple[str, ...] = ("demo-1", "demo-2")
) -> list[Event]:
    """Stages before `upto` done, `upto` running, 7 s each; an export only of a run that gets there."""
    exports = upto is StageName.EXPORT
    events: list[Event] = (
        []
        if exports
        else [StageChanged(run_id, at, StageName.EXPORT, StageStatus.SKIPPED, "", "not asked for")]
    )
    for place, name in enumerate(StageName):
        begin = at + 7.0 * place
        events.append(StageChanged(run_id, begin, name, StageStatus.RUNNING))
        if name is upto:
            events += [StageChanged(run_id, begin, name, StageStatus.RUNNING, node) for node in nodes]
            return events
        events += [StageChanged(run_id, begin + 2, name, StageStatus.DONE, node, "2.1 s") for node in nodes]
        events.append(StageChanged(run_id, begin + 6, name, StageStatus.DONE, "", "6.0 s"))
    return events


def add_running(desk: FakeDesk, run_id: str = "r4", iterations: int = 87) -> None:
    begin = NOW - 100
    desk.apply(created(run_id, begin), RunStateChanged(run_id, begin + 28, RunStatus.RUNNING))
    desk.apply(*stages_done(run_id, begin, StageName.TRAIN))
    desk.apply(*(iteration(run_id, n, begin + 30 + n * 0.5) for n in range(1, iterations + 1)))
    desk.apply(CheckpointSaved(run_id, NOW - 20, 60, "/srv/share/saved/iter_0000060"))
    desk.logged[f"{run_id}/check/demo-1"] = ["all 2 NPUs are free"]
    desk.logged[f"{run_id}/train/demo-2"] = [
        "> initializing tensor model parallel with size 2",
        "\x1b[33mWARNING: no [bold]fused[/bold] kernels on this machine\x1b[0m",
        "[rank0] training starts",
        *(log_line(n) for n in range(1, iterations + 1)),
    ]


def add_exporting(desk: FakeDesk, run_id: str = "r6") -> None:
    """All 1,240 iterations are there; the model is being written, 61 % so far."""
    begin = NOW - 900
    desk.apply(
        created(run_id, begin, total=1240),
        RunStateChanged(run_id, begin, RunStatus.PREPARING),
        RunStateChanged(run_id, begin + 28, RunStatus.RUNNING),
        *stages_done(run_id, begin, StageName.EXPORT, ("demo-1",)),
        *(iteration(run_id, n, begin + 30 + n * 0.5, 1240) for n in range(1, 1241, 3)),
        iteration(run_id, 1240, begin + 660, 1240),
        CheckpointSaved(run_id, NOW - 240, 1240, "/srv/share/saved"),
        StageProgressed(
            run_id, NOW - 1, StageName.EXPORT, "demo-1", 8.3e9, 13.5e9, "bytes", "1.1 GB/s, 5 s left"
        ),
    )
    desk.logged[f"{run_id}/export/demo-1"] = ["the checkpoint is float32 and is written as bfloat16"]


def add_preparing(desk: FakeDesk, run_id: str = "r5") -> None:
    begin = NOW - 12
    desk.apply(created(run_id, begin), RunStateChanged(run_id, begin, RunStatus.PREPARING))
    desk.apply(*stages_done(run_id, begin, StageName.DATA))
    desk.apply(
        StageProgressed(
            run_id,
            NOW - 1,
            StageName.DATA,
            "demo-1",
            31_200_000,
            52_002_112,
            "bytes",
            "31,204 records, 2.41 M tokens/s, 9 s left",
        )
    )
    desk.logged[f"{run_id}/data/demo-1"] = [
        "left out: line 1204 of /srv/share/data/topics.jsonl, column text: it is null",
        '{"progress": {"done": 31200000, "total": 52002112, "unit": "bytes", '
        '"text": "31,204 records, 2.41 M tokens/s, 9 s left"}}',
    ]


def add_failed(desk: FakeDesk, run_id: str = "r3") -> None:
    begin = NOW - 86_400
    why = "demo-2 rank 3 ended with exit code 1: EI0002 the link to demo-1 was lost; first of 4 to fail"
    desk.apply(
        created(run_id, begin, kind="pretrain", actor="ops2@bastion"),
        *stages_done(run_id, begin, StageName.TRAIN),
    )
    desk.apply(*(iteration(run_id, n, begin + 30 + n * 0.5) for n in range(1, 42)))
    desk.apply(
        StageChanged(run_id, begin + 60, StageName.TRAIN, StageStatus.FAILED, "demo-2", "exit 1: EI0002"),
        StageChanged(run_id, begin + 60, StageName.TRAIN, StageStatus.FAILED, "", "exit 1"),
        RunStateChanged(run_id, begin + 60, RunStatus.FAILED, why),
    )
    desk.logged[f"{run_id}/train/demo-2"] = [
        *(log_line(n) for n in range(20, 42)),
        "Traceback (most recent call last):",
        '  File "/work/train.py", line 210, in main',
        "RuntimeError: HcclAllReduce: EI0002 the wait for the notify of rank 1 timed out",
    ]


def add_unknown(desk: FakeDesk, run_id: str = "r6") -> None:
    begin = NOW - 900
    desk.apply(created(run_id, begin), RunStateChanged(run_id, begin + 28, RunStatus.RUNNING))
    desk.apply(*stages_done(run_id, begin, StageName.TRAIN))
    desk.apply(*(iteration(run_id, n, begin + 30 + n * 0.5) for n in range(1, 31)))
    desk.apply(
        NodeLinkChanged(run_id, NOW - 125, "demo-2", False, "no answer within 10 s"),
        RunStateChanged(
            run_id,
            NOW - 120,
            RunStatus.UNKNOWN,
            "demo-2 has not answered since 12:11; the run may well go on",
        ),
        LogGapFound(run_id, NOW - 130, "demo-2", "4,096 bytes of out.log were cut off on the node"),
    )
    desk.logged[f"{run_id}/train/demo-2"] = [log_line(n) for n in range(1, 31)]


def add_finished(desk: FakeDesk, run_id: str = "r2", model: str = "qwen2-7b") -> None:
    begin = NOW - 2 * 86_400
    desk.apply(created(run_id, begin, model=model, kind="lora", nodes=("demo-3",), npus=2, total=2000))
    desk.apply(*stages_done(run_id, begin, StageName.TRAIN))
    desk.apply(*(iteration(run_id, n, begin + 30 + n * 0.5, 2000) for n in range(1, 2001, 10)))
    desk.apply(
        iteration(run_id, 2000, begin + 1030, 2000),
        StageChanged(run_id, begin + 1031, StageName.TRAIN, StageStatus.DONE),
        CheckpointSaved(run_id, begin + 1030, 2000, "/srv/share/saved"),
        RunStateChanged(run_id, begin + 1032, RunStatus.FINISHED),
    )


def add_stopped(desk: FakeDesk, run_id: str = "r1") -> None:
    begin = NOW - 3 * 86_400
    desk.apply(
        created(run_id, begin, model="llama2-70b", kind="sft", npus=4),
        RunStateChanged(run_id, begin + 5, RunStatus.STOPPED, "stopped by ops1"),
    )


# ---- fleets --------------------------------------------------------------------------------------------


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
    """One card critical, a link down, a card gone, a question without answer, a node drained."""
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
