"""Full fine-tuning and an adapter on a real fleet over SSH: with falling loss, and a model at the end."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from living_fleet import Fleet

pytestmark = pytest.mark.torch

# the guide's template makes some 270 tokens of each record with the demo's small vocabulary
TUNING = {
    "data_type": "GeneralInstructionHandler",
    "seq_length": 384,
    "max_position_embeddings": 512,
    "global_batch_size": 4,
    "micro_batch_size": 1,
    "warmup_fraction": 0.0,
    "convert_to_hf": True,
    "save_interval": 12,
}


@pytest.fixture(scope="module")
def questions(fleet: Fleet) -> str:
    path = fleet.directory / "shared" / "training_data" / "questions.json"
    records = [
        {
            "instruction": f"How many boxes are on ship {n}?",
            "input": "",
            "output": f"There are {n % 7} boxes.",
        }
        for n in range(200)
    ]
    path.write_text(json.dumps(records))
    return str(path)


def tuned(fleet: Fleet, questions: str, run_type: str, **changes: object) -> tuple[Path, Path]:
    """Launch, see it through; answers its checkpoints and the exported model."""
    recipe = fleet.recipe(run_type, 12, run_type=run_type, data_path=questions, **{**TUNING, **changes})
    run_id = fleet.launch(recipe)
    assert fleet.npudeck("watch", run_id).returncode == 0, fleet.show(run_id)["reason"]
    run = fleet.show(run_id)
    assert run["state"] == "finished"
    fleet.exactly_once(run, 12)
    assert run["last_loss"] < 0.8 * run["first_loss"]
    assert fleet.jobs() == []
    exported = Path(run["reason"].removeprefix("Hugging Face model in "))
    return Path(run["checkpoint"]["path"]), exported


def test_full_fine_tuning_ends_with_a_hugging_face_model(fleet: Fleet, questions: str) -> None:
    checkpoint, exported = tuned(fleet, questions, "sft", lr=4e-3, min_lr=4e-4)
    assert fleet.npudeck("weights", "verify", str(checkpoint), str(exported)).returncode == 0


def test_an_adapter_is_merged_into_the_model_that_is_exported(fleet: Fleet, questions: str) -> None:
    from safetensors.numpy import load_file

    _checkpoint, exported = tuned(fleet, questions, "lora", lr=3e-2, min_lr=3e-3)
    before = load_file(fleet.layout.model / "model.safetensors")
    after = load_file(exported / "model.safetensors")
    assert before.keys() == after.keys()
    changed = {name for name in before if not (before[name] == after[name]).all()}
    adapted = re.compile(r"model\.layers\.\d+\.(self_attn\.[qkvo]_proj|mlp\.(gate|up|down)_proj)\.weight")
    assert changed == {name for name in before if adapted.fullmatch(name)}
    assert (exported / "tokenizer.json").is_file()
