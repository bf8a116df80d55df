"""`npudeck fleet …` against real OpenSSH servers on addresses of this machine."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ascend_package import llm_package
from loopback_sshd import SSHD
from sshd_fleet import Host, SshdFleet

from backend.cli.main import main
from backend.fleet.inventory_files import load_inventory, save_inventory

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.sshd,
    pytest.mark.skipif(not SSHD, reason="no sshd"),
    pytest.mark.skipif(os.getuid() != 0, reason="one sshd on each address needs root's /run/sshd"),
]

Ask = Callable[..., tuple[int, Any]]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshdFleet]:
    fleet = SshdFleet(tmp_path_factory.mktemp("fleet"), 6, names="n{:02d}")
    save_inventory(fleet.inventory(), str(fleet.file))
    fleet.start()
    yield fleet
    fleet.stop()


@pytest.fixture(autouse=True)
def state(fleet: SshdFleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("NPUDECK_INVENTORY", str(fleet.file))
    fleet.trust()
    return tmp_path / "state"


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command for people: exit code, stdout, stderr."""

    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(list(words))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def behind(fleet: SshdFleet, host: Host, shell: str) -> Iterator[None]:
    """The host with another login shell, for a while."""
    host.shell = host.folder / "shell"
    host.shell.write_text(f"#!/bin/sh\n{shell}\n")
    host.shell.chmod(0o755)
    fleet.kill(host)
    fleet.boot(host)
    yield
    host.shell = None
    fleet.kill(host)
    fleet.boot(host)


# ---- init and trust


