"""The guide's scripts, `0_pl_<run type>_<size>.sh`: one line a node (guide, "Step3 启动训练脚本").

The guide shows the folders llama2, llama3, qwen and qwen1.5; those of the other families follow the pattern.
"""

from __future__ import annotations

import re

from backend.catalog.catalog_files import find_model
from backend.catalog.model import Architecture, Model
from backend.engines import folders
from backend.engines.container import container_commands
from backend.engines.script_variables import VARIABLES, script_variables
from backend.engines.site_rules import site_problems
from backend.engines.stages import LaunchPlan, NodeCommand, Requirements, Site, StagePlan
from backend.events import StageName
from backend.inventory import Node
from backend.problems import InputError, Problem, Severity
from backend.recipes.field_rules import unusable_path
from backend.recipes.fields import FIELDS, Recipe
from backend.recipes.values import format_value, term
from backend.translation import _

CODE = "llm_train/AscendSpeed"
# guide for 6.3.907, LoRA, Step2: known precision problem, TP is not supported (6.3.905 to 6.3.907)
RELEASES_WITHOUT_LORA_TP = ("6.3.905", "6.3.906", "6.3.907")
# by a variable, on the command line, or by the choice of the script itself
_CARRIED = frozenset(
    {*(name for name, _variable in VARIABLES), "nodes", "npus_per_node", "engine", "release"}
)
_CHANGES_THE_MODEL = frozenset({"from_scratch"})
# a shell splits, expands or ends an unquoted word at any of these
_UNSAFE = re.compile(r"[\s*?\[\]{}()<>|&;$`\"'\\!#~]")


class AscendSpeedEngine:
    """Renders the guide's commands; carrying them out is not part of this version."""

    name = "ascendspeed"

    def check(self, recipe: Recipe) -> tuple[Problem, ...]:
        """Rules of the guide's scripts and of their release."""
        return (
            *_script_problems(recipe),
            *_path_problems(recipe),
            *_lora_problems(recipe),
            *_without_variable(recipe),
        )

    def plan(self, recipe: Recipe, architecture: Architecture, site: Site) -> LaunchPlan:
        """One command a node; the script preprocesses and converts on rank 0 what is missing.

        Raises `InputError` for a model that the guide has no script for.
        """
        model = find_model(recipe.model)
        script = script_path(model, recipe.run_type)
        commands = tuple(_command(recipe, site, node, rank, script) for rank, node in enumerate(site.nodes))
        by_script = _("the training script does it on rank 0 when the result is missing")
        return LaunchPlan(
            engine=self.name,
            stages=(
                StagePlan(StageName.DATA, (), by_script),
                StagePlan(StageName.WEIGHTS, (), by_script),
                StagePlan(StageName.TRAIN, commands),
                StagePlan(StageName.EXPORT, (), _("the training script does it where CONVERT_MG2HF is set")),
            ),
            requirements=_requirements(recipe),
            log_node=site.nodes[-1].name,
            script=script,
            script_variables=script_variables(recipe, model.name),
            container_commands=container_commands(recipe, site),
            blockers=(_not_yet(), *site_problems(recipe, site)),
        )


def script_path(model: Model, run_type: str) -> str:
    """The script below the code directory, e.g. scripts/llama2/0_pl_pretrain_70b.sh."""
    return f"scripts/{model.scripts}/0_pl_{run_type}_{model.size}.sh"


def _command(recipe: Recipe, site: Site, node: Node, rank: int, script: str) -> NodeCommand:
    alone = len(site.nodes) == 1
    environment = [
        ("MASTER_ADDR", "localhost" if alone else site.master_address),
        ("NNODES", str(len(site.nodes))),
        ("NODE_RANK", str(rank)),
    ]
    if recipe.npus_per_node < node.npus:
        visible = ",".join(str(npu) for npu in range(recipe.npus_per_node))
        environment.append(("ASCEND_RT_VISIBLE_DEVICES", visible))
    work = site.container.work_directory if site.container else node.work_directory
    return NodeCommand(
        node=node.name,
        node_rank=rank,
        argv=("sh", script),
        environment=tuple(environment),
        working_directory=f"{work.rstrip('/')}/{CODE}",
    )


def _requirements(recipe: Recipe) -> Requirements:
    return Requirements(
        modules=("torch", "torch_npu"),
        first_node_modules=(),
        npus_per_node=recipe.npus_per_node,
        readable=folders.read_paths(recipe),
        without_weights=folders.without_weights(recipe),
    )


def _not_yet() -> Problem:
    return Problem(
        field="engine",
        severity=Severity.ERROR,
        what=_("the ascendspeed engine is rendered only in this version"),
        why=_("the copy of the script is not edited and started yet"),
        fix=_("run the shown commands yourself, or take the native engine"),
        suggestion="native",
    )


def _script_problems(recipe: Recipe) -> tuple[Problem, ...]:
    if not recipe.model:
        return ()
    try:
        find_model(recipe.model)
    except InputError:
        what = _("the guide has no script for {name!r}").format(name=recipe.model)
        fix = _("take a model of `npudeck models list`, or another engine")
        return (Problem("model", Severity.ERROR, what, _("it has one for each model of its table"), fix),)
    return ()


def _path_problems(recipe: Recipe) -> tuple[Problem, ...]:
    problems = []
    for field in FIELDS:
        value = getattr(recipe, field.name)
        if field.kind != "path" or not value or unusable_path(field, value):
            continue
        if match := _UNSAFE.search(value):
            problems.append(
                Problem(
                    field=field.name,
                    severity=Severity.ERROR,
                    what=_("{term} contains {mark!r}").format(term=term(field), mark=match[0]),
                    why=_("the guide's scripts do not quote their paths"),
                    fix=_("rename the folder or file, or link to it under a plain name"),
                )
            )
    return tuple(problems)


def _without_variable(recipe: Recipe) -> tuple[Problem, ...]:
    """What is set and no variable of the guide's scripts carries: it would be ignored without a word."""
    return tuple(
        Problem(
            field=field.name,
            severity=Severity.ERROR if field.name in _CHANGES_THE_MODEL else Severity.WARNING,
            what=_("the guide's scripts have no variable for {name}").format(name=field.name),
            why=_("the training would run without it"),
            fix=_("leave it at {default}, or take the native engine").format(
                default=format_value(field, field.default) or _("nothing")
            ),
            suggestion=format_value(field, field.default),
        )
        for field in FIELDS
        if field.name not in _CARRIED and getattr(recipe, field.name) != field.default
    )


def _lora_problems(recipe: Recipe) -> tuple[Problem, ...]:
    if recipe.run_type != "lora" or recipe.tensor_parallel == 1:
        return ()
    if recipe.release not in RELEASES_WITHOUT_LORA_TP:
        return ()
    return (
        Problem(
            field="tensor_parallel",
            severity=Severity.WARNING,
            what=_("LoRA with TP {size} in release {release}").format(
                size=recipe.tensor_parallel, release=recipe.release
            ),
            why=_("LoRA has a known precision problem with tensor parallel in this release"),
            fix=_("take TP 1 and pipeline parallel instead"),
            suggestion="1",
        ),
    )
