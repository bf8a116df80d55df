"""Random weights to begin with, as Megatron draws them; the same model for every layout.

Source: megatron/core/transformer/transformer_config.py and utils.py (init_method_normal,
scaled_init_method_normal), core_r0.6.0.
"""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any, Iterator, Mapping, Optional, Tuple

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


def initial_weights(job: TrainJob, grid: Grid) -> Mapping[str, Tensor]:
    """This rank's tensors, fp32, by their names in its checkpoint file; drawn when they are asked for.

    A tensor's values come from the seed and its name in the whole model: it is drawn whole, and a rank keeps
    its piece. Raises JobError when the layout cannot hold the model.
    """
    return _InitialWeights(job, grid)


class _InitialWeights(Mapping[str, Tensor]):
    def __init__(self, job: TrainJob, grid: Grid) -> None:
        padded = pad_vocabulary(job.shape.vocab, grid.tp)
        entries = plan_of(job, grid, padded).entries
        self._job = job
        self._place = place_of(job.shape, grid.tp, padded, grid.tp_rank)
        self._entries = {key.partition("/")[2]: entry for key, entry in entries.items()}

    def __getitem__(self, name: str) -> Tensor:
        import numpy as np

        entry = self._entries[name]
        whole = _whole(self._job, entry.part, entry.layer)
        own = piece(PARTS[entry.part].cut, [whole], self._place)
        # A view would keep all of the tensor.
        return torch.from_numpy(own if self._place.tp == 1 else np.array(own))

    def __contains__(self, name: object) -> bool:
        # The inherited one makes the tensor.
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


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
