"""npudeck's own engine: data, weights and export on the first node, training on all of them."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from backend.catalog.model import Architecture
from backend.engines import folders
from backend.engines.container import container_commands
from backend.engines.native_jobs import data_job, export_job, train_job, weights_job
from backend.engines.site_rules import site_problems
from backend.engines.stages import LaunchPlan, NodeCommand, RenderedFile, Requirements, Site, StagePlan
from backend.events import StageName
from backend.inventory import Node
from backend.problems import InputError, Problem, Severity
from backend.recipes.check import resolve_architecture
from backend.recipes.fields import Recipe
from backend.translation import _

FAMILIES = ("llama2", "llama3", "yi")
# what `backend.node` imports on a node, beside the standard library
MODULES = ("torch", "numpy")
FIRST_NODE_MODULES = ("tokenizers", "pyarrow")
LOOPBACK = "127.0.0.1"


class NativeEngine:
    """Renders `python node.zip TASK job.json`; the node code obeys."""

    name = "native"

    def check(self, recipe: Recipe) -> tuple[Problem, ...]:
        """What this engine does not do yet. Warnings: the recipe itself may be right."""
        problems = [*_run_type_problems(recipe, Severity.WARNING)]
        with contextlib.suppress(InputError):  # an unknown model is said by the recipe's own rules
            problems += _family_problems(resolve_architecture(recipe), Severity.WARNING)
        return tuple(problems)

    def plan(self, recipe: Recipe, architecture: Architecture, site: Site) -> LaunchPlan:
        """Every command of its stages. The recipe has passed its rules."""
        first = site.nodes[0]
        data = _command(site, first, 0, StageName.DATA, data_job(recipe, site), ())
        weights = _command(site, first, 0, StageName.WEIGHTS, weights_job(recipe, architecture, site), ())
        job = train_job(recipe, architecture, site)
        train = tuple(
            _command(site, node, rank, StageName.TRAIN, job, _rendezvous(site, rank))
            for rank, node in enumerate(site.nodes)
        )
        return LaunchPlan(
            engine=self.name,
            stages=(
                StagePlan(StageName.DATA, (data,)),
                StagePlan(StageName.WEIGHTS, (weights,)),
                StagePlan(StageName.TRAIN, train),
                _export(recipe, site),
            ),
            requirements=_requirements(recipe, site),
            log_node=site.nodes[-1].name,
            container_commands=container_commands(recipe, site),
            blockers=(
                *_run_type_problems(recipe, Severity.ERROR),
                *_family_problems(architecture, Severity.ERROR),
                *site_problems(recipe, site),
            ),
        )


def _export(recipe: Recipe, site: Site) -> StagePlan:
    if not recipe.convert_to_hf:
        return StagePlan(StageName.EXPORT, (), _("not asked for (CONVERT_MG2HF)"))
    command = _command(site, site.nodes[0], 0, StageName.EXPORT, export_job(recipe, site), ())
    folder = folders.export_directory(recipe, site.shared_directory, site.run_key)
    return StagePlan(StageName.EXPORT, (command,), result=folder)


def _command(
    site: Site,
    node: Node,
    rank: int,
    stage: StageName,
    job: dict[str, Any],
    environment: tuple[tuple[str, str], ...],
) -> NodeCommand:
    directory = site.run_directory(node)
    path = f"{directory}/{stage.value}.json"
    return NodeCommand(
        node=node.name,
        node_rank=rank,
        argv=(node.python, "-u", f"{site.code_directory(node)}/node.zip", stage.value, path),
        environment=environment,
        working_directory=directory,
        files=(RenderedFile(path, json.dumps(job, ensure_ascii=False, indent=2) + "\n"),),
    )


def _rendezvous(site: Site, rank: int) -> tuple[tuple[str, str], ...]:
    """Where the ranks meet. One node meets itself, whatever its interfaces are."""
    return (
        ("MASTER_ADDR", LOOPBACK if len(site.nodes) == 1 else site.master_address),
        ("MASTER_PORT", str(site.master_port)),
        ("NNODES", str(len(site.nodes))),
        ("NODE_RANK", str(rank)),
    )


def _requirements(recipe: Recipe, site: Site) -> Requirements:
    readable = [recipe.data_path, recipe.hf_weights]
    if recipe.tokenizer_path:
        readable.append(recipe.tokenizer_path)
    return Requirements(
        modules=MODULES + (("torch_npu",) if any(node.device == "npu" for node in site.nodes) else ()),
        first_node_modules=FIRST_NODE_MODULES,
        npus_per_node=recipe.npus_per_node,
        readable=tuple(readable),
    )


def _run_type_problems(recipe: Recipe, severity: Severity) -> tuple[Problem, ...]:
    if recipe.run_type == "pretrain":
        return ()
    return (
        Problem(
            field="run_type",
            severity=severity,
            what=_("the native engine trains pretrain only in this version"),
            why=_("this recipe is {run_type}").format(run_type=recipe.run_type),
            fix=_("take run type pretrain, or another engine"),
        ),
    )


def _family_problems(architecture: Architecture, severity: Severity) -> tuple[Problem, ...]:
    if architecture.family in FAMILIES:
        return ()
    return (
        Problem(
            field="model",
            severity=severity,
            what=_("the native engine does not train the family {name}").format(name=architecture.family),
            why=_("it knows {families} in this version").format(families=", ".join(FAMILIES)),
            fix=_("take a model of these families, or another engine"),
        ),
    )
