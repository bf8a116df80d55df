"""What a tree's arguments say of its model against the config.json that it is read by, as far as shapes do
not show it: with other heads the rows of queries and keys would come out in another order, and nothing would
fail."""

from __future__ import annotations

from gettext import gettext as _
from typing import Iterator, List

from backend.node.job_lines import JobError
from backend.node.weights.array_compare import compare
from backend.node.weights.gathering import one_of
from backend.node.weights.megatron_tree import MegatronTree
from backend.node.weights.model import Model
from backend.node.weights.model_config import model_of_args
from backend.node.weights.rank_copies import placed
from backend.node.weights.tree_formats import FORMATS


def check_heads(tree: MegatronTree, model: Model) -> None:
    """See that `model` has the attention heads that the tree's arguments say; those of a tree that says too
    little are not looked at. Raises JobError about the tree."""
    try:
        said = model_of_args(tree.args)
    except JobError:
        return
    for name, found, wanted in (
        (_("attention heads"), said.heads, model.heads),
        (_("key-value heads"), said.kv_heads, model.kv_heads),
    ):
        if found != wanted:
            what = _("the checkpoint has {found} {name} and the model {wanted}").format(
                name=name, found=found, wanted=wanted
            )
            why = _("the rows of queries, keys and values would come out in another order")
            raise JobError(tree.field, what, why, _("give the config of the model that was trained"))


def check_own_head(tree: MegatronTree, model: Model) -> None:
    """See that no head is lost because config.json says that there is none. Reads the heads and embeddings of
    a tied model that has several stages. Raises JobError about the tree, OSError."""
    if not model.tie_embeddings or tree.args.get("untie_embeddings_and_output_weights") is not True:
        return
    head = next(unequal_heads(tree), "")
    if head:
        what = _("{name} differs from the embedding, and config.json says tie_word_embeddings true").format(
            name=head
        )
        why = _("a tied model has one tensor for both: the head would be lost")
        raise JobError(tree.field, what, why, _("give the config of the model that was trained"))


def notes_on_agreement(tree: MegatronTree, model: Model) -> List[str]:
    """Sentences about what the tree's arguments and config.json say differently, and neither refuses. Reads
    as check_own_head does. Raises JobError, OSError."""
    notes = []
    said = tree.args.get("vocab_size")
    if isinstance(said, int) and said > model.vocab:
        text = _(
            "the checkpoint says a vocabulary of {said} words, config.json one of {wanted}: "
            "the rest is left out"
        )
        notes.append(text.format(said=said, wanted=model.vocab))
    epsilon = tree.args.get("norm_epsilon")
    if isinstance(epsilon, float) and epsilon != model.norm_eps:
        text = _("the checkpoint says a norm epsilon of {said}, config.json {wanted}")
        notes.append(text.format(said=epsilon, wanted=model.norm_eps))
    head = next(unequal_heads(tree), "") if model.tie_embeddings else ""
    if head:
        text = _("{name} should be the embedding again and is not: the embedding is used")
        notes.append(text.format(name=head))
    return notes


def unequal_heads(tree: MegatronTree) -> Iterator[str]:
    """Heads on the last of several stages that are not the embedding of the first, by their rank. Raises
    JobError, OSError."""
    last = tree.layout.pp - 1
    if last == 0:
        return
    names = FORMATS[tree.format]
    for tp_rank in range(tree.layout.tp):
        embedding = _ending(tree, tp_rank, 0, names.names["embedding"])
        copy = _ending(tree, tp_rank, last, names.tied_head)
        if embedding and copy:
            first = one_of(tree.rank(tp_rank, 0), embedding)
            if compare(first, one_of(tree.rank(tp_rank, last), copy)) is not None:
                yield placed(tree, tp_rank, last, copy)


def _ending(tree: MegatronTree, tp_rank: int, pp_rank: int, path: str) -> str:
    names = tree.names(tp_rank, pp_rank)
    return next((name for name in names if name.endswith("/" + path)), "")
