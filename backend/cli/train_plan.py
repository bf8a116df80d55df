"""The plan of `npudeck train`: the native engine's own, its ranks under torchrun, on this machine."""

from __future__ import annotations

import dataclasses
import glob
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from backend.cli.train_devices import device_problem
from backend.engines import folders
from backend.engines.stages import LaunchPlan, NodeCommand, Requirements, Site, StagePlan
from backend.events import StageName
from backend.fleet.node_code_files import load_node_code
from backend.inventory import Inventory, Node
from backend.node import durable
from backend.node.train.lifeline import END_WITH_PARENT
from backend.preflight.modules import SCRIPT, read_answer, too_old
from backend.problems import InputError, LocalError, Problem, Severity
from backend.recipes.derived import train_iterations
from backend.recipes.fields import Recipe
from backend.runs.run_site_files import plan_for
from backend.translation import _

RUN_KEY = "local"
NODE = "localhost"


@dataclass(frozen=True, slots=True)
class LocalRun:
    """Everything that will run here. `log` takes in what the training prints, over all calls."""

    site: Site
    plan: LaunchPlan
    work_directory: str
    checkpoint_directory: str
    total_iterations: int

    @property
    def log(self) -> str:
        return f"{self.site.job_directory(self.site.nodes[0], StageName.TRAIN)}/out.log"


def local_run(recipe: Recipe, work_directory: str, device: str) -> LocalRun:
    """Render every command; nothing is written. Raises `InputError` with every broken rule."""
    work = str(Path(work_directory).absolute())
    node = Node(NODE, NODE, "127.0.0.1", recipe.npus_per_node, work, python=sys.executable, device=device)
    inventory = Inventory(NODE, (node,), work)
    site, plan = plan_for(recipe, inventory, (node,), RUN_KEY, 0, load_node_code().version)
    if plan.blockers:
        raise InputError(*plan.blockers)
    stages = tuple(
        _under_torchrun(stage, recipe.npus_per_node, site) if stage.name is StageName.TRAIN else stage
        for stage in plan.stages
    )
    return LocalRun(
        site,
        dataclasses.replace(plan, stages=stages),
        work,
        folders.save_directory(recipe, work, RUN_KEY),
        train_iterations(recipe) or 0,
    )


def _under_torchrun(stage: StagePlan, ranks: int, site: Site) -> StagePlan:
    """torchrun starts the ranks and says where they meet."""
    (command,) = stage.commands
    job = command.argv[-1]
    code = f"{site.code_directory(site.nodes[0])}/node.zip"
    argv = (
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        # its guess is this machine's name, which need not lead anywhere
        "--local-addr=127.0.0.1",
        f"--nproc-per-node={ranks}",
        code,
        "train-rank",
        job,
    )
    # a torch_npu that cannot load must not take torch down with it
    environment = (("TORCH_DEVICE_BACKEND_AUTOLOAD", "0"), (END_WITH_PARENT, "1"))
    return dataclasses.replace(
        stage, commands=(dataclasses.replace(command, argv=argv, environment=environment),)
    )


def check_machine(run: LocalRun) -> None:
    """Raises `LocalError` for a library or a device that is missing, `InputError` for an unreadable input."""
    requirements = run.plan.requirements
    wrong = _library_problem(requirements)
    if wrong is not None:
        raise LocalError(wrong)
    node = run.site.nodes[0]
    missing = device_problem(node.device, node.npus)
    if missing is not None:
        raise LocalError(missing)
    unreadable = [path for path in requirements.readable if not _is_readable(path)]
    if unreadable:
        raise InputError.because(
            _("{path} cannot be read").format(path=unreadable[0]), fix=_instead_of(unreadable[0])
        )


def _is_readable(path: str) -> bool:
    """Token files are named without their endings."""
    return os.access(path, os.R_OK) or os.access(f"{path}.idx", os.R_OK)


def _instead_of(path: str) -> str:
    """`npudeck data preprocess` calls its files by their common beginning."""
    place = Path(path)
    made = sorted(place.parent.glob(f"{glob.escape(place.name)}_*_document.idx"))
    if made:
        return _("it is the beginning of token files; name one of them: {path}").format(path=made[0])
    return _("put it there, or correct the path")


def _library_problem(requirements: Requirements) -> Problem | None:
    modules = requirements.modules + requirements.first_node_modules
    asked = subprocess.run(
        [sys.executable, "-c", SCRIPT, *modules], capture_output=True, text=True, check=True
    )
    found = read_answer(asked.stdout)
    fix = _("install npudeck[train] for {python}").format(python=sys.executable)
    if found.missing:
        what = _("the Python library {names} is not installed").format(names=", ".join(found.missing))
        return Problem("", Severity.ERROR, what, _("the native engine needs it"), fix)
    if old := too_old(found, requirements.oldest):
        return Problem(
            "", Severity.ERROR, "; ".join(old), _("the native engine needs what came with it"), fix
        )
    return None


def write_files(run: LocalRun, command: NodeCommand) -> None:
    """The code and the job's files, as they would be staged on a node. Raises `OSError`."""
    code = Path(run.site.code_directory(run.site.nodes[0]))
    if not (code / "node.zip").is_file():
        code.mkdir(parents=True, exist_ok=True)
        with durable.open_temporary(str(code / "node.zip")) as stream:
            stream.write(load_node_code().files["node.zip"])
        durable.publish(str(code / "node.zip"))
    for file in command.files:
        Path(file.path).parent.mkdir(parents=True, exist_ok=True)
        durable.write_whole(file.path, file.text)
