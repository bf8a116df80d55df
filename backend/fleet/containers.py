"""Commands inside the guide's container, by `docker exec`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from backend.inventory import Container


def in_container(
    container: Container,
    argv: Sequence[str],
    environment: Iterable[tuple[str, str]] = (),
    working_directory: str | None = None,
    *,
    interactive: bool = False,
    as_root: bool = False,
) -> tuple[str, ...]:
    """The argv that runs `argv` in the container, as its user or as root; `interactive` passes stdin on.

    `docker exec` passes no signals and its process may end before the command does: whatever shall
    live on runs under job.sh.
    """
    user = "0" if as_root else container.user
    options = ["docker", "exec", "-u", user, "-w", working_directory or container.work_directory]
    if interactive:
        options.append("-i")
    for name, value in environment:
        options += ["-e", f"{name}={value}"]
    return (*options, container.name, *argv)
