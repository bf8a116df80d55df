"""The cuts on the tensors of the reference conversions, both ways, by the checksums of their bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import golden_facts
import pytest

from backend.node.weights import tensor_cuts
from backend.node.weights.families.mapping import PARTS
from backend.node.weights.hf_folder import HfFolder
from backend.node.weights.hf_plan import plan_hf, source_names
from backend.node.weights.layout import layout_of_args, pad_vocabulary
from backend.node.weights.model_config import read_model
from backend.node.weights.pt_file import PtFile
from backend.node.weights.tree_plan import plan_rank

np = pytest.importorskip("numpy")


def dtype_of(case: Path) -> str:
    first = next(iter(golden_facts.facts_of(case)["megatron"].values()))
    return next(dtype for _shape, dtype in golden_facts.tensors_of(first).values())


# The others went through a narrower dtype.
CASES = [
    case
    for case in golden_facts.all_cases()
    if dtype_of(case) == golden_facts.DTYPES[golden_facts.config_of(case)["torch_dtype"]]
]
if not CASES:
    pytest.skip("the reference trees are not on this machine", allow_module_level=True)


def digest(array: object) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


@pytest.mark.parametrize("case", CASES, ids=golden_facts.name_of)
def test_pieces_and_sources_are_those_of_the_reference(case: Path) -> None:
    facts = golden_facts.facts_of(case)
    args = golden_facts.layout_of(facts)
    layout, model = layout_of_args(args), read_model(golden_facts.config_of(case))
    padded = pad_vocabulary(model.vocab, layout.tp, args.get("make_vocab_size_divisible_by", 1))
    place = tensor_cuts.place_of(model, layout.tp, padded)
    hf = HfFolder(str(case / "hf"))
    pieces: dict[tuple[str, int | None], dict[int, Any]] = {}
    for file, content in facts["megatron"].items():
        tp_rank, _sep, pp_rank = file.split("mp_rank_")[1].split("/")[0].partition("_")
        rank = int(tp_rank)
        plan = plan_rank(model, layout, facts["format"], dtype_of(case), padded, rank, int(pp_rank or 0))
        stored = PtFile(str(case / "megatron" / file))
        for key, entry in plan.entries.items():
            sources = [hf.get(name).data for name in source_names(model, entry.part, entry.layer)]
            piece = tensor_cuts.piece(PARTS[entry.part].cut, sources, place._replace(rank=rank))
            assert digest(piece) == content["tensors"][key]["sha256"], key
            pieces.setdefault((entry.part, entry.layer), {})[rank] = stored.get(key).data
    expected = {name: entry["sha256"] for tensors in facts["hf"].values() for name, entry in tensors.items()}
    for name, one in plan_hf(model, dtype_of(case)).entries.items():
        found = pieces[one.part, one.layer]
        ranks = [found[rank] for rank in range(layout.tp)]
        source = tensor_cuts.source(PARTS[one.part].cut, ranks, place, one.number, one.sources)
        assert digest(source) == expected[name], name
