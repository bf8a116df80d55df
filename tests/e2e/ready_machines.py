"""Two machines as `npudeck check` would have them, with data, weights, a recipe and an inventory."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from machines import SHARED, Machine, Machines

from backend.catalog.model import Architecture
from backend.cli.main import main
from backend.demo.demo_model import ARCHITECTURE, write_model, write_tokenizer
from backend.fleet.inventory_files import save_inventory
from backend.inventory import Inventory
from backend.recipes.fields import Recipe
from backend.recipes.recipe_files import save_recipe

PYTHON = "/usr/local/bin/python-of-the-nodes"
MODEL = f"{SHARED}/models/tiny"
PORT = "23456"

Check = Callable[..., tuple[int, dict[str, Any]]]


@contextlib.contextmanager
def ready_machines(folder: Path) -> Iterator[Machines]:
    """Powered off at the end. Skips the test where torch or the like is not installed."""
    for name in ("torch", "tokenizers", "safetensors"):
        pytest.importorskip(name)
    machines = Machines(folder, 2)
    try:
        machines.boot()
        (machines.folder / "modules").mkdir()
        # stands in for Ascend's back end of torch, which needs a driver
        (machines.folder / "modules" / "torch_npu.py").write_text("")
        for machine in machines.all:
            give_python(machine, machines.folder / "modules")
        fill(machines)
        yield machines
    finally:
        machines.close()


def check_of(machines: Machines, capsys: pytest.CaptureFixture[str]) -> Check:
    """The command, asked about both machines: its exit code and its report."""

    def run(*words: str, recipe: str = "recipe.toml") -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        file = str(machines.folder / recipe)
        where = ["-i", str(machines.folder / "npudeck.toml"), "--nodes", "m1,m2", "--port", PORT]
        code = main(["check", file, *where, "--json", *words])
        return code, json.loads(capsys.readouterr().out)

    return run


def give_python(machine: Machine, modules: Path | str) -> None:
    text = f'#!/bin/sh\nPYTHONPATH={modules}\nexport PYTHONPATH\nexec {sys.executable} "$@"\n'
    (machine.folder / "python").write_text(text)
    machine.run(f"cp {machine.folder}/python {PYTHON} && chmod 755 {PYTHON}")


def fill(machines: Machines) -> None:
    """Data, weights, recipes and the inventory."""
    model = machines.shared / "models" / "tiny"
    model.mkdir(parents=True)
    write_tokenizer(["a text of some words"] * 20, model)
    write_model(model)
    (machines.shared / "data.jsonl").write_text('{"text": "some words"}\n' * 50)
    write_recipe(machines, "recipe.toml", ARCHITECTURE)
    big = Architecture("llama2", 80, 8192, 64, 8, 128, 28672, 32000, 1e4, 4096, 1e-5)
    write_recipe(machines, "big.toml", big)
    inventory(machines)


def write_recipe(machines: Machines, name: str, architecture: Architecture) -> None:
    recipe = Recipe(
        model="tiny",
        run_type="pretrain",
        data_path=f"{SHARED}/data.jsonl",
        hf_weights=MODEL,
        tensor_parallel=2,
        nodes=2,
        npus_per_node=8,
        micro_batch_size=1,
        global_batch_size=8,
        seq_length=64,
        max_position_embeddings=256,
        train_iterations=10,
        save_interval=5,
        architecture=architecture,
    )
    save_recipe(recipe, str(machines.folder / name))


def inventory(machines: Machines, addresses: Mapping[str, str] | None = None, **changes: Any) -> str:
    """`addresses`: of single machines, by name."""
    nodes = tuple(replace(machine.node(PYTHON), **changes) for machine in machines.all)
    nodes = tuple(replace(node, address=(addresses or {}).get(node.name, node.address)) for node in nodes)
    path = str(machines.folder / "npudeck.toml")
    save_inventory(Inventory("machines", nodes, SHARED, machines.options()), path)
    return path


def states(report: dict[str, Any]) -> dict[tuple[str, str], str]:
    return {(found["item"], found["node"]): found["state"] for found in report["findings"]}


def bad(report: dict[str, Any]) -> dict[tuple[str, str], str]:
    return {place: state for place, state in states(report).items() if state not in ("ok", "skipped")}


def said(report: dict[str, Any], item: str, node: str) -> str:
    (found,) = [one for one in report["findings"] if (one["item"], one["node"]) == (item, node)]
    return str(found["found"])
