"""`npudeck models`."""

from __future__ import annotations

import json

from backend.catalog.catalog_files import load_models
from backend.cli.main import main


def test_list_is_a_table_of_every_model(capsys):
    assert main(["models", "list"]) == 0
    out = capsys.readouterr().out
    for model in load_models():
        assert f"\n{model.name} " in out
    assert "69.0 B" in out
    assert "64/8" in out


def test_list_as_json(capsys):
    assert main(["models", "list", "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert [value["name"] for value in values] == [model.name for model in load_models()]


def test_show_as_json(capsys):
    assert main(["models", "show", "CHATGLM3-6b", "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["name"] == "glm3-6b"
    assert (value["layers"], value["kv_heads"], value["parameters"]) == (28, 2, 6_243_584_000)
    assert value["layouts"] == [
        {"seq_len": 4096, "tp": 1, "pp": 4, "nodes": 1, "npus_per_node": 4},
        {"seq_len": 8192, "tp": 2, "pp": 4, "nodes": 1, "npus_per_node": 8},
    ]
    assert value["sources"]


def test_show_has_no_theta_where_the_model_has_none(capsys):
    assert main(["models", "show", "baichuan2-13b", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rope_theta"] is None


def test_show_for_people(capsys):
    assert main(["models", "show", "llama2-70b"]) == 0
    out = capsys.readouterr().out
    assert "68,976,648,192" in out
    assert "https://huggingface.co/meta-llama/Llama-2-70b-chat-hf" in out


def test_unknown_model(capsys):
    assert main(["models", "show", "llama2-71b"]) == 3
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "did you mean" in captured.err
    assert "Traceback" not in captured.err
