"""The guide's code package by its names, and a bundle that takes the network's place."""

from __future__ import annotations

import subprocess
import tempfile
import zipfile
from pathlib import Path

import pytest

from backend.fleet.code_package import Member, complaints, inner_package, layout_of
from backend.fleet.code_package_files import opened_package
from backend.fleet.code_script import parse_look, parse_unpacked
from backend.fleet.offline_bundle_files import bundle_environment
from backend.fleet.upload_plan_files import plan_upload
from backend.problems import InputError, LocalError

CODE = (
    "llm_train/AscendSpeed/ascendcloud_patch/a.py",
    "llm_train/AscendSpeed/scripts/install.sh",
    "llm_train/AscendSpeed/scripts/dev_pipeline.sh",
    "llm_train/AscendSpeed/scripts/llama2/0_pl_lora_13b.sh",
    "llm_train/AscendSpeed/scripts/qwen1.5/0_pl_sft_7b.sh",
)


@pytest.mark.parametrize("prefix", ["", "AscendCloud-LLM/", "a/b/"])
def test_a_package_wherever_it_begins(prefix: str) -> None:
    layout = layout_of([f"{prefix}{name}" for name in (*CODE, "llm_inference/x")])
    assert (layout.prefix, layout.families, layout.missing) == (prefix, ("llama2", "qwen1.5"), ())


def test_of_two_places_the_whole_one_counts() -> None:
    layout = layout_of([*(f"whole/{name}" for name in CODE), "b/llm_train/AscendSpeed/scripts/install.sh"])
    assert (layout.prefix, layout.missing) == ("whole/", ())


def test_what_is_missing_is_named() -> None:
    assert layout_of(CODE[1:]).missing == ("llm_train/AscendSpeed/ascendcloud_patch/",)
    assert len(layout_of([]).missing) == 4


def test_the_package_inside() -> None:
    names = ["AscendCloud-OPP-6.3.907.zip", "x/AscendCloud-LLM-6.3.907-1.zip", "AscendCloud-LLM.txt"]
    assert inner_package(names) == "x/AscendCloud-LLM-6.3.907-1.zip"
    assert inner_package(names[:1]) is None


def test_a_package_inside_that_no_disk_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, small = tmp_path / "AscendCloud-6.3.907.zip", tmp_path / "small"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("AscendCloud-LLM-6.3.907.zip", bytes(5_000_000))
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "small", str(small)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no mounts here")
    monkeypatch.setattr(tempfile, "tempdir", str(small))
    try:
        with (
            pytest.raises(LocalError, match=rf"needs 5 MB in {small}, 1 MB are free"),
            opened_package(str(path)),
        ):
            pytest.fail("it was laid out")
    finally:
        subprocess.run(["umount", str(small)], check=True)


@pytest.mark.parametrize(
    "member",
    [
        Member("/etc/passwd", 1),
        Member("a/../../b", 1),
        Member("a\\..\\b", 1),
        Member("C:x", 1),
        Member("a\nb", 1),
        Member("a", 1, 0o120777),
        Member("a", 1, 0o020666),
        Member("a", 1 << 40),
        Member(".npudeck/leases/all", 1),
        Member("a/.npudeck-code.json", 1),
        Member("a/" + "é" * 128, 1),
        Member("fine", 1),
        Member("fine/x", 1),
    ],
)
def test_what_must_not_be_unpacked(member: Member) -> None:
    assert len(complaints([Member("fine", 1, 0o100644), member])) == 1
    assert complaints([Member("a/b..c", 1, 0o100755), Member("d/", 0, 0o040755), Member("e", 1)]) == []


@pytest.mark.parametrize("text", ["", "npudeck-code [1]", "npudeck-code {", "hello", 'npudeck-code {"state"'])
def test_other_words_of_a_node_are_no_answer(text: str) -> None:
    for parse in (parse_unpacked, parse_look):
        with pytest.raises((ValueError, KeyError, TypeError, AttributeError)):
            parse(text)


def test_a_bundle_stands_for_every_spelling_of_an_address(tmp_path: Path) -> None:
    mirror = tmp_path / "git" / "MindSpeed.git"
    mirror.mkdir(parents=True)
    (mirror / "config").write_text(
        '[core]\n\tbare = true\n[remote "other"]\n\turl = x\n[remote "origin"]\n\turl = https://g.invalid/a/MindSpeed.git\n'
    )
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "a.whl").touch()
    found = dict(bundle_environment(str(tmp_path), "/w/bundle"))
    assert (found["PIP_NO_INDEX"], found["PIP_FIND_LINKS"]) == ("1", "/w/bundle/wheels")
    count = int(found["GIT_CONFIG_COUNT"])
    pairs = [
        (found[f"GIT_CONFIG_KEY_{number}"], found[f"GIT_CONFIG_VALUE_{number}"]) for number in range(count)
    ]
    key = "url./w/bundle/git/MindSpeed.git.insteadOf"
    assert pairs == [
        ("safe.directory", "*"),
        (key, "https://g.invalid/a/MindSpeed.git"),
        (key, "https://g.invalid/a/MindSpeed"),
    ]


def test_what_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither wheels/ nor git"):
        bundle_environment(str(tmp_path), "/w")
    (tmp_path / "git" / "x.git").mkdir(parents=True)
    with pytest.raises(InputError, match="no git mirror"):
        bundle_environment(str(tmp_path), "/w")
    (tmp_path / "git" / "x.git" / "config").write_text("[core]\n")
    with pytest.raises(InputError, match="where it was cloned from"):
        bundle_environment(str(tmp_path), "/w")


def test_an_upload_is_planned(tmp_path: Path) -> None:
    (tmp_path / "m" / "refs").mkdir(parents=True)
    (tmp_path / "m" / "a").write_text("12")
    (tmp_path / "m" / ".npudeck-x").write_text("")
    items = plan_upload([str(tmp_path / "m")])
    assert [(item.name, item.size, item.empty) for item in items] == [("m/a", 2, False), ("m/refs", 0, True)]
    assert [item.name for item in plan_upload([str(tmp_path / "m")], "models/x")] == [
        "models/x/a",
        "models/x/refs",
    ]
    (tmp_path / "m" / "gone").symlink_to("/nowhere")
    with pytest.raises(InputError, match="gone is a link to what is not there"):
        plan_upload([str(tmp_path / "m")])
    (tmp_path / "m" / "gone").unlink()
    (tmp_path / "m" / "loop").symlink_to(tmp_path / "m")
    with pytest.raises(InputError):
        plan_upload([str(tmp_path / "m")])
    for wrong in (["nowhere"], [str(tmp_path / "m" / "refs")], [str(tmp_path / "m" / "a")] * 2):
        with pytest.raises(InputError):
            plan_upload([str(tmp_path / name) for name in wrong])
    (tmp_path / "a\nb").write_text("")
    with pytest.raises(InputError, match="asking for trouble"):
        plan_upload([str(tmp_path / "a\nb")])
