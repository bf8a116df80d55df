"""What all dialogs share: while one is in front, the bottom line shows its keys."""

from __future__ import annotations

from typing import Generic, TypeVar

from textual.screen import ModalScreen

from tui.requests import KeysChanged

Answer = TypeVar("Answer")


class DialogScreen(ModalScreen[Answer], Generic[Answer]):
    def hints(self) -> tuple[tuple[str, str], ...]:
        """The dialog's keys and what they do, for the bottom line."""
        raise NotImplementedError

    def on_screen_resume(self) -> None:
        self.post_message(KeysChanged())

    def on_screen_suspend(self) -> None:
        """Another dialog came in front: what shines through both is to be painted anew."""
        self.call_after_refresh(self.refresh)
