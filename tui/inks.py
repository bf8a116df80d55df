"""The colours of the current theme by what they mean, as styles for text that a widget draws itself."""

from __future__ import annotations

from rich.style import Style
from textual.theme import Theme

from backend.events import Level
from backend.translation import _

# each level has a mark of its own: colour says it once more
GLYPHS = {Level.WELL: "●", Level.UNKNOWN: "?", Level.WARNING: "▲", Level.ALARM: "✖", Level.CRITICAL: "◆"}
WORDS = {
    Level.WELL: _("well"),
    Level.UNKNOWN: _("unknown"),
    Level.WARNING: _("warning"),
    Level.ALARM: _("alarm"),
    Level.CRITICAL: _("critical"),
}
DRAINED = "⊖"  # a node that nothing new is started on
HEAT_STEPS = 5
_BLOCK = Style(bold=True, reverse=True)

_VARIABLES = {
    "well": "mark-well",
    "warning": "mark-warning",
    "alarm": "mark-alarm",
    "unknown": "mark-unknown",
    "critical": "mark-critical",
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
        return self[level.name.lower()]

    def mark(self, level: Level) -> Style:
        """For a mark alone: a critical one is a filled block, which is seen without colour too."""
        return self[level.name.lower()] + (_BLOCK if level is Level.CRITICAL else Style.null())
