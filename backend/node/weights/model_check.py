"""See that a Hugging Face folder holds the model that a weights job is about, before anything is written."""

from __future__ import annotations

from gettext import gettext as _
from typing import Any, List, Tuple

from backend.node.job_lines import JobError
from backend.node.weights.hf_source import HfSource
from backend.node.weights.weights_job import Architecture, WeightsJob

_DEFAULT_THETA = 10000.0


def check_model(job: WeightsJob, source: HfSource) -> None:
    """See that the folder holds the model the job is about, whole and in shape. Raises JobError."""
    _check_config(job.architecture, source)
    wanted = dict(job.sources())
    present = set(source.names())
    missing = [name for name in wanted if name not in present]
    if missing:
        what = _("{count} tensors are missing, the first is {name}").format(
            count=len(missing), name=missing[0]
        )
        raise JobError("hf_directory", what, _("the model would not be whole"), _("fetch the weights again"))
    ignored = job.family.ignored
    if job.architecture.tie_embeddings:
        ignored += tuple(one.name for one in job.family.head.sources)
    unknown = sorted(name for name in present - set(wanted) if not name.endswith(ignored))
    if unknown:
        what = _("{count} tensors have no place in the model, the first is {name}").format(
            count=len(unknown), name=unknown[0]
        )
        raise JobError("hf_directory", what, _("leaving them out would change the model"))
    for name, entry in wanted.items():
        expected = tuple(job.architecture.size(word) for word in entry.shape)
        if source.shape(name) != expected:
            what = _("{name} has the shape {found}, not {expected}").format(
                name=name, found=list(source.shape(name)), expected=list(expected)
            )
            raise JobError("hf_directory", what, _("config.json says another size"))


def _check_config(architecture: Architecture, source: HfSource) -> None:
    """The model's config against the recipe's architecture: sizes must agree."""
    config = source.config
    heads = config.get("num_attention_heads")
    # Newer configs keep it one level down.
    theta = (
        config.get("rope_theta") or (config.get("rope_parameters") or {}).get("rope_theta") or _DEFAULT_THETA
    )
    found: List[Tuple[str, Any, Any]] = [
        ("num_hidden_layers", config.get("num_hidden_layers"), architecture.layers),
        ("hidden_size", config.get("hidden_size"), architecture.hidden),
        ("num_attention_heads", heads, architecture.heads),
        ("num_key_value_heads", config.get("num_key_value_heads") or heads, architecture.kv_heads),
        ("intermediate_size", config.get("intermediate_size"), architecture.ffn),
        ("vocab_size", config.get("vocab_size"), architecture.vocab),
        ("rope_theta", float(theta), float(architecture.rope_theta)),
        ("tie_word_embeddings", bool(config.get("tie_word_embeddings")), architecture.tie_embeddings),
    ]
    for name, value, expected in found:
        if value != expected:
            what = _(
                "{directory} is another model: {name} is {value}, the recipe's model has {expected}"
            ).format(directory=source.directory, name=name, value=value, expected=expected)
            raise JobError("hf_directory", what, "", _("choose the model that these weights belong to"))
    scaling = config.get("rope_scaling")
    if scaling:
        what = _("{directory} scales its rotary positions").format(directory=source.directory)
        raise JobError("hf_directory", what, _("training here does not: {scaling}").format(scaling=scaling))
    eps = config.get("rms_norm_eps", architecture.norm_eps)
    if eps != architecture.norm_eps:
        text = _("note: config.json has rms_norm_eps {found}, training uses {used}")
        print(text.format(found=eps, used=architecture.norm_eps), flush=True)
