"""The interface towards the master is found from the kernel's own route."""

from __future__ import annotations

import socket

import pytest

from backend.node.job_lines import JobError
from backend.node.train.network import check_reachable, interface_towards


@pytest.mark.parametrize("address", ["127.0.0.1", "127.3.2.1", "localhost"])
def test_loopback(address: str) -> None:
    assert interface_towards(address) == "lo"


def test_own_addresses_lead_to_their_interface() -> None:
    names = {name for _number, name in socket.if_nameindex()}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no route to the outside")
        own = probe.getsockname()[0]
    found = interface_towards(own)
    assert found in names
    assert interface_towards("192.0.2.1") == found


def test_an_unknown_name_is_said() -> None:
    with pytest.raises(JobError) as caught:
        interface_towards("no-such-host.invalid")
    assert caught.value.field == "MASTER_ADDR"


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "localhost"])
def test_a_loopback_address_may_be_meant(address: str) -> None:
    check_reachable(address, "lo", 2)


def test_a_host_name_that_means_loopback_only_serves_one_node() -> None:
    check_reachable("node-1", "lo", 1)
    check_reachable("node-1", "eth0", 2)
    with pytest.raises(JobError, match="node-1 is a loopback address"):
        check_reachable("node-1", "lo", 2)
