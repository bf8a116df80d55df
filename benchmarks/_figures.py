"""What every benchmark prints: figures with a reference measured in the same run."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Figure:
    """`ratio` is value / reference_value; `goal` is the most that `value` may be, or, with `of_ratio`, the
    least that `ratio` may be."""

    name: str
    value: float
    unit: str
    reference: str | None
    reference_value: float | None
    ratio: float | None
    goal: float | None
    ok: bool | None
    of_ratio: bool = False

    def to_json(self) -> dict[str, object]:
        found = asdict(self)
        del found["of_ratio"]
        return found

    def goal_words(self) -> str:
        if self.goal is None:
            return ""
        words = f"at least {self.goal} ×" if self.of_ratio else f"at most {self.goal}"
        return f"  goal {words}: {'met' if self.ok else 'MISSED'}"


def figure(
    name: str,
    value: float,
    unit: str,
    *,
    reference: str | None = None,
    reference_value: float | None = None,
    goal: float | None = None,
    least_ratio: float | None = None,
) -> Figure:
    ratio = round(value / reference_value, 3) if reference_value else None
    compared = None if reference_value is None else round(reference_value, 3)
    if least_ratio is not None:
        ok = None if ratio is None else ratio >= least_ratio
        return Figure(name, round(value, 3), unit, reference, compared, ratio, least_ratio, ok, True)
    ok = None if goal is None else value <= goal
    return Figure(name, round(value, 3), unit, reference, compared, ratio, goal, ok)


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
        print(json.dumps({"figures": [item.to_json() for item in figures]}))
    else:
        for item in figures:
            against = f"  {item.ratio} × {item.reference} ({item.reference_value})" if item.ratio else ""
            print(f"{item.name}: {item.value} {item.unit}{against}{item.goal_words()}")
    return 0 if all(item.ok is not False for item in figures) else 1
