"""What is asked before a node is taken out of service, or put back."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from rich.text import Text

from backend.state.fleet_state import NodeView
from backend.translation import _
from tui.fleet_board import FleetBoard
from tui.formats import clean
from tui.inks import Inks


@dataclass(frozen=True, slots=True)
class DrainQuestion:
    """`reason` is what stands in the record: the worst that is known of the node, "" for one that is well."""

    title: str
    text: Text
    verb: str
    command: str
    reason: str


def drain_question(view: NodeView, board: FleetBoard, inks: Inks, inventory: str) -> DrainQuestion:
    """One that is drained already is put back. `inventory`: the file that the command names."""
    npudeck = f"npudeck -i {shlex.quote(inventory)} fleet" if inventory else "npudeck fleet"
    if board.drained(view):
        text = Text(_("New runs may be started on it again."), inks["text"])
        command = f"{npudeck} undrain {shlex.quote(view.name)}"
        title = _("Put {node} back into service").format(node=view.name)
        return DrainQuestion(title, text, _("undrain"), command, "")
    text = Text(_("Nothing new is started on it; what runs there goes on."), inks["text"])
    reason = clean(view.findings[0].what) if view.findings else ""
    command = f"{npudeck} drain {shlex.quote(view.name)}"
    if reason:
        text.append("\n" + _("reason: {reason}").format(reason=reason), inks["dim"])
        command += f" --reason {shlex.quote(reason)}"
    title = _("Take {node} out of service").format(node=view.name)
    return DrainQuestion(title, text, _("drain"), command, reason)
