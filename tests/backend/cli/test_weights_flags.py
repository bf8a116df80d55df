"""Sizes, layer counts and numbers on the command line of `npudeck weights`."""

from __future__ import annotations

import argparse

import pytest

from backend.cli import weights_flags
from backend.cli.weights_settings import FLAGS, job_of


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("5GB", 5 * 10**9),
        ("5 gb", 5 * 10**9),
        ("16GiB", 16 << 30),
        ("1.5k", 1500),
        ("2T", 2 * 10**12),
        ("1000", 1000),
        ("10B", 10),
    ],
)
def test_sizes(text: str, number: int) -> None:
    assert weights_flags.size(text) == number


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "5XB", "0", "0.1", "1e9", "5iB", "nan", "5 G B", "５GB"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        weights_flags.size(text)


def test_layer_counts() -> None:
    assert weights_flags.layer_counts("9,9, 7,7") == [9, 9, 7, 7]


@pytest.mark.parametrize("text", ["", "9,", "9;7", "9,-7", "9,0", "a"])
def test_what_is_no_list_of_layer_counts(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="9,9,7,7"):
        weights_flags.layer_counts(text)


@pytest.mark.parametrize(("text", "number"), [("32", 32), ("16.0", 16), ("0.5", 0.5)])
def test_alpha(text: str, number: float) -> None:
    parser = argparse.ArgumentParser()
    weights_flags.add_lora_flags(parser)
    alpha = parser.parse_args(["--lora-alpha", text]).lora_alpha
    assert (alpha, type(alpha)) == (number, type(number))


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "x", "１６", "1_6"])
def test_what_is_no_alpha(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    weights_flags.add_lora_flags(parser)
    with pytest.raises(SystemExit):
        parser.parse_args([f"--lora-alpha={text}"])
    assert "is not a number above 0" in capsys.readouterr().err


def test_only_what_was_given_stands_in_the_job() -> None:
    values = {"tp": 2, "pp": 4, "format": None, "layers_per_stage": [1, 3], "overwrite": True}
    given = argparse.Namespace(**values, dry_run=False)
    assert job_of(given, {"hf_directory": "/m"}) == {
        "hf_directory": "/m",
        "tensor_parallel": 2,
        "pipeline_parallel": 4,
        "layers_per_stage": [1, 3],
        "overwrite": True,
        "dry_run": False,
    }


def test_every_flag_of_a_job_exists() -> None:
    parser = argparse.ArgumentParser()
    weights_flags.add_layout_flags(parser)
    weights_flags.add_tree_flags(parser, format_default="", dtype_default="")
    weights_flags.add_lora_flags(parser)
    weights_flags.add_work_flags(parser)
    declared = {flag for action in parser._actions for flag in action.option_strings}
    assert set(FLAGS.values()) - declared == {"--like", "--lora", "--max-shard-size"}
