"""A run as it goes on: points, logs, restarts, lost links, its end; and how it is stopped."""

from __future__ import annotations

import time

import fake_desk
import made_fleets
import made_runs
from fake_desk import NOW
from made_runs import iteration, log_line
from screen_text import screen_lines, screen_text, settled
from waiting import OpenConsole

from backend.clock import SteppedClock
from backend.events import (
    IterationLogged,
    NodeLinkChanged,
    RunStateChanged,
    RunStatus,
    StageChanged,
    StageName,
    StageStatus,
)
from backend.state.run_state import RunView
from tui.inks import Inks
from tui.run_curves import RunCurves
from tui.run_words import stage_strip, state_line
from tui.widgets.log_view import LogView


async def test_new_iterations_and_log_lines_appear(console: OpenConsole, wait) -> None:
    desk = made_fleets.demo_desk()
    async with console(desk) as (app, pilot):
        await pilot.press("2", "enter")
        await wait(pilot, lambda: "iteration       87" in screen_text(app))
        desk.logged["r4/train/demo-2"].append(log_line(88))
        desk.push(iteration("r4", 88, NOW))
        await wait(pilot, lambda: "train ● 88/120" in screen_text(app))
        await wait(pilot, lambda: "iteration       88" in screen_text(app))


async def test_the_log_of_the_running_stage_until_another_is_chosen(console: OpenConsole, wait) -> None:
    desk = made_fleets.demo_desk(runs=False)
    made_runs.add_preparing(desk)
    async with console(desk) as (app, pilot):
        await pilot.press("2", "enter")
        await wait(pilot, lambda: "log · data/demo-1" in screen_text(app))
        desk.logged["r5/train/demo-1"] = ["rank 0 starts"]
        desk.logged["r5/train/demo-2"] = ["rank 2 starts"]
        await wait(pilot, lambda: "log · train/demo-2" in screen_text(app))
        assert "31,200 of 52,002" not in screen_text(app)
        await pilot.press("l")
        await wait(pilot, lambda: "log · data/demo-1" in screen_text(app))
        desk.logged["r5/train/demo-3"] = ["late"]
        before = desk.reads
        await wait(pilot, lambda: desk.reads >= before + 2)  # looked again, and the choice holds
        assert "log · data/demo-1" in screen_text(app)


async def test_unknown_is_unknown_and_never_failed(console: OpenConsole, wait) -> None:
    desk = made_fleets.demo_desk()
    async with console(desk) as (app, pilot):
        await pilot.press("2", "enter")
        desk.push(
            NodeLinkChanged("r4", NOW, "demo-2", False, "timed out"),
            RunStateChanged("r4", NOW, RunStatus.UNKNOWN, "demo-2 has not answered since 12:13"),
        )
        await wait(pilot, lambda: "? unknown since 12:13" in screen_text(app))
        text = screen_text(app)
        assert "train ? 87/120" in text
        assert "demo-2 not reached since" in text
        assert "✖ failed" not in text
        assert "left " not in text
        desk.push(NodeLinkChanged("r4", NOW, "demo-2", True), RunStateChanged("r4", NOW, RunStatus.RUNNING))
        await wait(pilot, lambda: "● running" in screen_text(app))
        assert "not reached" not in screen_text(app)


async def test_a_failure_is_said_with_its_reason_in_run_and_list(console: OpenConsole, wait) -> None:
    desk = made_fleets.demo_desk()
    async with console(desk) as (app, pilot):
        await pilot.press("2", "enter")
        desk.push(
            StageChanged("r4", NOW, StageName.TRAIN, StageStatus.FAILED, "demo-2", "exit 9"),
            StageChanged("r4", NOW, StageName.TRAIN, StageStatus.FAILED, "", "exit 9"),
            RunStateChanged("r4", NOW, RunStatus.FAILED, "demo-2 rank 2 was killed by signal 9"),
        )
        await wait(pilot, lambda: "train ✖ 87/120" in screen_text(app))
        assert "demo-2 rank 2 was killed by signal 9" in screen_text(app)
        await pilot.press("escape")
        await settled(pilot)
        assert screen_text(app).count("rank 2 was killed by signal 9") == 1


