"""npudeck's own engine: data, weights and export on the first node, training on all of them."""

from __future__ import annotations

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
from backend.problems import Problem, Severity
from backend.recipes.fields import BY_NAME, Recipe
from backend.recipes.values import term
from backend.translation import _

# what `backend.node` imports on a node, beside the standard library
MODULES = ("torch", "numpy")
FIRST_NODE_MODULES = ("tokenizers", "pyarrow")
# torch.distributed.pipelining came with 2.5; the guide's image has 2.1
OLDEST = (("torch", "2.5"),)
# one iteration and one checkpoint of a large model
STOP_GRACE_S = 600
LOOPBACK = "127.0.0.1"


class NativeEngine:
    """Renders `python node.zip TASK job.json`; the node code obeys."""

    name = "native"

    def check(self, recipe: Recipe) -> tuple[Problem, ...]:
        """It trains every family and run type; what it does not heed is said."""
        return _unused(recipe)

    def plan(self, recipe: Recipe, architecture: Architecture, site: Site) -> LaunchPlan:
        """Every command of its stages. The recipe has passed its rules."""
        first = site.nodes[0]
        data = _command(site, first, 0, StageName.DATA, data_job(recipe, site), ())
        job = train_job(recipe, architecture, site)
        train = tuple(
            _command(site, node, rank, StageName.TRAIN, job, _rendezvous(site, rank))
            for rank, node in enumerate(site.nodes)
        )
        return LaunchPlan(
            engine=self.name,
            stages=(
                StagePlan(StageName.DATA, (data,)),
                _weights(recipe, architecture, site),
                StagePlan(StageName.TRAIN, train),
                _export(recipe, site),
            ),
            requirements=_requirements(recipe, site),
            log_node=site.nodes[-1].name,
            container_commands=container_commands(recipe, site),
            blockers=site_problems(recipe, site),
            stop_grace_s=STOP_GRACE_S,
        )


def _weights(recipe: Recipe, architecture: Architecture, site: Site) -> StagePlan:
    if recipe.from_scratch:
        return StagePlan(StageName.WEIGHTS, (), _("the weights are random (from_scratch)"))
    job = weights_job(recipe, architecture, site)
    return StagePlan(StageName.WEIGHTS, (_command(site, site.nodes[0], 0, StageName.WEIGHTS, job, ()),))


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
    return Requirements(
        modules=MODULES + (("torch_npu",) if any(node.device == "npu" for node in site.nodes) else ()),
        first_node_modules=FIRST_NODE_MODULES,
        oldest=OLDEST,
        npus_per_node=recipe.npus_per_node,
        readable=folders.read_paths(recipe),
        without_weights=folders.without_weights(recipe),
    )


def _unused(recipe: Recipe) -> tuple[Problem, ...]:
    """What belongs to the guide's scripts alone, and would be ignored without a word."""
    return tuple(
        Problem(
            field=name,
            severity=Severity.WARNING,
            what=_("the native engine has no use for {term}").format(term=term(BY_NAME[name])),
            why=_("logs lie in the run's own folders, on the nodes and on the bastion"),
            fix=_("leave it out"),
        )
        for name in ("log_directory", "process_log_directory")
        if getattr(recipe, name)
    )
