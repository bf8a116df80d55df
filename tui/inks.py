"""The colours of the current theme by what they mean, as styles for text that a widget draws itself."""

from __future__ import annotations

from rich.style import Style
from textual.theme import Theme

from backend.state.device_health import Level

GLYPHS = {Level.WELL: "●", Level.WARNING: "▲", Level.ALARM: "✖", Level.UNKNOWN: "?"}
NAMES = {Level.WELL: "well", Level.WARNING: "warning", Level.ALARM: "alarm", Level.UNKNOWN: "unknown"}
HEAT_STEPS = 5


_VARIABLES = {
    "well": "mark-well",
    "warning": "mark-warning",
    "alarm": "mark-alarm",
    "unknown": "mark-unknown",
    "dim": "text-dim",
    "quiet": "line-quiet",
    "text": "foreground",
    "accent": "accent",
    "loss": "chart-loss",
    "speed": "chart-speed",
} | {f"heat{step}": f"heat-{step}" for step in range(1, HEAT_STEPS + 1)}


class Inks:
    """Styles by name: those of `_VARIABLES`, `strong` text and the `cursor` line."""

    def __init__(self) -> None:
        self._styles: dict[str, Style] = {}

    def take(self, theme: Theme) -> None:
        """Read a theme of ours; called again whenever the theme changes."""
        variables = {"accent": theme.accent, "foreground": theme.foreground, **theme.variables}
        self._styles = {ink: Style(color=variables[variable]) for ink, variable in _VARIABLES.items()}
        self._styles["strong"] = Style(color=variables["foreground"], bold=True)
        self._styles["cursor"] = Style(bgcolor=variables["cursor-back"])

    def __getitem__(self, ink: str) -> Style:
        return self._styles.get(ink, Style.null())

    def level(self, level: Level) -> Style:
        return self[NAMES[level]]
