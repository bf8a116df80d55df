"""Carry out a conversion: progress on stderr, what was made on stdout."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from backend.cli import diagnostics
from backend.cli.weights_folders import MODEL, TREE
from backend.cli.weights_problems import told_with_flags
from backend.problems import LocalError
from backend.translation import _

if TYPE_CHECKING:
    from backend.cli.weights_progress import Told


class Outcome(Protocol):
    """Whether nothing had to be done, and the description of what is there now."""

    @property
    def up_to_date(self) -> bool: ...
    @property
    def manifest(self) -> dict[str, Any]: ...


# what the folders are that conversions read
KINDS = {"hf_directory": MODEL, "like_directory": MODEL, "megatron_directory": TREE, "lora_directory": TREE}

Run = Callable[[dict[str, Any], "Callable[[Told], None]"], Outcome]


def carry_out(
    load: Callable[[], Run],
    job: dict[str, Any],
    names: Mapping[str, str],
    arguments: argparse.Namespace,
    kinds: Mapping[str, str] = KINDS,
) -> int:
    """`load` imports the action, so that a missing library is told like any other problem. `kinds`: what the
    folders of the job should be."""
    from backend.cli.job_display import display
    from backend.cli.visible_text import visible
    from backend.cli.weights_progress import WeightsProgress
    from backend.cli.weights_summary import print_outcome

    started = time.monotonic()
    folders = {key: (job[key], kind) for key, kind in kinds.items() if job.get(key)}
    with told_with_flags(names, folders, can_overwrite=hasattr(arguments, "overwrite")):
        run = load()
        with display(quiet=arguments.quiet, start=_("reading names and shapes")) as shown:
            outcome = run(job, WeightsProgress(shown))
    seconds = None if outcome.up_to_date else time.monotonic() - started
    if outcome.up_to_date and not arguments.quiet:
        # otherwise they have been made on the way
        for note in outcome.manifest.get("notes", ()):
            diagnostics.say(visible(note))
    print_outcome(outcome.manifest, job, seconds=seconds, json=arguments.json)
    obstacle = outcome.manifest.get("obstacle")
    if obstacle is None:
        return diagnostics.OK
    if arguments.json:
        # one object: the plan says it
        return LocalError.exit_code
    with told_with_flags(names, folders):
        from backend.node.job_lines import StorageError

        raise StorageError(**obstacle)
