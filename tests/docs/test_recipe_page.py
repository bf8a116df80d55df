"""The page of recipe fields says what the declaration says."""

from __future__ import annotations

import runpy
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_page_is_up_to_date() -> None:
    made = runpy.run_path(str(DOCS / "make_recipe_page.py"))["page"]()
    assert (DOCS / "recipe.md").read_text() == made, "python docs/make_recipe_page.py > docs/recipe.md"
