"""Recipes on disk: clear refusals, nothing half-written."""

from __future__ import annotations

import os
import stat

import pytest

from backend.problems import InputError
from backend.recipes.fields import Recipe
from backend.recipes.recipe_files import LARGEST_BYTES, create_recipe, load_recipe, read_recipe, save_recipe


def test_saved_recipe_loads(tmp_path, recipe):
    path = tmp_path / "run.toml"
    save_recipe(recipe, path)
    assert load_recipe(path) == recipe
    assert read_recipe(str(path)) == (recipe, ())
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.toml"]


def test_load_raises_every_problem(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text('TP = "8"\nmodle = "x"\nepochs = 3\n')
    with pytest.raises(InputError) as caught:
        load_recipe(path)
    assert len(caught.value.problems) == 2
    recipe, problems = read_recipe(path)
    assert recipe.epochs == 3
    assert problems == caught.value.problems


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff\xfe\x00", "not a text file"),
        (b"TP = = 8", "not valid TOML"),
        (b"TP = 8\nTP = 8", "not valid TOML"),
        (b"TP = " + b"[" * 5_000, "not valid TOML"),
        (b"TP = " + b"9" * 5_000, "not valid TOML"),
        (b"#" * (LARGEST_BYTES + 1), "too large"),
    ],
)
def test_refuses_what_is_no_recipe(tmp_path, content, words):
    path = tmp_path / "run.toml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        read_recipe(path)
    assert len(caught.value.problems) == 1
    assert str(path) in str(caught.value)


def test_reads_a_byte_order_mark_and_windows_lines(tmp_path):
    path = tmp_path / "run.toml"
    path.write_bytes(b"\xef\xbb\xbfTP = 8\r\nPP = 4\r\n")
    assert load_recipe(path) == Recipe(tensor_parallel=8, pipeline_parallel=4)


def test_refuses_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name, words in (
        ("", "directory"),
        ("none.toml", "does not exist"),
        ("pipe", "regular file"),
        ("\0", "cannot"),
    ):
        with pytest.raises(InputError, match=words):
            read_recipe(f"{tmp_path}/{name}")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_says_that_it_may_not_read(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text("TP = 8")
    path.chmod(0)
    with pytest.raises(InputError, match="Permission denied"):
        read_recipe(path)


def test_an_old_file_survives_a_failed_save(tmp_path, recipe):
    path = tmp_path / "run.toml"
    path.write_text("TP = 8\n")
    with pytest.raises(InputError, match="cannot be written"):
        save_recipe(Recipe(data_path="/\ud800"), path)
    assert path.read_text() == "TP = 8\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.toml"]


@pytest.mark.parametrize("name", ["missing/run.toml", "file/run.toml", "folder", "\0"])
def test_refuses_a_place_that_cannot_hold_it(tmp_path, recipe, name):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="cannot be written"):
        save_recipe(recipe, f"{tmp_path}/{name}")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder"]


def test_create_does_not_overwrite(tmp_path, recipe):
    path = tmp_path / "run.toml"
    create_recipe(recipe, path)
    with pytest.raises(InputError, match="exists already"):
        create_recipe(Recipe(), path)
    assert load_recipe(path) == recipe


def test_never_replaces_what_is_no_file(tmp_path, recipe):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(InputError, match="is not a regular file"):
        save_recipe(recipe, pipe)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert [entry.name for entry in tmp_path.iterdir()] == ["pipe"]


def test_keeps_the_link_and_the_permissions(tmp_path, recipe):
    real, link = tmp_path / "real.toml", tmp_path / "link.toml"
    real.write_text("")
    real.chmod(0o600)
    link.symlink_to(real)
    save_recipe(recipe, link)
    assert link.is_symlink()
    assert load_recipe(real) == recipe
    assert stat.S_IMODE(real.stat().st_mode) == 0o600
