"""A head that is stored beside a tied embedding: it is the embedding again, or the model is not tied."""

from __future__ import annotations

from gettext import gettext as _

from backend.node.job_lines import JobError
from backend.node.weights.array_compare import compare
from backend.node.weights.gathering import one_of
from backend.node.weights.model import Model
from backend.node.weights.tensor_source import TensorSource


def own_head(model: Model, source: TensorSource) -> str:
    """The name of a head that differs from the embedding which a tied model has in its place, "" where there
    is none. Reads both. Raises JobError, OSError."""
    if not model.tie_embeddings:
        return ""
    head, embedding = model.table.head.sources[0].name, model.table.embedding.sources[0].name
    names = source.names()
    if head not in names or embedding not in names:
        return ""
    return "" if compare(one_of(source, head), one_of(source, embedding)) is None else head


def check_tied(model: Model, source: TensorSource, field: str = "hf_directory") -> None:
    """Raises JobError for a head that would be lost: newer transformers load such a model with both."""
    head = own_head(model, source)
    if head:
        what = _("{name} differs from the embedding, and config.json says tie_word_embeddings true").format(
            name=head
        )
        why = _("a tied model has one tensor for both: the head would be lost")
        fix = _("set tie_word_embeddings to false in config.json, or take the head out of the weights")
        raise JobError(field, what, why, fix)
