"""What an engine is, and what it answers: a plan that can be shown, and then carried out, word by word."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Protocol

from backend.catalog.model import Architecture
from backend.events import StageName
from backend.inventory import Container, Node
from backend.problems import Problem
from backend.recipes.fields import Recipe


@dataclass(frozen=True, slots=True)
class Site:
    """Where a run lands. `nodes` in rank order; `code_version` names the staged node code.

    `run_key` is unique over all bastions ("r7-3f2a91"): it names the job and its folders on the nodes.
    """

    run_key: str
    nodes: tuple[Node, ...]
    shared_directory: str
    code_version: str
    master_port: int = 6000
    container: Container | None = None

    @property
    def master_address(self) -> str:
        return self.nodes[0].address

    def code_directory(self, node: Node) -> str:
        return f"{node.work_directory}/.npudeck/code/{self.code_version}"

    def run_directory(self, node: Node) -> str:
        """Private to the node: logs, exit codes, the job's files."""
        return f"{node.work_directory}/.npudeck/runs/{self.run_key}"

    def job_directory(self, node: Node, stage: StageName) -> str:
        """Where the job's wrapper keeps out.log, pid and exit of one stage."""
        return f"{self.run_directory(node)}/{stage.value}"


@dataclass(frozen=True, slots=True)
class RenderedFile:
    """A file to be written on the node before the command runs."""

    path: str
    text: str
    mode: int = 0o644


@dataclass(frozen=True, slots=True)
class NodeCommand:
    """One process on one node: an argv, never a shell string."""

    node: str
    node_rank: int
    argv: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    working_directory: str
    files: tuple[RenderedFile, ...] = ()

    def shell_line(self) -> str:
        """The same as a person would type it: `A=1 B=2 program argument`."""
        assignments = [f"{name}={shlex.quote(value)}" for name, value in self.environment]
        return " ".join([*assignments, shlex.join(self.argv)])


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage: on rank 0 alone, or on all nodes. `skip` says why there is nothing to do.

    `result`: a folder on rank 0's node that a person will look for when the run has ended.
    """

    name: StageName
    commands: tuple[NodeCommand, ...]
    skip: str = ""
    result: str = ""


@dataclass(frozen=True, slots=True)
class Requirements:
    """What the engine needs of every node, for the check stage.

    `modules`: Python modules that must be there, `first_node_modules` those of rank 0's node, which prepares
    data and weights; `npus_per_node`: free NPUs; `readable`: paths that must exist on rank 0's node, and
    `without_weights` the model folders among them of which no weights are read; `oldest`: the least version
    ("2.5") of some of the modules.
    """

    modules: tuple[str, ...]
    first_node_modules: tuple[str, ...]
    npus_per_node: int
    readable: tuple[str, ...]
    oldest: tuple[tuple[str, str], ...] = ()
    without_weights: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LaunchPlan:
    """Everything that will run, in order. `blockers` stop a launch but not a `--dry-run`.

    `log_node` prints the iteration lines (the last rank's node); `script_variables` are the assignments of
    the edited copy of the guide's script, where the engine uses one; `container_command` starts the
    container of a node, where the inventory has one; `stop_grace_s`: how long the training may take to save
    when it is asked to stop.
    """

    engine: str
    stages: tuple[StagePlan, ...]
    requirements: Requirements
    log_node: str
    script: str = ""
    script_variables: tuple[tuple[str, str], ...] = ()
    container_commands: tuple[NodeCommand, ...] = ()
    blockers: tuple[Problem, ...] = ()
    stop_grace_s: int = 10

    def stage(self, name: StageName) -> StagePlan | None:
        return next((stage for stage in self.stages if stage.name is name), None)


class Engine(Protocol):
    """recipe x site -> plan. Pure: knows nothing of screens, SSH or time."""

    @property
    def name(self) -> str: ...

    def check(self, recipe: Recipe) -> tuple[Problem, ...]:
        """Rules that only this engine has."""
        ...

    def plan(self, recipe: Recipe, architecture: Architecture, site: Site) -> LaunchPlan:
        """Render every command. The recipe has passed its rules."""
        ...
