"""What the slower questions say of a node: its chips' memories, links, optics, and the host around them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from backend.state.finding import Finding


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
    `grown`: what the error counters grew by since the last question, `span_s` seconds before.
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
    span_s: float | None = None


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


@dataclass(frozen=True, slots=True)
class NodeDetailed:
    """A sample: the details of a node as far as they are known, and what is wrong by them. Latest wins."""

    node: str
    at: float
    devices: tuple[DeviceDetails, ...]
    host: HostDetails | None
    findings: tuple[Finding, ...] = ()
