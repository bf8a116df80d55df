"""The stack, the marks and the memo of a pickle that is being read: what its instructions work on.

Nothing here imports or calls what a file names: see `pt_allowed`.
"""

from __future__ import annotations

import mmap
from gettext import gettext as _
from typing import Any, Dict, List, Union

from backend.node.weights.pt_allowed import Refused, State, Symbol, construct, symbol
from backend.node.weights.pt_values import Fields, Opaque

_SCALARS = (str, int, float, bool, type(None))


class Machine:
    """`data`: the pickle, from the byte `at`. `below`: the stacks below the marks."""

    def __init__(self, data: Union[bytes, mmap.mmap], start: int) -> None:
        self.data = data
        self.at = start
        self.stack: List[Any] = []
        self.below: List[List[Any]] = []
        self.memo: Dict[int, Any] = {}

    def take(self, count: int) -> bytes:
        piece = self.data[self.at : self.at + count]
        if len(piece) != count:
            raise IndexError
        self.at += count
        return piece

    def number(self, count: int) -> int:
        return int.from_bytes(self.take(count), "little")

    def line(self) -> str:
        end = self.data.find(b"\n", self.at)
        if end < 0:
            raise IndexError
        text = self.data[self.at : end].decode("utf-8", "replace")
        self.at = end + 1
        return text

    def since_mark(self) -> List[Any]:
        items = self.stack
        self.stack = self.below.pop()
        return items

    def mark(self) -> None:
        self.below.append(self.stack)
        self.stack = []

    def append(self, items: List[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not list:
            raise TypeError
        target.extend(items)

    def set_items(self, items: List[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not dict or len(items) % 2:
            raise TypeError
        for key, value in zip(items[::2], items[1::2]):
            # Keys of other types could be nested deeper than Python can hash.
            if type(key) not in _SCALARS:
                raise TypeError
            target[key] = value

    def build(self) -> None:
        """Attributes for the object below: those of a Namespace count, those of a dict (torch keeps versions
        of modules there) and of numpy's objects do not."""
        state = self.stack.pop()
        target = self.stack[-1]
        if type(target) is Fields:
            if type(state) is not dict or not all(type(name) is str for name in state):
                raise TypeError
            target.update(state)
        elif type(target) is not dict and type(target) is not State:
            name = target.name if isinstance(target, (Symbol, Opaque)) else type(target).__name__
            raise Refused(_("it changes {name}").format(name=name))

    def call(self) -> None:
        arguments = self.stack.pop()
        self.stack[-1] = construct(self.stack[-1], arguments)

    def stack_global(self) -> None:
        name = self.stack.pop()
        module = self.stack.pop()
        if type(name) is not str or type(module) is not str:
            raise TypeError
        self.stack.append(symbol(module, name))
