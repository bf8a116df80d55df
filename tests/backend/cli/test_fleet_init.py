"""`npudeck fleet init`: from every source, asked or not, and never over a file unasked."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from backend.cli.main import main
from backend.fleet.inventory_files import load_inventory
from backend.fleet.inventory_parse import parse_inventory


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path


def problem(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out)["problems"][0]
    return found


def test_from_a_node_set(here: Path) -> None:
    words = [
        "--user",
        "ops",
        "--npus",
        "16",
        "--jump",
        "gate",
        "--group",
        "rack-a=n[01-02]",
        "--group",
        "b=n03",
    ]
    assert main(["fleet", "init", "n[01-03]", *words]) == 0
    fleet = load_inventory("npudeck.toml")
    assert [(node.name, node.host, node.npus) for node in fleet.nodes] == [
        (name, name, 16) for name in ("n01", "n02", "n03")
    ]
    assert (fleet.ssh.user, fleet.ssh.proxy_jump, fleet.name) == ("ops", "gate", here.name)
    assert fleet.shared_directory == fleet.nodes[0].work_directory == "/home/ma-user/ws"
    assert fleet.groups == (("rack-a", ("n01", "n02")), ("b", ("n03",)))


def test_from_a_host_file_some_of_it(here: Path) -> None:
    (here / "hosts").write_text("10.0.0.1 n01\n10.0.0.2 n02\nn03 slots=4\n")
    assert main(["fleet", "init", "--hostfile", "hosts", "!n02", "-o", "lab/fleet.toml"]) == 0
    fleet = load_inventory("lab/fleet.toml")
    assert [(node.name, node.host, node.npus) for node in fleet.nodes] == [
        ("n01", "10.0.0.1", 8),
        ("n03", "n03", 4),
    ]
    assert fleet.name == "lab"


def test_from_stdin(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("n[1-2]\n"))
    assert main(["fleet", "init", "--hostfile", "-"]) == 0
    assert len(load_inventory("npudeck.toml").nodes) == 2
    capsys.readouterr()
    monkeypatch.setattr("sys.stdin", io.StringIO("n1\nn[\n"))
    assert main(["fleet", "init", "--hostfile", "-", "--json"]) == 3
    assert problem(capsys)["field"] == "standard input:2"


def test_from_an_ssh_config(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "config").write_text("Host n01\nHost n02\nHost github.com\nHost *\n  User ops\n")
    assert main(["fleet", "init", "--ssh-config", "config", "--json", "--", "n*"]) == 0
    assert json.loads(capsys.readouterr().out)["nodes"] == ["n01", "n02"]
    assert load_inventory("npudeck.toml").ssh.config == str(here / "config")
    (here / "home" / ".ssh").mkdir(parents=True)
    (here / "home" / ".ssh" / "config").write_text("Host n09\n")
    assert main(["fleet", "init", "--ssh-config", "--overwrite"]) == 0
    fleet = load_inventory("npudeck.toml")
    # the one that SSH reads anyway need not be named
    assert ([node.name for node in fleet.nodes], fleet.ssh.config) == (["n09"], None)


def test_files_are_named_from_the_inventorys_folder(here: Path) -> None:
    words = ["--identity", "id", "--known-hosts", "kh", "-o"]
    assert main(["fleet", "init", "n1", *words, "npudeck.toml"]) == 0
    assert 'known_hosts = "kh"' in (here / "npudeck.toml").read_text()
    assert main(["fleet", "init", "n1", *words, "deep/npudeck.toml"]) == 0
    fleet = load_inventory("deep/npudeck.toml")
    assert (fleet.ssh.identity_files, fleet.ssh.known_hosts) == ((str(here / "id"),), str(here / "kh"))


def test_a_file_that_is_there_stays(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "npudeck.toml").write_text("mine")
    assert main(["fleet", "init", "n1", "--json"]) == 3
    assert problem(capsys)["field"] == "output"
    assert (here / "npudeck.toml").read_text() == "mine"
    assert main(["fleet", "init", "n1", "--overwrite"]) == 0
    assert [path.name for path in here.iterdir()] == ["npudeck.toml"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ([], 2),
        (["n[1-"], 3),
        (["n1", "--host", "h[1-2]"], 3),
        (["n1", "--host", "-oProxyCommand=x"], 2),
        (["n1", "--host=-oProxyCommand=x"], 3),
        (["n1", "--work-directory", "~/ws"], 3),
        (["n1", "--group", "x"], 2),
        (["n1", "--group", "all=n1"], 3),
        (["n1", "--known-hosts", "none"], 3),
        (["--hostfile", "nowhere"], 3),
        (["--hostfile", "a", "--ssh-config", "b"], 2),
        (["n1\nx"], 3),
        (["n1", "--user", "ro ot"], 3),
        (["n1", "--jump", "gate:xx"], 3),
        (["n[1-2]", "--group", "a=n1", "--group", "a=n2"], 2),
        (["n1", "--work-directory", "/data/{name}"], 3),
        (["n1", "-o", "-"], 2),
    ],
)
def test_nothing_is_written_for_what_makes_no_sense(here: Path, words: list[str], code: int) -> None:
    try:
        found = main(["fleet", "init", *words, "--json"])
    except SystemExit as end:
        found = int(str(end.code))
    assert found == code
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["n[1-3]", "--work-directory", "~/ws"], [("--work-directory", "'~/ws' is not an absolute path")]),
        (["n1,m1", "--work-directory", "ws"], [("--work-directory", "'ws' is not an absolute path")]),
        (["n1", "--user", "ro ot"], [("--user", "'ro ot' is not a user name")]),
        (["n1", "--jump", "gate:xx"], [("--jump", "'gate:xx' is not a jump host")]),
        (["n1", "--group", "a=n1", "--group", "a=n1"], [("--group", "the group a is given twice")]),
        (["n1", "--group", "a=n9"], [("--group", None)]),
        (["n1", "--group", "all=n1"], [("--group", "'all' cannot name a group")]),
        (["n1", "--npus", "5000"], [("--npus", "5000 is not between 1 and 1024")]),
        (["root@n[1-3]"], [("nodes", "'root@n1' is not a node name, and 2 more like it")]),
        (["n1", "--host", "root@{name}"], [("--host", "'root@n1' is not a host name or address")]),
        (["n1", "--shared-directory", "/s/{name}"], [("--shared-directory", None)]),
        (["--ssh-config", "n*"], [("", "n* is no SSH config: there is no such file")]),
    ],
)
def test_each_mistake_is_said_once_by_its_flag(
    capsys: pytest.CaptureFixture[str], words: list[str], said: list[tuple[str, str | None]]
) -> None:
    assert main(["fleet", "init", *words, "--json"]) in (2, 3)
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert [problem["field"] for problem in problems] == [flag for flag, _what in said]
    for problem, (_flag, what) in zip(problems, said, strict=True):
        assert what in (None, problem["what"])


def test_where_a_user_and_node_sets_belong_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fleet", "init", "root@n1", "--json"]) == 3
    assert "--user root" in problem(capsys)["fix"]
    assert main(["fleet", "init", "--ssh-config", "n*", "--json"]) == 3
    assert "--ssh-config -- 'n*'" in problem(capsys)["fix"]


def test_what_is_no_machine_is_left_out_and_named(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "hosts").write_text(
        "127.0.0.1 localhost\n::1 ip6-localhost\nff02::1 ip6-allnodes\n10.0.0.1 n01\n"
    )
    assert main(["fleet", "init", "--hostfile", "hosts"]) == 0
    assert "localhost (127.0.0.1), ip6-localhost (::1), ip6-allnodes (ff02::1)" in capsys.readouterr().err
    assert [node.name for node in load_inventory("npudeck.toml").nodes] == ["n01"]


def test_to_stdout(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fleet", "init", "n[1-2]", "-o", "-"]) == 0
    said = capsys.readouterr().out
    assert list(here.iterdir()) == []
    assert [node.name for node in parse_inventory(said, "x").nodes] == ["n1", "n2"]


def test_a_folder_that_is_made_is_said(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fleet", "init", "n1", "-o", "lab/a/x.toml"]) == 0
    assert "made the folder lab/a\n" in capsys.readouterr().err
    assert main(["fleet", "init", "n1", "-o", "lab/a/y.toml"]) == 0
    assert "made" not in capsys.readouterr().err


class Typist(io.StringIO):
    """Somebody at a terminal."""

    def isatty(self) -> bool:
        return True


def test_typed_answers(monkeypatch: pytest.MonkeyPatch, here: Path) -> None:
    monkeypatch.setattr("sys.stderr", Typist())
    monkeypatch.setattr("sys.stdin", Typist("\nn[01-02]\n{name}.lab\n\nmany\n4\n/data/ws\n\n"))
    assert main(["fleet", "init"]) == 0
    fleet = load_inventory("npudeck.toml")
    assert [(node.host, node.npus) for node in fleet.nodes] == [("n01.lab", 4), ("n02.lab", 4)]
    assert (fleet.nodes[0].work_directory, fleet.shared_directory, fleet.ssh.user) == (
        "/data/ws",
        "/data/ws",
        None,
    )


def test_an_answer_that_cannot_be_is_asked_for_again(monkeypatch: pytest.MonkeyPatch, here: Path) -> None:
    answers = ["n[1-", "root@n1", "n[1-2]", "h[1-3]", "{name}.lab", "ro ot", "ops", "many", "5000", "4"]
    answers += ["~/ws", "/data/{name}", "", "shared", "/shared"]
    said = Typist()
    monkeypatch.setattr("sys.stderr", said)
    monkeypatch.setattr("sys.stdin", Typist("".join(f"{answer}\n" for answer in answers)))
    assert main(["fleet", "init"]) == 0
    fleet = load_inventory("npudeck.toml")
    assert [(node.host, node.npus, node.work_directory) for node in fleet.nodes] == [
        (f"{name}.lab", 4, f"/data/{name}") for name in ("n1", "n2")
    ]
    assert (fleet.ssh.user, fleet.shared_directory) == ("ops", "/shared")
    for words in (
        "error: 'n[1-' is not a node set",
        "error: 'root@n1' is not a node name",
        "stands for 3 hosts, there are 2 nodes",
        "error: 'ro ot' is not a user name",
        "error: 'many' is not a whole number",
        "error: 5000 is not between 1 and 1024",
        "error: '~/ws' is not an absolute path",
        "error: 'shared' is not an absolute path",
    ):
        assert said.getvalue().count(words) == 1


def test_a_flag_that_cannot_be_and_a_file_that_stays_end_it_early(
    monkeypatch: pytest.MonkeyPatch, here: Path
) -> None:
    monkeypatch.setattr("sys.stderr", Typist())
    monkeypatch.setattr("sys.stdin", Typist("n1\n"))
    assert main(["fleet", "init", "--jump", "gate:xx"]) == 3
    (here / "npudeck.toml").write_text("mine")
    monkeypatch.setattr("sys.stdin", Typist())
    assert main(["fleet", "init"]) == 3


def test_answers_that_end_write_nothing(monkeypatch: pytest.MonkeyPatch, here: Path) -> None:
    monkeypatch.setattr("sys.stderr", Typist())
    monkeypatch.setattr("sys.stdin", Typist("n1\n"))
    assert main(["fleet", "init"]) == 130
    assert list(here.iterdir()) == []
    # with --json nobody is asked, terminal or not
    monkeypatch.setattr("sys.stdin", Typist("n1\n"))
    assert main(["fleet", "init", "--json"]) == 2


@pytest.mark.parametrize(
    ("content", "why", "fix"),
    [
        (b"n1\n", "hosts has n1", ""),
        (b"n[1\n", 'missing bracket: "n[1"', "n01 slots=8"),
        (b"\xff\xfe\n", "", "UTF-8"),
        (b"# none\n", "", "n[01-64]"),
        (None, "", "read"),
    ],
)
def test_what_is_wrong_with_a_host_file_and_what_to_do(
    here: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, why: str, fix: str
) -> None:
    if content is not None:
        (here / "hosts").write_bytes(content)
    assert main(["fleet", "init", "--hostfile", "hosts", "x9", "--json"]) == 3
    said = problem(capsys)
    assert said["why"] == why
    assert fix in said["fix"]
