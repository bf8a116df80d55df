"""The parts of a model in a Megatron tree: what it should hold against what it holds, and the pieces of each
part from all tensor parallel ranks."""

from __future__ import annotations

from gettext import gettext as _
from typing import Dict, List, NamedTuple, Optional

from backend.node.job_lines import JobError
from backend.node.weights.gathering import Where
from backend.node.weights.layout import check_division
from backend.node.weights.megatron_tree import MegatronTree
from backend.node.weights.model import Model
from backend.node.weights.tensor_cuts import Place, place_of
from backend.node.weights.tree_agreement import check_heads
from backend.node.weights.tree_plan import Entry, plan_rank
from backend.node.weights.weights_check import check_rank


class PartKey(NamedTuple):
    """A name of mapping.PARTS; `layer` in the whole model, None outside layers."""

    part: str
    layer: Optional[int]


class TreeParts:
    """The tree as `model`. Raises JobError when names or shapes do not fit.

    `padded_vocab`: rows of the embedding over all ranks. `place`: for the way back with tensor_cuts."""

    def __init__(self, tree: MegatronTree, model: Model) -> None:
        self.tree = tree
        self.model = model
        self._check_model()
        self._where: Dict[PartKey, Dict[int, Where]] = {}
        self.padded_vocab = self._rows()
        for pp_rank in range(tree.layout.pp):
            for tp_rank in range(tree.layout.tp):
                self._take_rank(tp_rank, pp_rank)
        self.place: Place = place_of(model, tree.layout.tp, self.padded_vocab)

    @property
    def layers(self) -> int:
        return sum(self.tree.layout.layers_per_stage)

    def sources(self, part: str, layer: Optional[int]) -> List[Where]:
        """Where the pieces are, in the order of the ranks. Raises JobError."""
        where = self._where[PartKey(part, layer)]
        found = [where[rank] for rank in sorted(where)]
        dtypes = [source.info(name).dtype for source, name in found]
        if len(set(dtypes)) > 1:
            what = _("the ranks hold {name} in different dtypes").format(name=found[0][1])
            raise JobError(self.tree.field, what, ", ".join(dtypes))
        return found

    def _check_model(self) -> None:
        tree = self.tree
        if tree.is_adapter:
            what = _("{path} holds a LoRA adapter, not a whole model").format(path=tree.root)
            raise JobError(tree.field, what, "", _("merge it into its base model"))
        if self.layers != self.model.layers:
            what = _("the checkpoint has {found} layers and the model {wanted}").format(
                found=self.layers, wanted=self.model.layers
            )
            raise JobError(tree.field, what, "", _("give the config of the model that was trained"))
        check_heads(tree, self.model)
        check_division(self.model, tree.layout.tp)

    def _rows(self) -> int:
        """Counted: a tree may be padded, or not be padded where TP does not divide the vocabulary."""
        tree = self.tree
        rows = 0
        for tp_rank in range(tree.layout.tp):
            plan = self._plan(tp_rank, 0, self.model.vocab)
            key = next(key for key, entry in plan.items() if entry.part == "embedding")
            rows += tree.rank(tp_rank, 0).info(key).shape[0]
        if rows < self.model.vocab:
            what = _("the checkpoint's embedding has {found} rows and the vocabulary {wanted} words").format(
                found=rows, wanted=self.model.vocab
            )
            raise JobError(tree.field, what, "", _("give the config of the model that was trained"))
        return rows

    def _plan(self, tp_rank: int, pp_rank: int, padded_vocab: int) -> Dict[str, Entry]:
        tree = self.tree
        plan = plan_rank(self.model, tree.layout, tree.format, "bf16", padded_vocab, tp_rank, pp_rank)
        return plan.entries

    def _take_rank(self, tp_rank: int, pp_rank: int) -> None:
        tree = self.tree
        source = tree.rank(tp_rank, pp_rank)
        plan = plan_rank(self.model, tree.layout, tree.format, "bf16", self.padded_vocab, tp_rank, pp_rank)
        check_rank(plan, source, tree.folder.ranks[tp_rank, pp_rank], tree.field)
        for planned in plan.tensors:
            entry = plan.entries[planned.key]
            # The last stage's copy of a tied embedding comes second and is not what is read.
            self._where.setdefault(PartKey(entry.part, entry.layer), {}).setdefault(
                tp_rank, (source, planned.key)
            )
