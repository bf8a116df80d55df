"""Random weights to begin with, as Megatron draws them; the same model for every layout.

Source: megatron/core/transformer/transformer_config.py and utils.py (init_method_normal,
scaled_init_method_normal), core_r0.6.0.
"""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any, Dict, Optional, Tuple

import torch
from torch import Tensor

from backend.node.train.grid import Grid
from backend.node.train.rank_weights import plan_of
from backend.node.train.train_job import TrainJob
from backend.node.weights.families.mapping import PARTS
from backend.node.weights.layout import pad_vocabulary
from backend.node.weights.tensor_cuts import piece, place_of
from backend.node.weights.tree_formats import FORMATS

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ONES = ("norm_1", "norm_2", "final_norm")
_ZEROS = ("qkv_bias",)
# They end on the residual stream, where the layers add up.
_SCALED_BY_DEPTH = ("attention_out", "down")


def initial_weights(job: TrainJob, grid: Grid) -> Dict[str, Tensor]:
    """This rank's tensors, fp32, by their names in its checkpoint file.

    A tensor's values come from the seed and its name in the whole model: a rank draws it whole, keeps its
    piece, and goes on to the next. Raises JobError when the layout cannot hold the model.
    """
    import numpy as np

    padded = pad_vocabulary(job.shape.vocab, grid.tp)
    plan = plan_of(job, grid, padded)
    place = place_of(job.shape, grid.tp, padded, grid.tp_rank)
    found: Dict[str, Tensor] = {}
    for planned in plan.tensors:
        entry = plan.entries[planned.key]
        own = piece(PARTS[entry.part].cut, [_whole(job, entry.part, entry.layer)], place)
        # A view would keep all of the tensor.
        found[planned.key.partition("/")[2]] = torch.from_numpy(own if grid.tp == 1 else np.array(own))
    return found


def _whole(job: TrainJob, part: str, layer: Optional[int]) -> NDArray[Any]:
    """All of a part: q above k above v, gate above up."""
    import numpy as np

    shape: Tuple[int, ...] = tuple(job.shape.size(word) for word in PARTS[part].shape)
    if part in _ONES:
        return np.ones(shape, np.float32)
    if part in _ZEROS:
        return np.zeros(shape, np.float32)
    name = FORMATS["mcore"].names[part].format(layer=layer)
    digest = hashlib.sha256(f"{job.seed} {name}".encode()).digest()
    values = np.empty(shape, np.float32)
    np.random.default_rng(int.from_bytes(digest[:16], "little")).standard_normal(dtype=np.float32, out=values)
    depth = math.sqrt(2.0 * job.shape.layers) if part in _SCALED_BY_DEPTH else 1.0
    values *= np.float32(job.init_method_std / depth)
    return values
