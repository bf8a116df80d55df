"""Values of flags and variables."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest

from backend.cli.flag_types import folder, path, positive, real, variable, whole
from backend.problems import InputError


def test_a_tilde_is_a_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert path("~/data/") == f"{tmp_path}/data/"
    assert path("a~b") == "a~b"
    with pytest.raises(argparse.ArgumentTypeError, match="nobody here"):
        path("~no-such-user-is-here/x")


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "four", "1e3", "２", "1_0", "٣", "9" * 5000])
def test_what_is_no_count(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not a whole number of 1 or more"):
        positive(text)


@pytest.mark.parametrize("kind", [whole, real])
@pytest.mark.parametrize("text", ["２", "1_0", "٣", "x"])
def test_digits_are_those_of_a_configuration(kind: Callable[[str], float], text: str) -> None:
    assert kind("10") == 10
    with pytest.raises(ValueError, match=text):
        kind(text)


def test_a_folder_has_a_name() -> None:
    assert folder("a/b") == "a/b"
    with pytest.raises(argparse.ArgumentTypeError, match="the name of the folder is empty"):
        folder("")


def test_a_variable_is_named_where_it_is_wrong() -> None:
    assert variable(positive, "TP", "8") == 8
    with pytest.raises(InputError) as caught:
        variable(positive, "TP", "x", "set it to 8")
    problem = caught.value.problems[0]
    assert (problem.field, problem.what, problem.why, problem.fix) == (
        "TP",
        "'x' is not a whole number of 1 or more",
        "",
        "set it to 8",
    )
