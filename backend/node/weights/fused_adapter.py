"""An adapter of PEFT in the modules of Megatron, which joins what Hugging Face keeps apart.

q, k and v are one module there, and gate and up another: where their lower halves differ they are stacked,
the upper halves become blocks, and the rank grows with the number of them. Alpha grows with it.
"""

from __future__ import annotations

from gettext import gettext as _
from typing import Any, Dict, List, Tuple

from backend.node.weights.arrays import FP32, STORAGE, Array
from backend.node.weights.casting import cast
from backend.node.weights.families import mapping
from backend.node.weights.model import Model
from backend.node.weights.peft_adapter import Module, PeftAdapter, shape_of


class FusedAdapter:
    """The adapter in Megatron's modules. `rank`, `alpha`: of all of them; `parts`: those that it changes;
    `dtype`: of its tensors, fp32 where they have several; `model`: whose module sizes it has."""

    def __init__(self, adapter: PeftAdapter, model: Model) -> None:
        self._adapter = adapter
        self.model = model
        self._of: Dict[Tuple[str, int], Dict[int, Module]] = {}
        for module in adapter.modules:
            self._of.setdefault((module.part, module.layer), {})[module.number] = module
        self.parts = {part for part, _layer in self._of}
        self._blocks = {key: self._block_numbers(list(found.values())) for key, found in self._of.items()}
        self.times = max(1 + max(blocks.values()) for blocks in self._blocks.values())
        self.rank = adapter.rank * self.times
        self.alpha = adapter.alpha * self.times
        dtypes = {adapter.weights.info(name).dtype for name in adapter.weights.names()}
        self.dtype = dtypes.pop() if len(dtypes) == 1 else FP32

    def notes(self) -> List[str]:
        if self.times == 1:
            return []
        text = _("rank {rank} and alpha {alpha:g} became {new_rank} and {new_alpha:g}: modules are joined")
        old, new = self._adapter.rank, self.rank
        return [text.format(rank=old, alpha=self._adapter.alpha, new_rank=new, new_alpha=self.alpha)]

    def down(self, part: str, layer: int) -> Array:
        """[rank, in]; rows that no module uses are 0."""
        import numpy as np

        width = self.model.size(mapping.PARTS[part].shape[1])
        out = np.zeros((self.rank, width), STORAGE[self.dtype])
        for number, module in self._of.get((part, layer), {}).items():
            block = self._blocks[part, layer][number]
            out[self._columns(block)] = self._get(module.down)
        return Array(out, self.dtype)

    def ups(self, part: str, layer: int) -> List[Array]:
        """One [out, rank] for each Hugging Face module of the part, 0 where the adapter has none."""
        import numpy as np

        found = []
        for number in range(len(self.model.part(part).sources)):
            module = self._of.get((part, layer), {}).get(number)
            rows = shape_of(self.model, Module("", part, layer, number))[0]
            out = np.zeros((rows, self.rank), STORAGE[self.dtype])
            if module is not None:
                block = self._blocks[part, layer][number]
                out[:, self._columns(block)] = self._get(module.up)
            found.append(Array(out, self.dtype))
        return found

    def _columns(self, block: int) -> slice:
        return slice(block * self._adapter.rank, (block + 1) * self._adapter.rank)

    def _get(self, name: str) -> Any:
        return cast(self._adapter.weights.get(name), self.dtype).array.data

    def _block_numbers(self, modules: List[Module]) -> Dict[int, int]:
        """Number of a module to that of its lower half: equal ones are one."""
        halves: List[bytes] = []
        numbers = {}
        for module in modules:
            bits = self._adapter.weights.get(module.down).data.tobytes()
            if bits not in halves:
                halves.append(bits)
            numbers[module.number] = halves.index(bits)
        return numbers
