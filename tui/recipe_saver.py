"""Saves the draft: to its own file at once, to any other one after its name was asked for."""

from __future__ import annotations

from collections.abc import Callable

from textual.app import App

from backend.problems import NpudeckError
from backend.translation import _
from tui.recipe_files import would_overwrite
from tui.screens.path_screen import PathScreen
from tui.session import Session

FIRST_NAME = "recipe.toml"


def save_draft(app: App[None], session: Session, then: Callable[[], None]) -> None:
    """Save, ask where it must be asked, and call `then` once the file is written."""
    draft = session.draft
    if draft.unread:
        words = _("A field holds a text that is no value: correct it first.")
        app.notify(words, timeout=4, severity="warning")
        return

    def write(path: str) -> None:
        session.desk.save_recipe(draft.recipe, path)
        draft.mark_saved(path)

    def written(path: str | None) -> None:
        if path is not None:
            app.notify(_("Saved {path}.").format(path=path), markup=False, timeout=3)
            then()

    trouble = ""
    if draft.path:
        try:
            write(draft.path)
        except NpudeckError as error:
            trouble = str(error)
        else:
            written(draft.path)
            return
    screen = PathScreen(
        session.inks,
        draft.path or FIRST_NAME,
        write,
        lambda path: would_overwrite(path, draft.path),
        trouble,
    )
    app.push_screen(screen, written)
