"""What lies beside weights and goes with them, and what does not."""

from __future__ import annotations

from pathlib import Path

from backend.node.data.prefix_lock import hold
from backend.node.weights.companion_files import companion_files
from backend.node.weights.output_folder import new_folder

WANTED = ["additional_chat_templates/a.jinja", "config.json", "modeling_x.py", "tokenizer.model"]


def model(path: Path) -> Path:
    (path / "additional_chat_templates").mkdir(parents=True)
    for name in (*WANTED, "model.safetensors", "npudeck.manifest.json", ".gitattributes"):
        (path / name).write_text(name)
    return path


def test_weights_hidden_files_and_our_manifest_stay_where_they_are(tmp_path: Path) -> None:
    assert companion_files(str(model(tmp_path / "m"))) == WANTED


def test_what_a_conversion_at_work_keeps_there_is_none_of_the_model(tmp_path: Path) -> None:
    folder = model(tmp_path / "m")
    (folder / "tokenizer.model.tmp-77").write_text("half")
    with new_folder(str(folder / "mg2hf"), overwrite=False), hold(str(folder / "other")):
        assert len(list(folder.iterdir())) == len(WANTED) + 7
        assert companion_files(str(folder)) == WANTED