def test_from_nothing_to_a_healthy_fleet(
    fleet: SshdFleet, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, known = str(tmp_path / "new" / "npudeck.toml"), tmp_path / "ssh" / "known_hosts"
    hosts = ",".join(host.address for host in fleet.hosts)
    code, made = ask(
        "fleet", "init", "n[01-06]", "--host", hosts, "--port", str(fleet.port), "--user", fleet.user,
        "--identity", str(fleet.folder / "id"), "--known-hosts", str(known),
        "--work-directory", str(tmp_path), "--group", "rack-a=n[01-03]", "-o", file,
    )  # fmt: skip
    assert (code, len(made["nodes"])) == (0, 6)
    text = Path(file).read_text()
    assert text.count("[[nodes]]") == 1
    monkeypatch.setenv("NPUDECK_INVENTORY", file)
    inventory = load_inventory(file)
    assert [node.host for node in inventory.nodes] == [host.address for host in fleet.hosts]
    assert inventory.group("rack-a") == ("n01", "n02", "n03")

    # nobody is known: nothing is taken unasked, and nothing works
    code, seen = ask("fleet", "trust")
    assert (code, {key["state"] for key in seen["keys"]}) == (4, {"unknown"})
    assert not known.exists()
    assert ask("health", "n01")[0] == 4
    for key, host in zip(seen["keys"], fleet.hosts, strict=True):
        listed = subprocess.run(
            ["ssh-keygen", "-lf", str(host.folder / "key.pub")], capture_output=True, text=True, check=True
        )
        assert key["fingerprint"] == listed.stdout.split()[1]

    code, seen = ask("fleet", "trust", "rack-a", "--yes")
    assert (code, {key["state"] for key in seen["keys"]}) == (0, {"added"})
    assert stat.S_IMODE(known.stat().st_mode) == 0o600
    assert known.read_text() == "".join(fleet.known_line(host) for host in fleet.hosts[:3])
    assert ask("health", "rack-a")[0] == 0
    code, seen = ask("fleet", "trust", "--yes")
    assert [key["state"] for key in seen["keys"]] == ["known"] * 3 + ["added"] * 3
    assert ask("health")[0] == 0


def test_a_changed_key_is_said_and_never_taken(fleet: SshdFleet, ask: Ask, say: Any) -> None:
    host = fleet.hosts[2]
    before = (fleet.folder / "known_hosts").read_text()
    old = fleet.known_line(host)
    fleet.new_key(host)
    fleet.kill(host)
    fleet.boot(host)
    code, seen = ask("fleet", "trust", "n[01-03]", "--yes")
    assert code == 4
    assert [key["state"] for key in seen["keys"]] == ["known", "known", "changed"]
    assert (fleet.folder / "known_hosts").read_text() == before
    code, _out, err = say("fleet", "trust", "n03", "--yes")
    assert code == 4
    assert "has changed; it is not taken" in err
    assert "somebody in between" in err
    # the way that it names is the way
    remove = err.split("reinstalled: ", 1)[1].split(", then", 1)[0]
    subprocess.run(["sh", "-c", remove], check=True, capture_output=True)
    assert old not in (fleet.folder / "known_hosts").read_text()
    assert ask("fleet", "trust", "n03", "--yes")[0] == 0
    assert ask("health", "n03")[0] == 0


def test_a_host_that_is_away_and_a_known_key_of_another_kind(fleet: SshdFleet, ask: Ask) -> None:
    away, other = fleet.hosts[0], fleet.hosts[1]
    fleet.kill(away)
    # an RSA key of an older installation: the host shows none of that kind any more
    rsa = fleet.folder / "rsa"
    if not rsa.exists():
        argv = ["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", str(rsa)]
        subprocess.run(argv, check=True)
    kind, key = (fleet.folder / "rsa.pub").read_text().split()[:2]
    known = fleet.folder / "known_hosts"
    known.write_text(f"[{other.address}]:{fleet.port} {kind} {key}\n{fleet.known_line(fleet.hosts[2])}")
    try:
        code, seen = ask("fleet", "trust", "n[01-03]", "--yes")
    finally:
        fleet.boot(away)
    assert code == 4
    assert [item["state"] for item in seen["keys"]] == ["unreachable", "changed", "known"]
    assert "refuses the connection" in seen["keys"][0]["reason"]


def test_trust_asks_where_somebody_sits(fleet: SshdFleet, tmp_path: Path) -> None:
    """In a terminal: `n` writes nothing, says so and is a no, as is Enter; `y` writes; else it asks again."""
    known = fleet.folder / "known_hosts"
    for answer, code, size, words in (
        ("n\n", 1, 0, "nothing was written; not known yet: n01"),
        ("what\n\n", 1, 0, "nothing was written"),
        ("what\nyes\n", 0, 6, "answer y or n"),
        ("y\n", 0, 6, "6 keys written"),
    ):
        known.write_text("")
        pid, terminal = pty.fork()
        if pid == 0:
            os.execv(sys.executable, [sys.executable, "-P", "-m", "backend.cli", "fleet", "trust"])
        said = b""
        try:
            while b"[y/N]" not in said:
                said += os.read(terminal, 4096)
            os.write(terminal, answer.encode())
            while more := os.read(terminal, 4096):
                said += more
        except OSError:
            pass
        _pid, status = os.waitpid(pid, 0)
        os.close(terminal)
        assert os.waitstatus_to_exitcode(status) == code, said
        assert len(known.read_text().splitlines()) == size
        assert words in said.decode()


# ---- list, show, drain


def test_drained_nodes_are_left_out(fleet: SshdFleet, ask: Ask, say: Any) -> None:
    assert ask("fleet", "drain", "n02", "n05", "--reason", "ECC \x1b[31mon\x1b[0m 3") == (
        0,
        {"changed": ["n02", "n05"], "unchanged": [], "drained_before": {}},
    )
    code, answers = ask("fleet", "run", "!drained", "--", "true")
    assert (code, [node["node"] for node in answers["nodes"]]) == (0, ["n01", "n03", "n04", "n06"])
    code, listed = ask("fleet", "list", "drained")
    assert [node["node"] for node in listed["nodes"]] == ["n02", "n05"]
    assert listed["nodes"][0]["drained"]["by"].count("@") == 1
    code, out, _err = say("fleet", "list")
    assert "2 drained" in out
    assert "\x1b" not in out
    assert ask("fleet", "undrain", "n02", "n03")[1] == {"changed": ["n02"], "unchanged": ["n03"]}
    assert ask("fleet", "run", "drained", "--", "true")[1]["nodes"][0]["node"] == "n05"


def test_a_drained_node_is_not_launched_on(fleet: SshdFleet, say: Any, tmp_path: Path) -> None:
    recipe = str(tmp_path / "recipe.toml")
    assert say("recipe", "new", "llama2-7b", "--run-type", "pretrain", "-o", recipe)[0] == 0
    say("fleet", "drain", "n01")
    code, _out, err = say("launch", recipe, "--nodes", "n01", "--dry-run")
    assert code == 6
    assert "npudeck fleet undrain n01" in err


def test_show_one_node(fleet: SshdFleet, ask: Ask, say: Any) -> None:
    code, shown = ask("fleet", "show", "n04")
    assert code == 0
    assert shown["host_key"]["state"] == "known"
    assert shown["facts"]["boot"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert shown["facts"]["work_directory"] is True
    assert shown["leases"] == []
    fleet.kill(fleet.hosts[3])
    try:
        code, shown = ask("fleet", "show", "n04")
    finally:
        fleet.boot(fleet.hosts[3])
    assert (code, shown["facts"], shown["address"]) == (4, None, fleet.hosts[3].address)
    assert say("fleet", "show", "n[01-02]")[0] == 3


# ---- run


def test_equal_answers_stand_together(fleet: SshdFleet, ask: Ask, say: Any) -> None:
    script = "case $HOST_NAME in n03) echo other;; n05) echo same; exit 3;; *) echo same;; esac"
    code, answers = ask("fleet", "run", "all", "--", "sh", "-c", script)
    assert code == 1
    assert [(group["nodes"], group["answer"]) for group in answers["groups"]] == [
        ("n[01-02,04,06]", "exit code 0"),
        ("n03", "exit code 0"),
        ("n05", "exit code 3"),
    ]
    assert answers["nodes"][2]["stdout"]["text"] == "other\n"
    code, out, _err = say("fleet", "run", "all", "--", "sh", "-c", script)
    assert out.splitlines() == [
        "── n[01-02,04,06] (4 nodes): exit code 0",
        "same",
        "── n03 (1 node): exit code 0",
        "other",
        "── n05 (1 node): exit code 3",
        "same",
        "── 6 nodes; not 0 on n05",
    ]


def test_words_reach_the_command_as_they_are(ask: Ask) -> None:
    words = ["a b", "$HOME", "; reboot", "it's", "", "--", "--json", "*", "`id`", "新"]
    code, answers = ask("fleet", "run", "n01", "--", "printf", "%s|", *words)
    assert code == 0
    assert answers["nodes"][0]["stdout"]["text"] == "".join(f"{word}|" for word in words)
    assert answers["argv"][2:] == words


def test_shell_syntax_without_a_shell_is_explained(say: Any) -> None:
    code, out, _err = say("fleet", "run", "n01", "--", "uname -s | cat")
    assert code == 1
    assert "shell syntax needs -- sh -c" in out
    code, _out, err = say("fleet", "run", "n01")
    assert (code, "there is no command" in err) == (2, True)


def test_a_node_that_is_away_keeps_nobody(fleet: SshdFleet, ask: Ask) -> None:
    fleet.kill(fleet.hosts[5])
    try:
        code, answers = ask("fleet", "run", "all", "--", "true")
    finally:
        fleet.boot(fleet.hosts[5])
    assert code == 4
    assert [node["state"] for node in answers["nodes"]] == ["exit"] * 5 + ["unreachable"]


def test_what_takes_too_long_is_ended_on_the_node(fleet: SshdFleet, ask: Ask) -> None:
    mark = f"31{os.getpid()}"
    began = time.monotonic()
    code, answers = ask("fleet", "run", "n[01-02]", "--timeout", "1", "--", "sleep", mark)
    assert code == 4
    assert {node["state"] for node in answers["nodes"]} == {"timeout"}
    assert time.monotonic() - began < 6
    assert not alive(["sleep", mark])
    # it does not listen to TERM: KILL ends it, and the rest waits for nobody
    script = f"trap '' TERM; echo here; while :; do sleep 0.{mark}; done"
    code, answers = ask("fleet", "run", "n01", "--timeout", "1", "--", "sh", "-c", script)
    assert (code, answers["nodes"][0]["state"]) == (4, "timeout")
    assert answers["nodes"][0]["stdout"]["text"] == "here\n"
    assert gone(["sh", "-c", script])


@pytest.mark.parametrize(
    ("limit_s", "rest", "ended"), [(2, "sleep 60", "timeout"), (60, "echo done", "exit")]
)
def test_what_leaves_its_session_is_not_waited_for(
    fleet: SshdFleet, ask: Ask, limit_s: int, rest: str, ended: str
) -> None:
    """It keeps the streams of the command that began it, and lives on as it wants to."""
    mark = f"34{os.getpid()}"
    began = time.monotonic()
    words = ["fleet", "run", "n01", "--timeout", str(limit_s), "--", "sh", "-c"]
    code, answers = ask(*words, f"setsid sleep {mark} & {rest}")
    try:
        assert (code, answers["nodes"][0]["state"]) == (4 if ended == "timeout" else 0, ended)
        assert answers["nodes"][0]["stdout"]["text"] == ("done\n" if ended == "exit" else "")
        assert answers["nodes"][0]["complete"] is False
        assert time.monotonic() - began < 40
        assert alive(["sleep", mark])
    finally:
        subprocess.run(["pkill", "-f", f"^sleep {mark}$"], check=False)


def test_an_interrupted_command_ends_on_the_nodes_too(fleet: SshdFleet) -> None:
    mark = f"32{os.getpid()}"
    words = ["fleet", "run", "n[01-03]", "--", "sleep", mark]
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "backend.cli", *words],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 30
    while not alive(["sleep", mark]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert process.stderr is not None
    assert process.stderr.read() == b"interrupted\n"
    process.stderr.close()
    assert gone(["sleep", mark])


def test_endless_output_is_ended_in_bounded_memory(fleet: SshdFleet, ask: Ask) -> None:
    script = "echo first; exec cat /dev/zero"
    code, answers = ask("fleet", "run", "n01", "--timeout", "50", "--keep", "4", "--", "sh", "-c", script)
    assert code == 4
    said = answers["nodes"][0]
    assert said["state"] == "flood"
    assert said["stdout"]["text"].startswith("first\n")
    assert len(said["stdout"]["text"]) + len(said["stdout"]["tail"]) <= 4 * 1024
    assert said["stdout"]["bytes"] > 60_000_000
    assert gone(["cat", "/dev/zero"])


def test_hostile_output_is_shown_and_not_obeyed(fleet: SshdFleet, say: Any, ask: Ask) -> None:
    script = (
        r"printf 'title \033]0;pwned\007 \033[2J\033[31mred\033[0m [bold]markup[/bold] ';"
        r"printf '\302\233 \342\200\256rtl\n';"
        r"head -c 10000000 /dev/zero | tr '\000' x; echo;"
        r"printf '\377\376\200 binary \000 garbage\n' >&2"
    )
    code, out, _err = say("fleet", "run", "n[01-02]", "--", "sh", "-c", script)
    assert code == 0
    assert not [character for character in out if character != "\n" and not character.isprintable()]
    assert "[bold]markup[/bold]" in out
    assert "left out" in out
    assert max(map(len, out.splitlines())) < 2100
    assert len(out) < 20_000
    assert out.count("title") == 1
    code, answers = ask("fleet", "run", "n01", "--", "sh", "-c", script)
    assert answers["nodes"][0]["stdout"]["bytes"] > 10_000_000


def test_long_outputs_that_differ_in_the_middle_are_not_equal(ask: Ask) -> None:
    script = "seq 1 20000; echo $HOST_NAME; seq 1 20000"
    code, answers = ask("fleet", "run", "n[01-03]", "--keep", "2", "--", "sh", "-c", script)
    assert (code, len(answers["groups"])) == (0, 3)


def test_a_shell_that_greets_is_not_part_of_the_answer(fleet: SshdFleet, ask: Ask, say: Any) -> None:
    greeting = 'echo "Welcome to $HOST_NAME, $(date +%N)"; echo careful >&2; eval "$SSH_ORIGINAL_COMMAND"'
    for _turn in behind(fleet, fleet.hosts[1], greeting):
        code, answers = ask("fleet", "run", "n[01-02]", "--", "echo", "42")
        assert code == 0
        assert answers["nodes"][1]["stdout"]["text"] == "42\n"
        assert answers["nodes"][1]["stderr"]["text"] == ""
        assert answers["nodes"][1]["noise_bytes"] > 20
        # leases, which speak in lines of their own, are not confused either
        assert ask("fleet", "hold", "n02", "--npus", "0-1")[0] == 0
        assert [lease["npu"] for lease in ask("fleet", "leases", "n02")[1]["nodes"][0]["leases"]] == [
            "0",
            "1",
        ]
        assert ask("fleet", "release", "n02")[0] == 0


@pytest.mark.parametrize("shell", ["echo 'This account is currently not available.'; exit 1", "yes hello"])
def test_a_shell_that_runs_nothing(fleet: SshdFleet, ask: Ask, shell: str) -> None:
    for _turn in behind(fleet, fleet.hosts[1], shell):
        code, answers = ask("fleet", "run", "n[01-02]", "--timeout", "5", "--", "echo", "42")
        assert code == 4
        assert answers["nodes"][0]["exit_code"] == 0
        said = answers["nodes"][1]
        assert (
            said["state"] == "flood"
            if shell == "yes hello"
            else "not available" in said["problems"][0]["what"]
        )


@pytest.mark.parametrize("end", ["exit 1", "exit 0"])
def test_every_command_blames_such_a_shell_in_the_same_words(
    fleet: SshdFleet, ask: Ask, tmp_path: Path, end: str
) -> None:
    (tmp_path / "data.json").write_text("[]")
    (tmp_path / "p.zip").write_bytes(llm_package())
    for _turn in behind(fleet, fleet.hosts[1], f"echo 'This account is not available.'; {end}"):
        said = [
            ask("fleet", "run", "n02", "--", "true")[1]["nodes"][0]["problems"],
            ask("fleet", "show", "n02")[1]["problems"],
            ask("fleet", "leases", "n02")[1]["nodes"][0]["problems"],
            ask("fleet", "push", "data", str(tmp_path / "data.json"), "--nodes", "n02")[1]["problems"],
            ask("fleet", "push", "code", str(tmp_path / "p.zip"), "--nodes", "n02")[1]["problems"],
            ask("fleet", "code", "n02")[1]["problems"],
        ]
    words = "the login shell runs no commands: This account is not available."
    assert [[problem["what"] for problem in problems] for problems in said] == [[words]] * 6


# ---- leases


def test_held_by_hand(fleet: SshdFleet, ask: Ask, say: Any) -> None:
    code, held = ask("fleet", "hold", "n01", "--npus", "2,4-5", "--for", "30m", "--reason", "soldering")
    assert code == 0
    assert [(lease["npu"], lease["ttl_s"], lease["why"]) for lease in held["nodes"][0]["leases"]] == [
        (npu, 1800, "soldering") for npu in ("2", "4", "5")
    ]
    assert say("fleet", "hold", "n01", "--npus", "8")[0] == 2
    lease = fleet.hosts[0].folder / "work" / ".npudeck" / "leases" / "4"
    lines = lease.read_text().splitlines()
    lease.write_text("\n".join(["r9-cccccc", "bob@elsewhere", *lines[2:]]) + "\n")
    code, _out, err = say("fleet", "hold", "n01")
    assert code == 6
    assert "NPU 4 of n01 is held by run r9-cccccc of bob@elsewhere" in err
    assert "held all the same" not in err
    # a refusal ends nothing on the others: it is said what is held from now on
    code, _out, err = say("fleet", "hold", "n[01-02]", "--as", "eve", "--npus", "4")
    assert (code, err.splitlines()[-1][:28]) == (6, "held all the same: n02; to g")
    assert "fleet release n02 --as eve" in err.splitlines()[-1]
    code, told = ask("fleet", "hold", "n[01-02]", "--as", "eve", "--npus", "4")
    assert (code, told["held"]) == (6, ["n02"])
    assert ask("fleet", "release", "n02", "--as", "eve")[0] == 0
    assert ask("fleet", "release", "n01")[1]["nodes"][0]["leases"][0]["run"] == "r9-cccccc"
    assert ask("fleet", "release", "n01", "--steal", "--reason", "bob agrees")[1]["nodes"][0]["leases"] == []
    assert (
        "freed NPU 4 held by bob@elsewhere: r9-cccccc, held; bob agrees"
        in (lease.parents[1] / "leases.log").read_text()
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_hold_gives_back_what_it_took(
    fleet: SshdFleet, ask: Ask, number: signal.Signals, code: int
) -> None:
    assert ask("fleet", "hold", "n01", "--npus", "0")[0] == 0
    # so that the folder is there
    assert [ask("fleet", word, "n03")[0] for word in ("hold", "release")] == [0, 0]
    folders = [host.folder / "work" / ".npudeck" for host in fleet.hosts[:3]]
    words = ["fleet", "hold", "n[01-03]", "--npus", "0-1"]
    with (folders[2] / "leases.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "backend.cli", *words],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        deadline = time.monotonic() + 30
        while not all((folder / "leases" / "1").exists() for folder in folders[:2]):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(number)
        _out, err = process.communicate(timeout=20)
    assert process.returncode == code
    assert err.splitlines()[0] == "given back: n[01-02]"
    left = ask("fleet", "leases", "n[01-03]")[1]["nodes"]
    assert [[lease["npu"] for lease in node["leases"]] for node in left] == [["0"], [], []]
    assert ask("fleet", "release", "n01")[0] == 0


def alive(argv: list[str]) -> bool:
    wanted = b"\0".join(word.encode() for word in argv) + b"\0"
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes()
            # neither the command's guard nor the npudeck that was told to run it
            if words.endswith(wanted) and b"timeout" not in words and b"backend.cli" not in words:
                return True
        except OSError:
            continue
    return False


def gone(argv: list[str]) -> bool:
    deadline = time.monotonic() + 10
    while alive(argv):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
