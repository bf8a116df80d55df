"""The variables of the guide's script for weights, both directions."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.cli.weights_guide import guide_settings
from backend.problems import UsageError

# as in the guide's table: one set for both directions
GIVEN = {
    "TP": "8",
    "PP": "1",
    "ORIGINAL_HF_WEIGHT": "/ws/tokenizers/Llama2-13B",
    "CONVERT_MODEL_PATH": "/ws/converted_weights_TP8PP1",
    "TOKENIZER_PATH": "/ws/tokenizers/Llama2-13B",
    "MODEL_SAVE_PATH": "/ws/saved_dir_for_output/llama2-13b",
}


def test_hugging_face_to_megatron() -> None:
    settings = guide_settings("hf2hg", GIVEN)
    assert settings.job == {
        "hf_directory": "/ws/tokenizers/Llama2-13B",
        "output_directory": "/ws/converted_weights_TP8PP1",
        "tensor_parallel": 8,
        "pipeline_parallel": 1,
    }
    assert list(settings.variables) == ["ORIGINAL_HF_WEIGHT", "CONVERT_MODEL_PATH", "TP", "PP"]
    assert settings.names["tensor_parallel"] == "TP"


def test_megatron_to_hugging_face() -> None:
    settings = guide_settings("mg2hf", GIVEN)
    assert settings.job == {
        "megatron_directory": "/ws/saved_dir_for_output/llama2-13b",
        "output_directory": "/ws/converted_weights_TP8PP1",
        "like_directory": "/ws/tokenizers/Llama2-13B",
    }
    assert settings.remark == ""


def test_the_weights_that_training_began_with_are_not_the_target(tmp_path: Path) -> None:
    (tmp_path / "latest_checkpointed_iteration.txt").write_text("1")
    settings = guide_settings("mg2hf", {**GIVEN, "CONVERT_MODEL_PATH": str(tmp_path)})
    assert settings.job["output_directory"] == "/ws/tokenizers/Llama2-13B/mg2hf"
    assert settings.names["output_directory"] == "ORIGINAL_HF_WEIGHT"
    assert "CONVERT_MODEL_PATH holds Megatron weights" in settings.remark
    assert "CONVERT_MODEL_PATH" not in settings.variables


def test_without_a_target_it_goes_where_modellink_puts_it() -> None:
    settings = guide_settings("mg2hf", {"MODEL_SAVE_PATH": "/m", "TOKENIZER_PATH": "/t"})
    assert settings.job["output_directory"] == "/t/mg2hf"
    assert settings.names["like_directory"] == "TOKENIZER_PATH"
    assert settings.remark == "the result goes to /t/mg2hf"


@pytest.mark.parametrize(
    ("direction", "name"),
    [
        ("hf2hg", "TP"),
        ("hf2hg", "PP"),
        ("hf2hg", "ORIGINAL_HF_WEIGHT"),
        ("hf2hg", "CONVERT_MODEL_PATH"),
        ("mg2hf", "MODEL_SAVE_PATH"),
    ],
)
def test_a_variable_that_is_missing_is_named(direction: str, name: str) -> None:
    with pytest.raises(UsageError) as caught:
        guide_settings(direction, {**GIVEN, name: ""})
    problem = caught.value.problems[0]
    assert (problem.field, problem.fix) == (name, f"export {name}=…")


def test_the_original_is_needed_for_the_way_back() -> None:
    with pytest.raises(UsageError) as caught:
        guide_settings("mg2hf", {"MODEL_SAVE_PATH": "/m"})
    assert caught.value.problems[0].field == "ORIGINAL_HF_WEIGHT"


@pytest.mark.parametrize("text", ["eight", "0", "-1", "2.5", "２"])
def test_tp_is_a_whole_number(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        guide_settings("hf2hg", {**GIVEN, "TP": text})
    assert caught.value.problems[0].field == "TP"
