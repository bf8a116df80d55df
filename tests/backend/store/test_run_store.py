"""The store remembers facts once, in order, and a log's bytes exactly once."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from backend.events import (
    IterationLogged,
    RunCreated,
    RunStateChanged,
    RunStatus,
    StageChanged,
    StageName,
    StageProgressed,
    StageStatus,
)
from backend.problems import InputError, LocalError
from backend.store.run_store import Position, RunStore, merged_by_time


def created(uid: str = "aaaaaa") -> RunCreated:
    return RunCreated(
        "",
        1.0,
        uid,
        "llama2-7b",
        "pretrain",
        "native",
        ("n1", "n2"),
        4,
        100,
        8,
        128,
        "lab",
        "/i.toml",
        "",
        "me@here",
    )


def iteration(run_id: str, number: int, offset: int) -> IterationLogged:
    return IterationLogged(
        run_id,
        2.0,
        1,
        number,
        100,
        8 * number,
        10.0,
        1e-3,
        8,
        6.0,
        1.0,
        0.5,
        0,
        0,
        None,
        99.0,
        "train/n2",
        offset,
    )


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "npudeck.db")


def test_runs_are_numbered_and_events_come_back_in_order(store: RunStore) -> None:
    first, second = store.create_run(created("a"), {"master_port": 1}), store.create_run(created("b"), {})
    assert (first.run_id, second.run_id) == ("r1", "r2")
    facts = [
        RunStateChanged("r1", 2.0, RunStatus.PREPARING, "because"),
        StageChanged("r1", 3.0, StageName.CHECK, StageStatus.RUNNING, "n1", "text"),
    ]
    store.append(facts)
    events, position = store.read_since(Position())
    assert events == (first, second, *facts)
    assert store.read_since(position) == ((), position)
    assert store.read_since(Position(), "r2")[0] == (second,)


def test_bytes_of_a_log_are_ingested_exactly_once(store: RunStore) -> None:
    store.create_run(created(), {})
    store.ingest("r1", "train/n2", 0, 100, [iteration("r1", 1, 0)])
    with pytest.raises(ValueError, match="ingested already"):
        store.ingest("r1", "train/n2", 0, 100, [iteration("r1", 1, 0)])
    store.ingest("r1", "train/n2", 100, 200, [iteration("r1", 2, 100)])
    assert store.committed("r1", "train/n2") == 200
    found = [event for event in store.read_since(Position())[0] if isinstance(event, IterationLogged)]
    assert [event.iteration for event in found] == [1, 2]


def test_a_line_that_cannot_be_stored_moves_no_cursor(store: RunStore) -> None:
    store.create_run(created(), {})
    store.ingest("r1", "train/n2", 0, 10, [iteration("r1", 1, 0)])
    with pytest.raises(sqlite3.IntegrityError):
        store.ingest("r1", "train/n2", 10, 20, [iteration("r1", 2, 10), iteration("r1", 1, 0)])
    assert store.committed("r1", "train/n2") == 10
    assert len(store.read_since(Position())[0]) == 2


def test_progress_is_a_sample_and_the_latest_wins(store: RunStore) -> None:
    store.create_run(created(), {})
    samples = [
        StageProgressed("r1", 1.0, StageName.DATA, "n1", done, 10.0, "records", "") for done in (1.0, 2.0)
    ]
    for sample in samples:
        store.put_progress(sample)
    events, position = store.read_since(Position())
    assert events[-1] == samples[-1]
    assert sum(isinstance(event, StageProgressed) for event in events) == 1
    store.put_progress(samples[0])
    assert store.read_since(position)[0] == (samples[0],)


def test_an_unknown_run_is_a_clear_message(store: RunStore) -> None:
    with pytest.raises(InputError, match="there is no run r9"):
        store.require("r9")


def test_a_stop_is_asked_once_and_keeps_who_asked(store: RunStore) -> None:
    store.create_run(created(), {})
    assert store.stop_asked("r1") is None
    store.ask_stop("r1", "anna@bastion")
    store.ask_stop("r1", "ben@bastion")
    assert store.stop_asked("r1") == "anna@bastion"
    assert not store.stop_now("r1")
    store.ask_stop("r1", "ben@bastion", now=True)
    store.ask_stop("r1", "anna@bastion")
    assert store.stop_now("r1")


def test_a_damaged_file_and_a_newer_schema_are_clear_messages(tmp_path: Path) -> None:
    (tmp_path / "bad.db").write_bytes(b"this is no database, and long enough to be looked at" * 40)
    with pytest.raises(LocalError, match="cannot open the store"):
        RunStore(tmp_path / "bad.db")
    newer = sqlite3.connect(tmp_path / "new.db")
    newer.execute("PRAGMA user_version=99")
    newer.close()
    with pytest.raises(LocalError, match="newer npudeck"):
        RunStore(tmp_path / "new.db")


def test_two_connections_see_each_other(tmp_path: Path) -> None:
    writer, reader = RunStore(tmp_path / "x.db"), RunStore(tmp_path / "x.db")
    writer.create_run(created(), {"master_port": 7})
    assert reader.site("r1") == {"master_port": 7}
    assert len(reader.read_since(Position())[0]) == 1


def test_what_is_read_is_told_in_the_order_in_which_it_happened(store: RunStore) -> None:
    run = store.create_run(created(), {})
    store.append([RunStateChanged("r1", 1.5, RunStatus.RUNNING)])
    store.ingest("r1", "train/n2", 0, 10, [iteration("r1", 1, 0)])
    store.append([RunStateChanged("r1", 3.0, RunStatus.FINISHED)])
    store.put_progress(StageProgressed("r1", 1.7, StageName.DATA, "n1", 1.0, 1.0, "records", ""))
    events = store.read_since(Position())[0]
    assert events[0] == run
    assert [event.at for event in events] == [1.0, 1.5, 1.7, 2.0, 3.0]


def test_a_clock_that_steps_back_never_turns_a_stream_around() -> None:
    back = [RunStateChanged("r1", at, RunStatus.RUNNING, str(at)) for at in (5.0, 2.0, 6.0)]
    merged = merged_by_time(back, [iteration("r1", 1, 0)])
    assert [event for event in merged if isinstance(event, RunStateChanged)] == back
