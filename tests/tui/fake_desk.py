"""A scripted desk, without nodes, files or time of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from backend.catalog.model import Architecture
from backend.engines.stages import LaunchPlan, NodeCommand, Requirements, StagePlan
from backend.events import Event, RunCreated, RunStateChanged, RunStatus, StageName
from backend.inventory import Inventory, Node
from backend.live.desk import LogChunk, LogSource
from backend.problems import InputError, LocalError, Problem
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
        self.unwritable: LocalError | None = None
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
        if self.inventory is None or not self.inventory.nodes:
            raise InputError.because("there are no nodes to run on")
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
        self.push(
            created(run_id, NOW),
            RunStateChanged(run_id, NOW, RunStatus.PREPARING, "checking 2 nodes"),
        )
        return run_id

    async def stop(self, run_id: str) -> None:
        self.stopped.append(run_id)
        self.push(RunStateChanged(run_id, NOW, RunStatus.STOPPING))

    async def drain(self, node: str, reason: str) -> None:
        if self.unwritable is not None:
            raise self.unwritable
        self.fleet.drained = {**self.fleet.drained, node: reason}

    async def undrain(self, node: str) -> None:
        self.fleet.drained = {name: why for name, why in self.fleet.drained.items() if name != node}

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
