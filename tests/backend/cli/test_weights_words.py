"""Models and layouts in words."""

from __future__ import annotations

from typing import Any

import pytest

from backend.cli import weights_words as words


def tree(**changes: Any) -> dict[str, Any]:
    layout = {"tp": 2, "pp": 4, "layers_per_stage": [9, 9, 7, 7], "layers_per_virtual_stage": None}
    found: dict[str, Any] = {
        "family": "llama2",
        "dtype": "bf16",
        "parameters": 6_738_415_616,
        "rope_theta": 10000.0,
        "padded_vocab_size": 32000,
        "model": {"vocab": 32000},
        "layout": layout,
    }
    layout.update({key: changes.pop(key) for key in list(changes) if key in layout})
    return {**found, **changes}


def test_a_model() -> None:
    assert words.model_words(tree()) == "llama2, 6.74 B parameters, bf16"
    assert words.model_words(tree(family="", dtype="")) == "family not said, 6.74 B parameters"


@pytest.mark.parametrize(
    ("number", "text"),
    [(70_000_000_000, "70 B"), (494_000_000, "494 M"), (42_272, "42,272")],
)
def test_parameters(number: int, text: str) -> None:
    assert words.parameters(number) == f"{text} parameters"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "mcore, TP 2 × PP 4, 9+9+7+7 layers"),
        ({"layers_per_stage": [8] * 4}, "mcore, TP 2 × PP 4, 8 layers a stage"),
        ({"pp": 1, "layers_per_stage": [32]}, "mcore, TP 2 × PP 1"),
        (
            {"layers_per_stage": [8] * 4, "layers_per_virtual_stage": 2},
            "mcore, TP 2 × PP 4, 8 layers a stage, virtual stages of 2",
        ),
        (
            {"layers_per_stage": [8] * 4, "padded_vocab_size": 32256},
            "mcore, TP 2 × PP 4, 8 layers a stage, vocabulary 32,000 padded to 32,256",
        ),
    ],
)
def test_a_layout(changes: dict[str, Any], text: str) -> None:
    assert words.layout_words(tree(**changes), "mcore") == text


def test_many_stages() -> None:
    assert words.stage_words([9, 10, 10, 10, 10, 10, 10, 10, 9]) == "9+7×10+9 layers"


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ({}, ["rope theta  10000; train with --rotary-base 10000"]),
        ({"rope_theta": 1e6}, ["rope theta  1000000; train with --rotary-base 1000000"]),
        ({"rope_theta": 0.0}, []),
        ({"family": ""}, []),
        ({"layout": None}, []),
    ],
)
def test_rope_theta_is_said_where_it_is_known(changes: dict[str, Any], lines: list[str]) -> None:
    assert list(words.rope_words(tree(**changes))) == lines
