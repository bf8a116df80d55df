"""The catalog: 21 models whose dimensions add up, 42 layouts that fit them, names that people type."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from backend.catalog.catalog_files import find_model, load_image, load_models
from backend.problems import InputError

SHARED = Path(__file__).resolve().parents[3] / ".." / "shared"
NAMES = [model.name for model in load_models()]


def shared_text(name: str) -> str:
    path = SHARED / name
    if not path.is_file():
        pytest.skip(f"{name} of the shared material is not here")
    return path.read_text("utf-8")


def test_has_the_models_of_the_guide():
    assert len(NAMES) == len(set(NAMES)) == 21
    assert NAMES[0] == "llama2-7b"
    assert NAMES[-1] == "glm4-9b"


@pytest.mark.parametrize("name", NAMES)
def test_every_layout_can_hold_its_model(name):
    model = find_model(name)
    assert [layout.seq_len for layout in model.layouts] == [4096, 8192]
    for layout in model.layouts:
        assert layout.nodes * layout.npus_per_node == layout.tp * layout.pp
        assert model.architecture.heads % layout.tp == 0
        assert model.architecture.kv_heads % layout.tp == 0
        assert model.architecture.ffn % layout.tp == 0
        assert model.architecture.layers % layout.pp == 0


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("llama2-7b", 6.738),
        ("llama3-70b", 70.554),
        ("qwen2-0.5b", 0.494),
        ("glm4-9b", 9.400),
        ("yi-34b", 34.389),
    ],
)
def test_parameters_are_those_that_were_published(name, billions):
    assert find_model(name).parameters / 1e9 == pytest.approx(billions, abs=0.001)


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("llama-2-70b", "llama2-70b"),
        ("Llama-2-70b-hf", "llama2-70b"),
        ("meta-llama/Llama-2-70b-hf", "llama2-70b"),
        ("chatglm3-6b", "glm3-6b"),
        ("Qwen2-72B-Instruct", "qwen2-72b"),
        ("glm-4-9b", "glm4-9b"),
        (" YI_34B ", "yi-34b"),
    ],
)
def test_finds_a_model_by_the_names_people_type(typed, name):
    assert find_model(typed).name == name


def test_every_name_and_alias_leads_to_one_model():
    seen = {}
    for model in load_models():
        for name in (model.name, *model.aliases, model.weights_url):
            assert find_model(name) is model
            assert seen.setdefault(name, model) is model


@pytest.mark.parametrize("name", ["llama2-71b", "lama-2-70b"])
def test_names_the_nearest_models(name):
    with pytest.raises(InputError) as caught:
        find_model(name)
    (problem,) = caught.value.problems
    assert problem.suggestion in NAMES
    assert "llama2-70b" in problem.fix


@pytest.mark.parametrize("name", ["", "/", "gpt", "x" * 10_000, "\0"])
def test_an_unknown_name_is_one_problem(name):
    with pytest.raises(InputError) as caught:
        find_model(name)
    assert len(caught.value.problems) == 1


def test_image_carries_the_versions_of_its_release():
    image = load_image()
    assert (image.release, image.cann, image.driver, image.pytorch) == (
        "6.3.907",
        "8.0.rc2",
        "23.0.5",
        "2.1.0",
    )
    assert image.cann in image.address
    assert load_image("6.3.907") is image
    with pytest.raises(InputError, match=r"6\.3\.1"):
        load_image("6.3.1")


def test_every_model_says_where_its_dimensions_come_from():
    for model in load_models():
        text = "\n".join(model.sources)
        for name in ("layers", "hidden", "heads", "kv_heads", "ffn", "vocab", "rope_theta", "max_position"):
            assert re.search(rf"\b{name}\b[^:]*:", text), (model.name, name)


def test_dimensions_agree_with_the_collected_facts():
    facts = {entry["id"]: entry for entry in json.loads(shared_text("facts/models.json"))["models"]}
    for model in load_models():
        fact = facts[model.name]
        architecture = model.architecture
        assert model.parameters == fact["params"]
        for key in ("family", "layers", "hidden", "heads", "kv_heads", "head_dim", "ffn", "vocab"):
            assert getattr(architecture, key) == fact[key], (model.name, key)
        for key in ("max_position", "norm_eps", "tie_embeddings", "qkv_bias", "hf_dtype"):
            assert getattr(architecture, key) == fact[key], (model.name, key)
        assert architecture.rope_theta == (fact["rope_theta"] or 0.0)


def test_layouts_agree_with_the_guide():
    table = shared_text("guide/guide.zh.txt").partition("表2 不同模型推荐的参数与NPU卡数设置")[2]
    row = r"SEQ_LEN=(\d+) TP\([^)]*\)=(\d+) PP\([^)]*\)=(\d+) (\d+)\*节点 & (\d+)\*Ascend"
    for model in load_models():
        rows = re.match(rf"(?:.*?) {re.escape(model.name)} {row} {row}", table, re.DOTALL)
        assert rows, model.name
        numbers = [int(number) for number in rows.groups()]
        found = [
            value
            for layout in model.layouts
            for value in (layout.seq_len, layout.tp, layout.pp, layout.nodes, layout.npus_per_node)
        ]
        assert found == numbers, model.name


def test_weights_and_image_agree_with_the_guide():
    guide = shared_text("guide/guide.zh.txt")
    assert load_image().address in guide
    for model in load_models():
        row = rf"{re.escape(model.name)} (?:https://\S+ )?{re.escape(model.weights_url)}\s"
        assert re.search(row, guide), model.name
