"""A plan as JSON and as text shows everything that would run."""

from __future__ import annotations

import json

import pytest

from backend.engines.choose import ENGINES, engine_named
from backend.engines.render import plan_to_json, plan_to_text


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
def test_json_holds_every_command(recipe, architecture, site, engine):
    plan = engine.plan(recipe, architecture, site)
    shown = json.loads(json.dumps(plan_to_json(plan)))
    for stage, entry in zip(plan.stages, shown["stages"], strict=True):
        assert entry["name"] == stage.name.value
        assert entry["skip"] == stage.skip
        assert [tuple(command["argv"]) for command in entry["commands"]] == [
            command.argv for command in stage.commands
        ]
        for command, node_command in zip(entry["commands"], stage.commands, strict=True):
            assert tuple(command["environment"].items()) == node_command.environment
            assert command["command"] == node_command.shell_line()
    assert shown["log_node"] == "n03"
    assert len(shown["container_commands"]) == 4
    assert [problem["field"] for problem in shown["blockers"]] == [problem.field for problem in plan.blockers]


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
def test_text_has_every_shell_line_on_its_own(recipe, architecture, site, engine):
    plan = engine.plan(recipe, architecture, site)
    lines = [line.strip() for line in plan_to_text(plan).splitlines()]
    for stage in plan.stages:
        for command in stage.commands:
            assert command.shell_line() in lines
            assert any(command.working_directory in line for line in lines)
    for command in plan.container_commands:
        assert command.shell_line() in lines


def test_text_shows_a_file_once(recipe, architecture, site):
    text = plan_to_text(engine_named("native").plan(recipe, architecture, site))
    assert text.count('"micro_batch_size"') == 1
    assert text.count("as on n00") == 3


def test_text_shows_variables_and_what_stops_a_launch(recipe, architecture, site):
    text = plan_to_text(engine_named("ascendspeed").plan(recipe, architecture, site))
    assert "  GBS=128\n" in text
    assert "not launched: the ascendspeed engine is rendered only" in text
