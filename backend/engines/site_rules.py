"""Does the recipe fit the site it is planned for? Broken rules are blockers of the plan."""

from __future__ import annotations

from backend.engines.container import container_problems
from backend.engines.stages import Site
from backend.problems import Problem, Severity
from backend.recipes.fields import Recipe
from backend.translation import _, ngettext


def site_problems(recipe: Recipe, site: Site) -> tuple[Problem, ...]:
    """As many nodes as the recipe says, each once, each with the NPUs that it uses."""
    problems = []
    names = [node.name for node in site.nodes]
    if len(names) != recipe.nodes:
        problems.append(
            Problem(
                field="nodes",
                severity=Severity.ERROR,
                what=_("the recipe takes {wanted}, {chosen}").format(
                    wanted=ngettext("{n} node", "{n} nodes", recipe.nodes).format(n=recipe.nodes),
                    chosen=ngettext("{n} is chosen", "{n} are chosen", len(names)).format(n=len(names)),
                ),
                why=_("its layout counts every NPU"),
                fix=_("choose {wanted} nodes, or change the layout").format(wanted=recipe.nodes),
                suggestion=str(len(names)),
            )
        )
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        what = _("{node} is chosen more than once").format(node=name)
        why = _("each node has one rank")
        problems.append(Problem("nodes", Severity.ERROR, what, why, _("choose every node once")))
    for node in dict.fromkeys(site.nodes):
        if node.npus < recipe.npus_per_node:
            problems.append(
                Problem(
                    field="npus_per_node",
                    severity=Severity.ERROR,
                    what=_("{node} has {npus} NPUs").format(node=node.name, npus=node.npus),
                    why=_("the recipe uses {wanted} on each node").format(wanted=recipe.npus_per_node),
                    fix=_("choose another node, or take {npus} NPUs per node").format(npus=node.npus),
                    suggestion=str(node.npus),
                )
            )
    return (*problems, *container_problems(site))
