"""Whatever a node, a run or an operator calls a thing: no line is longer than the screen, no frame breaks."""

from __future__ import annotations

import pytest
from fake_desk import NOW, FakeDesk
from made_fleets import details, device, host, observed
from rich.cells import cell_len
from screen_text import screen_lines, screen_text, settled
from waiting import OpenConsole

from backend.events import Finding, Level, NodeDetailed, NodeNotReached
from backend.inventory import Inventory, Node
from backend.state.lease import Lease, NodeLeases
from tui.formats import clip, clip_middle, hang, pad

WORDS = {
    "wide": "磁盘空间不足请清理数据目录" * 6,
    "long": "/data/" + "x" * 300,
    "markup": "[red]a[/] [@click=app.quit]b[/] \x1b[2J\x1b]0;t\x07 \u202eabc\r\nnext line\ttab " * 4,
    "marks": "e\u0301\u0301\u0301 \u200b👩\u200d🚀 ﷽ ｶﾞ" * 8,
}


def _desk(word: str) -> FakeDesk:
    name = "ascend-cluster-rack01-node"
    nodes = tuple(Node(f"{name}{i}", "127.0.0.1", f"10.0.0.{i}", 2, "/work") for i in (1, 2))
    desk = FakeDesk(Inventory("lab-" + word[:40], nodes, "/srv/share", path="npudeck.toml"))
    first, second = (node.name for node in nodes)
    found = [
        Finding("x", Level.ALARM, first, 0, 0, word, word, word, NOW - 9, word[:9]),
        Finding("y", Level.WARNING, first, None, None, word, word, word, NOW - 9),
        Finding("optics", Level.CRITICAL, first, 1, 0, f"fault 1: {word}", word, word, NOW - 9),
    ]
    machine = host()
    machine.versions[word] = word
    said = details(0, link=word, net_health=word, fec=word, switch_port=word)
    desk.apply(
        observed(first, (device(0, health=word), device(1))),
        NodeDetailed(first, NOW, (said, details(1)), machine, tuple(found)),
        NodeNotReached(second, NOW - 14, word),
        NodeDetailed(
            "", NOW, (), None, (Finding(word, Level.WARNING, "", None, None, word, word, word, NOW),)
        ),
    )
    lease = Lease("all", word, word, NOW - 99, "held", 0, 0, word)
    desk.fleet.holdings = {first: NodeLeases(NOW, (lease,)), second: NodeLeases(NOW, (lease,))}
    desk.fleet.drained = {first: word}
    desk.fleet.drained_by = {first: (word, NOW - 5)}
    return desk


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (160, 45)])
@pytest.mark.parametrize("word", WORDS)
async def test_every_line_keeps_to_its_frame(console: OpenConsole, word: str, size) -> None:
    async with console(_desk(WORDS[word]), size) as (app, pilot):
        for key in ("", "right", "down", "p", "p", "enter", "right", "escape", "n", "n", "n", "m", "2", "3"):
            if key:
                await pilot.press(key)
            await settled(pilot)
            lines = screen_lines(app)
            assert max(map(cell_len, lines)) <= size[0], key
            framed = [line for line in lines[3:-1] if line and line[0] in "│╭╰"]
            assert {cell_len(line) for line in framed} <= {size[0]}, (key, screen_text(app))
            assert {line[-1] for line in framed} <= set("│╮╯"), (key, screen_text(app))
            assert "[red]" in screen_text(app) or word != "markup" or key in ("2", "3", "escape", "down", "m")


async def test_names_that_begin_alike_are_told_apart(console: OpenConsole) -> None:
    async with console(_desk("x")) as (app, _pilot):
        text = screen_text(app)
        assert "ascend-cl…01-node1" in text
        assert "ascend-cl…01-node2" in text


def test_widths_are_counted_in_cells() -> None:
    assert cell_len(clip("磁盘空间不足", 7)) <= 7
    assert clip("磁盘空间不足", 12) == "磁盘空间不足"
    assert cell_len(pad("磁盘空间不足", 7)) == 7
    assert pad("ab", 4) == "ab  "
    assert clip_middle("ascend-cluster-rack01-node7", 12) == "ascend…node7"
    assert clip_middle("n1", 12) == "n1"
    for line in hang("label", "磁盘空间不足请清理数据目录 abc " * 9, 40, 12).splitlines():
        assert cell_len(line) <= 40
