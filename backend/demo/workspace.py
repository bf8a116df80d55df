"""What a demo fleet trains: text, tokenizer, weights and recipe, made here without any download."""

from __future__ import annotations

import fcntl
import importlib.util
import json
import shutil
from collections.abc import Sequence

from backend.demo.demo_layout import WORKSPACE_FORMAT, DemoLayout
from backend.demo.demo_model import demo_recipe, write_model, write_tokenizer
from backend.problems import LocalError, Problem, Severity
from backend.translation import _

# what the workspace needs here, and the native engine on the nodes (which are this machine)
LIBRARIES = ("torch", "numpy", "tokenizers", "safetensors")


def build_workspace(layout: DemoLayout) -> bool:
    """Fill DIR/shared and write the recipe; answers False when all of it is there already.

    Raises `LocalError` when a library of the extra `train` is missing.
    """
    with layout.workspace_lock.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if layout.marker.read_text().strip() == WORKSPACE_FORMAT and layout.recipe.exists():
            return False
        require_libraries()
        _build(layout)
    return True


def _build(layout: DemoLayout) -> None:
    """The marker comes last: what was begun and not finished is built anew."""
    from backend.recipes.recipe_files import save_recipe

    shutil.rmtree(layout.shared, ignore_errors=True)
    for folder in (layout.data.parent, layout.model):
        folder.mkdir(parents=True)
    texts = training_texts()
    # JSON lines: read by every reader of training data, and by `less`
    layout.data.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    write_tokenizer(texts, layout.model)
    write_model(layout.model)
    save_recipe(demo_recipe(layout), str(layout.recipe))
    layout.marker.write_text(WORKSPACE_FORMAT + "\n")


def training_texts() -> Sequence[str]:
    """Real text that every Python carries: the language's reference, one topic a record (about 0.5 MB)."""
    from pydoc_data.topics import topics

    return [topics[name] for name in sorted(topics)]


def require_libraries() -> None:
    """Raises `LocalError` naming every library that is missing."""
    missing = [name for name in LIBRARIES if importlib.util.find_spec(name) is None]
    if missing:
        raise LocalError(
            *(
                Problem(
                    "",
                    Severity.ERROR,
                    _("the library {name} is not installed").format(name=name),
                    _("the demo trains a real model on this machine"),
                    _("install the extra `train`: pip install -e '.[train]'"),
                )
                for name in missing
            )
        )
