"""Recipes and dimensions that the tests of this room start from."""

from __future__ import annotations

import pytest
from hypothesis import settings

from backend.catalog.catalog_files import find_model
from backend.recipes.fields import Recipe

# a busy machine is no failure
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture
def architecture():
    """80 layers, 64 heads, 8 key-value heads."""
    return find_model("llama2-70b").architecture


@pytest.fixture
def recipe() -> Recipe:
    """A recipe without a problem: 32 NPUs, DP 1."""
    return Recipe(
        model="llama2-70b",
        data_path="/shared/training_data/alpaca.parquet",
        hf_weights="/shared/models/llama2-70b",
        tensor_parallel=8,
        pipeline_parallel=4,
        nodes=4,
        samples=52_002,
        save_interval=500,
    )
