"""`npudeck models`: what the catalog knows."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from backend.cli.arguments import Commands, add_command, add_json
from backend.translation import _

if TYPE_CHECKING:
    from backend.catalog.model import Model


def register(commands: Commands) -> None:
    """Declare the commands of this group."""
    group = commands.add_parser("models", help=_("models and their recommended layouts"))
    actions = group.add_subparsers(dest="action", metavar=_("ACTION"), required=True)
    add_json(add_command(actions, "list", _("list the models that can be trained"), _list))
    show = add_command(actions, "show", _("show one model: dimensions, layouts, sources"), _show)
    show.add_argument("name", metavar="NAME", help=_("name or alias, e.g. llama2-70b"))
    add_json(show)


def model_to_json(model: Model) -> dict[str, Any]:
    """A model as JSON values; `rope_theta` is null for a model without rotary embedding."""
    import dataclasses

    architecture = dataclasses.asdict(model.architecture)
    return {
        "name": model.name,
        "aliases": list(model.aliases),
        **architecture,
        "rope_theta": architecture["rope_theta"] or None,
        "parameters": model.parameters,
        "weights_url": model.weights_url,
        "scripts": model.scripts,
        "size": model.size,
        "layouts": [dataclasses.asdict(layout) for layout in model.layouts],
        "sources": list(model.sources),
    }


def _list(arguments: argparse.Namespace) -> int:
    from backend.catalog.catalog_files import load_models
    from backend.cli.output import print_json, print_table

    models = load_models()
    if arguments.json:
        print_json([model_to_json(model) for model in models])
        return 0
    columns = (_("MODEL"), _("PARAMETERS"), _("LAYERS"), _("HEADS/KV"), _("LAYOUTS (TP·PP, NODES x NPUS)"))
    print_table(columns, [_row(model) for model in models])
    return 0


def _show(arguments: argparse.Namespace) -> int:
    from backend.catalog.catalog_files import find_model
    from backend.cli.output import print_json, print_line, print_table

    model = find_model(arguments.name)
    values = model_to_json(model)
    if arguments.json:
        print_json(values)
        return 0
    for name, value in values.items():
        if name not in ("layouts", "sources"):
            print_line(f"{name:<16} {_shown(value)}")
    print_line()
    columns = (_("SEQ_LEN"), _("TP"), _("PP"), _("NODES"), _("NPUS PER NODE"))
    print_table(columns, [[str(value) for value in layout.values()] for layout in values["layouts"]])
    print_line()
    for source in model.sources:
        print_line(source)
    return 0


def _row(model: Model) -> tuple[str, ...]:
    layouts = (
        f"{row.seq_len}: {row.tp}·{row.pp}, {row.nodes} x {row.npus_per_node}" for row in model.layouts
    )
    architecture = model.architecture
    return (
        model.name,
        f"{model.parameters / 1e9:.1f} B",
        str(architecture.layers),
        f"{architecture.heads}/{architecture.kv_heads}",
        "; ".join(layouts),
    )


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, int):
        return f"{value:,}"
    return "-" if value is None else str(value)
