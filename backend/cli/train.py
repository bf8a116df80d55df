"""`npudeck train [RECIPE]`: a whole run on this machine, without console, fleet and SSH."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from backend.cli import flag_types
from backend.cli.arguments import Commands, add_command
from backend.cli.train_flags import FIELD_FLAGS
from backend.translation import _

if TYPE_CHECKING:
    from backend.cli.train_plan import LocalRun
    from backend.cli.train_record import TrainRecord


def register(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(commands, "train", _("train on this machine, without console, fleet and SSH"), train)
    parser.add_argument("recipe", nargs="?", metavar="RECIPE", help=_("recipe file; flags win over it"))
    for flag, field, shown in FIELD_FLAGS:
        words = _("the recipe's {field}").format(field=field)
        parser.add_argument(flag, dest=f"field_{field}", metavar=shown, help=words)
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=_("any field of a recipe, under its standard or its guide's name; may be repeated"),
    )
    parser.add_argument(
        "--scale", choices=("tiny",), help=_("a model of this family in a small size, with random weights")
    )
    parser.add_argument(
        "--device",
        choices=("cpu", "cuda", "npu"),
        default="cpu",
        help=_("what to compute on (default: cpu); never another"),
    )
    parser.add_argument(
        "--nproc",
        type=int,
        metavar="N",
        help=_("ranks, TP x PP x DP (default: those of the recipe, else TP x PP)"),
    )
    parser.add_argument(
        "--work-directory",
        type=flag_types.folder,
        default="npudeck-train",
        metavar="DIR",
        help=_("where everything that is made goes (default: ./npudeck-train); a second call there goes on"),
    )
    parser.add_argument("--dry-run", action="store_true", help=_("show exactly what would run, and stop"))
    parser.add_argument(
        "--json", action="store_true", help=_("print how it ended as JSON on stdout; the log goes to stderr")
    )


def train(arguments: argparse.Namespace) -> int:
    from backend.cli import diagnostics
    from backend.cli.train_plan import check_machine, local_run
    from backend.cli.train_recipe import recipe_of
    from backend.engines.choose import check_all

    recipe = recipe_of(arguments)
    for problem in check_all(recipe):
        if problem.severity.value == "warning":
            diagnostics.say_problem(problem)
    run = local_run(recipe, arguments.work_directory, arguments.device)
    if arguments.dry_run:
        return _show(run, json=arguments.json)
    check_machine(run)

    from backend.cli.train_run import run_to_end

    record = run_to_end(run, log_to_stderr=arguments.json)
    return _tell_end(run, record, json=arguments.json)


def _show(run: LocalRun, *, json: bool) -> int:
    from backend.cli import diagnostics
    from backend.cli.output import print_json, print_line
    from backend.engines.render import plan_to_json, plan_to_text

    if json:
        print_json(plan_to_json(run.plan))
    else:
        print_line(plan_to_text(run.plan))
    return diagnostics.OK


def _tell_end(run: LocalRun, record: TrainRecord, *, json: bool) -> int:
    from backend.cli import diagnostics
    from backend.cli.output import print_json

    for problem in record.problems:
        diagnostics.say_problem(problem)
    diagnostics.say(record.words(run))
    if json:
        print_json(_to_json(run, record), compact=True)
    return record.exit_code


def _to_json(run: LocalRun, record: TrainRecord) -> dict[str, Any]:
    return {
        "state": record.state,
        "iterations": record.iterations,
        "total_iterations": run.total_iterations,
        "first_loss": record.first_loss,
        "last_loss": record.last_loss,
        "checkpoint_directory": run.checkpoint_directory,
        "checkpoint_iteration": record.checkpoint_iteration,
        "exported": record.exported or None,
        "log": run.log,
        "problems": [problem.to_json() for problem in record.problems],
        "exit_code": record.exit_code,
    }
