"""Engines by name, and the check that asks them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backend.engines.choose import ENGINES, check_all, engine_named
from backend.problems import InputError, Severity
from backend.recipes.choices import ENGINES as DECLARED


def test_every_declared_engine_exists():
    assert tuple(engine.name for engine in ENGINES) == DECLARED
    assert engine_named("native") is ENGINES[0]


def test_an_unknown_engine_is_an_input_error():
    with pytest.raises(InputError, match="native, ascendspeed"):
        engine_named("megatron")


def test_check_asks_the_recipes_engine(recipe):
    assert check_all(recipe) == ()
    tuning = replace(recipe, run_type="lora", data_type="GeneralInstructionHandler")
    assert check_all(tuning) == ()
    guide = replace(tuning, engine="ascendspeed", data_path="/a b")
    assert [(problem.field, problem.severity) for problem in check_all(guide)] == [
        ("data_path", Severity.ERROR),
        ("tensor_parallel", Severity.WARNING),
    ]


def test_check_survives_an_unknown_engine(recipe):
    assert [problem.field for problem in check_all(replace(recipe, engine="x"))] == ["engine"]


def test_one_mistake_in_a_path_is_one_problem(recipe):
    for path in ("/a\nb", "/ws/${x}"):
        wrong = replace(recipe, engine="ascendspeed", data_path=path)
        assert [problem.field for problem in check_all(wrong)] == ["data_path"]


def test_doubtful_fields_are_left_alone(recipe):
    guide = replace(recipe, engine="ascendspeed", data_path="/a b", run_type="lora")
    doubtful = frozenset({"data_path", "tensor_parallel", "data_type", "run_type"})
    assert check_all(guide, doubtful) == ()
