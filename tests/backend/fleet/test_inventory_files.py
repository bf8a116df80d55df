"""The inventory: what is read, what is refused and where, and that writing and reading agree."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.fleet.inventory_files import find_inventory, load_inventory, node_names, save_inventory
from backend.fleet.inventory_parse import parse_inventory
from backend.fleet.inventory_text import inventory_to_toml
from backend.inventory import Container, Inventory, Node, SshOptions
from backend.problems import InputError, LocalError

LAB = """
[fleet]
name = "lab"
work_directory = "/data/work"
shared_directory = "/data/shared"
npus_per_node = 16

[ssh]
user = "ops"
known_hosts = "known_hosts"
identity_files = ["~/.ssh/lab", "/keys/lab"]
config = "none"
connect_timeout_s = 4

[container]
name = "trainer"
image = "repo/train:1"

[[nodes]]
name = "n[01-03]"
host = "{name}.lab"
address = "10.0.0.[11-13]"
work_directory = "/data/{name}"
groups = ["rack1"]

[[nodes]]
name = "spare"
npus = 2
port = 2222
user = "root"
python = "/opt/python3"

[groups]
rack1 = "spare"
pair = "n03,n01"
"""


def places(text: str) -> dict[str, str]:
    with pytest.raises(InputError) as caught:
        parse_inventory(text, "fleet.toml")
    return {problem.field: problem.sentence() for problem in caught.value.problems}


def test_everything_is_read(tmp_path: Path) -> None:
    path = tmp_path / "fleet.toml"
    path.write_text(LAB)
    lab = load_inventory(str(path))
    assert (lab.name, lab.shared_directory, lab.path) == ("lab", "/data/shared", str(path))
    assert lab.nodes[1] == Node("n02", "n02.lab", "10.0.0.12", 16, "/data/n02")
    assert lab.nodes[3] == Node("spare", "spare", "spare", 2, "/data/work", 2222, "root", "/opt/python3")
    assert lab.container == Container("trainer", "repo/train:1")
    assert lab.ssh == SshOptions(
        user="ops",
        config="none",
        known_hosts=str(tmp_path / "known_hosts"),
        identity_files=(str(Path.home() / ".ssh/lab"), "/keys/lab"),
        connect_timeout_s=4.0,
    )
    assert lab.groups == (("rack1", ("spare", "n01", "n02", "n03")), ("pair", ("n03", "n01")))


def test_defaults(tmp_path: Path) -> None:
    path = tmp_path / "npudeck.toml"
    path.write_text('[fleet]\nwork_directory = "/w"\nshared_directory = "/s"\n[[nodes]]\nname = "a"\n')
    fleet = load_inventory(str(path))
    assert fleet.nodes == (Node("a", "a", "a", 8, "/w"),)
    assert fleet.name == tmp_path.name
    assert fleet.ssh == SshOptions()


def test_all_problems_at_once() -> None:
    found = places(
        """
        [fleet]
        shared_directory = "shared"
        npus_per_node = true
        [ssh]
        usr = "x"
        known_hosts = "none"
        port = 99999
        [[nodes]]
        name = "a"
        host = "-oProxyCommand=reboot"
        work_directory = "~/work"
        [[nodes]]
        name = "a"
        nmups = 3
        [[nodes]]
        name = "b[1-3]"
        host = "h[1-2]"
        work_directory = "/w"
        [[nodes]]
        name = "c[1-"
        [groups]
        all = "a"
        rack = "a,zz"
        """
    )
    assert set(found) == {
        "fleet.shared_directory",
        "fleet.npus_per_node",
        "ssh.usr",
        "ssh.known_hosts",
        "ssh.port",
        "nodes[1].host",
        "nodes[1].work_directory",
        "nodes[2].name",
        "nodes[2].work_directory",
        "nodes[2].nmups",
        "nodes[3].host",
        "nodes[4].name",
        "nodes[4].work_directory",
        "groups.all",
        "groups.rack",
    }
    assert "did you mean 'user'?" in found["ssh.usr"]
    assert "did you mean 'npus'?" in found["nodes[2].nmups"]
    assert "twice" in found["nodes[2].name"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[[nodes]]\nname = "n[1-3]"\nwork_directory = "~/ws"', ["nodes[1].work_directory"]),
        ('[[nodes]]\nname = "n[1-3]"\nwork_directory = "ws/{name}"', ["nodes[1].work_directory"]),
        ('[[nodes]]\nname = "n[1-3]"\nhost = "-{name}"\nwork_directory = "/w"', ["nodes[1].host"]),
        ('[[nodes]]\nhost = "a"\nwork_directory = "/w"', ["nodes[1].name"]),
        ('[[nodes]]\nname = "root@n1"\nwork_directory = "/w"', ["nodes[1].name"]),
        (
            'work_directory = "/w"\n[[nodes]]\nname = "n[1-3]"\n[[nodes]]\nname = "n[1-3]"',
            ["nodes[2].name"],
        ),
        (
            'work_directory = "~/ws"\nworst_health = "dead"\ndevice = "tpu"\n'
            '[[nodes]]\nname = "a"\n[[nodes]]\nname = "b"',
            ["fleet.work_directory", "fleet.device", "fleet.worst_health"],
        ),
    ],
)
def test_a_mistake_is_said_once_where_it_was_written(text: str, expected: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        parse_inventory(f'[fleet]\nshared_directory = "/s"\n{text}', "fleet.toml")
    assert [problem.field for problem in caught.value.problems] == expected


def test_members_of_a_set_are_counted_where_each_is_wrong_in_its_own_way() -> None:
    found = places('[[nodes]]\nname = "n[1-3]"\nhost = "-{name}"\n')
    assert "'-n1' is not a host name or address, and 2 more like it" in found["nodes[1].host"]


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ('[ssh]\nuser = "ro ot"', "ssh.user", "'ro ot' is not a user name"),
        ('[ssh]\nuser = "-l"', "ssh.user", "is not a user name"),
        ('[ssh]\nproxy_jump = "gate:xx"', "ssh.proxy_jump", "'xx' is not a port"),
        ('[ssh]\nproxy_jump = "a,,b"', "ssh.proxy_jump", "is not a jump host"),
        ('[ssh]\nproxy_jump = "@gate"', "ssh.proxy_jump", "nobody stands before the @"),
        ('[ssh]\nproxy_jump = "o p@gate"', "ssh.proxy_jump", "'o p' is not a user name"),
        ('[ssh]\nproxy_jump = "fe80::1"', "ssh.proxy_jump", "in brackets"),
        ('[[nodes]]\nname = "a"\nuser = "a b"', "nodes[1].user", "is not a user name"),
        ('[[nodes]]\nname = "root@n1"', "nodes[1].name", 'user = "root"'),
        ('[[nodes]]\nname = "a"\nhost = "root@{name}"', "nodes[1].host", 'user = "root"'),
    ],
)
def test_who_logs_in_and_by_what_way(text: str, place: str, words: str) -> None:
    assert words in places(text)[place]


@pytest.mark.parametrize(
    "jump", ["gate", "ops@gate:22", "a, ops@b:2222", "[2001:db8::1]:22", "none", "u@x@gate"]
)
def test_ways_that_are_taken(jump: str) -> None:
    fleet = '[fleet]\nshared_directory = "/s"\nwork_directory = "/w"\n[[nodes]]\nname = "a"\n'
    text = f'{fleet}[ssh]\nproxy_jump = "{jump}"'
    assert parse_inventory(text, "fleet.toml").ssh.proxy_jump == jump


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("x =", "inventory"),
        ('[fleet]\nshared_directory = "/s"\n', "nodes"),
        ('nodes = [3]\n[fleet]\nshared_directory = "/s"\n', "nodes[1]"),
        ("fleet = 3", "fleet"),
        ('[fleat]\nname = "x"', "fleat"),
        ('[[nodes]]\nname = "n[1-999999999]"', "nodes[1].name"),
        ('[[nodes]]\nname = "a;b"', "nodes[1].name"),
        ('[[nodes]]\nname = "a"\nhost = "h\\u0007"', "nodes[1].host"),
        ('[container]\nimage = "i"', "container.name"),
        ('[fleet]\nworst_health = "dead"', "fleet.worst_health"),
    ],
)
def test_problem_names_its_place(text: str, place: str) -> None:
    assert place in places(text)


@given(st.text(max_size=200))
def test_any_text_is_an_inventory_or_a_problem(text: str) -> None:
    try:
        parse_inventory(text, "x.toml")
    except InputError:
        return


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        load_inventory(str(tmp_path / "none.toml"))
    with pytest.raises(InputError, match="cannot be read"):
        load_inventory(str(tmp_path))
    (tmp_path / "junk").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="UTF-8"):
        load_inventory(str(tmp_path / "junk"))


def test_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NPUDECK_INVENTORY", raising=False)
    with pytest.raises(InputError, match=r"npudeck demo fleet --dir DIR"):
        find_inventory(None)
    (tmp_path / "npudeck.toml").write_text("")
    assert find_inventory(None) == "npudeck.toml"
    monkeypatch.setenv("NPUDECK_INVENTORY", "/else/where.toml")
    assert find_inventory(None) == "/else/where.toml"
    assert find_inventory("typed.toml") == "typed.toml"


names = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True)
paths = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12).map(lambda tail: "/" + tail)
words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)


@st.composite
def inventories(draw: st.DrawFn) -> Inventory:
    chosen = draw(st.lists(names, min_size=1, max_size=4, unique=True))
    # a pattern in braces is filled in when read, so it cannot stand in a finished inventory
    work = draw(paths.filter(lambda path: "{name}" not in path))
    nodes = tuple(
        Node(
            name,
            draw(names),
            draw(names),
            draw(st.integers(1, 64)),
            work,
            draw(st.none() | st.integers(1, 65535)),
            device=draw(st.sampled_from(["npu", "cpu"])),
            worst_health=draw(st.sampled_from(["ok", "warning", "alarm", "critical"])),
        )
        for name in chosen
    )
    ssh = SshOptions(
        draw(st.none() | names),
        None,
        "none",
        draw(st.none() | paths),
        tuple(draw(st.lists(paths, max_size=2))),
    )
    container = draw(st.none() | st.just(Container("c", "i:1", "/w", cpus=4)))
    groups = (("g-1", tuple(chosen[:2])),) if draw(st.booleans()) else ()
    return Inventory(draw(words), nodes, draw(paths), ssh, container, groups, "x.toml")


@given(inventories())
def test_written_and_read_again(inventory: Inventory) -> None:
    assert parse_inventory(inventory_to_toml(inventory), "x.toml") == inventory


def test_save_is_whole_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "new" / "npudeck.toml"
    inventory = Inventory("lab", (Node("a", "a", "a", 8, "/w"),), "/s", path=str(path))
    save_inventory(inventory, str(path))
    assert load_inventory(str(path)) == inventory
    save_inventory(replace(inventory, name="other"), str(path))
    assert load_inventory(str(path)).name == "other"
    assert os.listdir(path.parent) == ["npudeck.toml"]
    with pytest.raises(LocalError):
        save_inventory(inventory, "/proc/nowhere/npudeck.toml")


FLEET = Inventory(
    "lab",
    tuple(Node(f"n{number:02d}", "h", "h", 8, "/w") for number in range(1, 13)),
    "/s",
    groups=(("odd", ("n01", "n03")),),
    path="lab.toml",
)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("n03,n01", "n03 n01"),
        ("n[01-03]", "n01 n02 n03"),
        ("n02,n[01-03],n02", "n02 n01 n03"),
        ("@odd,n12", "n01 n03 n12"),
        ("n[01-05]!n02", "n01 n03 n04 n05"),
        ("n[01-04]&@odd", "n01 n03"),
        (" n01 , n02 ", "n01 n02"),
    ],
)
def test_node_sets(expression: str, expected: str) -> None:
    assert " ".join(node_names(expression, FLEET)) == expected


def test_all_nodes() -> None:
    assert node_names("@all", FLEET) == tuple(node.name for node in FLEET.nodes)


def test_an_empty_word_means_nothing_not_everything() -> None:
    with pytest.raises(InputError, match="no node is named"):
        node_names(" ", FLEET)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("n1", "did you mean"),
        ("n99", "there is no node 'n99'"),
        ("@od", "did you mean 'odd'"),
        ("n[01", "not a node set"),
        ("n01!n01", "means no node"),
        ("n[1-99999999]", "more than"),
    ],
)
def test_wrong_node_sets(expression: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        node_names(expression, FLEET)


@given(st.text(max_size=30))
def test_any_expression_is_names_or_a_problem(expression: str) -> None:
    try:
        found = node_names(expression, FLEET)
    except InputError:
        return
    assert set(found) <= {node.name for node in FLEET.nodes}
