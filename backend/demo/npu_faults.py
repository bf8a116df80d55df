"""The faults that a demo card can show, by name. Standard library alone."""

from __future__ import annotations

from collections.abc import Mapping


class Fault:
    """How a sick card answers. `heat_c`: how much hotter it is, `rows`: isolated memory rows."""

    def __init__(
        self,
        health: str = "OK",
        code: str = "",
        said: str = "",
        heat_c: float = 0.0,
        rows: int = 0,
        errors: int = 0,
        link_up: bool = True,
    ) -> None:
        self.health = health
        self.code = code
        self.said = said
        self.heat_c = heat_c
        self.rows = rows
        self.errors = errors
        self.link_up = link_up


FINE = Fault()
# 16 isolated rows; it runs hotter, as a card with a failing fan would
WARNING = Fault("Warning", "80E18401", "node type=HBM, event state=Isolated Rows", heat_c=24.0, rows=16)
LOST = Fault()  # npu-smi does not list it
FAULTS: Mapping[str, Fault] = {
    "warning": WARNING,
    "alarm": Fault("Alarm", "8C084E00", "node type=PROCESS, event state=Heartbeat Lost"),
    "critical": Fault(
        "Critical", "80E18402", "node type=HBM, event state=Isolated Rows", heat_c=11.0, rows=66, errors=2
    ),
    "link": Fault(link_up=False),
    "lost": LOST,
}


def faults_of(text: str) -> dict[int, Fault]:
    """`1=critical,0=link` by the number of the card; what cannot be read is left out."""
    found = {}
    for entry in text.split(","):
        number, _equals, name = entry.partition("=")
        if number.isdecimal() and name in FAULTS:
            found[int(number)] = FAULTS[name]
    return found
