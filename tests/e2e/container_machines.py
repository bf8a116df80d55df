"""What two machines with Docker share: an image, the Python of this machine, data, weights and recipes."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from machines import SHARED, WORK, Machines, make_image

from backend.demo.demo_model import ARCHITECTURE, write_model, write_tokenizer
from backend.fleet.inventory_files import save_inventory
from backend.inventory import Container, Inventory
from backend.recipes.fields import Recipe
from backend.recipes.recipe_files import save_recipe

IMAGE = "registry.example/pytorch_ascend:test"
PYTHON = f"{SHARED}/python-of-the-nodes"
PROGRAMS = """
bash sh awk sed grep find df head tail sort date chown chmod dirname basename getconf sleep timeout id ls cat
rm mkdir mv cp ln touch uname ps tr cut wc stat readlink setsid flock mktemp sha256sum sync tar env
true false test du tee xargs
"""


def fill(machines: Machines) -> None:
    """What the nodes share: data, weights, and the Python of this machine with its packages, read-only."""
    shared = machines.shared
    model = shared / "models" / "tiny"
    model.mkdir(parents=True)
    write_tokenizer(["a text of some words"] * 20, model)
    write_model(model)
    # the container's user is another than who made them
    for file in model.iterdir():
        file.chmod(0o644)
    (shared / "data.jsonl").write_text(
        '{"text": "some words of a text that is long enough to train on"}\n' * 400
    )
    (shared / "modules").mkdir()
    (shared / "modules" / "torch_npu.py").write_text("")
    packages = Path(pytest.__file__).parents[1]
    for folder, source in (("prefix", sys.base_prefix), ("packages", str(packages))):
        (shared / folder).mkdir()
        for machine in machines.all:
            machine.run(
                f"mount --bind {source} {SHARED}/{folder} && mount -o remount,ro,bind {SHARED}/{folder}"
            )
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    (shared / "python-of-the-nodes").write_text(
        f"#!/bin/sh\nLD_LIBRARY_PATH={SHARED}/prefix/lib PYTHONPATH={SHARED}/packages:{SHARED}/modules "
        f'PYTHONDONTWRITEBYTECODE=1 HOME=/tmp exec {SHARED}/prefix/bin/{version} "$@"\n'
    )
    (shared / "python-of-the-nodes").chmod(0o755)
    shared.chmod(0o777)
    inventory(machines)
    for name, changes in (("recipe.toml", {}), ("one.toml", {"nodes": 1, "tensor_parallel": 2})):
        save_recipe(replace(recipe(), **changes), str(machines.folder / name))


def recipe() -> Recipe:
    return Recipe(
        model="tiny",
        run_type="pretrain",
        data_path=f"{SHARED}/data.jsonl",
        hf_weights=f"{SHARED}/models/tiny",
        tensor_parallel=2,
        nodes=2,
        npus_per_node=2,
        micro_batch_size=1,
        global_batch_size=4,
        seq_length=64,
        max_position_embeddings=256,
        train_iterations=4,
        save_interval=2,
        architecture=ARCHITECTURE,
    )


def inventory(machines: Machines, device: str = "npu", **changes: Any) -> None:
    nodes = tuple(machine.node(PYTHON, device) for machine in machines.all)
    container = replace(Container("trainer", IMAGE, WORK), **changes)
    save_inventory(
        Inventory("docker", nodes, SHARED, machines.options(), container),
        str(machines.folder / "npudeck.toml"),
    )


def image_tar(folder: Path) -> Path:
    """Programs of this machine, and the libraries that its Python and torch load."""
    programs = [
        found for name in PROGRAMS.split() if (found := shutil.which(name, path="/usr/bin:/bin:/usr/sbin"))
    ]
    import torch

    extensions = sorted(Path(sys.base_prefix, "lib").glob("python3*/lib-dynload/*.so"))
    libraries = [str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"), *map(str, extensions)]
    return make_image(folder / "image.tar", programs, libraries)
