"""Flags that several commands about weights share, and how their values are read."""

from __future__ import annotations

import argparse
import re

from backend.cli.arguments import add_json
from backend.cli.flag_types import positive, real
from backend.translation import _

FORMATS = ("legacy", "mcore")
DTYPES = ("bf16", "fp16", "fp32")
_UNITS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)(i?)b?", re.IGNORECASE)


def add_layout_flags(parser: argparse.ArgumentParser, default: str = "") -> None:
    """How the tree is cut. `default`: in words, how without flags; they are required where it is ""."""
    group = parser.add_argument_group(_("layout"))
    otherwise = _(" (default: {default})").format(default=default) if default else ""
    for flag, words in (("--tp", _("tensor parallel ranks")), ("--pp", _("pipeline stages"))):
        group.add_argument(flag, type=positive, required=not default, metavar="N", help=words + otherwise)
    group.add_argument(
        "--layers-per-stage",
        type=layer_counts,
        metavar="N,N…",
        help=_("layers of each stage, such as 9,9,7,7 (default: as many on each)"),
    )
    group.add_argument(
        "--layers-per-virtual-stage",
        type=positive,
        metavar="N",
        help=_("cut stages into virtual ones of N layers"),
    )


def add_tree_flags(parser: argparse.ArgumentParser, *, format_default: str, dtype_default: str) -> None:
    """What the Megatron tree is like; the defaults in words."""
    group = parser.add_argument_group(_("tree"))
    add_format(group, format_default)
    add_dtype(group, dtype_default)
    group.add_argument(
        "--make-vocab-size-divisible-by",
        type=positive,
        metavar="N",
        help=_("pad the vocabulary to a multiple of N times TP (default: 1)"),
    )
    group.add_argument(
        "--padded-vocab-size", type=positive, metavar="N", help=_("pad the vocabulary to N rows")
    )


def add_format(parser: argparse._ActionsContainer, default: str) -> None:
    words = _("names and nesting in the files (default: {default})").format(default=default)
    parser.add_argument("--format", choices=FORMATS, help=words)


def add_dtype(parser: argparse._ActionsContainer, default: str) -> None:
    words = _("dtype to write (default: {default})").format(default=default)
    parser.add_argument("--dtype", choices=DTYPES, help=words)


def add_lora_flags(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """What the user says of an adapter; it is held against the adapter itself."""
    group = parser.add_argument_group(_("LoRA"))
    group.add_argument("--lora-r", type=positive, metavar="N", help=_("rank that it was trained with"))
    group.add_argument("--lora-alpha", type=_number, metavar="N", help=_("alpha that it was trained with"))
    group.add_argument(
        "--lora-target-modules", nargs="+", metavar="NAME", help=_("modules that it was trained on")
    )
    return group


def add_work_flags(
    parser: argparse.ArgumentParser, *, has_dry_run: bool = True, has_memory: bool = True
) -> None:
    """How the work is done; for every command that writes weights."""
    group = parser.add_argument_group(_("work"))
    if has_memory:
        words = _("memory to use, such as 16GB: more files at once where it is enough")
        group.add_argument("--memory", type=size, metavar="SIZE", help=words)
    group.add_argument("--overwrite", action="store_true", help=_("replace an output that is there"))
    if has_dry_run:
        words = _("check names, shapes and layout, show what would be written, and stop")
        group.add_argument("--dry-run", action="store_true", help=words)
    group.add_argument("--quiet", action="store_true", help=_("no progress and no remarks"))
    add_json(parser)


def layer_counts(text: str) -> list[int]:
    """`9,9,7,7`: layers of each stage."""
    try:
        return [positive(part.strip()) for part in text.split(",")]
    except argparse.ArgumentTypeError as error:
        what = _("{text!r} is not a list of layer counts such as 9,9,7,7").format(text=text)
        raise argparse.ArgumentTypeError(what) from error


def size(text: str) -> int:
    """Bytes of `5GB`, `500 MB`, `16GiB` or `1000`; kB, MB … are powers of 1000, KiB, MiB … of 1024."""
    found = _SIZE.fullmatch(text.strip())
    if found is None or (found[3] and not found[2]):
        raise argparse.ArgumentTypeError(_("{text!r} is not a size such as 5GB").format(text=text))
    unit: int = (1024 if found[3] else 1000) ** _UNITS[found[2].lower()]
    number = round(float(found[1]) * unit)
    if number < 1:
        raise argparse.ArgumentTypeError(_("{text!r} is less than a byte").format(text=text))
    return number


def _number(text: str) -> float:
    """A number above 0; an integer stays one."""
    try:
        number = real(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(_("{text!r} is not a number above 0").format(text=text))
    return int(number) if number.is_integer() else number
