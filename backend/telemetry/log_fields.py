"""The fields of an iteration line: `key: value |` in every spelling that Megatron and its forks print.

Sources: training_log() of Megatron-LM core_r0.6.0 and main, MindSpeed-LLM, Megatron-DeepSpeed.
All works on bytes, so that positions stay byte offsets; the keys and numbers themselves are ASCII.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache

Fields = dict[str, float]

# no field is longer; it also bounds the search in a line that is no iteration line at all
_LONGEST_PIECE = 300
_PAIR = re.compile(rb"(\[?[A-Za-z][^:=]*?)\s*[:=][\s_]*([^\s|\]/]+)?")
_NUMBER = re.compile(rb"(?i)[-+]?(?:[0-9]{1,30}(?:\.[0-9]{0,30})?(?:e[-+]?[0-9]{1,3})?|nan|inf)")
_SECONDS = re.compile(r"\(?\bs\)?$")
_UNIT = re.compile(r"\s*(?:\((?:ms|s)\)|\b(?:ms|s)$)")

# without blanks: a wrapped line loses or gains them ("grad norm" came out as "g rad norm" of a terminal)
_NAMES = {
    "consumedsamples": "consumed_samples",
    "elapsedtimeperiteration": "elapsed_ms",
    "learningrate": "lr",
    "globalbatchsize": "gbs",
    "gloablbatchsize": "gbs",
    "lmloss": "lm_loss",
    "lossscale": "loss_scale",
    "gradnorm": "grad_norm",
    "numberofskippediterations": "skipped",
    "skippediterations": "skipped",
    "numberofnaniterations": "nan",
    "naniterations": "nan",
}
_KNOWN_EXTRAS = {
    name.replace(" ", ""): name
    for name in (
        "consumed tokens",
        "skipped samples",
        "current time",
        "num zeros",
        "params norm",
        "actual seqlen",
        "curriculum seqlen",
        "samples per second",
        "tokens per gpu per second (tgs)",
        "tokens per gpu per second tgs",
        "max memory allocated(gb)",
        "max memory reserved(gb)",
        "load balancing loss",
    )
}
_STANDARD = {*_NAMES.values(), *_KNOWN_EXTRAS.values(), "tflops"}


def number_of(text: bytes) -> float | None:
    """A number as printed, nan and inf included; None for anything else."""
    return float(text) if _NUMBER.fullmatch(text) else None


def whole_of(value: float | None) -> int | None:
    """A count; None where the number is no number."""
    return int(value) if value is not None and math.isfinite(value) else None


def read_fields(text: bytes) -> tuple[Fields, str | None]:
    """The fields that are numbers, by name, and the name of the last one.

    Standard fields have the names of IterationRecord, others their normalised spelling. Of a pair
    `instantaneous/average` the first is taken, of two fields of one name the first too.
    """
    fields: Fields = {}
    last = None
    for piece in text.split(b"|"):
        for match in _PAIR.finditer(piece[:_LONGEST_PIECE]):
            value = number_of(match.group(2) or b"")
            if value is None:
                continue
            name, scale = _name_of(match.group(1))
            # 6 digits below a millisecond: a product with 1000 brings no more of its own
            fields.setdefault(name, round(value * scale, 6) if scale != 1.0 else value)
            last = name
    if "lm_loss" not in fields and "loss" in fields:
        fields["lm_loss"] = fields.pop("loss")
    return fields, last


def standard_count(fields: Fields) -> int:
    """How many of the fields are ones we know by name: what a joined line must make more of."""
    return sum(name in _STANDARD or name.endswith("loss") for name in fields)


@lru_cache(maxsize=256)
def _name_of(key: bytes) -> tuple[str, float]:
    """The field's name and what its value must be multiplied with."""
    spelled = " ".join(re.sub(r"[_\-\s]+", " ", key.decode("ascii", "replace").lower()).split())
    spelled = spelled.replace("( ", "(").replace(" )", ")")
    bare = _UNIT.sub("", spelled).replace(" ", "")
    if bare in _NAMES:
        name = _NAMES[bare]
        in_seconds = name == "elapsed_ms" and _SECONDS.search(spelled) is not None
        return name, 1000.0 if in_seconds else 1.0
    if "tflop" in bare:
        return "tflops", 1.0
    return _KNOWN_EXTRAS.get(spelled.replace(" ", ""), spelled), 1.0
