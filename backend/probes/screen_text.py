"""What stood on a screen that was written with cursor moves, as `watch npu-smi info | tee log` leaves it.

`watch` prints a table once and then the cells that changed, each at its place: without the places a later
Alarm would be lost, and numbers would run into each other. Sequences: ECMA-48, as far as ncurses writes them.
"""

from __future__ import annotations

import re

MOST_ROWS, MOST_COLUMNS = 500, 1000
# places, as opposed to colours and clearing, which a plain log has as well
_PLACE = re.compile(r"\x1b\[(?:[0-9]+;[0-9]+[Hf]|[0-9]+[dG])")
_CONTROL = re.compile(
    r"\x1b\[(?P<numbers>[0-9;?>]{0,40})(?P<final>[@-~])|\x1b\][^\x07\x1b]{0,200}\x07?|\x1b[()][A-Za-z0-9]"
    r"|\x1b.?|(?P<plain>[\r\n\b])|[\x00-\x08\x0b-\x1f\x7f]"
)


def has_places(text: str) -> bool:
    """Whether the text puts things at places of a screen."""
    return _PLACE.search(text) is not None


def pages_of(text: str, most: int) -> str:
    """The pages one below the other, each as it stood in the end; about the newest `most` characters."""
    screen = _Screen(most)
    position = 0
    for control in _CONTROL.finditer(text):
        screen.write(text[position : control.start()])
        position = control.end()
        if control["plain"]:
            screen.move(control["plain"])
        elif control["final"]:
            screen.obey(control["final"], control["numbers"])
    screen.write(text[position:])
    screen.turn_page()
    return "\n".join(screen.pages)


class _Screen:
    """Rows of characters; `_y` and `_x` count from 0. A row that is written past the last one is not kept."""

    def __init__(self, most: int) -> None:
        self.pages: list[str] = []
        self._most = most
        self._held = 0
        self._rows: list[str] = []
        self._y = self._x = 0

    def write(self, text: str) -> None:
        text = text[: MOST_COLUMNS - self._x]
        if text and self._y < MOST_ROWS:
            row = self._row().ljust(self._x)
            self._put(row[: self._x] + text + row[self._x + len(text) :])
            self._x += len(text)

    def move(self, how: str) -> None:
        if how == "\b":
            self._x = max(0, self._x - 1)
            return
        self._x = 0
        if how == "\n":
            self._y += 1
            if self._y >= MOST_ROWS:
                # a log that only goes down is longer than any screen
                self.turn_page()

    def obey(self, final: str, numbers: str) -> None:
        if final in "hl":
            if numbers == "?1049":
                self.turn_page()
            return
        given = [int(word) if word.isdecimal() and len(word) < 6 else 0 for word in numbers.split(";")]
        first = max(1, given[0])
        if final in "Hf":
            self._go(first - 1, max(1, given[1] if len(given) > 1 else 1) - 1)
        elif final == "d":
            self._go(first - 1, self._x)
        elif final in "G`":
            self._go(self._y, first - 1)
        elif final in "ABCD":
            down = {"A": -first, "B": first}.get(final, 0)
            right = {"D": -first, "C": first}.get(final, 0)
            self._go(self._y + down, self._x + right)
        elif final == "J":
            self._erase_page(given[0])
        else:
            self._change_row(final, given[0], first)

    def turn_page(self) -> None:
        """Keep what stands there, and begin a blank one."""
        if any(self._rows):
            page = "\n".join(self._rows)
            self.pages.append(page)
            self._held += len(page)
            while self._held > self._most and len(self.pages) > 1:
                self._held -= len(self.pages.pop(0))
        self._rows = []
        self._y = self._x = 0

    def _go(self, y: int, x: int) -> None:
        self._y, self._x = min(max(0, y), MOST_ROWS - 1), min(max(0, x), MOST_COLUMNS - 1)

    def _row(self) -> str:
        return self._rows[self._y] if self._y < len(self._rows) else ""

    def _put(self, row: str) -> None:
        if self._y >= MOST_ROWS:
            return
        self._rows += [""] * (self._y + 1 - len(self._rows))
        self._rows[self._y] = row[:MOST_COLUMNS]

    def _erase_page(self, how: int) -> None:
        if how == 0:
            self._put(self._row()[: self._x])
            del self._rows[self._y + 1 :]
        elif how in (2, 3):
            place = self._y, self._x
            self.turn_page()
            self._y, self._x = place

    def _change_row(self, final: str, how: int, count: int) -> None:
        row, x = self._row().ljust(self._x), self._x
        count = min(count, MOST_COLUMNS)
        if final == "K":
            kept = {0: row[:x], 1: " " * (x + 1) + row[x + 1 :]}
            self._put(kept.get(how, ""))
        elif final == "X":
            self._put(row[:x] + " " * count + row[x + count :])
        elif final == "P":
            self._put(row[:x] + row[x + count :])
        elif final == "@":
            self._put(row[:x] + " " * count + row[x:])
        elif final == "b" and x:
            self.write(row[x - 1] * count)
