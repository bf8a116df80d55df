"""What a check is about: the nodes that were named, and what the recipe would need of them."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Sequence

from backend.cli.fleet_selection import chosen_names, nodes_of
from backend.engines.container import container_problems
from backend.engines.site_rules import site_problems
from backend.engines.stages import LaunchPlan, Site
from backend.events import StageName
from backend.inventory import Inventory, Node
from backend.preflight.checkpoint_size import checkpoint_need
from backend.preflight.item import Finding, Status
from backend.preflight.setting import Setting
from backend.problems import InputError, Problem
from backend.recipes.fields import Recipe
from backend.translation import _

GUIDE_PORT = 6000  # in the guide's scripts
_RUN = "RUN"


def setting_of(arguments: argparse.Namespace, inventory: Inventory) -> tuple[Setting, list[Finding]]:
    """The setting, and what is wrong with the plan itself. Raises `InputError`, `ConflictError`."""
    from backend.runs.master_port_worker import random_port

    if arguments.recipe is None:
        nodes = _named(arguments, inventory)
        site = Site(_RUN, nodes, inventory.shared_directory, "", container=inventory.container)
        setting = Setting(
            nodes,
            inventory.shared_directory,
            inventory.container,
            arguments.port or random_port(),
            deep=arguments.deep,
        )
        return setting, _plan_findings(container_problems(site), ())
    return _with_recipe(arguments, inventory)


def _with_recipe(arguments: argparse.Namespace, inventory: Inventory) -> tuple[Setting, list[Finding]]:
    from backend.engines.choose import check_all
    from backend.recipes.check import resolve_architecture
    from backend.recipes.recipe_files import load_recipe
    from backend.runs.master_port_worker import random_port
    from backend.runs.run_site_files import plan_for

    _refuse_nodes(arguments.recipe, inventory)
    recipe = load_recipe(arguments.recipe)
    nodes = _named(arguments, inventory) if arguments.nodes is not None else _free(inventory, recipe)
    site, plan = plan_for(recipe, inventory, nodes, _RUN, GUIDE_PORT, "")
    setting = Setting(
        nodes,
        inventory.shared_directory,
        inventory.container,
        arguments.port or (GUIDE_PORT if plan.script else random_port()),
        recipe,
        plan.requirements,
        _code(plan),
        checkpoint_need(recipe, resolve_architecture(recipe), inventory.shared_directory, _RUN),
        arguments.deep,
    )
    wrong = site_problems(recipe, site)
    said = [problem for problem in (*plan.blockers, *check_all(recipe)) if problem not in wrong]
    return setting, _plan_findings(wrong, said)


def _refuse_nodes(word: str, inventory: Inventory) -> None:
    """Every other command takes nodes where this one takes a recipe. Raises `InputError`."""
    if os.path.lexists(word):
        return
    try:
        chosen_names([word], inventory)
    except InputError:
        return
    raise InputError.because(
        _("{word} names nodes, and a recipe is expected there").format(word=word),
        fix=_("npudeck check --nodes {word}").format(word=shlex.quote(word)),
        field="RECIPE",
    )


def _named(arguments: argparse.Namespace, inventory: Inventory) -> tuple[Node, ...]:
    words = [arguments.nodes] if arguments.nodes is not None else []
    names = chosen_names(words, inventory)
    if not words:
        names = tuple(name for name in names if name not in inventory.drained)
    if not names:
        raise InputError.because(
            _("there is no node to check"), _("all of them are drained"), _("name them with --nodes")
        )
    return nodes_of(names, inventory)


def _free(inventory: Inventory, recipe: Recipe) -> tuple[Node, ...]:
    """Those that a launch would take now."""
    from backend.runs.run_site_files import busy_nodes, choose_nodes
    from backend.store.run_store import RunStore

    store = RunStore()
    try:
        return choose_nodes(inventory, recipe, (), busy_nodes(store, inventory))
    finally:
        store.close()


def _code(plan: LaunchPlan) -> tuple[tuple[str, str, str], ...]:
    stage = plan.stage(StageName.TRAIN)
    if not plan.script or stage is None:
        return ()
    return tuple((command.node, command.working_directory, plan.script) for command in stage.commands)


def _plan_findings(wrong: Sequence[Problem], said: Sequence[Problem]) -> list[Finding]:
    return [
        Finding("plan", "", status, problem.what, problem.why, problem.fix)
        for problems, status in ((wrong, Status.WRONG), (said, Status.WARNING))
        for problem in problems
    ]
