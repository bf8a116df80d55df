"""`npudeck fleet release`: giving back nothing is not said to be done."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Literal

import pytest

from backend.cli.main import main
from backend.fleet import leases
from backend.fleet.inventory_files import save_inventory
from backend.inventory import Inventory, Node
from backend.runs.run_site_files import actor
from backend.state.lease import Lease

State = Literal["held", "broken"]
MINE = f"by-hand-{actor()}"


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Lease]:
    """What is held on n01; `release` takes away what is the caller's."""
    there: list[Lease] = []

    async def leases_of(*_words: object) -> tuple[Lease, ...]:
        return tuple(there)

    async def release(_transport: object, _node: object, run_key: str) -> bool:
        before = len(there)
        there[:] = [lease for lease in there if lease.run_key != run_key]
        return len(there) < before

    monkeypatch.setattr(leases, "leases_of", leases_of)
    monkeypatch.setattr(leases, "release", release)
    node = Node("n01", "192.0.2.1", "192.0.2.1", 8, "/w")
    save_inventory(Inventory("lab", (node,), "/s"), str(tmp_path / "npudeck.toml"))
    monkeypatch.setenv("NPUDECK_INVENTORY", str(tmp_path / "npudeck.toml"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return there


def lease(run: str, state: State = "held", since: float = 1.0) -> Lease:
    return Lease("0", run, "ann@gate", since, state, 1, 0, "", 900)


def test_what_others_hold_is_not_given_back(held: list[Lease], capsys: pytest.CaptureFixture[str]) -> None:
    held.append(lease("r9-cccccc"))
    assert main(["fleet", "release", "n01"]) == 6
    answer = capsys.readouterr()
    assert "r9-cccccc" in answer.out
    assert "holds nothing there" in answer.err
    assert "r9-cccccc" in answer.err
    assert "--steal" in answer.err


def test_ones_own_is_given_back_beside_that_of_others(held: list[Lease]) -> None:
    held.extend([lease("r9-cccccc"), lease(MINE)])
    assert main(["fleet", "release", "n01"]) == 0
    assert [one.run_key for one in held] == ["r9-cccccc"]


def test_where_nothing_is_held_nothing_is_wrong(held: list[Lease]) -> None:
    assert not held
    assert main(["fleet", "release", "n01"]) == 0


def test_a_file_that_cannot_be_read_says_no_time(
    held: list[Lease], capsys: pytest.CaptureFixture[str]
) -> None:
    held.append(lease("?", "broken", 0.0))
    assert main(["fleet", "leases", "n01"]) == 0
    assert "1970" not in capsys.readouterr().out


@pytest.mark.parametrize("npus", ["3-1", "", "0-", "-1", "a", "1-2-3", "0,3-2"])
def test_what_are_no_npus(held: list[Lease], npus: str, capsys: pytest.CaptureFixture[str]) -> None:
    """To hold none of them must not look like holding them."""
    with pytest.raises(SystemExit) as caught:
        main(["fleet", "hold", "n01", f"--npus={npus}"])
    assert caught.value.code == 2
    assert "are no NPU ids such as 0-3,6" in capsys.readouterr().err


def test_until_when_it_is_held_by_hand(held: list[Lease], capsys: pytest.CaptureFixture[str]) -> None:
    held.append(lease(MINE))
    assert main(["fleet", "leases", "n01"]) == 0
    assert time.strftime("until %Y-%m-%d %H:", time.gmtime(time.time() + 899)) in capsys.readouterr().out


def test_no_table_where_no_node_has_an_answer(held: list[Lease], capsys: pytest.CaptureFixture[str]) -> None:
    assert not held
    assert main(["fleet", "hold", "n01", "--npus", "99"]) == 2
    answer = capsys.readouterr()
    assert answer.out == ""
    assert "n01 has the NPUs 0 to 7" in answer.err
