"""`npudeck check` of NPUs and of their own network, on real machines."""

from __future__ import annotations

import ascend_950
import pytest
from machines import Machines, why_not
from ready_machines import (
    Check,
    bad,
    said,
    states,
)

pytestmark = [pytest.mark.sshd, pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")]


def test_npus_that_are_missing_or_taken(machines: Machines, check: Check) -> None:
    second = machines.all[1]
    second.show_npus(range(7))
    code, report = check()
    assert (code, set(bad(report))) == (1, {("npus", "m2")})
    second.show_npus(busy=3)
    code, report = check()
    assert (code, set(bad(report))) == (1, {("free_npus", "m2")})
    assert said(report, "free_npus", "m2") == "process 4711 (python) is on NPU 3"
    second.tool("npu-smi", "exit 187")
    code, report = check()
    assert states(report)["npus", "m2"] == "wrong"
    assert "-8005" in said(report, "npus", "m2")
    second.run("rm /usr/local/sbin/hccn_tool /usr/local/sbin/npu-smi")
    code, report = check()
    assert said(report, "roce_ip", "m2") == "hccn_tool is not found"
    assert said(report, "npus", "m2") == "npu-smi: not found"
    # what it keeps from being known is not told again
    assert {("roce_ip", "m2"), ("npus", "m2")} == set(bad(report))
    assert said(report, "free_npus", "m2") == said(report, "npu_health", "m2") == "see npus"
    second._furnish()
    assert check()[0] == 0


def test_two_npus_with_one_address(machines: Machines, check: Check) -> None:
    first, second = machines.all
    text = second.run("cat /usr/local/sbin/hccn_tool")
    number = second.address.rpartition(".")[2]
    second.tool("hccn_tool", text.replace(f"10.20.{number}.", f"10.20.{first.address.rpartition('.')[2]}."))
    code, report = check()
    second.tool(
        "hccn_tool",
        'case $3 in -tls) echo "dev_id:$2, tls switch[0](0:disable)" ;; '
        "*) echo 'Get ipconf failed, because no ip was preset there!'; exit 1 ;; esac",
    )
    bare = check()[1]
    second._furnish()
    assert (code, set(bad(report))) == (1, {("roce_ip", "m2")})
    assert "is also that of an NPU of m1" in said(report, "roce_ip", "m2")
    assert said(bare, "roce_ip", "m2") == "NPU 0,1,2,3,4,5,6,7 has no address"


def test_the_npus_that_are_listed_are_asked_for_their_network(machines: Machines, check: Check) -> None:
    """A card that was taken out leaves a gap in the numbers."""
    for machine in machines.all:
        text = machine.run("cat /usr/local/sbin/hccn_tool").partition("\n")[2]
        machine.tool("hccn_tool", f'[ "$2" -ge 2 ] || {{ echo "dev $2 is not there"; exit 1; }}\n{text}')
        machine.show_npus(range(2, 10))
    try:
        code, report = check()
        assert (code, bad(report)) == (0, {}), report
        assert said(report, "roce_ip", "m2").startswith("10.20.2.2…10.20.2.9")
        machines.all[1].show_npus(range(1, 9))
        report = check()[1]
        assert said(report, "roce_ip", "m2") == "hccn_tool says nothing of NPU 1: dev 1 is not there"
        assert states(report)["roce_ip", "m2"] == "unknown"
        # one answer, one cause
        assert said(report, "tls", "m2") == "see roce_ip"
    finally:
        for machine in machines.all:
            machine._furnish()


def test_the_950_generation_is_asked_in_its_own_way(machines: Machines, check: Check) -> None:
    for machine in machines.all:
        machine.answer_npu_smi(ascend_950.TABLE, ascend_950.MAPPING)
        machine.tool("hccn_tool", ascend_950.HCCN_TOOL)
    try:
        code, report = check()
        assert (code, bad(report)) == (0, {}), report
        assert states(report)["roce_ip", "m1"] == "skipped"
        assert said(report, "roce_ip", "m1") == "the NPUs of this generation have no address of their own"
        assert said(report, "tls", "m1") == "off"
        machines.all[1].run("printf 1 >/etc/test-tls")
        report = check()[1]
        assert states(report)["tls", "m2"] == "wrong"
        (found,) = [one for one in report["findings"] if (one["item"], one["node"]) == ("tls", "m2")]
        assert "hccn_tool -s -tls -i N -enable" in found["fix"]
    finally:
        for machine in machines.all:
            machine._furnish()


def test_a_card_that_hangs_is_named(machines: Machines, check: Check) -> None:
    second = machines.all[1]
    text = second.run("cat /usr/local/sbin/hccn_tool").partition("\n")[2]
    second.tool("hccn_tool", f'[ "$2" != 3 ] || exec sleep 600\n{text}')
    try:
        code, report = check()
    finally:
        second._furnish()
    assert code == 1
    assert bad(report) == {("roce_ip", "m2"): "unknown"}
    assert said(report, "roce_ip", "m2") == "hccn_tool says nothing of NPU 3: no answer within 7 s"
