"""Make a run, and find again everything that was fixed when it was made."""

from __future__ import annotations

import fcntl
import getpass
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace

from backend.clock import RealClock
from backend.engines.choose import check_all, engine_named
from backend.engines.stages import LaunchPlan, Site
from backend.events import RunCreated
from backend.fleet.drain_files import with_drained
from backend.fleet.inventory_files import load_inventory, save_inventory
from backend.fleet.node_code_files import load_node_code
from backend.inventory import Inventory, Node
from backend.problems import ConflictError, InputError, errors_of
from backend.recipes.check import resolve_architecture
from backend.recipes.derived import npus, train_iterations
from backend.recipes.fields import Recipe
from backend.recipes.recipe_files import load_recipe, save_recipe
from backend.recipes.recipe_text import recipe_to_toml
from backend.runs.master_port_worker import random_port
from backend.store.load_runs_store import load_book
from backend.store.run_store import RunStore
from backend.store.state_directory_files import run_directory, state_directory
from backend.translation import _, ngettext


@dataclass(frozen=True, slots=True)
class RunSite:
    """A run with its plan, as rendered at launch and again at each restart of its supervisor."""

    created: RunCreated
    recipe: Recipe
    inventory: Inventory
    site: Site
    plan: LaunchPlan


def choose_nodes(
    inventory: Inventory, recipe: Recipe, wanted: Sequence[str], busy: Sequence[str]
) -> tuple[Node, ...]:
    """The nodes of a run in rank order: those named, else the first free ones of the inventory.

    Raises `InputError` when the fleet is too small, `ConflictError` when too few are free, or one is drained.
    """
    if wanted:
        if len(wanted) != recipe.nodes:
            raise InputError.because(
                ngettext(
                    "{n} node was named, the recipe uses {need}",
                    "{n} nodes were named, the recipe uses {need}",
                    len(wanted),
                ).format(n=len(wanted), need=recipe.nodes),
                fix=_("name as many nodes, or change `nodes` in the recipe"),
                field="nodes",
            )
        _refuse_drained(inventory, wanted)
        taken = [name for name in wanted if name in busy]
        if taken:
            raise ConflictError.because(
                _("{names} is busy").format(names=", ".join(taken)),
                _("active runs hold these nodes"),
                _("wait, stop the run (`npudeck stop RUN`), or name other nodes"),
                field="nodes",
            )
        return tuple(node for name in wanted if (node := inventory.node(name)) is not None)
    if recipe.nodes > len(inventory.nodes):
        raise InputError.because(
            _("the recipe uses {need} nodes, the inventory has {have}").format(
                need=recipe.nodes, have=len(inventory.nodes)
            ),
            fix=_("lower `nodes`, or add nodes to {path}").format(path=inventory.path),
            field="nodes",
        )
    free = [node for node in inventory.nodes if node.name not in (*busy, *inventory.drained)]
    if len(free) < recipe.nodes:
        held = _("active runs hold {names}").format(names=", ".join(sorted(set(busy)))) if busy else ""
        out = _("{names} drained").format(names=", ".join(inventory.drained)) if inventory.drained else ""
        raise ConflictError.because(
            _("{have} of {all} nodes are free, the recipe uses {need}").format(
                have=len(free), all=len(inventory.nodes), need=recipe.nodes
            ),
            "; ".join(part for part in (held, out) if part),
            _("wait, stop a run (`npudeck stop RUN`), or name nodes with --nodes"),
        )
    return tuple(free[: recipe.nodes])


def _refuse_drained(inventory: Inventory, wanted: Sequence[str]) -> None:
    drained = [name for name in wanted if name in inventory.drained]
    if drained:
        names = ",".join(drained)
        raise ConflictError.because(
            _("{names} drained").format(names=names),
            _("nothing new is started on a node that an operator took out of service (`npudeck fleet list`)"),
            _("name other nodes, or put it back: npudeck fleet undrain {names}").format(names=names),
            field="nodes",
        )


