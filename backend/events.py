"""Every fact that flows from nodes to store to windows.

Frozen, slotted, named in the past tense, without methods. Times (`at`) are UTC epoch seconds as the bastion
received the fact; units are in the names. Two classes: a *sample* may be replaced by a later one of the same
key (latest wins), a *fact* is never dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Health(StrEnum):
    """The words of `npu-smi info`, as printed (Huawei npu-smi manual; `facts` of dcmi_get_device_health)."""

    OK = "OK"
    WARNING = "Warning"
    ALARM = "Alarm"
    CRITICAL = "Critical"
    UNKNOWN = "UNKNOWN"


class RunStatus(StrEnum):
    """A run's states, everywhere the same words."""

    PENDING = "pending"
    PREPARING = "preparing"
    RUNNING = "running"
    UNKNOWN = "unknown"
    STOPPING = "stopping"
    FINISHED = "finished"
    FAILED = "failed"
    STOPPED = "stopped"


class StageName(StrEnum):
    """The story of a run, in order."""

    CHECK = "check"
    DATA = "data"
    WEIGHTS = "weights"
    LAUNCH = "launch"
    TRAIN = "train"
    EXPORT = "export"


class StageStatus(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class DeviceReading:
    """One chip as `npu-smi info` prints it. `None` where the layout has no such cell or prints NA or `-`.

    MB as printed (MiB in fact), W, degrees Celsius, percent. `health` is the printed word, apart from the
    all-zero row of a failed query, which is UNKNOWN.
    """

    npu_id: int
    chip_id: int
    phy_id: int | None
    name: str
    health: str
    power_w: float | None
    temp_c: int | None
    hugepages_used: int | None
    hugepages_total: int | None
    bus_id: str | None
    aicore_pct: int | None
    memory_used_mb: int | None
    memory_total_mb: int | None
    hbm_used_mb: int | None
    hbm_total_mb: int | None


@dataclass(frozen=True, slots=True)
class ProcessReading:
    """One row of the process table. `chip_id` is None where the layout prints none (950)."""

    npu_id: int
    chip_id: int | None
    pid: int
    name: str
    memory_mb: int | None
    container_pid: int | None = None


# ---- samples: latest wins --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NodeObserved:
    """`npu-smi info` answered on a node. `took_ms`: from question to answer, as the bastion saw it."""

    node: str
    at: float
    tool_version: str | None
    devices: tuple[DeviceReading, ...]
    processes: tuple[ProcessReading, ...]
    took_ms: float


@dataclass(frozen=True, slots=True)
class NodeNotReached:
    """A node did not answer within its deadline, or refused. Says nothing about what runs there."""

    node: str
    at: float
    reason: str


@dataclass(frozen=True, slots=True)
class StageProgressed:
    """How far a stage is. `done` of `total` in `unit`; `total` None when nobody knows."""

    run_id: str
    at: float
    stage: StageName
    node: str
    done: float
    total: float | None
    unit: str
    text: str


# ---- facts: never dropped --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RunCreated:
    """A run was asked for. `nodes` in rank order; `recipe` as TOML text; `actor` is user@bastion."""

    run_id: str
    at: float
    uid: str
    model: str
    run_type: str
    engine: str
    nodes: tuple[str, ...]
    npus: int
    total_iterations: int
    global_batch_size: int
    seq_length: int
    fleet: str
    inventory_path: str
    recipe: str
    actor: str


@dataclass(frozen=True, slots=True)
class RunStateChanged:
    """`reason` is one sentence; for a failure it names node, rank and exit code.

    `exit_code` is what a command that waited for this state answers (problems.py says what they mean).
    """

    run_id: str
    at: float
    state: RunStatus
    reason: str = ""
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class StageChanged:
    """A stage moved. `node` is set when one node's part is meant; `text` is its duration or its error."""

    run_id: str
    at: float
    stage: StageName
    state: StageStatus
    node: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class IterationLogged:
    """One iteration line of Megatron's grammar. `log` and `log_offset` (bytes) say where it stands.

    Fields that the line does not print are None. `elapsed_ms` is per iteration.
    """

    run_id: str
    at: float
    attempt: int
    iteration: int
    total: int | None
    consumed_samples: int | None
    elapsed_ms: float | None
    lr: float | None
    gbs: int | None
    lm_loss: float | None
    loss_scale: float | None
    grad_norm: float | None
    skipped: int | None
    nan: int | None
    tflops: float | None
    tokens_per_s_per_npu: float | None
    log: str
    log_offset: int


@dataclass(frozen=True, slots=True)
class CheckpointSaved:
    run_id: str
    at: float
    iteration: int
    path: str


@dataclass(frozen=True, slots=True)
class LogGapFound:
    """Bytes of a log that can no longer be had (truncated or removed on the node). Shown, never hidden."""

    run_id: str
    at: float
    node: str
    why: str


@dataclass(frozen=True, slots=True)
class NodeLinkChanged:
    """For one run: the link to a node was lost, or came back."""

    run_id: str
    at: float
    node: str
    reachable: bool
    reason: str = ""


Sample = NodeObserved | NodeNotReached | StageProgressed
Fact = (
    RunCreated
    | RunStateChanged
    | StageChanged
    | IterationLogged
    | CheckpointSaved
    | LogGapFound
    | NodeLinkChanged
)
Event = Sample | Fact
