"""What is checked: the nodes in rank order, what a run would need of them, and the container, if any."""

from __future__ import annotations

from dataclasses import dataclass

from backend.engines.container import ContainerRun
from backend.engines.stages import Requirements
from backend.inventory import Container, Node
from backend.preflight.item import Place
from backend.recipes.fields import Recipe

_ALONE = "127.0.0.1"  # the engines' own choice


@dataclass(frozen=True, slots=True)
class CheckpointNeed:
    """What a run will write into `directory`: `size` bytes, `one` of them for a single checkpoint; `formula`
    says how they were counted."""

    directory: str
    size: int
    formula: str
    one: int


@dataclass(frozen=True, slots=True)
class Setting:
    """Without a recipe the nodes are held to the inventory alone.

    `code`: the code directory and the script of it that would run, by node name, where the engine runs one.
    `port`: where the ranks would meet. `deep`: ask also what writes more than a marker.
    """

    nodes: tuple[Node, ...]
    shared_directory: str
    container: Container | None
    port: int
    recipe: Recipe | None = None
    requirements: Requirements | None = None
    code: tuple[tuple[str, str, str], ...] = ()
    checkpoints: CheckpointNeed | None = None
    deep: bool = False

    @property
    def first(self) -> Node:
        return self.nodes[0]

    @property
    def meeting_address(self) -> str:
        """Where the ranks meet, as the first node is named for it: one node does not use its address."""
        return self.first.address if len(self.nodes) > 1 else _ALONE

    @property
    def inside(self) -> Place:
        return Place.INSIDE if self.container is not None else Place.HOST

    def npus(self, node: Node) -> int:
        """How many NPUs of the node are needed: none where CUDA computes."""
        if node.device == "cuda":
            return 0
        return node.npus if self.requirements is None else self.requirements.npus_per_node

    def container_run(self, node: Node) -> ContainerRun | None:
        if self.container is None:
            return None
        return ContainerRun(self.container, node.work_directory, self.shared_directory, self.npus(node))

    def code_of(self, node: Node) -> tuple[str, str] | None:
        """The code directory and its script, on the node."""
        for name, directory, file in self.code:
            if name == node.name:
                return directory, file
        return None
