"""Numbers that cannot be: each ends in one sentence, at once, whoever reads them."""

from __future__ import annotations

import json
import shutil
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
from random_adapter import write_adapter
from random_llama import llama_config, quiet, to_model_job, to_tree_job, write_llama

from backend.node.job_lines import JobError
from backend.node.weights import merge_lora, reshard, split_adapter, to_hf, to_megatron
from backend.node.weights.arrays import Planned
from backend.node.weights.check_files import check_files
from backend.node.weights.config_keys import ConfigKeys
from backend.node.weights.inspect_weights import inspect_weights
from backend.node.weights.pt_file import PtFile
from backend.node.weights.pt_writer import write_pt
from backend.node.weights.verify_weights import verify_weights

NAN, INFINITE, HUGE = float("nan"), float("inf"), 10**400
NO_SCALES = ["8", -8, 0, True, NAN, INFINITE, HUGE, 1e200]
NO_COUNTS = ["4", 4.5, -1, 0, True, [4], {}, NAN, INFINITE, 10**30, HUGE]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_llama(tmp_path / "hf")


@pytest.fixture
def tree(model: Path, tmp_path: Path) -> Path:
    to_megatron.run(to_tree_job(model, tmp_path / "tree"), quiet)
    return tmp_path / "tree"


def change_config(folder: Path, **changes: Any) -> None:
    (folder / "config.json").write_text(json.dumps(llama_config(**changes)))


def change_args(tree: Path, **changes: Any) -> None:
    for path in tree.rglob("*.pt"):
        file = PtFile(str(path))
        arrays = {name: file.get(name) for name in file.names()}
        content = dict(file.content)
        content["args"] = Namespace(**{**file.content["args"], **changes})
        content["model"] = {
            name[len("model/") :]: Planned(name, tuple(array.data.shape), array.dtype)
            for name, array in arrays.items()
        }
        write_pt(str(path), content, arrays.__getitem__)


@pytest.mark.parametrize("value", NO_COUNTS)
@pytest.mark.parametrize("name", ["num_hidden_layers", "num_attention_heads", "vocab_size"])
def test_counts_of_a_config(model: Path, tree: Path, tmp_path: Path, name: str, value: Any) -> None:
    change_config(model, **{name: value})
    started = time.monotonic()
    runs = [
        lambda: to_megatron.run(to_tree_job(model, tmp_path / "out"), quiet),
        lambda: to_megatron.run(to_tree_job(model, tmp_path / "out", dry_run=True), quiet),
        lambda: to_hf.run(to_model_job(tree, model, tmp_path / "out"), quiet),
        lambda: verify_weights(str(model), str(tree)),
    ]
    for run in runs:
        with pytest.raises(JobError, match=name):
            run()
    report = inspect_weights(str(model))
    assert not report["complete"]
    json.dumps(report)
    check_files(str(model))
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("value", ["x", NAN, INFINITE, -1, 0, True, HUGE, [1]])
@pytest.mark.parametrize("nested", [True, False])
def test_theta_of_a_config(model: Path, tmp_path: Path, value: Any, nested: bool) -> None:
    change_config(model, **({"rope_parameters": {"rope_theta": value}} if nested else {"rope_theta": value}))
    with pytest.raises(JobError, match="rope_theta"):
        to_megatron.run(to_tree_job(model, tmp_path / "out"), quiet)
    assert "rope_theta" in inspect_weights(str(model))["problems"][0]["what"]
    check_files(str(model))


@pytest.mark.parametrize("value", ["4", -1, [1], True])
def test_rope_parameters_are_an_object(model: Path, tmp_path: Path, value: Any) -> None:
    change_config(model, rope_parameters=value)
    with pytest.raises(JobError, match="rope_parameters"):
        to_megatron.run(to_tree_job(model, tmp_path / "out"), quiet)


