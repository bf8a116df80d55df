"""Code, data and weights brought to real sshd nodes over SFTP: whole, resumed, once a shared folder."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ascend_package import INSTALL, SOURCES, llm_package, whole_package
from loopback_sshd import SSHD
from sshd_fleet import SshdFleet, running_fleet

from backend.cli.main import main

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.sshd,
    pytest.mark.skipif(not SSHD, reason="no sshd"),
    pytest.mark.skipif(os.getuid() != 0, reason="one sshd on each address needs root's /run/sshd"),
]

Ask = Callable[..., tuple[int, Any]]


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SshdFleet]:
    with running_fleet(tmp_path, monkeypatch) as fleet:
        yield fleet


def work(fleet: SshdFleet, number: int) -> Path:
    return fleet.hosts[number].folder / "work"


def left_over(folder: Path) -> list[str]:
    """What must never stay behind."""
    return [str(path) for path in folder.rglob(".npudeck-*") if path.name != ".npudeck-code.json"]


# ---- data and weights


def test_data_goes_once_into_the_shared_directory(fleet: SshdFleet, ask: Ask, tmp_path: Path) -> None:
    source = tmp_path / "it's here"
    (source / "deep").mkdir(parents=True)
    texts = {"alpaca_gpt4_data.json": os.urandom(3_000_001), "deep/train 0 新.parquet": b"", "deep/x": b"x"}
    for name, content in texts.items():
        (source / name).write_bytes(content)
    code, said = ask("fleet", "push", "data", str(source), "--owner", "0:0")
    assert code == 0
    [folder] = said["folders"]
    assert (folder["nodes"], folder["sent_to"]) == (["n01", "n02", "n03"], "n01")
    assert (folder["files_sent"], folder["bytes_sent"]) == (3, 3_000_002)
    target = fleet.folder / "shared" / "training_data" / "it's here"
    assert {name: (target / name).read_bytes() for name in texts} == texts
    assert left_over(fleet.folder) == []
    # again: everything is compared and nothing is sent
    code, said = ask("fleet", "push", "data", str(source))
    assert (said["folders"][0]["files_there"], said["folders"][0]["bytes_sent"]) == (3, 0)
    # of one size, and yet not the same
    content = bytearray(texts["alpaca_gpt4_data.json"])
    content[1_000_000] ^= 1
    (target / "alpaca_gpt4_data.json").write_bytes(content)
    code, said = ask("fleet", "push", "data", str(source))
    assert said["folders"][0]["files_sent"] == 1
    assert (target / "alpaca_gpt4_data.json").read_bytes() == texts["alpaca_gpt4_data.json"]


def test_a_model_of_a_hugging_face_cache(fleet: SshdFleet, ask: Ask, tmp_path: Path) -> None:
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshot"
    blobs.mkdir()
    snapshot.mkdir()
    (blobs / "1234").write_bytes(b"weights")
    (snapshot / "model.safetensors").symlink_to(blobs / "1234")
    code, _said = ask("fleet", "push", "tokenizer", str(snapshot), "--name", "Llama2-70B", "--nodes", "n02")
    assert code == 0
    target = fleet.folder / "shared" / "tokenizers" / "Llama2-70B" / "model.safetensors"
    assert (target.read_bytes(), target.is_symlink()) == (b"weights", False)


def test_owners(fleet: SshdFleet, ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "d.json").write_text("[]")
    beside = fleet.folder / "shared" / "training_data"
    beside.mkdir(parents=True)
    (beside / "other.json").write_text("[]")
    assert ask("fleet", "push", "data", str(tmp_path / "d.json"), "--owner", "1234:4321")[0] == 0
    there = beside / "d.json"
    assert (there.stat().st_uid, there.stat().st_gid) == (1234, 4321)
    assert beside.stat().st_uid == 1234
    assert (beside / "other.json").stat().st_uid == 0
    code, said = ask("fleet", "push", "data", str(tmp_path / "d.json"), "--owner", "nobody-of-that-name")
    assert code == 4
    (problem,) = said["folders"][0]["problems"]
    # root was it already
    assert "log in as root" not in problem["fix"]
    assert problem["fix"].startswith("it does not exist on the node: ")


@pytest.mark.parametrize("owner", ["a b", "x;id", "$(id)", ":", "--help"])
def test_strange_owners_are_refused(fleet: SshdFleet, owner: str, tmp_path: Path) -> None:
    (tmp_path / "d.json").write_text("[]")
    with pytest.raises(SystemExit) as caught:
        main(["fleet", "push", "data", str(tmp_path / "d.json"), f"--owner={owner}"])
    assert caught.value.code == 2


def test_a_cut_link_is_waited_for_and_nothing_is_sent_twice(
    fleet: SshdFleet, ask: Ask, tmp_path: Path
) -> None:
    big, host = tmp_path / "big.bin", fleet.hosts[0]
    size = 200_000_000
    with big.open("wb") as file:
        for _turn in range(size // 1_000_000):
            file.write(os.urandom(1_000_000))
    target = fleet.folder / "shared" / "training_data"
    part = target / ".big.bin.npudeck-part-n01"
    cuts = []

    def cut() -> None:
        for reached in (20_000_000, 90_000_000):
            until(lambda reached=reached: part.exists() and part.stat().st_size > reached)
            fleet.kill(host)
            cuts.append(part.stat().st_size)
            time.sleep(0.3)
            fleet.boot(host)

    cutter = threading.Thread(target=cut)
    cutter.start()
    code, said = ask("fleet", "push", "data", str(big), "--nodes", "n01")
    cutter.join(60)
    assert code == 0, said
    assert len(cuts) == 2
    assert max(cuts) < size
    assert digest(target / "big.bin") == digest(big)
    # at most what was on the way at each cut went over the wire twice
    assert said["folders"][0]["bytes_sent"] <= size
    assert said["folders"][0]["bytes_sent"] > size - 3 * 64 * 32768
    assert left_over(fleet.folder) == []


def test_a_killed_push_goes_on_where_it_was(fleet: SshdFleet, ask: Ask, tmp_path: Path) -> None:
    big = tmp_path / "big.bin"
    with big.open("wb") as file:
        for _turn in range(120):
            file.write(os.urandom(1_000_000))
    words = ["fleet", "push", "model", str(big), "--name", "m", "--nodes", "n01"]
    target = fleet.folder / "shared" / "models" / "m"
    part = target / ".big.bin.npudeck-part-n01"
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "backend.cli", *words],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until(lambda: part.exists() and part.stat().st_size > 30_000_000)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (target / "big.bin").exists()
    settled = until(lambda: settled_size(part))
    assert settled < 120_000_000
    code, said = ask(*words)
    assert code == 0
    assert said["folders"][0]["bytes_sent"] == 120_000_000 - settled
    assert digest(target / "big.bin") == digest(big)


def test_what_another_file_left_behind_is_no_beginning(fleet: SshdFleet, ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(os.urandom(100_000))
    target = fleet.folder / "shared" / "training_data"
    target.mkdir(parents=True)
    for left in (os.urandom(40_000), os.urandom(200_000), (tmp_path / "a.bin").read_bytes()[:70_000]):
        (target / ".a.bin.npudeck-part-n01").write_bytes(left)
        (target / "a.bin").unlink(missing_ok=True)
        assert ask("fleet", "push", "data", str(tmp_path / "a.bin"))[0] == 0
        assert digest(target / "a.bin") == digest(tmp_path / "a.bin")
    assert left_over(fleet.folder) == []


def test_a_folder_that_cannot_be_written_is_said(fleet: SshdFleet, ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "d.json").write_text("[]")
    (fleet.folder / "shared").write_text("a file")
    code, said = ask("fleet", "push", "data", str(tmp_path / "d.json"))
    assert code == 4
    assert "cannot be used" in said["problems"][0]["what"]


def test_a_source_that_cannot_be_read_is_not_the_links_fault(fleet: SshdFleet, ask: Ask) -> None:
    """The kernel refuses to read there, with the error of a failing disk."""
    code, said = ask("fleet", "push", "data", "/proc/self/mem")
    assert code == 4
    assert said["folders"][0]["problems"][0]["what"] == "/proc/self/mem cannot be read: Input/output error"


def test_files_need_a_name_for_their_folder(fleet: SshdFleet, ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_text("a")
    (tmp_path / "b.json").write_text("b")
    sources = [str(tmp_path / "a.safetensors"), str(tmp_path / "b.json")]
    for words in (sources[:1], sources):
        code, said = ask("fleet", "push", "model", *words)
        assert (code, "--name" in said["problems"][0]["fix"]) == (2, True)
    assert ask("fleet", "push", "model", *sources, "--name", "llama")[0] == 0
    assert sorted(path.name for path in (fleet.folder / "shared/models/llama").iterdir()) == [
        "a.safetensors",
        "b.json",
    ]


# ---- code


def test_code_is_unpacked_on_every_node_with_a_work_directory_of_its_own(
    fleet: SshdFleet, ask: Ask, tmp_path: Path
) -> None:
    package = whole_package(tmp_path / "AscendCloud-6.3.907-x.zip")
    code, said = ask("fleet", "push", "code", str(package))
    assert code == 0, said
    assert [(part["nodes"], part["unpacked"], part["written"]) for part in said["folders"]] == [
        ([name], "unpacked", 6) for name in ("n01", "n02", "n03")
    ]
    script = work(fleet, 1) / "llm_train/AscendSpeed/scripts/install.sh"
    assert script.read_text() == INSTALL
    assert os.access(script, os.X_OK)
    assert (work(fleet, 2) / "llm_inference/readme.txt").read_text() == "inference\n"
    code, said = ask("fleet", "push", "code", str(package))
    assert [(part["unpacked"], part["written"]) for part in said["folders"]] == [("same", 0)] * 3
    assert left_over(fleet.folder) == []
    code, compared = ask("fleet", "code")
    assert (code, compared["same"]) == (0, True)
    assert compared["groups"][0]["commits"] == dict.fromkeys(SOURCES, "missing")
    assert compared["groups"][0]["package"] == "AscendCloud-LLM-6.3.907-x.zip"


def test_edited_scripts_are_kept_unless_told_otherwise(fleet: SshdFleet, ask: Ask, tmp_path: Path) -> None:
    first, second = tmp_path / "a.zip", tmp_path / "b.zip"
    first.write_bytes(llm_package("6.3.907"))
    second.write_bytes(llm_package("6.3.908"))
    assert ask("fleet", "push", "code", str(first), "--nodes", "n[01-02]")[0] == 0
    edited = work(fleet, 0) / "llm_train/AscendSpeed/scripts/llama2/0_pl_pretrain_70b.sh"
    edited.write_text("#!/bin/sh\nexport SN=52000\n")
    result = work(fleet, 0) / "llm_train/AscendSpeed/saved_dir_for_output/x"
    result.parent.mkdir()
    result.write_text("weights")
    code, said = ask("fleet", "push", "code", str(second), "--nodes", "n[01-02]")
    assert code == 6
    assert "0_pl_pretrain_70b.sh" in said["folders"][0]["problems"][0]["what"]
    assert edited.read_text().endswith("SN=52000\n")
    assert "6.3.907" in (work(fleet, 0) / "llm_train/AscendSpeed/ascendcloud_patch/patch.py").read_text()
    assert said["folders"][1]["unpacked"] == "unpacked"
    code, compared = ask("fleet", "code", "n[01-02]")
    assert (code, compared["same"], len(compared["groups"])) == (1, False, 2)
    assert compared["groups"][0]["edited_count"] == 1
    code, said = ask("fleet", "push", "code", str(second), "--nodes", "n[01-02]", "--overwrite")
    assert code == 0
    kept = Path(said["folders"][0]["edited_kept_in"]) / edited.relative_to(work(fleet, 0))
    assert kept.read_text().endswith("SN=52000\n")
    assert "6.3.908" in edited.read_text()
    assert result.read_text() == "weights"
    assert ask("fleet", "code", "n[01-02]")[0] == 0


def test_nodes_without_code_are_named(
    fleet: SshdFleet, ask: Ask, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Equal, and yet not what a run needs: a script reads 1 and why."""
    code, said = ask("fleet", "code")
    assert (code, said["same"], said["whole"]) == (1, True, False)
    assert main(["fleet", "code"]) == 1
    out = capsys.readouterr().out
    assert (
        "no code on n[01-03]: npudeck fleet push code AscendCloud-….zip --nodes 'n[01-03]' brings it" in out
    )
    assert "the same" not in out
    (tmp_path / "p.zip").write_bytes(llm_package())
    assert ask("fleet", "push", "code", str(tmp_path / "p.zip"), "--nodes", "n01,n03")[0] == 0
    assert main(["fleet", "code"]) == 1
    out = capsys.readouterr().out
    assert "no code on n02: npudeck fleet push code" in out
    assert "not installed on n[01,03]" in out
    (work(fleet, 0) / "llm_train/AscendSpeed/scripts/install.sh").unlink()
    assert main(["fleet", "code", "n01,n03"]) == 1
    assert "not whole on n01" in capsys.readouterr().out
    code, said = ask("fleet", "code", "n03")
    assert (code, said["same"], said["whole"], said["groups"][0]["installed"]) == (0, True, True, False)


