"""What a weights job asks for: its settings, and which tensors it will read."""

from __future__ import annotations

from gettext import gettext as _
from typing import Any, Dict, Iterator, NamedTuple, Optional, Tuple

from backend.node.job_lines import JobError, require
from backend.node.weights.families.llama import LLAMA
from backend.node.weights.families.mapping import Family, Part, Source
from backend.node.weights.tree_formats import FORMATS

FAMILIES = {"llama": LLAMA, "llama2": LLAMA, "llama3": LLAMA, "yi": LLAMA, "qwen1.5": LLAMA, "qwen2": LLAMA}
DTYPES = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}


class Architecture(NamedTuple):
    """Dimensions of a decoder, under the names of the job's JSON; widths are those of one head and one
    gate."""

    family: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    vocab: int
    rope_theta: float
    max_position: int
    norm_eps: float
    tie_embeddings: bool
    qkv_bias: bool
    hf_dtype: str

    def size(self, word: str) -> int:
        """A word of a source's shape as a number."""
        sizes = {
            "hidden": self.hidden,
            "q": self.heads * self.head_dim,
            "kv": self.kv_heads * self.head_dim,
            "ffn": self.ffn,
            "vocab": self.vocab,
        }
        return sizes[word]


class WeightsJob(NamedTuple):
    """The job's JSON. `dtype` None keeps the model's own; the vocabulary is padded to a multiple of TP times
    `make_vocab_size_divisible_by`."""

    hf_directory: str
    output_directory: str
    architecture: Architecture
    tensor_parallel: int
    pipeline_parallel: int
    layers_per_stage: Tuple[int, ...]
    format: str
    dtype: Optional[str] = None
    make_vocab_size_divisible_by: int = 1

    @property
    def family(self) -> Family:
        return FAMILIES[self.architecture.family]

    @property
    def padded_vocab(self) -> int:
        unit = self.make_vocab_size_divisible_by * self.tensor_parallel
        return -(-self.architecture.vocab // unit) * unit

    def layer_parts(self) -> Tuple[Part, ...]:
        return self.family.layer + (self.family.layer_bias if self.architecture.qkv_bias else ())

    def sources(self) -> Iterator[Tuple[str, Source]]:
        """Every tensor that the conversion reads: its name and what the table says of it."""
        outside = [self.family.embedding, self.family.final_norm]
        if not self.architecture.tie_embeddings:
            outside.append(self.family.head)
        for part in outside:
            yield from ((source.name, source) for source in part.sources)
        for layer in range(self.architecture.layers):
            for part in self.layer_parts():
                yield from ((source.name.format(layer=layer), source) for source in part.sources)


def read_job(job: Dict[str, Any]) -> WeightsJob:
    """The job, checked as far as it goes without the model. Raises JobError."""
    require(job, [name for name in WeightsJob._fields if name not in WeightsJob._field_defaults])
    require(job["architecture"], Architecture._fields)
    architecture = Architecture(**{name: job["architecture"][name] for name in Architecture._fields})
    wanted = WeightsJob(**{name: job[name] for name in WeightsJob._fields if name in job})
    wanted = wanted._replace(architecture=architecture, layers_per_stage=tuple(wanted.layers_per_stage))
    for field, value, known in (
        ("architecture", architecture.family, FAMILIES),
        ("format", wanted.format, FORMATS),
        ("dtype", wanted.dtype or "bf16", DTYPES),
    ):
        if value not in known:
            what = _("{value} is not known here").format(value=value)
            raise JobError(field, what, _("known: {names}").format(names=", ".join(known)))
    _check_layout(wanted)
    return wanted


def _check_layout(job: WeightsJob) -> None:
    architecture = job.architecture
    for name, count in (
        (_("attention heads"), architecture.heads),
        (_("key-value heads"), architecture.kv_heads),
        (_("feed-forward width"), architecture.ffn),
    ):
        if count % job.tensor_parallel:
            what = _("TP {tp} does not divide the {name} ({count})").format(
                tp=job.tensor_parallel, name=name, count=count
            )
            raise JobError("tensor_parallel", what, _("every rank holds whole heads and an equal piece"))
    if architecture.heads % architecture.kv_heads:
        raise JobError("architecture", _("the key-value heads do not divide the attention heads"))
    stages = job.layers_per_stage
    if len(stages) != job.pipeline_parallel or sum(stages) != architecture.layers or min(stages) < 1:
        what = _("the stages {stages} do not make PP {pp} with {layers} layers").format(
            stages="+".join(map(str, stages)), pp=job.pipeline_parallel, layers=architecture.layers
        )
        raise JobError("layers_per_stage", what, _("every stage has a layer, and every layer one stage"))
