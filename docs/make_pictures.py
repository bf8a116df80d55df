"""Make docs/images/ anew from the product itself: demo fleets on this machine, a real run, the real screens.

python docs/make_pictures.py        takes some minutes; needs rsvg-convert, DejaVu Sans Mono and pngquant
"""

from __future__ import annotations

import asyncio
import html
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from textual.pilot import Pilot

from backend.live.console import open_desk
from tui.app import NpudeckApp

IMAGES = Path(__file__).parent / "images"
SIZE, PIXELS = (148, 42), 1960
NPUDECK = str(Path(sys.executable).with_name("npudeck"))
Drive = Callable[[NpudeckApp, "Pilot[None]"], Awaitable[None]]


@contextmanager
def demo(root: Path, nodes: int, *, ill: bool = False) -> Iterator[tuple[str, str]]:
    """A demo fleet while the block runs: its inventory and its recipe."""
    words = [NPUDECK, "demo", "fleet", "--dir", str(root), "--nodes", str(nodes), *(["--ill"] if ill else [])]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            inventory = process.stdout.readline().strip()
            yield inventory, str(root / "recipe.toml")
        finally:
            subprocess.run([NPUDECK, "demo", "stop", "--dir", str(root)], check=False)
            process.wait()


def npudeck(inventory: str, *words: str) -> None:
    subprocess.run([NPUDECK, "-i", inventory, *words], check=True, stdout=subprocess.DEVNULL)


def picture(name: str, inventory: str, recipe: str, drive: Drive) -> None:
    """Drive the console without a terminal and keep what it shows in the end."""

    async def show() -> str:
        app = NpudeckApp(open_desk(inventory, recipe))
        async with app.run_test(size=SIZE) as pilot:
            await drive(app, pilot)
            app.clear_notifications()
            await pilot.pause()
            return app.export_screenshot(title="npudeck")

    svg = for_librsvg(asyncio.run(show()))
    target = IMAGES / f"{name}.png"
    words = ["rsvg-convert", "--width", str(PIXELS), "--output", str(target)]
    subprocess.run(words, input=svg, text=True, check=True)
    subprocess.run(["pngquant", "--force", "--strip", "--output", str(target), "96", str(target)], check=True)


_TEXT = re.compile(r'<text ([^>]*?)x="([0-9.]+)"([^>]*?)textLength="([0-9.]+)"([^>]*)>([^<]*)</text>')


def for_librsvg(svg: str) -> str:
    """It drops blanks at the start of a text and knows no textLength: what is not ASCII stands alone."""
    svg = svg.replace("<svg ", '<svg xml:space="preserve" ', 1).replace("Fira Code", "DejaVu Sans Mono")
    return _TEXT.sub(_apart, svg)


def _apart(found: re.Match[str]) -> str:
    before, x, between, length, after, body = found.groups()
    characters = html.unescape(body)
    if characters.isascii() or ("\xa0" in characters and characters.replace("\xa0", " ").isascii()):
        return found[0]
    step = float(length) / len(characters)
    return "".join(
        f'<text {before}x="{float(x) + place * step:.2f}"{between}{after}>{html.escape(character)}</text>'
        for place, character in enumerate(characters)
        if not character.isspace()
    )


async def until(condition: Callable[[], object], deadline_s: float = 300.0) -> None:
    end = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError
        await asyncio.sleep(0.2)


def iteration(app: NpudeckApp) -> int:
    """Of the newest run; 0 before its first."""
    runs = app.session.desk.runs.newest_first()
    return runs[0].last.iteration if runs and runs[0].last else 0


async def drive_run(app: NpudeckApp, pilot: Pilot[None]) -> None:
    """The screen of a run that is two thirds through."""
    await until(lambda: iteration(app) >= 1)
    await pilot.press("2", "enter")
    await until(lambda: iteration(app) >= 110)


async def drive_fleet(app: NpudeckApp, pilot: Pilot[None]) -> None:
    """The worst card of a fleet on which a run trains, after some minutes of it."""
    desk = app.session.desk
    await until(lambda: len(desk.fleet.holdings) == len(desk.fleet.nodes) and iteration(app) >= 60)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="npudeck-pictures-") as folder:
        os.environ |= {"XDG_STATE_HOME": folder, "LOGNAME": "ops1"}
        with demo(Path(folder, "well"), 4) as (inventory, recipe):
            npudeck(inventory, "launch", recipe, "--detach")
            picture("run", inventory, recipe, drive_run)
        with demo(Path(folder, "ill"), 16, ill=True) as (inventory, recipe):
            npudeck(inventory, "fleet", "drain", "demo-3", "--reason", "board ordered")
            npudeck(inventory, "fleet", "hold", "demo-9", "--reason", "profiling")
            npudeck(inventory, "launch", recipe, "--nodes", "demo-5,demo-6", "--detach")
            picture("fleet", inventory, recipe, drive_fleet)


if __name__ == "__main__":
    main()
