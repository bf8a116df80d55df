"""Lists of hosts as other tools write them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.fleet.hosts_files import read_hostfile, read_ssh_config
from backend.fleet.hosts_parse import Found, parse_hostfile, parse_ssh_config
from backend.fleet.inventory_fold import fold_nodes
from backend.fleet.inventory_parse import parse_inventory
from backend.fleet.inventory_text import inventory_to_toml
from backend.inventory import Inventory, Node
from backend.problems import InputError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("n01\nn02\n", [Found("n01", "n01"), Found("n02", "n02")]),
        ("# all\nn[1-2] # rack\n\n", [Found("n1", "n1"), Found("n2", "n2")]),
        ("n01 slots=8 max_slots=16\nn02 Slots = 4", [Found("n01", "n01", 8), Found("n02", "n02", 4)]),
        ("n[01-02]:8", [Found("n01", "n01", 8), Found("n02", "n02", 8)]),
        ("10.0.0.1 n01.cluster n01\n", [Found("n01", "10.0.0.1")]),
        ("10.0.0.[1-2]\n", [Found("10.0.0.1", "10.0.0.1"), Found("10.0.0.2", "10.0.0.2")]),
        ("[workers]\nn01\nn01\n", [Found("n01", "n01")]),
        ("fe80::1 n09", [Found("n09", "fe80::1")]),
        ("", []),
    ],
)
def test_host_files(text: str, expected: list[Found]) -> None:
    assert parse_hostfile(text, "hosts") == (expected, [])


# what Debian's installer, cloud-init and macOS write into /etc/hosts
HOSTS = """
127.0.0.1	localhost
127.0.1.1	gate.lab gate
::1		localhost ip6-localhost ip6-loopback
fe00::0		ip6-localnet
ff00::0		ip6-mcastprefix
ff02::1		ip6-allnodes
ff02::2		ip6-allrouters
255.255.255.255	broadcasthost
fe80::1%lo0	self
0.0.0.0		blocked
10.0.0.11	n01.lab n01
fd00::12	n02
"""


def test_a_hosts_file_holds_machines_and_what_is_none() -> None:
    found, left_out = parse_hostfile(HOSTS, "hosts")
    assert found == [Found("n01", "10.0.0.11"), Found("n02", "fd00::12")]
    assert [host.name for host in left_out] == [
        "localhost", "gate", "ip6-localnet", "ip6-mcastprefix", "ip6-allnodes", "ip6-allrouters",
        "broadcasthost", "self", "blocked",
    ]  # fmt: skip


def test_who_lists_this_machine_alone_means_it() -> None:
    text = "localhost slots=8\n127.0.0.1\n"
    assert [host.host for host in parse_hostfile(text, "hosts")[0]] == ["localhost", "127.0.0.1"]


def test_a_user_before_a_host_is_told_where_to_go() -> None:
    with pytest.raises(InputError) as caught:
        parse_hostfile("n01\nroot@n[02-09] slots=8\n10.0.0.1 a;b\n", "hosts")
    first, second = caught.value.problems
    assert (first.field, first.what) == ("hosts:2", "'root@n02' is not a host name or address")
    assert "--user root" in first.fix
    assert (second.field, second.what) == ("hosts:3", "'a;b' is not a node name")


def test_a_wrong_line_is_named() -> None:
    with pytest.raises(InputError) as caught:
        parse_hostfile("n01\nn[1-\n,n2\n", "hosts")
    assert [problem.field for problem in caught.value.problems] == ["hosts:2", "hosts:3"]


@given(st.text(max_size=200))
def test_any_text_is_hosts_or_a_problem(text: str) -> None:
    parse_ssh_config(text)
    try:
        parse_hostfile(text, "hosts")
    except InputError:
        return


@pytest.mark.parametrize(
    ("text", "names"),
    [
        # one line for many hosts that log in alike, and other names of one host
        ("Host n01 n02 n03\n  User root\n", ["n01", "n02", "n03"]),
        ("Host n01 first\n  User root\n  HostName 10.0.0.1\nHost n02 n03\n", ["n01", "n02", "n03"]),
        ("Host n01 n02\n  HostName %h.lab\n", ["n01", "n02"]),
        ("Host\tn01\n\tHostName\t10.0.0.1\n", ["n01"]),
        ("Host n01 n02\nMatch user ops\n  HostName 10.0.0.1\n", ["n01", "n02"]),
        ("HostName 10.0.0.1\nHost n*\n  HostName 10.0.0.2\n", []),
    ],
)
def test_the_names_of_a_host_line(text: str, names: list[str]) -> None:
    assert parse_ssh_config(text) == (names, [])


def test_an_ssh_config_with_includes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh" / "conf.d").mkdir(parents=True)
    config = tmp_path / ".ssh" / "config"
    config.write_text(
        "Include conf.d/*\nHost gate jump\n  HostName 10.0.0.9\nHost *\n  User ops\nhost=n03\nHost n? !n9\n"
        f"Include {config}\n"
    )
    (tmp_path / ".ssh" / "conf.d" / "lab").write_text('Host "n01"\n  Port 2222\nHost n02\n')
    assert [found.name for found in read_ssh_config("~/.ssh/config")] == ["gate", "n03", "n01", "n02"]
    with pytest.raises(InputError, match="cannot be read"):
        read_hostfile(str(tmp_path / "none"))


# ---- nodes of one pattern on one line


def test_sixty_four_nodes_are_one_entry() -> None:
    nodes = tuple(
        Node(f"n{number:02d}", f"n{number:02d}.lab", f"10.0.0.{number}", 8, f"/data/n{number:02d}")
        for number in range(1, 65)
    )
    [entry] = fold_nodes(nodes)
    assert (entry.name, entry.host, entry.address) == ("n[01-64]", "{name}.lab", "10.0.0.[1-64]")
    assert entry.work_directory == "/data/{name}"


_NAMES = st.lists(
    st.from_regex(r"(n|rack1-|gpu)[0-9]{1,3}", fullmatch=True), unique=True, min_size=1, max_size=9
)


@given(_NAMES, st.data())
def test_folded_and_read_again_is_the_same(names: list[str], data: st.DataObject) -> None:
    nodes = []
    for name in names:
        host = data.draw(st.sampled_from([name, f"{name}.lab", "gate", f"10.0.0.{len(name)}", f"{name}0"]))
        address = data.draw(st.sampled_from([host, name, "10.1.0.7"]))
        work = data.draw(st.sampled_from(["/w", f"/w/{name}", f"/w/{name}/x"]))
        nodes.append(Node(name, host, address, data.draw(st.sampled_from([8, 16])), work))
    inventory = Inventory("lab", tuple(nodes), "/s", groups=(("g", tuple(names[:3])),), path="x.toml")
    assert parse_inventory(inventory_to_toml(inventory, fold=True), "x.toml") == inventory
