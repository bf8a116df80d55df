"""Every fact that flows from nodes to store to windows.

Frozen, slotted, named in the past tense, without methods. Times (`at`) are UTC epoch seconds as the bastion
received the fact; units are in the names. Two classes: a *sample* may be replaced by a later one of the same
key (latest wins), a *fact* is never dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum


class Health(StrEnum):
    """The words of `npu-smi info`, as printed (Huawei npu-smi manual; `facts` of dcmi_get_device_health)."""

    OK = "OK"
    WARNING = "Warning"
    ALARM = "Alarm"
    CRITICAL = "Critical"
    UNKNOWN = "UNKNOWN"


class Level(IntEnum):
    """Worst first is `max`, with unknown between well and warning: it is not OK, and it is not bad news."""

    WELL = 0
    UNKNOWN = 1
    WARNING = 2
    ALARM = 3
    CRITICAL = 4


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


# ---- what the slower questions say -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LinkChange:
    """A RoCE link went up or down. `at`: UTC epoch seconds; `port` only on a 950."""

    at: float
    up: bool
    port: str = ""


@dataclass(frozen=True, slots=True)
class Optics:
    """An optical module. Powers in mW, one a lane; `raised`: flags (`Rx Los Flag`) that are not 0x0."""

    present: bool | None = None
    temp_c: float | None = None
    temp_range_c: tuple[float | None, float | None] = (None, None)
    tx_mw: tuple[float, ...] = ()
    tx_range_mw: tuple[float | None, float | None] = (None, None)
    rx_mw: tuple[float, ...] = ()
    rx_range_mw: tuple[float | None, float | None] = (None, None)
    raised: tuple[str, ...] = ()
    media_snr_db: tuple[float, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class Hccs:
    """The links to the other chips of the machine (`-t hccs`). `healthy` is the tool's own word."""

    healthy: bool | None = None
    lane_modes: tuple[int, ...] = ()
    errors: int | None = None
    retries: int | None = None
    first_error_lane: str = ""


@dataclass(frozen=True, slots=True)
class DeviceDetails:
    """One chip beyond the table of `npu-smi info`. None: not asked, not supported, or not printed.

    `answered`: UTC epoch seconds of the last answer, by the kind of question. `failed`: kinds whose last
    question got no answer, with the reason; what a device does not support is in neither.
    `grown`: what the error counters grew by since the last question of their kind.
    """

    npu_id: int
    chip_id: int
    phy_id: int | None = None
    answered: Mapping[str, float] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    health: str | None = None
    codes: tuple[str, ...] | None = None
    code_texts: tuple[str, ...] = ()
    hbm_capacity_mb: int | None = None
    hbm_temp_c: int | None = None
    ecc: Mapping[str, int] | None = None
    aicore_mhz: int | None = None
    aicore_rated_mhz: int | None = None
    aicore_pct: int | None = None
    hccs: Hccs | None = None
    link: str | None = None
    ports: Mapping[str, str] = field(default_factory=dict)
    net_health: str | None = None
    changes: tuple[LinkChange, ...] = ()
    optics: Optics | None = None
    fec: str | None = None
    tls_switch: int | None = None
    address: str | None = None
    switch_port: str | None = None
    counters: Mapping[str, int] = field(default_factory=dict)
    grown: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Disk:
    """A mounted file system. Sizes in MB (MiB)."""

    path: str
    size_mb: int
    free_mb: int


@dataclass(frozen=True, slots=True)
class HostDetails:
    """The machine around the NPUs. MB are MiB; None: not printed there.

    `versions`: driver, firmware, cann, torch_npu, docker, by name. `clock_offset_s`: how far the node's clock
    is ahead of its time source, as its own NTP client says; `pci_npus`: Huawei's accelerators on the PCI bus.
    `answered`: UTC epoch seconds of the last answer, for `host` and for `versions`.
    """

    cpus: int | None = None
    load_1m: float | None = None
    cpu_pct: float | None = None
    memory_mb: int | None = None
    memory_free_mb: int | None = None
    disks: tuple[Disk, ...] = ()
    shm: Disk | None = None
    clock_offset_s: float | None = None
    clock_synchronised: bool | None = None
    pci_npus: int | None = None
    davinci: tuple[int, ...] = ()
    boot_id: str = ""
    utc_offset_s: int = 0
    versions: Mapping[str, str] = field(default_factory=dict)
    answered: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. `rule` names the rule; with place and code it is the finding's identity.

    `npu_id` is None for a whole node, `node` empty for the whole fleet. `since`: UTC epoch seconds of the
    event itself where the tool prints it, else of the first reading that showed it. `code`: a fault code.
    """

    rule: str
    level: Level
    node: str
    npu_id: int | None
    chip_id: int | None
    what: str
    why: str = ""
    fix: str = ""
    since: float = 0.0
    code: str = ""


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
    """A node did not answer within its deadline, or refused. Says nothing about what runs there.

    `answered`: the node itself answered, its npu-smi did not.
    """

    node: str
    at: float
    reason: str
    answered: bool = False


@dataclass(frozen=True, slots=True)
class NodeDetailed:
    """The details of a node as far as they are known, and what is wrong by them.

    `node` is empty for the whole fleet: `findings` then say what differs between its nodes. `not_answered`:
    kinds of question that nothing of the node answered when it was asked once, with the reason.
    """

    node: str
    at: float
    devices: tuple[DeviceDetails, ...]
    host: HostDetails | None
    findings: tuple[Finding, ...] = ()
    not_answered: Mapping[str, str] = field(default_factory=dict)


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


Sample = NodeObserved | NodeNotReached | NodeDetailed | StageProgressed
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
