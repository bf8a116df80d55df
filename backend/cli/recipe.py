"""`npudeck recipe`: make, check and read recipes."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from backend.cli.arguments import Commands, add_command, add_json
from backend.translation import _

if TYPE_CHECKING:
    from backend.recipes.fields import Recipe


def register(commands: Commands) -> None:
    """Declare the commands of this group."""
    group = commands.add_parser("recipe", help=_("make, check and read recipes"))
    actions = group.add_subparsers(dest="action", metavar=_("ACTION"), required=True)
    _declare_new(actions)
    for name, help, handler in (
        ("validate", _("check every rule of a recipe; exit code 1 when one is broken"), _validate),
        ("show", _("show a recipe, what follows from it, and the guide's names"), _show),
    ):
        parser = add_command(actions, name, help, handler)
        parser.add_argument("file", metavar="FILE", help=_("recipe file (TOML)"))
        add_json(parser)


def _declare_new(actions: Commands) -> None:
    parser = add_command(actions, "new", _("make a recipe with the guide's layout for a model"), _new)
    parser.add_argument("model", metavar="MODEL", help=_("name or alias, see `npudeck models list`"))
    parser.add_argument(
        "--run-type", required=True, choices=("pretrain", "sft", "lora"), help=_("what kind of training")
    )
    parser.add_argument("--seq-length", type=int, metavar="N", help=_("tokens of one sample"))
    parser.add_argument("-o", "--output", metavar="FILE", help=_("write there (default: print it)"))
    parser.add_argument("--force", action="store_true", help=_("overwrite FILE"))
    parser.add_argument("--all", action="store_true", help=_("write the fields at their defaults too"))
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=_("a hyperparameter, under its standard or its guide's name; may be repeated"),
    )


def _new(arguments: argparse.Namespace) -> int:
    from backend.catalog.catalog_files import find_model
    from backend.cli.diagnostics import say
    from backend.cli.output import print_line
    from backend.engines.choose import check_all
    from backend.problems import errors_of
    from backend.recipes.recipe_files import create_recipe, save_recipe
    from backend.recipes.recipe_text import recipe_to_toml
    from backend.recipes.settings import with_settings
    from backend.recipes.starting_point import starting_recipe

    settings = list(arguments.set)
    if arguments.seq_length is not None:
        # once more as a setting, so that its limits are checked
        settings.insert(0, f"seq_length={arguments.seq_length}")
    recipe = starting_recipe(find_model(arguments.model), arguments.run_type, arguments.seq_length)
    recipe = with_settings(recipe, settings)
    if arguments.output is None:
        print_line(recipe_to_toml(recipe, arguments.all).rstrip("\n"))
    elif arguments.force:
        save_recipe(recipe, arguments.output, arguments.all)
    else:
        create_recipe(recipe, arguments.output, arguments.all)
    open_fields = dict.fromkeys(problem.field for problem in errors_of(check_all(recipe)))
    if open_fields:
        say(_("still to be set: {fields}").format(fields=", ".join(open_fields)))
    return 0


def _validate(arguments: argparse.Namespace) -> int:
    from backend.cli.diagnostics import NO, OK, say_problem
    from backend.cli.output import print_json, print_line
    from backend.engines.choose import check_all
    from backend.problems import errors_of
    from backend.recipes.recipe_files import read_recipe
    from backend.recipes.rules import doubtful_fields, errors_first

    recipe, unreadable = read_recipe(arguments.file)
    problems = errors_first((*unreadable, *check_all(recipe, doubtful_fields(unreadable))))
    errors = len(errors_of(problems))
    if arguments.json:
        print_json({"ok": not errors, "problems": [problem.to_json() for problem in problems]})
        return NO if errors else OK
    for problem in problems:
        say_problem(problem)
    print_line(_verdict(arguments.file, errors, len(problems) - errors))
    return NO if errors else OK


def _verdict(file: str, errors: int, warnings: int) -> str:
    from backend.translation import ngettext

    parts = []
    if errors:
        parts.append(ngettext("{n} error", "{n} errors", errors).format(n=errors))
    if warnings:
        parts.append(ngettext("{n} warning", "{n} warnings", warnings).format(n=warnings))
    return f"{file}: {', '.join(parts) or _('no problems')}"


def _show(arguments: argparse.Namespace) -> int:
    from backend.cli.output import print_json, print_line, print_table
    from backend.recipes.fields import FIELDS
    from backend.recipes.recipe_files import load_recipe
    from backend.recipes.values import format_value

    recipe = load_recipe(arguments.file)
    values = _recipe_to_json(recipe)
    if arguments.json:
        print_json(values)
        return 0
    rows = [
        (
            field.name,
            field.guide_name or "-",
            format_value(field, getattr(recipe, field.name)) or "-",
            field.unit,
        )
        for field in FIELDS
    ]
    print_table((_("FIELD"), _("GUIDE"), _("VALUE"), _("UNIT")), rows)
    print_line()
    print_table(
        (_("DERIVED"), _("VALUE")), [(name, _shown(value)) for name, value in values["derived"].items()]
    )
    return 0


def _recipe_to_json(recipe: Recipe) -> dict[str, Any]:
    """`values` under standard names, `guide` the same under the guide's, `derived` what follows."""
    from backend.recipes.fields import FIELDS
    from backend.recipes.mapping import recipe_to_mapping

    values = recipe_to_mapping(recipe)
    return {
        "values": values,
        "guide": {field.guide_name: values[field.name] for field in FIELDS if field.guide_name},
        "derived": _derived(recipe),
    }


def _derived(recipe: Recipe) -> dict[str, Any]:
    from backend.problems import InputError
    from backend.recipes import derived
    from backend.recipes.check import resolve_architecture

    stages: list[int] | None
    try:
        stages = list(derived.layers_per_stage(recipe, resolve_architecture(recipe).layers))
    except InputError:
        stages = None
    return {
        "npus": derived.npus(recipe),
        "data_parallel": derived.data_parallel(recipe),
        "num_micro_batches": derived.num_micro_batches(recipe),
        "train_iterations": derived.train_iterations(recipe),
        "warmup_iterations": derived.warmup_iterations(recipe),
        "total_tokens": derived.total_tokens(recipe),
        "layers_per_stage": stages,
    }


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(str(item) for item in value) or "-"
    return "-" if value is None else f"{value:,}"
