"""How Hugging Face weights are spread over files, and the index that says where each tensor is."""

from __future__ import annotations

import json
import os
from typing import List, NamedTuple

from backend.node import durable
from backend.node.weights.arrays import Planned
from backend.node.weights.hf_folder import INDEXES, SINGLE
from backend.node.weights.hf_plan import HfPlan


class Shard(NamedTuple):
    """One file, and its tensors in their order."""

    name: str
    tensors: List[Planned]

    @property
    def nbytes(self) -> int:
        return sum(planned.nbytes for planned in self.tensors)


def cut_into_shards(plan: HfPlan, max_bytes: int) -> List[Shard]:
    """Files of at most `max_bytes`, more only for a tensor that is larger itself; one file has no number."""
    groups: List[List[Planned]] = [[]]
    size = 0
    for planned in plan.buffers + plan.tensors:
        if groups[-1] and size + planned.nbytes > max_bytes:
            groups.append([])
            size = 0
        groups[-1].append(planned)
        size += planned.nbytes
    if len(groups) == 1:
        return [Shard(SINGLE[0], groups[0])]
    return [
        Shard(f"model-{number:05d}-of-{len(groups):05d}.safetensors", group)
        for number, group in enumerate(groups, 1)
    ]


def write_index(folder: str, shards: List[Shard]) -> str:
    """Write model.safetensors.index.json and answer its path. Raises OSError."""
    path = os.path.join(folder, INDEXES[0])
    content = {
        "metadata": {"total_size": sum(shard.nbytes for shard in shards)},
        "weight_map": {planned.key: shard.name for shard in shards for planned in shard.tensors},
    }
    durable.write_whole(path, json.dumps(content, indent=2) + "\n")
    return path
