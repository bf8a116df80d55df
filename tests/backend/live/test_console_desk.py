"""The façade without any node: what the store holds reaches the windows, and what is missing is said."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from backend.events import RunCreated, RunStateChanged, RunStatus
from backend.fleet.drain_files import with_drained
from backend.live.console import open_desk
from backend.problems import InputError
from backend.recipes.fields import Recipe
from backend.store.run_store import RunStore
from backend.store.state_directory_files import state_directory


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("NPUDECK_INVENTORY", raising=False)
    monkeypatch.chdir(tmp_path)
    return RunStore()


async def test_stored_runs_and_new_events_arrive(store: RunStore) -> None:
    what = ("llama2-7b", "pretrain", "native")
    run = store.create_run(
        RunCreated("", 1.0, "u", *what, ("n1",), 8, 10, 8, 128, "lab", "/i.toml", "", "me@here"), {}
    )
    store.append([RunStateChanged(run.run_id, 2.0, RunStatus.FAILED, "because", 1)])
    desk = open_desk(None)
    assert desk.inventory is None
    await desk.open()
    batches = desk.batches()
    await asyncio.wait_for(anext(batches), 5)
    assert desk.runs.runs[run.run_id].reason == "because"
    other = store.create_run(
        RunCreated("", 3.0, "v", *what, ("n1",), 8, 10, 8, 128, "lab", "/i.toml", "", "me@here"), {}
    )
    store.append([RunStateChanged(other.run_id, 4.0, RunStatus.STOPPED)])
    while other.run_id not in desk.runs.runs:
        await asyncio.wait_for(anext(batches), 5)
    await desk.close()


async def test_without_an_inventory_nothing_is_launched(store: RunStore) -> None:
    desk = open_desk(None)
    with pytest.raises(InputError, match="no inventory"):
        desk.preview(Recipe())
    with pytest.raises(InputError, match="no inventory"):
        await desk.launch(Recipe())


def test_a_named_inventory_must_be_there(store: RunStore) -> None:
    with pytest.raises(InputError, match="nowhere"):
        open_desk("/nowhere/npudeck.toml")


async def test_draining_is_seen_at_once_and_by_other_commands(store: RunStore, tmp_path: Path) -> None:
    path = tmp_path / "npudeck.toml"
    text = '[fleet]\nwork_directory = "/w"\nshared_directory = "/w"\n[[nodes]]\nname = "n[1-2]"\n'
    path.write_text(text.replace("[[nodes]]", '[[nodes]]\nhost = "127.0.0.[1-2]"\nport = 9'))
    desk = open_desk(str(path))
    await desk.open()
    assert desk.inventory is not None
    await desk.drain("n1", "fault 80E18402")
    assert dict(desk.fleet.drained) == {"n1": "fault 80E18402"}
    assert with_drained(desk.inventory, state_directory()).drained == ("n1",)
    await desk.undrain("n1")
    assert dict(desk.fleet.drained) == {}
    assert with_drained(desk.inventory, state_directory()).drained == ()
    await desk.close()
