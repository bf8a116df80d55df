"""What a model's folder lacks, what stands in the way, and the copy in which it does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from backend.node.job_lines import JobError
from backend.node.weights.check_files import check_files

LLAMA: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "num_hidden_layers": 2,
    "hidden_size": 16,
    "num_attention_heads": 4,
    "intermediate_size": 24,
    "vocab_size": 100,
    "torch_dtype": "bfloat16",
}
TOKENIZER = {"model": {"vocab": {"a": 0, "b": 99}}}


def folder(path: Path, **files: Any) -> Path:
    """Names with "__" for dots; dicts are written as JSON."""
    path.mkdir()
    for name, content in {"config__json": LLAMA, "tokenizer_config__json": {}, **files}.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (path / name.replace("__", ".")).write_text(text)
    return path


def by_name(report: dict[str, Any], key: str = "files", name: str = "name") -> dict[str, dict[str, Any]]:
    return {one[name]: one for one in report[key]}


def test_a_whole_folder_is_sound(tmp_path: Path) -> None:
    model = folder(tmp_path / "m", tokenizer__json=TOKENIZER)
    (model / "model.safetensors").write_bytes(b"weights")
    report = check_files(str(model))
    assert report["sound"]
    assert report["family"] == "llama2"
    assert report["missing"] == report["fix_ups"] == report["written"] == []
    assert "model.safetensors" not in by_name(report)
    assert not by_name(report)["special_tokens_map.json"]["there"]
    assert not by_name(report)["special_tokens_map.json"]["needed"]


def test_a_missing_vocabulary_and_config_are_named(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    report = check_files(str(tmp_path / "m"))
    assert report["missing"] == ["config.json", "tokenizer.json", "tokenizer_config.json"]
    assert not report["sound"]


def test_half_a_vocabulary_is_not_one(tmp_path: Path) -> None:
    report = check_files(str(folder(tmp_path / "m", vocab__json={})))
    assert report["missing"] == ["merges.txt"]
    whole = check_files(str(folder(tmp_path / "n", vocab__json={}, tokenizer__model="sp")))
    assert whole["missing"] == []


def test_code_is_followed_from_the_configs_through_its_imports(tmp_path: Path) -> None:
    config = {**LLAMA, "auto_map": {"AutoModel": "modeling_x.X", "AutoConfig": "elsewhere/repo--conf.Y"}}
    model = folder(
        tmp_path / "m",
        config__json=config,
        tokenizer__model="sp",
        modeling_x__py="from .helpers import thing\nfrom ..above import other\nimport torch\n",
    )
    report = check_files(str(model))
    assert report["missing"] == ["helpers.py"]
    assert by_name(report)["helpers.py"]["why"] == "modeling_x.py imports it"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "empty"),
        ("{", "not JSON"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "pointer"),
        (json.dumps({"model": {"vocab": {"a": 100}}}), "the id 100, and the model has 100 words"),
    ],
)
def test_a_file_that_is_not_what_it_should_be(tmp_path: Path, text: str, fault: str) -> None:
    report = check_files(str(folder(tmp_path / "m", tokenizer__json=text)))
    assert fault in by_name(report)["tokenizer.json"]["fault"]
    assert not report["sound"]
    assert report["missing"] == []


def test_files_of_the_original_that_were_not_brought_along(tmp_path: Path) -> None:
    like = folder(tmp_path / "like", tokenizer__json=TOKENIZER, special_tokens_map__json={})
    model = folder(tmp_path / "m", tokenizer__json=TOKENIZER)
    assert check_files(str(model), like=str(like))["lacking"] == ["special_tokens_map.json"]
    with pytest.raises(JobError) as caught:
        check_files(str(model), like="/nowhere")
    assert caught.value.field == "like_directory"


def glm(path: Path) -> Path:
    head = "class T:\n    def _pad(\n        self,\n        a: dict,\n    ) -> dict:\n"
    code = head + '        assert self.padding_side == "left"\n        return a\n'
    return folder(path, tokenization_chatglm__py=code, tokenizer__model="sp")


def test_fix_ups_are_explained_and_the_folder_is_left_alone(tmp_path: Path) -> None:
    model = glm(tmp_path / "m")
    before = {path.name: path.read_bytes() for path in model.iterdir()}
    fixes = by_name(check_files(str(model)), "fix_ups", "key")
    assert {key: one["state"] for key, one in fixes.items()} == {
        "padding-side": "needed",
        "pad-argument": "needed",
    }
    assert '-        assert self.padding_side == "left"' in fixes["padding-side"]["diff"]
    assert {path.name: path.read_bytes() for path in model.iterdir()} == before


def test_a_copy_has_them_applied_and_no_weights(tmp_path: Path) -> None:
    model = glm(tmp_path / "m")
    (model / "model.safetensors").write_bytes(b"weights")
    report = check_files(str(model), str(tmp_path / "fixed"))
    assert report["fixed"] == ["tokenization_chatglm.py"]
    written = sorted([*report["written"], "npudeck.manifest.json"])
    assert sorted(path.name for path in (tmp_path / "fixed").iterdir()) == written
    assert "model.safetensors" not in report["written"]
    again = check_files(str(tmp_path / "fixed"))
    assert {one["state"] for one in again["fix_ups"]} == {"done"}
    assert (tmp_path / "fixed" / "config.json").read_bytes() == (model / "config.json").read_bytes()


def test_a_copy_never_lands_on_something(tmp_path: Path) -> None:
    model = glm(tmp_path / "m")
    other = folder(tmp_path / "other")
    for target in (other, model, model / "inside"):
        with pytest.raises(JobError) as caught:
            check_files(str(model), str(target))
        assert caught.value.field == "output_directory"
    check_files(str(model), str(other), overwrite=True)
    assert (other / "tokenization_chatglm.py").exists()


def test_yi_is_a_setting_of_training(tmp_path: Path) -> None:
    model = folder(tmp_path / "m", config__json={**LLAMA, "vocab_size": 64000}, tokenizer__model="sp")
    fixes = by_name(check_files(str(model)), "fix_ups", "key")
    assert fixes["slow-tokenizer"]["state"] == "setting"
    assert "--tokenizer-not-use-fast" in fixes["slow-tokenizer"]["how"]


def test_no_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="no such folder"):
        check_files(str(tmp_path / "none"))


def test_bytes_that_are_no_text_are_told_as_numbers(tmp_path: Path) -> None:
    model = folder(tmp_path / "m", config__json={**LLAMA, "model_type": "chatglm"})
    line = b'    assert self.padding_side == "left"  # \xff\n'
    (model / "tokenization_chatglm.py").write_bytes(line)
    report = check_files(str(model), str(tmp_path / "mended"))
    [found] = [one for one in report["fix_ups"] if one["key"] == "padding-side"]
    assert "\\xff" in found["diff"]
    json.dumps(report, ensure_ascii=False).encode("utf-8")
    mended = (tmp_path / "mended" / "tokenization_chatglm.py").read_bytes()
    assert mended == line.replace(b"assert", b"# assert")


def test_the_same_again_is_up_to_date(tmp_path: Path) -> None:
    model = glm(tmp_path / "m")
    fixed = tmp_path / "fixed"
    first = check_files(str(model), str(fixed))
    again = check_files(str(model), str(fixed))
    assert (first["up_to_date"], again["up_to_date"]) == (False, True)
    assert {**first, "up_to_date": True} == again


def test_what_this_made_is_replaced_when_the_model_has_changed(tmp_path: Path) -> None:
    model = glm(tmp_path / "m")
    fixed = tmp_path / "fixed"
    check_files(str(model), str(fixed))
    (model / "tokenizer_config.json").write_text('{"new": 1}')
    report = check_files(str(model), str(fixed))
    assert (report["up_to_date"], report["fixed"]) == (False, ["tokenization_chatglm.py"])
    assert (fixed / "tokenizer_config.json").read_text() == '{"new": 1}'


@pytest.mark.parametrize("name", ["notes.txt", "tokenizer_config.json", "more/notes.txt"])
def test_what_somebody_has_put_into_it_since_stays(tmp_path: Path, name: str) -> None:
    model = glm(tmp_path / "m")
    fixed = tmp_path / "fixed"
    check_files(str(model), str(fixed))
    (fixed / name).parent.mkdir(exist_ok=True)
    (fixed / name).write_text("mine")
    with pytest.raises(JobError):
        check_files(str(model), str(fixed))
    assert (fixed / name).read_text() == "mine"


def test_a_copy_that_was_changed_is_spoken_of_as_files(tmp_path: Path) -> None:
    model = glm(tmp_path / "m")
    check_files(str(model), str(tmp_path / "fixed"))
    (tmp_path / "fixed" / "config.json").write_text("{}")
    with pytest.raises(JobError) as caught:
        check_files(str(model), str(tmp_path / "fixed"))
    assert caught.value.what.endswith("fixed holds files that have been changed since they were made")
    assert caught.value.why.startswith("config.json in it is missing or has changed")


def test_a_model_is_never_replaced_by_files(tmp_path: Path) -> None:
    model = glm(tmp_path / "m")
    whole = folder(tmp_path / "whole")
    (whole / "model.safetensors").write_bytes(b"weights")
    with pytest.raises(JobError) as caught:
        check_files(str(model), str(whole), overwrite=True)
    assert caught.value.field == "output_directory"
    assert (whole / "model.safetensors").read_bytes() == b"weights"


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "generation_config.json"])
def test_json_of_another_kind_is_a_fault(tmp_path: Path, name: str) -> None:
    model = folder(tmp_path / "m", tokenizer__model="sp", **{name.replace(".", "__"): 5})
    report = check_files(str(model))
    assert by_name(report)[name]["fault"] == "it is not a JSON object"
    assert not report["sound"]
