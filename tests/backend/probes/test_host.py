"""The host's part of the probe: what is read, and that nothing is read into what is not there."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.events import Disk, HostDetails
from backend.probes.host import cpu_times, read_host, read_versions

HOST = """\
[loadavg]
12.50 9.76 5.43 33/449 27313

[cpus]
192

[stat]
cpu  100 5 45 800 50 1 2 3 0 0

[meminfo]
MemTotal:       1583579136 kB
MemFree:         814470800 kB
MemAvailable:   1048576000 kB

[boot]
75587182-9d9d-42e6-b73a-21e73abeb3aa

[zone]
+0530

[disks]
Filesystem              1024-blocks      Used Available Capacity Mounted on
/dev/mapper/vg-root       262144000  26214400 235929600      10% /
tmpfs                     209715200         0 209715200       0% /dev/shm
tmpfs                      10485760         0  10485760       0% /run
10.0.0.9:/share my disk 1073741824 536870912 536870912      50% /home/ma-user/ws
overlay                           -         -         -       - /var/lib/docker/overlay2/x

[chrony]
Reference ID    : 0A000001 (10.0.0.1)
System time     : 0.000312500 seconds slow of NTP time
Leap status     : Normal

[pci]
0x8086 0x060000
0x19e5 0x120000
0x19e5 0x120000
0x19e5 0x020000
[davinci]
/dev/davinci1
/dev/davinci0
/dev/davinci_manager
"""


def test_everything_that_is_said() -> None:
    host = replace(HostDetails(), **read_host(HOST))
    assert host == HostDetails(
        cpus=192,
        load_1m=12.5,
        memory_mb=1546464,
        memory_free_mb=1024000,
        disks=(Disk("/", 256000, 230400), Disk("/home/ma-user/ws", 1048576, 524288)),
        shm=Disk("/dev/shm", 204800, 204800),
        clock_offset_s=-0.0003125,
        clock_synchronised=True,
        pci_npus=2,
        davinci=(0, 1),
        boot_id="75587182-9d9d-42e6-b73a-21e73abeb3aa",
        utc_offset_s=19800,
    )
    assert cpu_times(HOST) == (156, 1006)


def test_clocks_of_other_clients() -> None:
    ntpq = (
        "[ntpq]\n     remote           refid      st t when poll reach   delay   offset  jitter\n"
        "==========\n 10.0.0.8        .INIT.   16 u    - 1024    0    0.000    0.000   0.000\n"
        "*10.0.0.9        .GPS.     1 u   33   64  377    0.123   -2.500   0.044\n"
    )
    assert read_host(ntpq) == {"clock_synchronised": True, "clock_offset_s": 0.0025}
    lost = ntpq.replace("*10", " 10")
    assert read_host(lost) == {"clock_synchronised": False}
    assert read_host("[timedatectl]\nTimezone=UTC\nNTPSynchronized=no\n") == {"clock_synchronised": False}
    chrony = "[chrony]\nSystem time : 9.5 seconds fast of NTP time\nLeap status : Not synchronised\n"
    assert read_host(chrony) == {"clock_synchronised": False}


@pytest.mark.parametrize(
    "text", ["", "[pci]\n[davinci]\n", "[disks]\n", "[zone]\nUTC\n", "[cpus]\n-1\n", "[x]\ny\n"]
)
def test_what_is_not_said_is_not_known(text: str) -> None:
    host = replace(HostDetails(), **read_host(text))
    assert host == HostDetails()


def test_versions() -> None:
    said = (
        "[driver]\nVersion=24.1.0\nascendhal_version=7.35.23\npackage_version=24.1.0\n\n"
        "[firmware]\nVersion=7.5.0.3.220\nfirmware_version=1.0\ncompatible_version_drv=[23.0.rc3,23.0.rc3.]\n"
        "[cann]\npackage_name=Ascend-cann-toolkit\nversion=8.0.RC3\n[docker]\n26.1.3\n[torch_npu]\n\n"
        "[kernel]\n5.10.0-182.oe2203.aarch64\n"
    )
    assert read_versions(said) == {
        "driver": "24.1.0",
        "firmware": "7.5.0.3.220",
        "cann": "8.0.RC3",
        "docker": "26.1.3",
        "kernel": "5.10.0-182.oe2203.aarch64",
    }
    # what a broken tool says instead of a version is none
    assert read_versions("[docker]\nCannot connect to the Docker daemon\n") == {}


PARTS = [line for line in HOST.splitlines() if line] + ["[ntpq]", "[timedatectl]", "[driver]"]


@settings(deadline=None)
@given(st.lists(st.sampled_from(PARTS) | st.text(max_size=30), max_size=30))
def test_any_text_is_read(lines: list[str]) -> None:
    text = "\n".join(lines)
    replace(HostDetails(), **read_host(text))
    read_versions(text)
    cpu_times(text)
