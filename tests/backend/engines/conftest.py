"""A recipe and a site that the tests of this room start from."""

from __future__ import annotations

import pytest
from hypothesis import settings

from backend.catalog.catalog_files import find_model
from backend.engines.stages import Site
from backend.inventory import Container, Node
from backend.recipes.fields import Recipe

# a busy machine is no failure
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture
def architecture():
    return find_model("llama2-70b").architecture


@pytest.fixture
def recipe() -> Recipe:
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


@pytest.fixture
def site() -> Site:
    nodes = tuple(
        Node(f"n{rank:02}", f"host{rank}", f"192.0.2.{rank + 1}", 8, "/home/ma-user/ws") for rank in range(4)
    )
    return Site(
        "r7-3f2a91", nodes, "/shared", "0.1.0", container=Container("ascendspeed", "registry/image:tag")
    )
