"""One value: from data, from text, to text."""

from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.problems import InputError
from backend.recipes.fields import BY_NAME, FIELDS
from backend.recipes.numbers import number_text
from backend.recipes.values import MOST, format_value, nearest, parse_value, typed_value


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("tensor_parallel", " 8 ", 8),
        ("seq_length", "4_096", 4096),
        ("lr", "2.5e-5", 2.5e-5),
        ("lr", "1", 1.0),
        ("convert_to_hf", "TRUE", True),
        ("convert_to_hf", "off", False),
        ("layers_per_stage", "20,19, 21 20", (20, 19, 21, 20)),
        ("layers_per_stage", "[20, 20]", (20, 20)),
        ("layers_per_stage", "", None),
        ("split", "98, 1.5 0.5", (98.0, 1.5, 0.5)),
        ("lora_target_modules", "linear_qkv,linear_fc2", ("linear_qkv", "linear_fc2")),
        ("samples", "", None),
        ("model", "", ""),
        ("data_path", " /a b ", "/a b"),
        ("run_type", "lora", "lora"),
    ],
)
def test_reads_what_was_typed(name, text, value):
    found = parse_value(BY_NAME[name], text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "suggestion"),
    [
        ("tensor_parallel", "", ""),
        ("tensor_parallel", "eight", ""),
        ("tensor_parallel", "8.0", ""),
        ("tensor_parallel", "0", "1"),
        ("lr", "nan", "2.5e-5"),
        ("lr", "inf", "2.5e-5"),
        ("lr", "-1", "0.0"),
        ("convert_to_hf", "maybe", ""),
        ("layers_per_stage", "20,x", ""),
        ("layers_per_stage", "20,0", ""),
        ("split", "98,x", ""),
        ("split", "98,-1,0", ""),
        ("split", "nan,1,1", ""),
        ("lora_target_modules", "linear_kqv", "linear_qkv"),
        ("lora_target_modules", "linear_qkv,linear_qkv", ""),
        ("run_type", "LORA", "lora"),
        ("run_type", "pretrian", "pretrain"),
        ("data_type", "GeneralPretrain", "GeneralPretrainHandler"),
    ],
)
def test_refuses_with_one_problem(name, text, suggestion):
    with pytest.raises(InputError) as caught:
        parse_value(BY_NAME[name], text)
    (problem,) = caught.value.problems
    assert problem.field == name
    assert problem.what
    assert problem.suggestion == suggestion


@pytest.mark.parametrize(
    ("name", "raw", "suggestion"),
    [
        ("tensor_parallel", "8", "8"),
        ("tensor_parallel", 8.0, "8"),
        ("tensor_parallel", True, ""),
        ("tensor_parallel", None, ""),
        ("lr", "2.5e-5", "2.5e-5"),
        ("lr", 10**400, ""),
        ("lr", math.nan, "2.5e-5"),
        ("convert_to_hf", "TRUE", "true"),
        ("convert_to_hf", 1, ""),
        ("layers_per_stage", [20, "20"], ""),
        ("layers_per_stage", [], ""),
        ("split", [98, "2"], ""),
        ("lora_target_modules", ["linear_qkv", 7], ""),
        ("lora_target_modules", [], ""),
        ("model", 7, ""),
        ("run_type", ["pretrain"], ""),
    ],
)
def test_wrong_data_is_one_problem(name, raw, suggestion):
    _, (problem,) = typed_value(BY_NAME[name], raw)
    assert problem.field == name
    assert problem.suggestion == suggestion


def test_none_stands_for_not_given():
    assert typed_value(BY_NAME["samples"], None) == (None, ())


def test_a_long_wrong_value_is_cut():
    _, (problem,) = typed_value(BY_NAME["tensor_parallel"], "x" * 10_000)
    assert len(problem.what) < 100


def test_nearest_disregards_case_and_dashes():
    assert nearest("Global-Batch-Size", ("global_batch_size", "GBS"))[0] == "global_batch_size"


STRATEGIES = {
    "int": st.integers(1, MOST),
    "float": st.floats(0, allow_infinity=False),
    "bool": st.booleans(),
    "ints": st.lists(st.integers(1, 10**6), min_size=1).map(tuple),
    "floats": st.lists(st.floats(0, allow_infinity=False, allow_nan=False), min_size=1).map(tuple),
    "str": st.text(st.characters(blacklist_categories=("Cs",))).map(str.strip).filter(bool),
    "path": st.text(st.characters(blacklist_categories=("Cs",))).map(lambda text: "/" + text.strip()),
}


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
@given(data=st.data())
def test_text_reads_back_as_the_value(field, data):
    strategy = st.sampled_from(field.choices) if field.choices else STRATEGIES[field.kind]
    if field.kind == "names":
        strategy = st.lists(strategy, min_size=1, unique=True).map(tuple)
    value = data.draw(strategy)
    assert parse_value(field, format_value(field, value)) == value


@given(st.text())
def test_any_text_gives_a_value_or_a_problem(text):
    for field in FIELDS:
        with contextlib.suppress(InputError):
            parse_value(field, text)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_number_text_is_exact(value):
    assert float(number_text(value)) == value
    assert "e-0" not in number_text(value)


def test_a_digit_too_many_is_noticed() -> None:
    value, problems = typed_value(BY_NAME["train_iterations"], 10**24)
    assert value == 10**24
    assert [problem.why for problem in problems] == ["it must be at most 100,000,000,000"]
