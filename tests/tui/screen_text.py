"""The screen of a running app as plain lines, as a person would see it without colours."""

from __future__ import annotations

from textual.app import App
from textual.pilot import Pilot


def screen_lines(app: App[None]) -> list[str]:
    """What is on the terminal now, top to bottom, blanks at the end cut off."""
    width, height = app.size
    rows = [[" "] * width for _ in range(height)]
    for screen in [*app._background_screens, app.screen]:
        for y, strip in enumerate(screen._compositor.render_strips()):
            if y < height:
                rows[y] = list("".join(segment.text for segment in strip))
    return ["".join(row).rstrip() for row in rows]


def screen_text(app: App[None]) -> str:
    return "\n".join(screen_lines(app)) + "\n"


async def settled(pilot: Pilot[None]) -> None:
    """Everything that was asked for has been handled and painted."""
    for _ in range(3):
        await pilot.pause()
        await pilot.app.animator.wait_for_idle()
