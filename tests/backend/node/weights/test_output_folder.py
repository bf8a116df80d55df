from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from backend.node.job_lines import JobError, StorageError
from backend.node.weights.output_folder import OccupiedError, check_target, new_folder, storage_error, tidy


def fill(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    return folder


MODEL = '{"model_type": "llama"}'


def fail_in(target: Path) -> None:
    with new_folder(str(target), overwrite=True) as folder:
        (Path(folder) / "half").write_text("")
        raise ValueError("stop")


def make(target: Path, overwrite: bool = False, text: str = "{}") -> None:
    with new_folder(str(target), overwrite) as folder:
        assert folder != str(target)
        (Path(folder) / "config.json").write_text(text)


def test_it_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "above" / "out"
    make(target)
    assert os.listdir(tmp_path / "above") == ["out"]
    assert os.listdir(target) == ["config.json"]


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    target = fill(tmp_path / "out", config_json=MODEL)
    with pytest.raises(ValueError, match="stop"):
        fail_in(target)
    assert os.listdir(tmp_path) == ["out"]
    assert (target / "config.json").read_text() == MODEL


def test_replaced_when_asked(tmp_path: Path) -> None:
    target = fill(tmp_path / "out", config_json=MODEL, extra_txt="")
    with pytest.raises(OccupiedError, match="is not empty") as caught:
        make(target)
    assert "config.json" in caught.value.why
    make(target, overwrite=True, text="new")
    assert os.listdir(tmp_path) == ["out"]
    assert os.listdir(target) == ["config.json"]


def test_what_may_never_be_replaced_is_not_offered_to_be(tmp_path: Path) -> None:
    target = fill(tmp_path / "out", notes="mine")
    with pytest.raises(JobError, match="holds no weights, and is not replaced") as caught:
        make(target)
    assert not isinstance(caught.value, OccupiedError)


def test_a_link_is_followed(tmp_path: Path) -> None:
    real = tmp_path / "disk" / "real"
    real.mkdir(parents=True)
    (tmp_path / "out").symlink_to(real)
    make(tmp_path / "out")
    assert (tmp_path / "out").is_symlink()
    assert os.listdir(real) == ["config.json"]


def test_leftovers_of_killed_processes_go(tmp_path: Path) -> None:
    fill(tmp_path / "out", config_json=MODEL)
    fill(tmp_path / "out.npudeck-tmp-1-0123abcd", config_json="half")
    fill(tmp_path / "out.npudeck-old-1-0123abcd", config_json="before")
    make(tmp_path / "out", overwrite=True)
    assert os.listdir(tmp_path) == ["out"]


def test_what_others_have_named_alike_stays(tmp_path: Path) -> None:
    names = ["out.tmp-1", "out.old.tmp-1", "out.npudeck-tmp-mine", "outer.npudeck-tmp-1-0123abcd"]
    for name in names:
        fill(tmp_path / name, config_json="mine")
    (tmp_path / "out.lock").write_text("mine")
    make(tmp_path / "out")
    tidy(str(tmp_path / "out"))
    assert sorted(os.listdir(tmp_path)) == sorted([*names, "out", "out.lock"])
    assert (tmp_path / "out.lock").read_text() == "mine"


def test_what_was_moved_aside_comes_back_before_a_failure(tmp_path: Path) -> None:
    fill(tmp_path / "out.npudeck-old-1-0123abcd", config_json=MODEL)
    with pytest.raises(ValueError, match="stop"):
        fail_in(tmp_path / "out")
    assert (tmp_path / "out" / "config.json").read_text() == MODEL
    assert os.listdir(tmp_path) == ["out"]


def test_of_several_moved_aside_none_is_guessed_or_removed(tmp_path: Path) -> None:
    for name in ("out.npudeck-old-1-0123abcd", "out.npudeck-old-2-0123abcd"):
        fill(tmp_path / name, config_json=MODEL)
    with pytest.raises(JobError, match="several folders"):
        make(tmp_path / "out", overwrite=True)
    assert len(os.listdir(tmp_path)) == 2


def test_tidy_removes_only_its_own(tmp_path: Path) -> None:
    fill(tmp_path / "out", config_json="")
    fill(tmp_path / "out.npudeck-old-1-0123abcd", config_json="")
    (tmp_path / "out.npudeck.lock").write_text("")
    (tmp_path / "out.txt").write_text("")
    tidy(str(tmp_path / "out"))
    assert sorted(os.listdir(tmp_path)) == ["out", "out.txt"]


def test_trainings_are_never_replaced(tmp_path: Path) -> None:
    target = fill(tmp_path / "out", latest_checkpointed="")
    (target / "iter_0000020").mkdir()
    for overwrite in (False, True):
        with pytest.raises(JobError, match="checkpoints of a training"):
            check_target(str(target), overwrite)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    for overwrite in (False, True):
        with pytest.raises(JobError, match="is not a folder"):
            check_target(str(tmp_path / "out"), overwrite)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "no space is left"),
        (errno.EDQUOT, "no space is left"),
        (errno.EACCES, "cannot be read or written"),
        (errno.EIO, "/a/file cannot be read or written"),
    ],
)
def test_errors_of_disks_in_words(number: int, words: str) -> None:
    error = storage_error(OSError(number, os.strerror(number), "/a/file"), "/out")
    assert isinstance(error, StorageError)
    assert words in error.what
    assert error.why == os.strerror(number)
