"""What `npudeck check` finds out between real machines: who is reached, clocks, the port where ranks meet."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator

import pytest
from machines import Machine, Machines, why_not
from ready_machines import (
    PORT,
    Check,
    bad,
    inventory,
    said,
    states,
)

from backend.cli.main import main

NOT_REACHED = "the node was not reached"

pytestmark = [pytest.mark.sshd, pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")]


@contextlib.contextmanager
def off(machine: Machine) -> Iterator[None]:
    """As far as everybody else can tell."""
    machine.run(f"ip address del {machine.address}/24 dev eth0")
    try:
        yield
    finally:
        machine.run(f"ip address add {machine.address}/24 dev eth0")
        machine.run(f"ip route replace default via {machine._gateway}")


def test_a_machine_that_is_off_is_not_reached(machines: Machines, check: Check) -> None:
    whole = states(check()[1])
    with off(machines.all[1]):
        code, report = check()
    assert code == 4
    assert states(report)["ssh", "m2"] == "unknown"
    of_the_second = {item: state for (item, node), state in states(report).items() if node == "m2"}
    assert {state for item, state in of_the_second.items() if item != "ssh"} == {"skipped"}
    assert {said(report, item, "m2") for item in of_the_second if item != "ssh"} == {NOT_REACHED}
    assert states(report)["npus", "m1"] == "ok"
    # a script finds an entry wherever it finds one on a good day
    assert set(states(report)) == set(whole)
    assert all(found["needed"] for found in report["findings"])


def test_what_was_not_asked_is_one_row_of_the_table(
    machines: Machines, check: Check, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["check", "-i", str(machines.folder / "npudeck.toml"), "--nodes", "m1,m2"]
    with off(machines.all[1]):
        assert main(words) == 4
    lines = capsys.readouterr().out.partition("\n\n")[0].splitlines()
    rows = [[cell.strip() for cell in line.split("  ") if cell] for line in lines]
    of_the_second = [row[:3] for row in rows if "m2" in row]
    assert of_the_second == [["ssh", "unknown", "m2"], ["21 items", "skipped", "m2"]]


def test_without_the_first_machine_nothing_that_needs_it_is_left_out(
    machines: Machines, check: Check
) -> None:
    whole = states(check()[1])
    with off(machines.all[0]):
        code, report = check()
    assert (code, set(states(report))) == (4, set(whole))
    assert said(report, "master_port", "m1") == NOT_REACHED
    assert said(report, "reach", "m2") == said(report, "shared", "m2") == "m1 cannot take part"
    assert states(report)["clock", "m2"] == "ok"


_LEAVE = """#!/bin/sh
case "$*" in "-c 100 -- "*) ;; *) exec /usr/bin/head "$@" ;; esac
server=$$
until case $(cat /proc/$server/comm) in sshd*) true ;; *) false ;; esac; do
    server=$(awk '{ print $4 }' /proc/$server/stat)