async def test_stop_asks_for_the_number_of_nodes(console: OpenConsole, wait) -> None:
    desk = made_fleets.demo_desk()
    async with console(desk) as (app, pilot):
        await pilot.press("2", "enter", "S", "3", "enter")
        await wait(pilot, lambda: "That is not the number: 2 nodes are meant." in screen_text(app))
        assert desk.stopped == []
        await pilot.press("escape")
        await settled(pilot)
        await pilot.press("S", "2", "enter")
        await wait(pilot, lambda: desk.stopped == ["r4"])
        await wait(pilot, lambda: "stopping since" in screen_text(app))


async def test_stop_on_one_node_is_enter(console: OpenConsole, wait) -> None:
    desk = made_fleets.demo_desk(runs=False)
    desk.apply(
        fake_desk.created("r1", NOW, nodes=("demo-1",), npus=2), RunStateChanged("r1", NOW, RunStatus.RUNNING)
    )
    async with console(desk) as (_app, pilot):
        await pilot.press("2", "enter", "S", "enter")
        await wait(pilot, lambda: desk.stopped == ["r1"])


async def test_escape_goes_back_one_step_at_a_time(console: OpenConsole, wait) -> None:
    async with console(made_fleets.demo_desk()) as (app, pilot):
        await pilot.press("2", "enter")
        await wait(pilot, lambda: app.screen.query_one(LogView).line_count)
        await pilot.press("slash", *"87/", "enter")
        await wait(pilot, lambda: "“87/”" in screen_text(app))
        await pilot.press("escape")
        await wait(pilot, lambda: "“87/”" not in screen_text(app))
        assert "Runs › r4" in screen_text(app)
        await pilot.press("escape")
        await wait(pilot, lambda: "Runs · 1 active" in screen_text(app))


async def test_typing_a_filter_does_not_press_keys(console: OpenConsole, wait) -> None:
    async with console(made_fleets.demo_desk()) as (app, pilot):
        await pilot.press("2", "enter")
        await wait(pilot, lambda: app.screen.query_one(LogView).line_count)
        await pilot.press("slash", *"qS1z?")
        await settled(pilot)
        assert "“qS1z?” in 0 of 90 lines" in screen_text(app)


def _logged(number: int, loss: float) -> IterationLogged:
    return IterationLogged("r1", 0.0, 1, number, 10, 1, 1.0, 1.0, 1, loss, 1.0, 1.0, 0, 0, None, 5.0, "t", 0)


def test_a_restart_replaces_the_points_it_repeats() -> None:
    run, curves = RunView(fake_desk.created("r1", 0.0)), RunCurves()
    run.iterations = [_logged(n, 5.0) for n in range(1, 9)]
    assert not curves.take(run)
    run.iterations = run.iterations[:4] + [_logged(n, 3.0) for n in range(5, 7)]
    assert not curves.take(run)
    assert curves.loss.xs == [1, 2, 3, 4, 5, 6]
    assert curves.loss.lasts == [5, 5, 5, 5, 3, 3]


def test_a_long_run_is_taken_in_slices() -> None:
    run, curves = RunView(fake_desk.created("r1", 0.0)), RunCurves()
    run.iterations = [_logged(n, 5.0) for n in range(1, 30_001)]
    rounds, longest = 0, 0.0
    more = True
    while more:
        begin = time.process_time()
        more = curves.take(run)
        longest = max(longest, time.process_time() - begin)
        rounds += 1
    assert rounds == 8
    assert longest < 0.05


async def test_an_ended_run_says_nothing_of_lost_links_and_offers_no_stop(console: OpenConsole, wait) -> None:
    desk = made_fleets.demo_desk(runs=False)
    made_runs.add_failed(desk)
    desk.apply(NodeLinkChanged("r3", NOW - 86_350, "demo-2", False, "timed out"))
    desk.logged["r3/train/demo-1"] = ["\U0001f680 this one \u2705 was first"]
    run = desk.runs.runs["r3"]
    run.reason = "train failed: demo-1 rank 0: \U0001f680 " + "the cause is told in very many words " * 9
    async with console(desk) as (app, pilot):
        await pilot.press("2", "enter")
        await wait(pilot, lambda: "log · train/demo-1" in screen_text(app))
        await wait(pilot, lambda: "· this one · was first" in screen_text(app))
        lines = screen_lines(app)
        assert "not reached" not in screen_text(app)
        assert "S stop" not in lines[-1]
        assert "demo-1 rank 0: · the cause" in lines[4]
        assert lines[6].rstrip("│ ").endswith("…")
        assert "no checkpoint" in lines[7]


