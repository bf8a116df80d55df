"""What all screens share: the desk, the time, the feed, the draft of the recipe, the colours."""

from __future__ import annotations

from dataclasses import dataclass

from backend.clock import Clock
from backend.live.desk import Desk
from tui.fleet_board import FleetBoard
from tui.inks import Inks
from tui.live_feed import LiveFeed
from tui.recipe_draft import RecipeDraft


@dataclass(slots=True)
class Session:
    desk: Desk
    clock: Clock
    feed: LiveFeed
    draft: RecipeDraft
    inks: Inks
    board: FleetBoard
