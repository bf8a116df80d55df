"""`npudeck demo`: a whole fleet on this machine, with the console, without it, or alone."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from backend.cli.arguments import Commands, add_command, add_json
from backend.cli.diagnostics import NO, OK, say
from backend.cli.terminal import require_terminal
from backend.problems import LocalError, Problem, Severity, UsageError
from backend.translation import _

if TYPE_CHECKING:
    from backend.demo.demo_layout import DemoLayout

FINISHED = "finished"


def register(commands: Commands) -> None:
    """Declare the commands of this group."""
    parser = add_command(
        commands, "demo", _("a fleet of simulated NPUs on this machine, to try everything"), _demo
    )
    parser.add_argument(
        "--headless", action="store_true", help=_("no screen: train once, say how it went, clean up")
    )
    parser.add_argument("--ill", action="store_true", help=_("several NPUs show faults, to see what is said"))
    add_json(parser)
    words = parser.add_subparsers(title=_("instead of the console"), dest="demo_command", metavar=_("[WORD]"))
    fleet = add_command(words, "fleet", _("run only the hosts, until interrupted"), _fleet)
    fleet.add_argument("--dir", required=True, metavar="DIR", help=_("where inventory, recipe and data go"))
    fleet.add_argument(
        "--nodes", type=int, default=4, metavar="N", help=_("demo nodes, two NPUs each (default: 4)")
    )
    fleet.add_argument("--ill", action="store_true", help=_("several NPUs show faults, to see what is said"))
    stop = add_command(words, "stop", _("end a demo fleet and everything that runs on it"), _stop)
    stop.add_argument(
        "--dir", metavar="DIR", help=_("its directory (default: the fleet of plain `npudeck demo`)")
    )


def _demo(arguments: argparse.Namespace) -> int:
    if arguments.headless:
        return _headless(as_json=arguments.json)
    if arguments.json:
        raise UsageError(_problem(_("--json is for --headless"), fix=_("add --headless")))
    return _console(arguments)


def _console(arguments: argparse.Namespace) -> int:
    """The living default fleet, or a new one, and the console on it."""
    if arguments.open_console is None:
        raise LocalError(
            _problem(
                _("the console is not part of this command"),
                _("it was started without the screens"),
                _("run `npudeck demo`, or add --headless"),
            )
        )
    require_terminal(
        _("npudeck demo --headless trains without a screen; npudeck demo fleet --dir DIR runs only the hosts")
    )
    from backend.demo.demo_control import ask
    from backend.demo.demo_fleet import ensure_running
    from backend.demo.demo_layout import NODE_COUNT, claim, default_root

    layout = claim(default_root())
    _prepare(layout)
    if ensure_running(layout, NODE_COUNT):
        say(_("started {count} demo nodes in {path}").format(count=NODE_COUNT, path=layout.root))
    if arguments.ill:
        ask(layout, "ill")
    arguments.inventory = str(layout.inventory)
    arguments.recipe = str(layout.recipe)
    code = int(arguments.open_console(arguments))
    say(_("The demo fleet and its runs go on. `npudeck demo` opens it again, `npudeck demo stop` ends it."))
    return code


def _headless(*, as_json: bool) -> int:
    """A temporary fleet, one run to its end, and nothing left behind."""
    import tempfile

    from backend.cli.output import print_json, print_line
    from backend.demo.demo_fleet import end_temporary, start_temporary, wait_until_up
    from backend.demo.demo_layout import NODE_COUNT, claim
    from backend.demo.workspace import require_libraries
    from backend.runs.headless_worker import run_to_end

    require_libraries()
    layout = claim(Path(tempfile.mkdtemp(prefix="npudeck-demo-")))
    process = start_temporary(layout, NODE_COUNT)
    try:
        _prepare(layout)
        wait_until_up(layout, process)
        summary = run_to_end(str(layout.inventory), str(layout.recipe), say)
    finally:
        end_temporary(layout, process)
    answer = summary.to_json()
    if as_json:
        print_json(answer, compact=True)
    else:
        for name, value in answer.items():
            print_line(f"{name}: {value}")
    first, last = summary.first_loss, summary.last_loss
    learnt = first is not None and last is not None and last < first
    return OK if summary.state == FINISHED and learnt else NO


def _fleet(arguments: argparse.Namespace) -> int:
    """The hosts in this very process, until a signal."""
    import asyncio
    import shlex

    from backend.cli.output import print_line
    from backend.demo.demo_layout import FEWEST_NODES, MOST_NODES, claim
    from backend.demo.hosts_process import serve

    if not FEWEST_NODES <= arguments.nodes <= MOST_NODES:
        what = _("{count} demo nodes are not possible").format(count=arguments.nodes)
        why = _("the recipe needs two, and this machine plays all of them")
        fix = _("name a number from {fewest} to {most}").format(fewest=FEWEST_NODES, most=MOST_NODES)
        raise UsageError(_problem(what, why, fix, field="--nodes"))
    layout = claim(Path(arguments.dir))
    _prepare(layout)

    def ready() -> None:
        say(_("{count} demo nodes are up; Ctrl-C ends them. Try:").format(count=arguments.nodes))
        inventory, recipe = shlex.quote(str(layout.inventory)), shlex.quote(str(layout.recipe))
        say(f"  npudeck -i {inventory} health")
        say(f"  npudeck -i {inventory} launch {recipe}")
        print_line(str(layout.inventory))

    asyncio.run(serve(layout, arguments.nodes, ready=ready, ill=arguments.ill))
    say(_("the demo nodes have ended"))
    return OK


def _stop(arguments: argparse.Namespace) -> int:
    from backend.demo.demo_fleet import stop
    from backend.demo.demo_layout import DemoLayout, default_root

    root = Path(arguments.dir) if arguments.dir else default_root()
    ended = stop(DemoLayout(root.resolve()))
    say(_("the demo fleet has ended") if ended else _("no demo fleet runs in {path}").format(path=root))
    return OK


def _prepare(layout: DemoLayout) -> None:
    from backend.demo.workspace import build_workspace

    if build_workspace(layout):
        say(_("made training data, tokenizer, weights and recipe in {path}").format(path=layout.root))


def _problem(what: str, why: str = "", fix: str = "", field: str = "") -> Problem:
    return Problem(field, Severity.ERROR, what, why, fix)
