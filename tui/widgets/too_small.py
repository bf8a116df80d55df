"""What a terminal sees that is too small for a screen: how large it must be, and what still works."""

from __future__ import annotations

from textual.widgets import Static

from backend.translation import _

LEAST_WIDTH, LEAST_HEIGHT = 60, 16


class TooSmall(Static):
    def on_mount(self) -> None:
        self.tell()

    def tell(self) -> None:
        width, height = self.app.size
        self.update(
            _(
                "This terminal is {width}×{height}.\nThe console needs {least_width}×{least_height}.\n\n"
                "Every command works here:\n  npudeck health\n  npudeck runs list\n\nq leaves; runs go on."
            ).format(width=width, height=height, least_width=LEAST_WIDTH, least_height=LEAST_HEIGHT)
        )