def busy_nodes(store: RunStore, inventory: Inventory) -> tuple[str, ...]:
    """Nodes of this inventory that active runs hold, as the store knows it; leases decide in the end."""
    names = [
        name
        for run in load_book(store, iterations=False).runs.values()
        if run.active and run.created.inventory_path == inventory.path
        for name in run.created.nodes
    ]
    return tuple(names)


def plan_for(
    recipe: Recipe, inventory: Inventory, nodes: Sequence[Node], run_key: str, port: int, code: str
) -> tuple[Site, LaunchPlan]:
    """Render everything. Raises `InputError` with all problems of a recipe that breaks rules."""
    errors = errors_of(check_all(recipe))
    if errors:
        raise InputError(*errors)
    site = Site(run_key, tuple(nodes), inventory.shared_directory, code, port, inventory.container)
    return site, engine_named(recipe.engine).plan(recipe, resolve_architecture(recipe), site)


def preview(recipe: Recipe, inventory: Inventory, wanted: Sequence[str] = ()) -> LaunchPlan:
    """What a launch would run, without making a run: the run's key is shown as `RUN`."""
    nodes = choose_nodes(inventory, recipe, wanted, ())
    return plan_for(recipe, inventory, nodes, "RUN", 6000, load_node_code().version)[1]


def create_run(
    store: RunStore, recipe: Recipe, inventory: Inventory, wanted: Sequence[str] = ()
) -> RunCreated:
    """Write down the intent: a run with its recipe and inventory. Nothing has touched a node yet.

    One launch at a time: two that choose nodes at once would choose the same.
    """
    with (state_directory() / "launch.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _create_run(store, recipe, with_drained(inventory, state_directory()), wanted)


def _create_run(store: RunStore, recipe: Recipe, inventory: Inventory, wanted: Sequence[str]) -> RunCreated:
    nodes = choose_nodes(inventory, recipe, wanted, busy_nodes(store, inventory))
    uid = secrets.token_hex(3)
    code = load_node_code().version
    port = random_port()
    _site, plan = plan_for(recipe, inventory, nodes, uid, port, code)
    if plan.blockers:
        raise InputError(*plan.blockers)
    created = store.create_run(
        RunCreated(
            run_id="",
            at=RealClock().now(),
            uid=uid,
            model=recipe.model,
            run_type=recipe.run_type,
            engine=recipe.engine,
            nodes=tuple(node.name for node in nodes),
            npus=npus(recipe),
            total_iterations=train_iterations(recipe) or 0,
            global_batch_size=recipe.global_batch_size,
            seq_length=recipe.seq_length,
            fleet=inventory.name,
            inventory_path=inventory.path,
            recipe=recipe_to_toml(recipe),
            actor=actor(),
        ),
        {"master_port": port, "code": code},
    )
    directory = run_directory(created.run_id)
    save_recipe(recipe, str(directory / "recipe.toml"))
    save_inventory(inventory, str(directory / "inventory.toml"))
    return created


def open_run(store: RunStore, created: RunCreated) -> RunSite:
    """The run as it was launched: its own copies of recipe and inventory, its port and its code version."""
    fixed = store.site(created.run_id)
    directory = run_directory(created.run_id)
    recipe = load_recipe(str(directory / "recipe.toml"))
    inventory = replace(load_inventory(str(directory / "inventory.toml")), path=created.inventory_path)
    nodes = [node for name in created.nodes if (node := inventory.node(name)) is not None]
    key = f"{created.run_id}-{created.uid}"
    site, plan = plan_for(recipe, inventory, nodes, key, int(fixed["master_port"]), str(fixed["code"]))
    return RunSite(created, recipe, inventory, site, plan)


def actor() -> str:
    """user@bastion, for the record."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = "unknown"
    return f"{name}@{socket.gethostname()}"