async def test_a_stopped_run_did_not_fail(console: OpenConsole, wait) -> None:
    desk = made_fleets.demo_desk(runs=False)
    made_runs.add_running(desk)
    desk.apply(
        StageChanged("r4", NOW, StageName.TRAIN, StageStatus.FAILED, "", "stopped"),
        RunStateChanged("r4", NOW, RunStatus.STOPPED, "stopped by ops1"),
    )
    async with console(desk) as (app, pilot):
        await pilot.press("2", "enter")
        await wait(pilot, lambda: "train ■ stopped 87/120" in screen_text(app))
        assert "✖" not in "".join(screen_lines(app)[2:])


async def test_an_export_is_part_of_the_story_of_a_run_that_wants_one(console: OpenConsole, wait) -> None:
    desk = made_fleets.demo_desk(runs=False)
    made_runs.add_exporting(desk)
    async with console(desk) as (app, pilot):
        await pilot.press("2", "enter")
        await wait(pilot, lambda: "export ● 61 %" in screen_text(app))
        text = screen_text(app)
        assert "check ✔  data ✔  weights ✔  launch ✔  train ✔ 1,240/1,240  export ● 61 %" in text
        assert "━━━" in text
        assert "1.1 GB/s, 5 s left" in text
        assert "checkpoint it 1,240" in text
        assert "at risk" not in text
        assert "left 0" not in text
        path = "/srv/share/saved_dir_for_output/saved_models/pretrain_hf/r6"
        desk.push(
            StageChanged("r6", NOW, StageName.EXPORT, StageStatus.DONE, "", "9.1 s"),
            RunStateChanged("r6", NOW, RunStatus.FINISHED, f"Hugging Face model in {path}"),
        )
        await wait(pilot, lambda: "✔ finished" in screen_text(app))
        assert "Hugging Face model in" in screen_text(app)


def test_a_strip_keeps_its_times_where_there_is_room() -> None:
    desk = made_fleets.demo_desk(runs=False)
    made_runs.add_exporting(desk)
    strip = stage_strip(desk.runs.runs["r6"], Inks(), NOW, 118).plain
    assert strip.startswith("check ✔ 6 s  data ✔ 6 s")
    desk.apply(StageChanged("r6", NOW, StageName.EXPORT, StageStatus.SKIPPED))
    assert "export" not in stage_strip(desk.runs.runs["r6"], Inks(), NOW, 118).plain


def test_running_since_the_training_began_whatever_was_unknown_between() -> None:
    desk = made_fleets.demo_desk(runs=False)
    made_runs.add_running(desk)
    began = desk.runs.runs["r4"].stages[StageName.TRAIN].started_at
    desk.apply(
        RunStateChanged("r4", NOW - 9, RunStatus.UNKNOWN), RunStateChanged("r4", NOW - 5, RunStatus.RUNNING)
    )
    assert began is not None
    assert f"({NOW - began:.0f} s)" in state_line(desk.runs.runs["r4"], Inks(), NOW).plain.replace(
        "1 min", f"{NOW - began:.0f} s"
    )


async def test_waiting_counts_from_the_beginning_of_the_stage(console: OpenConsole, wait) -> None:
    desk = made_fleets.demo_desk(runs=False)
    made_runs.add_preparing(desk)
    clock = SteppedClock(NOW)
    async with console(desk, (80, 24), clock) as (app, pilot):
        await pilot.press("2", "enter")
        await wait(pilot, lambda: "5 s so far" in screen_text(app))
        clock.advance(40)
        await wait(pilot, lambda: "45 s so far" in screen_text(app))
