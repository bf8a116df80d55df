"""Every action of the console, once: footer, help, palette and key bindings are made from this list."""

from __future__ import annotations

from dataclasses import dataclass

from textual.binding import Binding

from backend.translation import _

EVERYWHERE = "app"
FLEET, NODE, RUNS, RUN, RECIPE = "fleet", "node", "runs", "run", "recipe"


@dataclass(frozen=True, slots=True)
class Action:
    """`keys` as Textual names them, `shown` as a person reads them; `method` is what is called.

    `rank` orders the footer (0: not there); `command` is the command that does the same.
    """

    name: str
    keys: str
    shown: str
    title: str
    description: str
    method: str
    rank: int = 0
    command: str = ""

    @property
    def screen(self) -> str:
        return self.name.partition(".")[0]


# fmt: off
ACTIONS: tuple[Action, ...] = (
    Action("app.fleet", "1", "1", _("fleet"),
           _("Is everything healthy, and if not, what"), "app.show_fleet", 0, "npudeck health"),
    Action("app.runs", "2", "2", _("runs"),
           _("What ran, what runs, how it ended"), "app.show_runs", 0, "npudeck runs list"),
    Action("app.recipe", "3", "3", _("recipe"),
           _("What to train, and whether it will work"), "app.show_recipe", 0, "npudeck recipe show FILE"),
    Action("app.launch", "L,ctrl+l", "L", _("launch"),
           _("Start the run that the recipe describes"), "app.launch", 80, "npudeck launch FILE"),
    Action("app.back", "escape", "esc", _("back"),
           _("Go back one step"), "app.back", 85),
    Action("app.palette", "colon,ctrl+p", ":", _("commands"),
           _("Find any action by name"), "app.command_palette", 0),
    Action("app.theme", "f2", "F2", _("light or dark"),
           _("Change between the dark and the light theme"), "app.toggle_theme"),
    Action("app.help", "question_mark,f1", "?", _("all keys"),
           _("All keys that work here"), "app.keys", 95),
    Action("app.quit", "q", "q", _("leave"),
           _("Leave the console; runs go on without it"), "app.leave", 90),
    Action("fleet.open", "enter", "⏎", _("node"),
           _("Open the node under the cursor, or unfold the well ones"), "screen.open", 10,
           "npudeck health --deep"),
    Action("fleet.next", "n", "n", _("next ill"),
           _("Go to the next thing that is wrong, the worst first"), "screen.next_problem", 12),
    Action("fleet.problems", "p,tab", "p", _("problems"),
           _("List everything that is wrong, or show the card again"), "screen.problems", 14,
           "npudeck health"),
    Action("fleet.measure", "m", "m", _("measure"),
           _("Show health, HBM, AICore, temperature or power"), "screen.measure", 0),
    Action("fleet.drain", "d", "d", _("drain"),
           _("Take the node out of service, or put it back; asks first"), "screen.drain", 20,
           "npudeck fleet drain NODE"),
    Action("fleet.run", "r", "r", _("run"),
           _("Open the run on this node"), "screen.run", 0, "npudeck runs show RUN"),
    Action("fleet.fold", "f", "f", _("fold"),
           _("Fold or unfold the nodes that are well"), "screen.fold", 0),
    Action("node.next", "right,n", "→", _("next NPU"),
           _("Show the next NPU of the node in full"), "screen.next_npu", 10),
    Action("node.previous", "left", "←", _("NPU before"),
           _("Show the NPU before it in full"), "screen.previous_npu", 9),
    Action("node.drain", "d", "d", _("drain"),
           _("Take the node out of service, or put it back; asks first"), "screen.drain", 30,
           "npudeck fleet drain NODE"),
    Action("node.run", "r", "r", _("run"),
           _("Open the run on this node"), "screen.run", 20, "npudeck runs show RUN"),
    Action("runs.open", "enter", "⏎", _("open"),
           _("Open the run under the cursor"), "screen.open", 10, "npudeck runs show RUN"),
    Action("run.follow", "f", "f", _("follow"),
           _("Keep the newest log line in view, or stop doing so"), "screen.follow"),
    Action("run.filter", "slash", "/", _("filter"),
           _("Show only the log lines that contain a text"), "screen.filter", 25),
    Action("run.source", "l", "l", _("next log"),
           _("Read the log of the next stage or node"), "screen.next_source", 30),
    Action("run.pane", "tab", "tab", _("pane"),
           _("Change what is shown above the log"), "screen.next_pane", 10),
    Action("run.scale", "y", "y", _("log scale"),
           _("Draw the loss on a logarithmic axis, or a linear one"), "screen.scale"),
    Action("run.zoom", "z", "z", _("zoom"),
           _("Give the whole screen to the log, or take it back"), "screen.zoom", 35),
    Action("run.stop", "S", "S", _("stop"),
           _("Stop this run on all of its nodes; asks first"), "screen.stop", 40, "npudeck stop RUN"),
    Action("recipe.edit", "enter", "⏎", _("edit"),
           _("Edit the field, or go to the field of a problem"), "screen.edit", 10,
           "npudeck recipe new MODEL --set name=value"),
    Action("recipe.suggest", "full_stop", ".", _("suggestion"),
           _("Apply the value that the problem suggests"), "screen.suggest", 20),
    Action("recipe.default", "delete", "del", _("default"),
           _("Put the field back to its default"), "screen.default"),
    Action("recipe.more", "m", "m", _("more"),
           _("Show the advanced fields, or fold them"), "screen.more"),
    Action("recipe.pane", "tab", "tab", _("pane"),
           _("Change between the form and the problems"), "screen.next_pane"),
    Action("recipe.plan", "v", "v", _("plan"),
           _("Show exactly what would run on each node"), "screen.plan", 40, "npudeck launch FILE --dry-run"),
    Action("recipe.save", "s,ctrl+s", "s", _("save"),
           _("Write the recipe to its file"), "screen.save", 50),
)
# fmt: on

_HIDDEN = {
    FLEET: {"app.back"},
    NODE: {"app.launch"},
    RUNS: {"app.back"},
    RECIPE: {"app.back"},
    RUN: {"app.launch", "app.quit"},
}


def actions_of(screen: str) -> tuple[Action, ...]:
    """The actions of one screen, without those that work everywhere."""
    return tuple(action for action in ACTIONS if action.screen == screen)


def bindings_of(screen: str) -> list[Binding]:
    """Key bindings for Textual; the footer is drawn by ourselves."""
    return [
        Binding(action.keys, action.method, action.title, show=False, id=action.name, priority=False)
        for action in actions_of(screen)
    ]


def footer_of(screen: str, room: int = 7, idle: frozenset[str] = frozenset()) -> tuple[Action, ...]:
    """At most `room` actions for the bottom line, none of `idle`; those that work everywhere come last."""
    hidden = _HIDDEN.get(screen, set()) | idle
    ranked = [
        action
        for action in ACTIONS
        if action.rank and action.screen in (screen, EVERYWHERE) and action.name not in hidden
    ]
    ranked.sort(key=lambda action: action.rank)
    if len(ranked) <= room:
        return tuple(ranked)
    last = [action for action in ranked if action.rank >= 90]
    return tuple([action for action in ranked if action.rank < 90][: room - len(last)] + last)
