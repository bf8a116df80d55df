"""A recipe without a problem, and its dimensions: what many rooms' tests start from."""

from __future__ import annotations

import pytest

from backend.catalog.catalog_files import find_model
from backend.catalog.model import Architecture
from backend.recipes.fields import Recipe


@pytest.fixture
def architecture() -> Architecture:
    """80 layers, 64 heads, 8 key-value heads."""
    return find_model("llama2-70b").architecture


@pytest.fixture
def recipe() -> Recipe:
    """32 NPUs, DP 1."""
    return Recipe(
        model="llama2-70b",
        data_path="/shared/training_data/train-00000.parquet",
        hf_weights="/shared/models/llama2-70b",
        tensor_parallel=8,
        pipeline_parallel=4,
        nodes=4,
        samples=1200,
        save_interval=10,
    )