def broken(path: Path, kind: str) -> Path:
    if kind == "no zip":
        path.write_bytes(b"<html>not found</html>" * 100)
    elif kind == "half":
        path.write_bytes(llm_package()[:-200])
    elif kind == "other":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("readme.txt", "x")
    elif kind == "lacks":
        whole = llm_package()
        path.write_bytes(whole)
        with zipfile.ZipFile(path) as archive:
            kept = {name: archive.read(name) for name in archive.namelist() if "dev_pipeline" not in name}
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in kept.items():
                archive.writestr(name, content)
    elif kind == "damaged":
        path.write_bytes(llm_package().replace(b"VERSION =", b"VERSION !"))
    else:
        path.write_bytes(llm_package())
        with zipfile.ZipFile(path, "a") as archive:
            if kind == "slip":
                archive.writestr("AscendCloud-LLM/../../../etc/evil", "x")
            else:
                link = zipfile.ZipInfo("AscendCloud-LLM/llm_train/link")
                link.create_system = 3
                link.external_attr = 0o120777 << 16
                archive.writestr(link, "/etc/passwd")
    return path


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("no zip", "cannot be read as a zip"),
        ("half", "cannot be read as a zip"),
        ("other", "no code package"),
        ("lacks", "dev_pipeline.sh"),
        ("slip", "leads out of the folder"),
        ("link", "is a link"),
        ("damaged", "the checksum of AscendCloud-LLM/llm_train/AscendSpeed/ascendcloud_patch/patch.py"),
    ],
)
def test_what_is_no_package_touches_no_node(
    fleet: SshdFleet, ask: Ask, tmp_path: Path, kind: str, words: str
) -> None:
    code, said = ask("fleet", "push", "code", str(broken(tmp_path / "p.zip", kind)))
    assert code == 3
    problem = said["problems"][0]
    assert words in f"{problem['what']} {problem['why']}"
    assert list(work(fleet, 0).iterdir()) == []


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def until(condition: Callable[[], Any], limit_s: float = 60) -> Any:
    end = time.monotonic() + limit_s
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.005)
    return found


