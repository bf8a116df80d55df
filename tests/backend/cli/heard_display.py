"""A display and a clock for tests of what a job says of itself."""

from __future__ import annotations


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Heard:
    """A display that remembers."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def remark(self, text: str) -> None:
        self.said.append(f"remark {text}")

    def move(self, done: int, total: int, text: str) -> None:
        self.said.append(f"move {done}/{total} {text}")

    def line(self, done: int, total: int, text: str) -> None:
        self.said.append(f"line {done}/{total} {text}")
