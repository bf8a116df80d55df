"""Folders on the shared directory."""

from __future__ import annotations

import pytest

from backend.engines.folders import data_prefix, data_set_name
from backend.recipes.fields import Recipe


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/d/moss-003-sft-data.jsonl", "moss-003-sft-data"),
        ("/d/part.json.gz", "part"),
        ("/d/v1.2.parquet", "v1.2"),
        ("/d/corpus/", "corpus"),
        ("/d/.json", ".json"),
        ("/", "data"),
    ],
)
def test_data_set_name(path, name):
    assert data_set_name(path) == name


def test_fine_tuning_data_is_kept_apart():
    recipe = Recipe(model="m", data_path="/d/a.json", run_type="sft")
    assert data_prefix(recipe, "/s") == "/s/processed_for_input/m/data/finetune/a"
