"""The command palette: every action of the registry that works on the current screen, by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from textual.command import DiscoveryHit, Hit, Hits, Provider

from tui.actions import EVERYWHERE, Action, actions_of


class ActionProvider(Provider):
    def _actions(self) -> list[Action]:
        place = getattr(self.screen, "place", "")
        return [*(actions_of(place) if place else ()), *actions_of(EVERYWHERE)]

    def _run(self, action: Action) -> Callable[[], Any]:
        return partial(self.screen.run_action, action.method)

    async def discover(self) -> Hits:
        for action in self._actions():
            yield DiscoveryHit(_name(action), self._run(action), help=_help(action))

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for action in self._actions():
            score = max(matcher.match(_name(action)), matcher.match(action.description) * 0.7)
            if score > 0:
                yield Hit(score, matcher.highlight(_name(action)), self._run(action), help=_help(action))


def _name(action: Action) -> str:
    return f"{action.title} ({action.shown})"


def _help(action: Action) -> str:
    return f"{action.description}: {action.command}" if action.command else action.description
