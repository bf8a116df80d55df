"""`python -m backend.demo.hosts_process DIR`: hosts in a process of their own, which outlives the console."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from backend.demo.demo_hosts import DemoHosts
from backend.demo.demo_layout import NODE_COUNT, DemoLayout, claim
from backend.problems import NpudeckError


async def serve(
    layout: DemoLayout,
    count: int,
    *,
    idle_limit_s: float | None = None,
    temporary: bool = False,
    ready: Callable[[], None] = lambda: None,
    ill: bool = False,
) -> None:
    """Start, wait, stop; a signal ends it in order. A temporary fleet ends with its parent, of which our
    standard input is the sign."""
    hosts = DemoHosts(layout, count, ill=ill)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, hosts.end)
    if temporary:
        loop.add_reader(sys.stdin.fileno(), hosts.end)
    try:
        await hosts.start()
        ready()
        await hosts.wait(idle_limit_s)
    finally:
        await hosts.stop()


def main() -> int:
    parser = argparse.ArgumentParser(prog="npudeck-demo-hosts")
    parser.add_argument("directory")
    parser.add_argument("--nodes", type=int, default=NODE_COUNT)
    parser.add_argument("--idle-limit-s", type=float)
    parser.add_argument("--temporary", action="store_true", help="end with stdin, and remove the directory")
    arguments = parser.parse_args()
    layout = claim(Path(arguments.directory))
    serving = serve(
        layout, arguments.nodes, idle_limit_s=arguments.idle_limit_s, temporary=arguments.temporary
    )
    asyncio.run(serving)
    if arguments.temporary:
        shutil.rmtree(layout.root, ignore_errors=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except NpudeckError as error:  # our standard error is the log that the starter quotes
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