done
kill -9 $server
"""


def test_a_machine_that_leaves_while_it_is_asked_is_not_judged(machines: Machines, check: Check) -> None:
    """Its link breaks at the very moment at which it reads what the first machine wrote."""
    head = machines.all[1].folder / "bin" / "head"
    head.write_text(_LEAVE)
    head.chmod(0o755)
    try:
        code, report = check()
    finally:
        head.unlink()
    assert (code, states(report)["shared", "m2"]) == (1, "unknown")
    (found,) = [one for one in report["findings"] if (one["item"], one["node"]) == ("shared", "m2")]
    assert found["fix"] == ""
    assert "wrong" not in states(report).values()


def test_a_clock_that_goes_wrong(machines: Machines, check: Check) -> None:
    second = machines.all[1]
    # the machines share one clock: what tells the time is replaced
    (second.folder / "bin" / "date").write_text('#!/bin/sh\nexec /bin/date -d "+7 seconds" "$@"\n')
    (second.folder / "bin" / "date").chmod(0o755)
    code, report = check()
    (second.folder / "bin" / "date").unlink()
    assert code == 1
    # of two nobody knows which is right
    assert set(bad(report)) == {("clock", "m1"), ("clock", "m2")}
    assert said(report, "clock", "m2") == "+3.5 s"


def test_the_port_where_ranks_meet(machines: Machines, check: Check) -> None:
    first = machines.all[0]
    taken = first.background(
        "/usr/bin/python3", "-c",
        f"import socket, time; s = socket.create_server(('', {PORT})); time.sleep(60)",
    )  # fmt: skip
    try:
        time.sleep(0.5)
        code, report = check()
        assert (code, set(bad(report))) == (1, {("master_port", "m1")})
        assert f"port {PORT} is taken" in said(report, "master_port", "m1")
        assert said(report, "reach", "m2") == "nothing listens on m1: see master_port"
    finally:
        first.run("pkill -f create_server", check=False)
        taken.wait()


def test_an_address_that_means_another_machine_is_not_taken_for_the_first(
    machines: Machines, check: Check
) -> None:
    """A real service at the same address and port, on the machine that calls."""
    first, second = machines.all
    second.run(f"ip address add {first.address}/32 dev lo")
    other = second.background(
        "/usr/bin/python3", "-c",
        f"import socket; s = socket.create_server(('', {PORT}))\nwhile True: s.accept()[0].send(b'hello\\n')",
    )  # fmt: skip
    try:
        time.sleep(0.5)
        code, report = check()
    finally:
        second.run("pkill -f create_server", check=False)
        second.run(f"ip address del {first.address}/32 dev lo")
        other.wait()
    assert (code, set(bad(report))) == (1, {("reach", "m2")})
    assert "somebody else answers" in said(report, "reach", "m2")


def test_an_address_that_no_interface_has(machines: Machines, check: Check) -> None:
    inventory(machines, {"m1": "192.0.2.77"})
    code, report = check()
    # nothing of this run uses it on the second
    inventory(machines, {"m2": "nowhere.example"})
    other, on_the_second = check()
    inventory(machines)
    assert (code, bad(report)) == (1, {("address", "m1"): "wrong"})
    assert said(report, "address", "m1") == "192.0.2.77 is no address of this node"
    assert said(report, "master_port", "m1") == "the address of m1 is not as it should be: see address"
    assert states(report)["reach", "m2"] == "skipped"
    assert (other, bad(on_the_second)) == (0, {("address", "m2"): "warning"})
    assert said(on_the_second, "address", "m2") == "nowhere.example has no meaning here"


@contextlib.contextmanager
def hosts(machine: Machine, line: str) -> Iterator[None]:
    machine.run(f"cp /etc/hosts /etc/hosts.before && echo '{line}' >>/etc/hosts")
    try:
        yield
    finally:
        machine.run("cat /etc/hosts.before >/etc/hosts && rm /etc/hosts.before")


def test_a_name_that_means_loopback_on_its_own_machine(machines: Machines, check: Check) -> None:
    """As Debian writes it into /etc/hosts."""
    first, second = machines.all
    inventory(machines, {"m1": "m1.test"})
    try:
        with hosts(first, "127.0.1.1 m1.test"), hosts(second, f"{first.address} m1.test"):
            on_npus = check()
            inventory(machines, {"m1": "m1.test"}, device="cpu")
            with_gloo = check()
    finally:
        inventory(machines)
    # HCCL meets nevertheless, and so do the ranks: the listener was really reached
    assert (on_npus[0], bad(on_npus[1])) == (0, {("address", "m1"): "warning"})
    assert said(on_npus[1], "address", "m1") == "m1.test (127.0.1.1) is a loopback address here"
    assert states(on_npus[1])["reach", "m2"] == "ok"
    assert bad(with_gloo[1])["address", "m1"] == "wrong"


def test_an_interface_that_hccl_would_take_before_the_right_one(machines: Machines, check: Check) -> None:
    second = machines.all[1]
    second.run("ip link add aa0 type bridge && ip address add 198.51.100.9/24 dev aa0 && ip link set aa0 up")
    try:
        code, report = check()
        second.run("ip link set aa0 down")
        down = check()[1]
        second.run("ip link set aa0 up && ip link set aa0 name docker0")
        of_docker = check()[1]
    finally:
        second.run("ip link del aa0 2>/dev/null || ip link del docker0")
    assert (code, bad(report)) == (0, {("address", "m2"): "warning"})
    words = f"HCCL would take aa0 (198.51.100.9), and {second.address} is on eth0"
    assert said(report, "address", "m2") == words
    (found,) = [one for one in report["findings"] if (one["item"], one["node"]) == ("address", "m2")]
    assert found["fix"].startswith("export HCCL_SOCKET_IFNAME==eth0 ")
    assert (bad(down), bad(of_docker)) == ({}, {})
    assert said(down, "address", "m2") == f"{second.address} on eth0"


def test_a_second_address_of_an_interface_is_on_it(machines: Machines, check: Check) -> None:
    first = machines.all[0]
    first.run("ip address add 203.0.113.5/24 dev eth0")
    inventory(machines, {"m1": "203.0.113.5"})
    try:
        report = check()[1]
    finally:
        inventory(machines)
        first.run("ip address del 203.0.113.5/24 dev eth0")
    assert said(report, "address", "m1") == "203.0.113.5 on eth0"


def test_one_machine_alone_does_not_use_its_address(
    machines: Machines, check: Check, capsys: pytest.CaptureFixture[str]
) -> None:
    inventory(machines, {"m1": "192.0.2.77"})
    try:
        code = main(["check", "-i", str(machines.folder / "npudeck.toml"), "--nodes", "m1", "--json"])
        report = json.loads(capsys.readouterr().out)
    finally:
        inventory(machines)
    assert (code, bad(report)) == (0, {})
    assert states(report)["master_port", "m1"] == "ok"
    assert ("address", "m1") not in states(report)