def settled_size(path: Path) -> int:
    """The size when it has stopped growing: the server writes on for a moment."""
    size = path.stat().st_size
    time.sleep(0.5)
    return size if path.stat().st_size == size else 0


def push_onto_a_disk_of(size: str, folder: Path, *words: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, the one problem, stderr."""
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "small", str(folder)]
    if subprocess.run(mount, check=False).returncode:
        pytest.skip("no mounts here")
    argv = [sys.executable, "-m", "backend.cli", "fleet", "push", *words, "--json"]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, cwd=ROOT, check=False)
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    [problem] = json.loads(done.stdout)["folders"][0]["problems"]
    return done.returncode, problem, done.stderr


def test_a_full_disk_is_one_message(fleet: SshdFleet, tmp_path: Path) -> None:
    """Each of the blocks under way is refused on its own."""
    shared = fleet.folder / "shared"
    (tmp_path / "big").write_bytes(bytes(16 << 20))
    code, problem, err = push_onto_a_disk_of("4m", shared, "data", str(tmp_path / "big"))
    assert code == 4
    words = rf"the disk of n\d+ at {shared}/training_data is full: 0\.0 MB are free, "
    assert re.match(words, problem["what"])
    assert "make room there" in problem["fix"]
    assert "Traceback" not in err


def test_a_disk_that_fills_while_unpacking(fleet: SshdFleet, tmp_path: Path) -> None:
    (tmp_path / "p.zip").write_bytes(llm_package(llm_train__big="0" * 3_000_000))
    words = ["code", str(tmp_path / "p.zip"), "--nodes", "n01"]
    code, problem, _err = push_onto_a_disk_of("4m", work(fleet, 0), *words)
    assert (code, problem["what"][:20]) == (4, "the disk of n01 at /")
    assert "make room there" in problem["fix"]
