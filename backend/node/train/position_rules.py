"""Which positions of tokens the native engine computes."""

from __future__ import annotations

from gettext import gettext as _

from backend.node.job_lines import JobError
from backend.node.weights.model import Model


def check_positions(shape: Model) -> None:
    """Raises JobError for positions that are not computed here."""
    if shape.rope_scaling:
        raise JobError(
            "architecture.rope_scaling",
            _("the native engine does not scale rotary positions"),
            _("config.json says {scaling}").format(scaling=shape.rope_scaling),
            _("train this model with another engine"),
        )
    is_alibi = shape.rope_theta == 0.0 and shape.table.has_alibi
    if not shape.rope_theta > 0.0 and not is_alibi:
        raise JobError(
            "architecture.rope_theta",
            _("must be above 0"),
            _("{family} has a rotary embedding").format(family=shape.family),
        )
    if int(shape.head_dim * shape.rotary_percent) % 2:
        raise JobError(
            "architecture.head_dim",
            _("{width} is no multiple of {unit}").format(
                width=shape.head_dim, unit=round(2 / shape.rotary_percent)
            ),
            _("the rotary embedding turns pairs of elements"),
        )
