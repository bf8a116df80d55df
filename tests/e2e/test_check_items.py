"""`npudeck check` on real machines: well on all, and wrong where something is broken."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest
from machines import SHARED, WORK, Machines, why_not
from ready_machines import (
    PORT,
    Check,
    bad,
    inventory,
    said,
    states,
)

from backend.cli.main import main
from backend.fleet.inventory_files import load_inventory, save_inventory
from backend.fleet.ssh_client import SshTransport
from backend.inventory import Inventory
from backend.preflight.preflight_worker import preflight
from backend.problems import Problem
from backend.recipes.recipe_files import load_recipe
from backend.runs.run_site_files import plan_for

pytestmark = [pytest.mark.sshd, pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")]


def test_two_machines_are_ready(machines: Machines, check: Check) -> None:
    code, report = check()
    assert (code, bad(report)) == (0, {}), report
    asked = {item for item, _node in states(report)}
    assert asked == {
        "ssh", "npus", "npu_health", "free_npus", "leases", "stale_processes", "driver", "cann", "python",
        "tools", "shm", "limits", "work_directory", "owner", "work_disk", "shared_directory", "shared",
        "data", "tokenizer", "weights", "checkpoint_disk", "roce_ip", "tls", "address", "clock",
        "master_port", "reach",
    }  # fmt: skip
    assert report["took_s"] < 20
    # nothing is left behind
    assert sorted(path.name for path in machines.shared.iterdir()) == ["data.jsonl", "models"]
    assert not any(list(machine.work.iterdir()) for machine in machines.all)


BREAKAGES: dict[str, tuple[str, str]] = {
    # item: how m2 is broken, and put right
    "driver": (
        "sed -i s/23.0.5/23.0.6/ /usr/local/Ascend/driver/version.info",
        "sed -i s/23.0.6/23.0.5/ /usr/local/Ascend/driver/version.info",
    ),
    "cann": (
        "sed -i s/RC2/RC3/ /usr/local/Ascend/ascend-toolkit/latest/*/ascend_toolkit_install.info",
        "sed -i s/RC3/RC2/ /usr/local/Ascend/ascend-toolkit/latest/*/ascend_toolkit_install.info",
    ),
    "shm": ("mount -o remount,size=1g /dev/shm", "mount -o remount,size=200g /dev/shm"),
    "owner": (f"mkdir {WORK}/a && chown 4242 {WORK}/a", f"rm -r {WORK}/a"),
    "work_disk": (f"mount -t tmpfs -o size=1m full {WORK}", f"umount {WORK}"),
    "shared": (f"umount {SHARED}", f"mount --bind $SHARED_OUTSIDE {SHARED}"),
    # not executable, so none
    "tools": ("mount --bind /etc/passwd /usr/bin/sha256sum", "umount /usr/bin/sha256sum"),
    "tls": ("printf 1 >/etc/test-tls", "printf 0 >/etc/test-tls"),
    "reach": ("ip route add blackhole $FIRST/32", "ip route del blackhole $FIRST/32"),
}


# nobody knows which of two is right
BOTH = ("driver", "cann", "tls")


@pytest.mark.parametrize("item", BREAKAGES)
def test_what_is_broken_on_one_machine_is_found_there(machines: Machines, check: Check, item: str) -> None:
    first, second = machines.all
    broken, mended = (
        line.replace("$FIRST", first.address).replace("$SHARED_OUTSIDE", str(machines.shared))
        for line in BREAKAGES[item]
    )
    second.run(broken)
    try:
        code, report = check()
    finally:
        second.run(mended)
    expected = {(item, "m2"), *([(item, "m1")] if item in BOTH else [])}
    assert set(bad(report)) == expected, report
    assert code == (0 if set(bad(report).values()) == {"warning"} else 1)
    assert [found["fix"] or found["command"] for found in report["findings"] if found["item"] == item]
    assert bad(check()[1]) == {}


def test_a_recipe_for_other_machines_than_are_named(machines: Machines, check: Check) -> None:
    code, report = check("--nodes", "m1")
    assert code == 1
    (found,) = [one for one in report["findings"] if one["item"] == "plan"]
    assert (found["state"], found["fix"]) == ("wrong", "choose 2 nodes, or change the layout")
    assert "takes 2 nodes, 1 is chosen" in json.dumps(found)
    # what can be asked is asked all the same
    assert states(report)["npus", "m1"] == "ok"


LIMITS = ("nofile", "memlock")


def test_limits_of_a_login(machines: Machines, check: Check) -> None:
    second = machines.all[1]
    pid = second.run("pgrep -o sshd").strip()
    before = [second.run(f"prlimit --pid {pid} --{name} -o SOFT --noheadings").strip() for name in LIMITS]
    second.run(f"prlimit --pid {pid} --nofile=256: --memlock=65536:")
    code, report = check()
    second.run(f"prlimit --pid {pid} --nofile={before[0]}: --memlock={before[1]}:")
    assert (code, bad(report)) == (0, {("limits", "m2"): "warning"})
    assert said(report, "limits", "m2") == "open files 256, locked memory 64"


def test_training_from_before_is_found(machines: Machines, check: Check) -> None:
    second = machines.all[1]
    (second.work / "pretrain_gpt.py").write_text("import time\ntime.sleep(60)\n")
    left = second.background("/usr/bin/python3", f"{WORK}/pretrain_gpt.py")
    try:
        time.sleep(0.5)
        code, report = check()
        assert (code, set(bad(report))) == (1, {("stale_processes", "m2")})
        assert said(report, "stale_processes", "m2").endswith(" s: pretrain_gpt.py")
        (found,) = [one for one in report["findings"] if one["state"] == "wrong"]
        assert found["safe"] is False
        # ending a process is never done by --fix
        code, report = check("--fix", "--yes")
        assert (code, report["repairs"], left.poll()) == (1, [], None)
    finally:
        left.kill()
        second.run("pkill -f pretrain_gpt.py; rm pretrain_gpt.py 2>/dev/null", check=False)
        (second.work / "pretrain_gpt.py").unlink()
        left.wait()


def test_the_table_folds_equal_answers(
    machines: Machines, check: Check, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["check", "-i", str(machines.folder / "npudeck.toml"), "--port", PORT]
    machines.all[1].show_npus(range(7))
    code = main([*words, str(machines.folder / "recipe.toml"), "--nodes", "m[1-2]"])
    machines.all[1].show_npus()
    out = capsys.readouterr().out
    assert code == 1
    rows = [line.split(None, 3) for line in out.splitlines()]
    assert ["ssh", "ok", "m[1-2]", "logged in as root"] in rows
    assert ["npus", "wrong", "m2", "7 NPUs"] in rows
    assert "  needed: 8 NPUs" in out.splitlines()


def test_without_a_container_the_commands_mean_the_nodes(
    machines: Machines, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["-i", str(machines.folder / "npudeck.toml"), "--json"]
    for words in (["status"], ["start", "all"], ["stop", "all"]):
        assert main(["containers", *words, *where]) == 0
        said = capsys.readouterr()
        assert json.loads(said.out)["container"] is None
        assert "names no container" in said.err
    assert main(["containers", "exec", "m[1-2]", *where, "--", "sh", "-c", "echo $DOCKER_HOST"]) == 0
    assert "docker.sock" in capsys.readouterr().out


def test_eight_machines_are_asked_at_the_same_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "m").mkdir()
    machines = Machines(tmp_path / "m", 8)
    try:
        machines.boot()
        nodes = tuple(machine.node() for machine in machines.all)
        file = str(tmp_path / "npudeck.toml")
        save_inventory(Inventory("eight", nodes, SHARED, machines.options()), file)
        code = main(["check", "-i", file, "--json"])
    finally:
        machines.close()
    report = json.loads(capsys.readouterr().out)
    assert (code, bad(report)) == (0, {})
    assert report["took_s"] < 20


def test_machines_that_compute_with_cuda_are_not_asked_for_npus(machines: Machines, check: Check) -> None:
    """By a launch neither."""
    fleet = load_inventory(inventory(machines, device="cuda"))
    for machine in machines.all:
        machine.run("rm /usr/local/sbin/npu-smi /usr/local/sbin/hccn_tool")
    recipe = load_recipe(str(machines.folder / "recipe.toml"))
    site, plan = plan_for(recipe, fleet, fleet.nodes, "RUN", 6000, "")

    async def before_a_launch() -> tuple[Problem, ...]:
        transport = SshTransport(fleet.ssh)
        try:
            return await preflight(transport, site, plan, lambda *_words: None)
        finally:
            await transport.close()

    try:
        code, report = check()
        problems = asyncio.run(before_a_launch())
    finally:
        inventory(machines)
        for machine in machines.all:
            machine._furnish()
    assert (code, bad(report), problems) == (0, {}, ())
    asked = {item for item, _node in states(report)}
    assert asked.isdisjoint({"npus", "npu_health", "free_npus", "roce_ip", "tls", "driver", "cann"})
