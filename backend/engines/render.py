"""A plan as JSON and as text: exactly what would run, before anything runs."""

from __future__ import annotations

import shlex
from typing import Any

from backend.engines.stages import LaunchPlan, NodeCommand, RenderedFile, StagePlan
from backend.translation import _


def plan_to_json(plan: LaunchPlan) -> dict[str, Any]:
    """The plan as JSON values. `command` is the shell line, `environment` keeps its order."""
    return {
        "engine": plan.engine,
        "stages": [
            {
                "name": stage.name.value,
                "skip": stage.skip,
                "commands": [_command_to_json(command) for command in stage.commands],
            }
            for stage in plan.stages
        ],
        "requirements": {
            "modules": list(plan.requirements.modules),
            "first_node_modules": list(plan.requirements.first_node_modules),
            "npus_per_node": plan.requirements.npus_per_node,
            "readable": list(plan.requirements.readable),
            "oldest": dict(plan.requirements.oldest),
        },
        "log_node": plan.log_node,
        "script": plan.script,
        "script_variables": dict(plan.script_variables),
        "container_commands": [_command_to_json(command) for command in plan.container_commands],
        "blockers": [problem.to_json() for problem in plan.blockers],
    }


def plan_to_text(plan: LaunchPlan) -> str:
    """What `--dry-run` prints: every shell line on a line of its own, ready to be copied."""
    blocks = [_("engine {name}").format(name=plan.engine)]
    if plan.container_commands:
        blocks.append(_commands_text(_("container"), plan.container_commands))
    if plan.script_variables:
        heading = _("variables of the copy of {script}").format(script=plan.script)
        blocks.append("\n".join([heading, *(f"  {line}" for line in assignments(plan))]))
    blocks.extend(_stage_text(stage) for stage in plan.stages)
    blocks.append(_("the iteration lines come from {node}").format(node=plan.log_node))
    blocks.extend(
        _("not launched: {sentence}").format(sentence=problem.sentence()) for problem in plan.blockers
    )
    return "\n\n".join(blocks) + "\n"


def assignments(plan: LaunchPlan) -> list[str]:
    """The script's variables as shell assignments, every value quoted where a shell would touch it."""
    return [f"{name}={shlex.quote(value)}" for name, value in plan.script_variables]


def _command_to_json(command: NodeCommand) -> dict[str, Any]:
    return {
        "node": command.node,
        "node_rank": command.node_rank,
        "command": command.shell_line(),
        "argv": list(command.argv),
        "environment": dict(command.environment),
        "working_directory": command.working_directory,
        "files": [
            {"path": file.path, "mode": f"{file.mode:04o}", "text": file.text} for file in command.files
        ],
    }


def _stage_text(stage: StagePlan) -> str:
    heading = _("stage {name}").format(name=stage.name.value)
    if stage.skip:
        return _("{heading}: nothing to run: {why}").format(heading=heading, why=stage.skip)
    return _commands_text(heading, stage.commands)


def _commands_text(heading: str, commands: tuple[NodeCommand, ...]) -> str:
    lines = [heading]
    shown: dict[str, str] = {}
    for command in commands:
        where = _("{node} (node rank {rank}), in {directory}")
        place = where.format(node=command.node, rank=command.node_rank, directory=command.working_directory)
        lines.append(f"  {place}")
        for file in command.files:
            lines.extend(_file_lines(file, command.node, shown))
        lines.append(f"    {command.shell_line()}")
    return "\n".join(lines)


def _file_lines(file: RenderedFile, node: str, shown: dict[str, str]) -> list[str]:
    """The file with its text; a text that another node had is named instead of repeated."""
    if file.text in shown:
        return [_("    writes {path}, as on {node}").format(path=file.path, node=shown[file.text])]
    shown[file.text] = node
    heading = _("    writes {path}").format(path=file.path)
    return [heading, *(f"      {line}" for line in file.text.splitlines())]
