"""The demo's training data, tokenizer, model and recipe are real ones."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from backend.demo.demo_layout import DemoLayout, claim
from backend.demo.demo_model import ARCHITECTURE, demo_recipe
from backend.demo.workspace import build_workspace, training_texts
from backend.problems import LocalError
from backend.recipes.recipe_files import load_recipe


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> DemoLayout:
    for name in ("torch", "tokenizers", "safetensors"):
        pytest.importorskip(name)
    made = claim(tmp_path_factory.mktemp("demo") / "fleet")
    assert build_workspace(made)
    return made


@pytest.mark.torch
def test_model_and_tokenizer_load(layout: DemoLayout) -> None:
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    model = transformers.AutoModelForCausalLM.from_pretrained(layout.model)
    tokenizer = transformers.AutoTokenizer.from_pretrained(layout.model)
    assert model.dtype == torch.float32
    assert 0.8e6 < model.num_parameters() < 1.2e6
    assert len(tokenizer) == ARCHITECTURE.vocab == model.config.vocab_size
    text = "The lambda expression, naïve — 中文\n\tdone."
    ids = tokenizer(text)["input_ids"]
    assert tokenizer.decode(ids) == text
    assert tokenizer.eos_token_id == tokenizer.convert_tokens_to_ids("<|endoftext|>") == 0
    batch = torch.tensor([tokenizer(training_texts()[0])["input_ids"][:128]])
    loss = model(input_ids=batch, labels=batch).loss
    assert 6.5 < loss.item() < 7.5  # ln 1024 = 6.93: it knows nothing yet


@pytest.mark.torch
def test_the_data_are_records_with_text(layout: DemoLayout) -> None:
    records = [json.loads(line) for line in layout.data.read_text(encoding="utf-8").splitlines()]
    assert [record["text"] for record in records] == list(training_texts())
    assert sum(len(record["text"]) for record in records) > 300_000


@pytest.mark.torch
def test_the_recipe_reads_back(layout: DemoLayout) -> None:
    assert load_recipe(str(layout.recipe)) == demo_recipe(layout)


@pytest.mark.torch
def test_the_recipe_keeps_every_rule(layout: DemoLayout) -> None:
    rules = pytest.importorskip("backend.recipes.rules")
    assert rules.check_recipe(load_recipe(str(layout.recipe)), ARCHITECTURE) == ()


@pytest.mark.torch
def test_what_is_there_is_kept_and_what_is_broken_is_made_anew(layout: DemoLayout) -> None:
    weights = layout.model / "model.safetensors"
    before = weights.read_bytes()
    assert not build_workspace(layout)
    layout.marker.write_text("")  # as after an interrupted build
    assert build_workspace(layout)
    assert weights.read_bytes() == before


def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(LocalError) as caught:
        build_workspace(claim(tmp_path / "fleet"))
    assert caught.value.problems[0].what == "the library torch is not installed"
    assert "pip install -e '.[train]'" in caught.value.problems[0].fix
