"""Which processes on a node belong to the run that holds it: only who knows that may call others foreign."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from backend.clock import Clock
from backend.events import NodeObserved, ProcessReading
from backend.fleet.transport import Transport
from backend.inventory import Node
from backend.problems import NpudeckError

LOOK_S, AGAIN_S, RENEW_S = 2.0, 5.0, 60.0  # for news; at least between questions; without news
_WORD = "npudeck-own"
# every process of a job carries its mark (job.sh); a run that does not hold the node has no say
_SCRIPT = """
holder=
{ read -r holder <"$1/leases/all"; } 2>/dev/null || :
[ "$holder" = "$2" ] || exit 0
grep -lzsF -e "NPUDECK_JOB=$2." /proc/[0-9]*/environ 2>/dev/null | while IFS=/ read -r empty proc pid rest; do
    printf 'npudeck-own %s\\n' "$pid"
done
"""


def own_argv(node: Node, run_key: str) -> tuple[str, ...]:
    """Prints one line for each process of the run; nothing when the node is not leased to it."""
    return ("sh", "-c", _SCRIPT, _WORD, f"{node.work_directory}/.npudeck", run_key)


def parse_own(text: str) -> frozenset[int]:
    """The process ids, whatever a login script prints around them."""
    words = (line.split() for line in text.splitlines())
    return frozenset(
        int(word[1]) for word in words if len(word) == 2 and word[0] == _WORD and word[1].isdecimal()
    )


Key = tuple[int, int | None]


@dataclass(slots=True)
class OwnProcesses:
    """What is known of one node. `asked_at`: when the run's processes were asked for, UTC epoch seconds."""

    run_key: str = ""
    asked_at: float = float("-inf")
    own: frozenset[int] = frozenset()
    cards: frozenset[int] = frozenset()
    _first_seen: dict[Key, float] = field(default_factory=dict)

    def see(self, seen: NodeObserved) -> None:
        """Remember since when each process is on a card."""
        before = self._first_seen
        self._first_seen = {_key(one): before.get(_key(one), seen.at) for one in seen.processes}
        self.cards = frozenset(device.npu_id for device in seen.devices)

    def take(self, run_key: str, own: frozenset[int], asked_at: float) -> None:
        self.run_key, self.own, self.asked_at = run_key, own, asked_at

    def must_ask(self, run_key: str, now: float) -> bool:
        """A process that is new since the last question may be the run's; an old answer is asked anew."""
        if run_key != self.run_key:
            return bool(run_key)
        quiet_s = now - self.asked_at
        return bool(run_key) and quiet_s >= (AGAIN_S if self._news() else RENEW_S)

    def leased(self, run_key: str) -> Mapping[int, frozenset[int]]:
        """By card, the processes of the run; empty as long as a process might be taken for a stranger.

        npu-smi and /proc must count alike, which one process that both know proves: inside of a container, or
        for another user's processes, they may not.
        """
        proven = any(self._is_own(key) for key in self._first_seen)
        if not run_key or run_key != self.run_key or not proven or self._news():
            return {}
        return dict.fromkeys(self.cards, self.own)

    def _news(self) -> bool:
        return any(at >= self.asked_at and not self._is_own(key) for key, at in self._first_seen.items())

    def _is_own(self, key: Key) -> bool:
        return key[0] in self.own or key[1] in self.own


def _key(process: ProcessReading) -> Key:
    return (process.pid, process.container_pid)


async def follow_own(
    transport: Transport, node: Node, state: OwnProcesses, run_key: Callable[[], str], clock: Clock
) -> None:
    """Keep `state` up to date until cancelled; a node that does not answer is asked again."""
    while True:
        await asyncio.sleep(LOOK_S)
        key, now = run_key(), clock.now()
        if not state.must_ask(key, now):
            continue
        try:
            done = await transport.run(node, own_argv(node, key))
        except NpudeckError:
            continue
        state.take(key, parse_own(done.text()) if done.ok else frozenset(), now)