def test_a_text_is_seen_as_one() -> None:
    keys = ConfigKeys({"hidden_size": "4", "long": "x" * 1000}, "hf_directory")
    with pytest.raises(JobError, match="hidden_size is '4'"):
        keys.count("hidden_size")
    with pytest.raises(JobError) as caught:
        keys.count("long")
    assert len(caught.value.what) < 100


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"quantization_config": {"bits": 4}}, "quantized"),
        ({"hidden_act": "gelu"}, "hidden_act is 'gelu'"),
    ],
)
def test_models_that_a_tree_cannot_hold(
    model: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    change_config(model, **changes)
    with pytest.raises(JobError, match=message):
        to_megatron.run(to_tree_job(model, tmp_path / "out"), quiet)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_attention_heads", 0),
        ("num_attention_heads", "4"),
        ("num_query_groups", "x"),
        ("hidden_size", -4),
        ("kv_channels", "x"),
        ("vocab_size", "x"),
        ("rotary_base", "x"),
        ("norm_epsilon", NAN),
        ("num_layers", 10**7),
        ("pipeline_model_parallel_size", 10**9),
        ("tensor_model_parallel_size", 10**12),
        ("rotary_percent", INFINITE),
    ],
)
def test_args_of_a_tree(tree: Path, tmp_path: Path, name: str, value: Any) -> None:
    change_args(tree, **{name: value})
    started = time.monotonic()
    report = inspect_weights(str(tree))
    assert not report["complete"]
    json.dumps(report)
    with pytest.raises(JobError):
        reshard.run({"megatron_directory": str(tree), "output_directory": str(tmp_path / "out")}, quiet)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name in ("r", "lora_alpha") for value in [*NO_SCALES, None]],
)
def test_numbers_of_an_adapter_of_peft(model: Path, tmp_path: Path, name: str, value: Any) -> None:
    adapter = write_adapter(tmp_path / "adapter", llama_config())
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps({**config, name: value}))
    with pytest.raises(JobError, match=name):
        split_adapter.run(split_job(adapter, model, tmp_path / "out"), quiet)
    report = inspect_weights(str(adapter))
    assert not report["complete"]
    assert name in report["problems"][0]["what"]


def split_job(adapter: Path, model: Path, output: Path) -> dict[str, Any]:
    job = {"lora_directory": str(adapter), "like_directory": str(model), "output_directory": str(output)}
    return {**job, "tensor_parallel": 2, "pipeline_parallel": 2, "format": "mcore"}


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"target_modules": ["q_proj"]}, "target_modules"),
        ({"target_modules": r".*\.q_proj"}, "target_modules"),
        ({"target_modules": 5}, "target_modules"),
        ({"target_modules": "("}, "target_modules"),
        ({"layers_to_transform": [0, 1]}, "layers_to_transform"),
        ({"layers_to_transform": 2}, "layers_to_transform"),
    ],
)
def test_an_adapter_whose_config_leaves_tensors_out(
    model: Path, tmp_path: Path, changes: dict[str, Any], name: str
) -> None:
    adapter = write_adapter(tmp_path / "adapter", llama_config())
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps({**config, **changes}))
    with pytest.raises(JobError, match=name):
        split_adapter.run(split_job(adapter, model, tmp_path / "out"), quiet)


@pytest.mark.parametrize(
    "changes",
    [{"target_modules": "all-linear"}, {"target_modules": r".*_proj"}, {"layers_to_transform": [0, 1, 2, 3]}],
)
def test_an_adapter_whose_config_names_all_of_them(
    model: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    adapter = write_adapter(tmp_path / "adapter", llama_config())
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps({**config, **changes}))
    split_adapter.run(split_job(adapter, model, tmp_path / "out"), quiet)


@pytest.mark.parametrize("alpha", NO_SCALES)
def test_alpha_of_an_adapter_of_megatron(model: Path, tmp_path: Path, alpha: Any) -> None:
    tree, lora = tmp_path / "tree", tmp_path / "lora"
    to_megatron.run(to_tree_job(model, tree, format="mcore"), quiet)
    split_adapter.run(split_job(write_adapter(tmp_path / "peft", llama_config()), model, lora), quiet)
    change_args(lora, lora_alpha=alpha)
    job = {"megatron_directory": str(tree), "lora_directory": str(lora)}
    with pytest.raises(JobError, match="lora_alpha"):
        merge_lora.run({**job, "output_directory": str(tmp_path / "out")}, quiet)
    report = inspect_weights(str(lora))
    assert not report["complete"]
    assert report["lora"]["alpha"] is None


def test_alpha_that_is_given(model: Path, tree: Path, tmp_path: Path) -> None:
    job = {"megatron_directory": str(tree), "lora_directory": str(tree), "output_directory": str(tmp_path)}
    for alpha in (NAN, INFINITE, HUGE, -1):
        with pytest.raises(JobError, match="lora_alpha cannot be"):
            merge_lora.run({**job, "lora_alpha": alpha}, quiet)


def test_an_adapter_without_a_half_is_not_complete(model: Path, tmp_path: Path) -> None:
    adapter = write_adapter(tmp_path / "peft", llama_config())
    lora = tmp_path / "lora"
    split_adapter.run(split_job(adapter, model, lora), quiet)
    assert inspect_weights(str(lora))["complete"]
    path = next(lora.rglob("*.pt"))
    file = PtFile(str(path))
    arrays = {name: file.get(name) for name in file.names()}
    gone = next(name for name in arrays if ".lora_B." in name)
    content = dict(file.content)
    content["args"] = Namespace(**file.content["args"])
    content["model"] = {
        name[len("model/") :]: Planned(name, tuple(array.data.shape), array.dtype)
        for name, array in arrays.items()
        if name != gone
    }
    write_pt(str(path), content, arrays.__getitem__)
    report = inspect_weights(str(lora))
    assert not report["complete"]
    assert gone.partition("/")[2] in report["problems"][0]["what"]
    shutil.rmtree(lora)
