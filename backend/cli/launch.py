"""`npudeck launch RECIPE`: check, show, start, follow."""

from __future__ import annotations

import argparse

from backend.cli import diagnostics
from backend.cli.arguments import Commands, add_command, add_inventory, add_json
from backend.translation import _


def register(commands: Commands) -> None:
    """Declare the commands of this group."""
    parser = add_command(commands, "launch", _("start a run from a recipe, and follow it"), launch)
    add_inventory(parser)
    parser.add_argument("recipe", metavar="RECIPE", help=_("recipe file (`npudeck recipe new` makes one)"))
    parser.add_argument(
        "--nodes", metavar="NODES", help=_("node set, in rank order (default: the first free ones)")
    )
    parser.add_argument(
        "--dry-run", action="store_true", help=_("show exactly what would run on each node, and stop")
    )
    parser.add_argument("--detach", action="store_true", help=_("return as soon as the run is under way"))
    add_json(parser)


def launch(arguments: argparse.Namespace) -> int:
    from backend.cli.fleet_selection import chosen_names, open_fleet
    from backend.cli.output import print_json, print_line
    from backend.engines.choose import check_all
    from backend.recipes.recipe_files import load_recipe
    from backend.runs.run_site_files import create_run, preview

    inventory = open_fleet(arguments)
    recipe = load_recipe(arguments.recipe)
    wanted = chosen_names([arguments.nodes], inventory) if arguments.nodes is not None else ()
    for problem in check_all(recipe):
        if problem.severity.value == "warning":
            diagnostics.say_problem(problem)
    if arguments.dry_run:
        from backend.engines.render import plan_to_json, plan_to_text

        plan = preview(recipe, inventory, wanted)
        if arguments.json:
            print_json(plan_to_json(plan))
        else:
            print_line(plan_to_text(plan))
        return diagnostics.OK

    from backend.runs.supervisor_process_worker import ensure_supervisor
    from backend.store.run_store import RunStore

    store = RunStore()
    created = create_run(store, recipe, inventory, wanted)
    ensure_supervisor(created.run_id)
    if arguments.detach:
        if arguments.json:
            print_json({"run_id": created.run_id, "nodes": list(created.nodes)}, compact=True)
        else:
            print_line(created.run_id)
        diagnostics.say(
            _("`npudeck watch {run}` follows it, `npudeck stop {run}` ends it").format(run=created.run_id)
        )
        return diagnostics.OK

    from backend.cli.runs import follow_to_end

    return follow_to_end(store, created.run_id, json=arguments.json)
