"""Adapters between Megatron and PEFT: the merged weights are the same to the last bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from golden_facts import all_cases, config_of, facts_of, layout_of, name_of

from backend.node.job_lines import JobError
from backend.node.weights import export_adapter, split_adapter, to_hf
from backend.node.weights.arrays import STORAGE, Array, Planned
from backend.node.weights.casting import cast
from backend.node.weights.hf_folder import HfFolder
from backend.node.weights.lora import merged
from backend.node.weights.megatron_tree import MegatronTree
from backend.node.weights.model import Model
from backend.node.weights.model_config import read_model
from backend.node.weights.peft_adapter import (
    Module,
    PeftAdapter,
    modules_of,
    shape_of,
    target_names,
)
from backend.node.weights.peft_adapter import (
    config_of as adapter_config,
)
from backend.node.weights.progress import Progress
from backend.node.weights.safetensors_file import SafetensorsFile
from backend.node.weights.safetensors_writer import write_safetensors

CASES = {name_of(case): case for case in all_cases()}
if not CASES:
    pytest.skip("the reference trees are not on this machine", allow_module_level=True)

LORA = ["llama2/lora_legacy_tp2pp2", "llama2/lora_mcore_tp2pp1"]
# A layout and format of every kind of table.
FAMILIES = [
    "llama2/mcore_tp2pp2_uneven_1_3",
    "llama3/legacy_tp2pp2_bf16",
    "qwen/legacy_tp2pp2_bf16",
    "qwen2/mcore_tied_tp2pp2",
    "chatglm3/mcore_tp2pp1",
    "baichuan2/mcore_tp2pp2",
    "llama2/mcore_tp1pp4_vpp1",
]
RANK, ALPHA = 3, 6


def quiet(_progress: Progress) -> None:
    """Nobody is told."""


def model_of(case: Path) -> Model:
    return read_model(config_of(case))


def random_adapter(folder: Path, case: Path, dtype: str, wanted: Any, **changes: Any) -> Path:
    """An adapter of PEFT over the modules of which `wanted(module)` is true, each half of its own."""
    folder.mkdir()
    model = model_of(case)
    chance = np.random.default_rng(5)
    arrays: dict[str, Array] = {}
    for module in filter(wanted, modules_of(model)):
        out, width = shape_of(model, module)
        for name, shape in ((module.down, (RANK, width)), (module.up, (out, RANK))):
            values = chance.standard_normal(shape).astype(STORAGE["fp32"])
            arrays[name] = cast(Array(values, "fp32"), dtype).array
    planned = [Planned(name, tuple(array.data.shape), array.dtype) for name, array in arrays.items()]
    write_safetensors(str(folder / "adapter_model.safetensors"), planned, arrays.__getitem__, {})
    targets = sorted({module.name.rpartition(".")[2] for module in filter(wanted, modules_of(model))})
    config = {**adapter_config(RANK, ALPHA, targets, "base"), **changes}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


def split(case: Path, adapter: Path, output: Path, **changes: Any) -> Path:
    args = layout_of(facts_of(case))
    listed = args.get("num_layer_list")
    job = {
        "lora_directory": str(adapter),
        "like_directory": str(case / "hf"),
        "output_directory": str(output),
        "tensor_parallel": args["tensor_model_parallel_size"],
        "pipeline_parallel": args["pipeline_model_parallel_size"],
        "layers_per_stage": [int(word) for word in listed.split(",")] if listed else None,
        "layers_per_virtual_stage": args.get("num_layers_per_virtual_pipeline_stage"),
        "format": facts_of(case)["format"],
        **changes,
    }
    split_adapter.run({key: value for key, value in job.items() if value is not None}, quiet)
    return output


def merged_model(case: Path, lora: Path, output: Path) -> HfFolder:
    job = {
        "megatron_directory": str(case / "megatron"),
        "lora_directory": str(lora),
        "like_directory": str(case / "hf"),
        "output_directory": str(output),
    }
    to_hf.run(job, quiet)
    return HfFolder(str(output))


def merged_by_hand(case: Path, adapter: Path) -> dict[str, Array]:
    """Every module of the original with its own halves: what PEFT does."""
    base = HfFolder(str(case / "hf"))
    peft = PeftAdapter(str(adapter), model_of(case))
    changed = {module.name + ".weight": module for module in peft.modules}
    found = {}
    for name in base.names():
        found[name] = base.get(name)
        if name in changed:
            module = changed[name]
            halves = peft.weights.get(module.down), peft.weights.get(module.up)
            found[name] = merged(found[name], *halves, peft.alpha / peft.rank)
    return found


def assert_same(found: HfFolder, wanted: dict[str, Array]) -> None:
    for name in found.names():
        assert found.get(name).dtype == wanted[name].dtype
        assert found.get(name).data.tobytes() == wanted[name].data.tobytes(), name


def everything(_module: Module) -> bool:
    return True


def queries_and_values(module: Module) -> bool:
    return (module.part, module.number) in (("qkv", 0), ("qkv", 2)) or module.part == "down"


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("wanted", [everything, queries_and_values])
def test_a_split_adapter_merges_as_the_whole_one(name: str, wanted: Any, tmp_path: Path) -> None:
    case = CASES[name]
    dtype = MegatronTree(str(case / "megatron")).dtypes()[0]
    adapter = random_adapter(tmp_path / "peft", case, dtype, wanted)
    tree = split(case, adapter, tmp_path / "lora")
    found = merged_model(case, tree, tmp_path / "hf")
    assert_same(found, merged_by_hand(case, adapter))


@pytest.mark.parametrize("name", FAMILIES)
def test_an_adapter_comes_back_from_the_ranks(name: str, tmp_path: Path) -> None:
    """Fused lower halves do not come apart again, but the change of the weights is the same."""
    case = CASES[name]
    dtype = MegatronTree(str(case / "megatron")).dtypes()[0]
    adapter = random_adapter(tmp_path / "peft", case, dtype, everything)
    tree = split(case, adapter, tmp_path / "lora")
    export(case, tree, tmp_path / "back")
    back = merged_by_hand(case, tmp_path / "back")
    wanted = merged_by_hand(case, adapter)
    assert all(back[name].data.tobytes() == wanted[name].data.tobytes() for name in wanted)


def export(case: Path, lora: Path, output: Path, **changes: Any) -> dict[str, Any]:
    job = {
        "lora_directory": str(lora),
        "like_directory": str(case / "hf"),
        "output_directory": str(output),
        **changes,
    }
    return export_adapter.run(job, quiet).manifest


@pytest.mark.parametrize("name", LORA)
def test_a_reference_adapter_merges_in_peft_as_in_the_reference(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    export(case, case / "lora", tmp_path / "peft")
    found = merged_by_hand(case, tmp_path / "peft")
    assert_same(HfFolder(str(case / "hf_back")), found)
    config = json.loads((tmp_path / "peft" / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"]) == {
        "lora_legacy_tp2pp2": (4, 8),
        "lora_mcore_tp2pp1": (8, 16),
    }[case.name]
    assert set(config["target_modules"]) == {
        f"{word}_proj" for word in ("q", "k", "v", "o", "gate", "up", "down")
    }


@pytest.mark.parametrize("name", LORA)
def test_a_reference_adapter_comes_back_bit_for_bit(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    export(case, case / "lora", tmp_path / "peft")
    tree = MegatronTree(str(split(case, tmp_path / "peft", tmp_path / "lora")))
    original = MegatronTree(str(case / "lora"))
    assert tree.folder.ranks.keys() == original.folder.ranks.keys()
    for rank in original.folder.ranks:
        names = [name for name in original.names(*rank) if ".lora_" in name]
        assert set(names) == set(tree.names(*rank))
        for inner in names:
            assert (
                tree.rank(*rank).get(inner).data.tobytes() == original.rank(*rank).get(inner).data.tobytes()
            )
    assert tree.args["lora_r"] == original.args["lora_r"]
    assert tree.args["lora_alpha"] == original.args["lora_alpha"]
    assert set(tree.args["lora_target_modules"]) == set(original.args["lora_target_modules"])


def test_a_second_time_there_is_nothing_to_do(tmp_path: Path) -> None:
    case = CASES[LORA[0]]
    export(case, case / "lora", tmp_path / "peft")
    before = (tmp_path / "peft").stat().st_mtime_ns
    export(case, case / "lora", tmp_path / "peft")
    assert (tmp_path / "peft").stat().st_mtime_ns == before


def test_names_that_two_parts_share_say_more() -> None:
    model = model_of(CASES["qwen/legacy_tp2pp2_bf16"])
    assert target_names(model, ["attention_out"]) == ["attn.c_proj"]
    assert target_names(model, ["attention_out", "down"]) == ["c_proj"]
    assert target_names(model, ["gate_up"]) == ["w1", "w2"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"use_dora": True}, "use_dora is True"),
        ({"peft_type": "LOHA"}, "peft_type is 'LOHA'"),
        ({"rank_pattern": {"q_proj": 4}}, "rank_pattern"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"r": 4}, "has the shape"),
        ({"lora_alpha": "16"}, "lora_alpha is '16'"),
    ],
)
def test_adapters_without_a_place_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    case = CASES[LORA[0]]
    adapter = random_adapter(tmp_path / "peft", case, "fp16", everything, **changes)
    with pytest.raises(JobError, match=message) as caught:
        split(case, adapter, tmp_path / "lora")
    assert caught.value.field == "lora_directory"
    assert not (tmp_path / "lora").exists()


def test_an_adapter_of_another_model_is_refused(tmp_path: Path) -> None:
    case, other = CASES[LORA[0]], CASES["qwen/legacy_tp2pp2_bf16"]
    adapter = random_adapter(tmp_path / "peft", other, "bf16", everything)
    with pytest.raises(JobError, match="have no place in the model"):
        split(case, adapter, tmp_path / "lora")
    with pytest.raises(JobError, match=r"layers and the model|has the shape|no LoRA"):
        export(CASES["llama3/mcore_tp2pp2"], case / "lora", tmp_path / "back")
    with pytest.raises(JobError, match="cannot read"):
        PeftAdapter(str(tmp_path), model_of(case))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["peft"]


def test_the_written_file_is_one_of_safetensors(tmp_path: Path) -> None:
    case = CASES[LORA[1]]
    export(case, case / "lora", tmp_path / "peft")
    found = SafetensorsFile(str(tmp_path / "peft" / "adapter_model.safetensors"))
    assert "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight" in found.names()
    assert len(found.names()) == 2 * 7 * 2


def test_a_dry_run_says_what_would_be_made(tmp_path: Path) -> None:
    case = CASES[LORA[0]]
    found = export(case, case / "lora", tmp_path / "peft", dry_run=True)
    assert found["dry_run"]
    assert (found["lora"]["r"], found["lora"]["lora_alpha"]) == (4, 8)
    assert found["files"][0]["tensors"] == 2 * 7 * len(
        {module.layer for module in modules_of(model_of(case))}
    )
    assert list(tmp_path.iterdir()) == []
    export(case, case / "lora", tmp_path / "peft")
    job = {
        "lora_directory": str(tmp_path / "peft"),
        "like_directory": str(case / "hf"),
        "output_directory": str(tmp_path / "lora"),
        "tensor_parallel": 2,
        "pipeline_parallel": 2,
    }
    planned = split_adapter.run({**job, "dry_run": True}, quiet).manifest
    assert [one["path"] for one in planned["files"]][:2] == ["mp_rank_00_000", "mp_rank_01_000"]
    assert not (tmp_path / "lora").exists()
    written = split_adapter.run(job, quiet).manifest
    assert planned["lora"] == written["lora"]
    assert (written["lora"]["r"], written["lora"]["lora_alpha"]) == (4, 8)
    assert written["counts"]["bytes"] == planned["counts"]["bytes"]
