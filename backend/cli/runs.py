"""`npudeck runs list|show`, `watch`, `logs`, `stop`: everything about runs that were launched."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from backend.cli import diagnostics
from backend.cli.arguments import Commands, add_command, add_json
from backend.translation import _

if TYPE_CHECKING:
    from backend.events import Event
    from backend.state.run_state import RunView
    from backend.store.run_store import RunStore


def register(commands: Commands) -> None:
    """Declare the commands of this group."""
    group = commands.add_parser("runs", help=_("list runs, show one"), description=_("List runs, show one."))
    inner = group.add_subparsers(metavar=_("COMMAND"), required=True)
    listing = add_command(inner, "list", _("every run, newest first"), list_runs)
    add_json(listing)
    showing = add_command(inner, "show", _("one run: state, stages, every iteration"), show_run)
    showing.add_argument("run", metavar="RUN", help=_("a run, such as r7"))
    add_json(showing)

    watching = add_command(commands, "watch", _("follow a run until it ends"), watch)
    watching.add_argument("run", metavar="RUN", help=_("a run, such as r7"))
    add_json(watching)

    logs = add_command(
        commands, "logs", _("print a run's log, byte for byte as the node wrote it"), print_logs
    )
    logs.add_argument("run", metavar="RUN", help=_("a run, such as r7"))
    logs.add_argument("-f", "--follow", action="store_true", help=_("go on until the run ends"))
    logs.add_argument(
        "--stage",
        default="train",
        choices=("data", "weights", "train", "export"),
        help=_("which stage (default: train)"),
    )
    logs.add_argument("--node", metavar="NODE", help=_("whose log (default: the node that prints the loss)"))

    stopping = add_command(commands, "stop", _("end a run on all its nodes"), stop)
    stopping.add_argument("run", metavar="RUN", help=_("a run, such as r7"))
    stopping.add_argument(
        "--now",
        action="store_true",
        help=_("at once, without time for a checkpoint; also for a stop under way"),
    )
    stopping.add_argument("--no-wait", action="store_true", help=_("do not wait until it has ended"))
    add_json(stopping)


def list_runs(arguments: argparse.Namespace) -> int:
    from backend.cli.output import print_json, print_line, print_table
    from backend.clock import RealClock
    from backend.runs.run_summary import run_to_json
    from backend.store.load_runs_store import load_book
    from backend.store.run_store import RunStore

    runs = load_book(RunStore()).newest_first()
    now = RealClock().now()
    if arguments.json:
        print_json([run_to_json(run, now, iterations=False) for run in runs])
    elif not runs:
        print_line(_("no runs yet; `npudeck launch RECIPE` starts one"))
    else:
        print_table(
            [
                _("run"),
                _("model"),
                _("type"),
                _("nodes"),
                _("state"),
                _("iteration"),
                _("loss"),
                _("tokens/s/NPU"),
                _("age"),
                _("who"),
            ],
            [_row(run, now) for run in runs],
        )
    return diagnostics.OK


def _row(run: RunView, now: float) -> list[str]:
    from backend.runs.run_summary import summarize

    summary = summarize(run, now)
    total = f"/{run.created.total_iterations:,}" if run.created.total_iterations else ""
    return [
        run.run_id,
        run.created.model,
        run.created.run_type,
        f"{summary.nodes}×{summary.npus // max(1, summary.nodes)}",
        run.state.value,
        f"{summary.iterations:,}{total}",
        f"{summary.last_loss:.3f}" if summary.last_loss is not None else "–",
        f"{summary.tokens_per_s_per_npu:,.0f}" if summary.tokens_per_s_per_npu is not None else "–",
        age(now - run.created.at),
        run.created.actor,
    ]


def age(seconds: float) -> str:
    """42 s, 7 min, 3 h, 2 d."""
    for limit, size, unit in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds // 86_400)} d"


def show_run(arguments: argparse.Namespace) -> int:
    from backend.cli.output import print_json, print_line
    from backend.clock import RealClock
    from backend.runs.run_summary import run_to_json
    from backend.store.load_runs_store import load_run
    from backend.store.run_store import RunStore

    run = load_run(RunStore(), arguments.run)
    now = RealClock().now()
    if arguments.json:
        print_json(run_to_json(run, now, iterations=True))
        return diagnostics.OK
    for line in _describe(run, now):
        print_line(line)
    return diagnostics.OK


def _describe(run: RunView, now: float) -> Iterator[str]:
    from backend.runs.run_summary import summarize

    summary = summarize(run, now)
    yield f"{run.run_id}  {run.created.model} {run.created.run_type}  {run.state.value}"
    if run.reason:
        yield f"  {run.reason}"
    who = _("nodes {nodes} · {npus} NPUs · by {actor}, {age} ago")
    yield "  " + who.format(
        nodes=", ".join(run.created.nodes),
        npus=run.created.npus,
        actor=run.created.actor,
        age=age(now - run.created.at),
    )
    for stage in run.stages.values():
        yield f"  {stage.name.value:<8} {stage.state.value:<8} {stage.text}".rstrip()
    if summary.first_loss is not None and summary.last_loss is not None:
        where = _(
            "iteration {iteration:,} of {total:,} · loss {first:.3f} → {last:.3f} · {speed} tokens/s/NPU"
        )
        yield "  " + where.format(
            iteration=summary.iterations,
            total=run.created.total_iterations,
            first=summary.first_loss,
            last=summary.last_loss,
            speed=f"{summary.tokens_per_s_per_npu or 0:,.0f}",
        )
    for gap in run.gaps:
        yield "  " + _("the log of {node} has a gap: {why}").format(node=gap.node, why=gap.why)


class _NobodyReads(Exception):
    """The reader of stdout has gone."""


def follow_to_end(store: RunStore, run_id: str, *, json: bool) -> int:
    """Tell a run's events until it ends; Ctrl-C leaves it running, and so does a reader that goes. With
    `json` one object a line."""
    from backend.cli.output import print_json, print_line, unread
    from backend.clock import RealClock
    from backend.events import RunStatus
    from backend.runs.follow_run_worker import follow_run
    from backend.runs.run_summary import summarize
    from backend.runs.telling import telling
    from backend.store.event_codec import encode
    from backend.store.load_runs_store import load_run

    def tell(_run: RunView, event: Event) -> None:
        if json:
            import json as codec

            kind, payload = encode(event)  # type: ignore[arg-type]
            print_json({"event": kind, **codec.loads(payload)}, compact=True)
        elif line := telling(event):
            print_line(line)
        if unread():
            raise _NobodyReads

    try:
        run = follow_run(store, run_id, tell)
    except KeyboardInterrupt:
        diagnostics.say(
            _("{run} goes on; `npudeck watch {run}` follows it, `npudeck stop {run}` ends it").format(
                run=run_id
            )
        )
        return diagnostics.INTERRUPTED
    except _NobodyReads:
        run = load_run(store, run_id)
        if run.active:
            # how it ends is not known
            return diagnostics.UNREAD
    if json:
        print_json({"event": "RunSummary", **summarize(run, RealClock().now()).to_json()}, compact=True)
    return diagnostics.OK if run.state is RunStatus.FINISHED else run.exit_code or diagnostics.NO


def watch(arguments: argparse.Namespace) -> int:
    from backend.store.run_store import RunStore

    return follow_to_end(RunStore(), arguments.run, json=arguments.json)


def print_logs(arguments: argparse.Namespace) -> int:
    from backend.cli.output import print_bytes, unread
    from backend.problems import InputError
    from backend.runs.log_mirror_files import LogMirror
    from backend.store.load_runs_store import load_run
    from backend.store.run_store import RunStore
    from backend.store.state_directory_files import run_directory

    store = RunStore()
    run = load_run(store, arguments.run)
    node = arguments.node or (run.created.nodes[-1] if arguments.stage == "train" else run.created.nodes[0])
    if node not in run.created.nodes:
        raise InputError.because(
            _("{run} has no node {node}").format(run=run.run_id, node=node),
            fix=_("its nodes are {names}").format(names=", ".join(run.created.nodes)),
        )
    offset = 0
    while True:
        # looked at before reading: what was written until the end of the run is printed
        active = arguments.follow and load_run(store, arguments.run).active
        mirror = LogMirror(run_directory(run.run_id) / "logs" / arguments.stage / node)
        while data := mirror.read(offset, 262_144):
            offset += len(data)
            print_bytes(data)
            if unread():
                return diagnostics.OK
        if not active:
            return diagnostics.OK
        time.sleep(0.3)


def _trains(run: RunView) -> bool:
    from backend.events import StageName, StageStatus

    return run.stages[StageName.TRAIN].state is StageStatus.RUNNING


def stop(arguments: argparse.Namespace) -> int:
    """End a run; one that has ended is swept once more, so that nothing of it is left on any node."""
    import asyncio

    from backend.cli.output import print_json, print_line
    from backend.clock import RealClock
    from backend.events import RunStatus
    from backend.problems import NodeError
    from backend.runs.follow_run_worker import follow_run
    from backend.runs.ledger import Ledger
    from backend.runs.run_site_files import actor
    from backend.runs.run_summary import summarize
    from backend.runs.supervisor_process_worker import ensure_supervisor
    from backend.runs.sweep_worker import sweep_ended_run
    from backend.store.load_runs_store import load_run
    from backend.store.run_store import RunStore

    store = RunStore()
    run = load_run(store, arguments.run)
    code = diagnostics.OK
    if run.active:
        store.ask_stop(run.run_id, actor(), now=arguments.now)
        ensure_supervisor(run.run_id)
        if not arguments.no_wait:
            if not arguments.now and _trains(run):
                diagnostics.say(
                    _(
                        "{run} finishes its iteration and saves; `npudeck stop {run} --now` ends it at once"
                    ).format(run=run.run_id)
                )
            run = follow_run(store, run.run_id, lambda _run, _event: None)
            code = run.exit_code if run.state is RunStatus.STOPPED else diagnostics.OK
    else:
        left = asyncio.run(sweep_ended_run(store, run, Ledger(store, run, RealClock())))
        if left:
            diagnostics.say(_("{names} could not be reached").format(names=", ".join(left)))
            code = NodeError.exit_code
    if arguments.json:
        print_json(summarize(run, RealClock().now()).to_json(), compact=True)
    else:
        print_line(f"{run.run_id} {run.state.value}" + (f": {run.reason}" if run.reason else ""))
    return code
