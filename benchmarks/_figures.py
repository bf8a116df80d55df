"""What every benchmark prints: figures with a reference measured in the same run."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Figure:
    """`ratio` is value / reference_value; `goal` is the limit that `value` must not pass."""

    name: str
    value: float
    unit: str
    reference: str | None
    reference_value: float | None
    ratio: float | None
    goal: float | None
    ok: bool | None


def figure(
    name: str,
    value: float,
    unit: str,
    *,
    reference: str | None = None,
    reference_value: float | None = None,
    goal: float | None = None,
) -> Figure:
    ratio = round(value / reference_value, 3) if reference_value else None
    ok = None if goal is None else value <= goal
    return Figure(name, round(value, 3), unit, reference, reference_value, ratio, goal, ok)


def options(description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="a sample, under a minute")
    return parser.parse_args()


def report(figures: list[Figure], chosen: argparse.Namespace) -> int:
    """Print, and answer 0 when every goal is met."""
    if chosen.quick:
        print("a quick sample: few repetitions", file=sys.stderr)
    if chosen.json:
        print(json.dumps({"figures": [asdict(item) for item in figures]}))
    else:
        for item in figures:
            against = f"  {item.ratio} × {item.reference} ({item.reference_value})" if item.ratio else ""
            goal = "" if item.goal is None else f"  goal ≤ {item.goal} {'met' if item.ok else 'MISSED'}"
            print(f"{item.name}: {item.value} {item.unit}{against}{goal}")
    return 0 if all(item.ok is not False for item in figures) else 1
