"""A node that prints too much, garbage or tricks: shown as unknown or as text, in bounded memory."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from backend.cli.health_findings import blocks
from backend.cli.health_report import fleet_of, to_json, to_rows
from backend.events import Level, NodeNotReached, NodeObserved
from backend.fleet.transport import Completed
from backend.inventory import Inventory, Node
from backend.probes.probe_plan import MAX_FRAME_BYTES
from backend.probes.probe_worker import examine, observe_once
from tests.backend.probes.test_probe_worker import Here, tool

NODE = Node("n01", "n01", "n01", 1, "/w")
HEAD = (
    "| npu-smi 24.1.0   Version: 24.1.0   |\n"
    "| NPU   Name    | Health  | Power(W)    Temp(C)           Hugepages-Usage(page) |\n"
    "| Chip          | Bus-Id  | AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)         |\n"
)


class Greeting(Here):
    """Logins here print something first, as a careless `.bashrc` does."""

    greeting = ""

    async def run(
        self, node: Node, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float = 15.0
    ) -> Completed:
        wrapped = ["sh", "-c", f'{self.greeting}\nexec "$@"', "sh", *argv]
        return await super().run(node, wrapped, stdin=stdin, timeout_s=timeout_s)


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Greeting]:
    here = Greeting(tmp_path)
    yield here
    await here.close()


@pytest.mark.parametrize(
    ("script", "part"),
    [
        ("exec yes", "printed more than 256 KiB"),
        ("exec cat /dev/zero", "printed more than 256 KiB"),
        ("exec head -c 10000000 /dev/urandom", "printed more than 256 KiB"),
        ("head -c 10000000 /dev/zero | tr '\\0' x; echo", "printed more than 256 KiB"),
        ("head -c 5000 /dev/urandom", "printed no table"),
        ("printf '\\033[2J\\033]0;title\\007'", "printed no table"),
        ("kill -9 $$", "exit code 137"),
    ],
)
async def test_what_is_no_table_is_not_taken_for_one(
    here: Greeting, tmp_path: Path, script: str, part: str
) -> None:
    tool(tmp_path, script)
    seen = await observe_once(here, NODE)
    assert isinstance(seen, NodeNotReached)
    assert part in seen.reason
    assert len(seen.reason) < 400


@pytest.mark.parametrize(
    "greeting",
    [
        "echo Welcome; echo 'npudeck-probe v=1 rc=x n=3'",
        "head -c 100000 /dev/urandom; echo",
        "printf 'no newline'",
        "echo 'npudeck-probe v=1 rc=0 n=99999999'",
    ],
)
async def test_a_greeting_stands_in_nobodys_way(here: Greeting, tmp_path: Path, greeting: str) -> None:
    tool(tmp_path, f"cat <<'END'\n{HEAD}END")
    here.greeting = greeting
    assert isinstance(await observe_once(here, NODE), NodeObserved)


async def test_names_that_try_tricks_are_text(here: Greeting, tmp_path: Path) -> None:
    name = "[red]x[/]\u202e\u001b[31m{0}"
    row = f"| 0 {name} | [b]OK[/] | 90.0 41 0 / 0 |\n| 0 | NA | 0 0 / 0 3000 / 65536 |\n"
    tool(tmp_path, f"cat <<'END'\n{HEAD}{row}END")
    seen, detailed = await examine(here, NODE)
    assert isinstance(seen, NodeObserved)
    assert detailed is not None
    assert [finding.level for finding in detailed.findings] == [Level.UNKNOWN]
    fleet = fleet_of(Inventory("lab", (NODE,), "/s"), ("n01",))
    fleet.apply([seen, detailed])
    shown = "\n".join([*(" ".join(row) for row in to_rows(fleet)), *blocks(fleet, (), 0.0)])
    assert "[red]x[/]" in shown
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert json.loads(json.dumps(to_json("lab", 0.0, fleet)))["nodes"][0]["devices"][0]["level"] == "unknown"


async def test_a_table_of_a_million_rows_is_cut(here: Greeting, tmp_path: Path) -> None:
    row = "| 0 910B3 | OK | 90.0 41 0 / 0 |\\n| 0 | NA | 0 0 / 0 3000 / 65536 |\\n"
    tool(tmp_path, f"printf '{HEAD}'; while :; do printf '{row}'; done")
    seen = await observe_once(here, NODE, timeout_s=20.0)
    assert isinstance(seen, NodeNotReached)
    assert MAX_FRAME_BYTES >= 1 << 18
