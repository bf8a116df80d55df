"""The memory of the house: runs, iterations, events and log cursors in one SQLite file."""

from __future__ import annotations

import heapq
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from itertools import accumulate
from pathlib import Path
from typing import Any

from backend.events import Event, Fact, IterationLogged, RunCreated, StageProgressed
from backend.problems import InputError, LocalError
from backend.store.event_codec import decode, encode
from backend.store.migrations import MIGRATIONS
from backend.store.refused_store_files import cannot_open, remove_empty
from backend.store.state_directory_files import state_directory
from backend.translation import _

_ITERATION_COLUMNS = tuple(field.name for field in fields(IterationLogged))


@dataclass(frozen=True, slots=True)
class Position:
    """How far a reader has read: the last ids seen."""

    event: int = 0
    iteration: int = 0
    progress: int = 0


class RunStore:
    """One connection. Writers: whoever creates a run, and that run's one supervisor."""

    def __init__(self, path: Path | None = None) -> None:
        """Open, and bring the schema up to date. Raises `LocalError`."""
        self.path = path if path is not None else state_directory() / "npudeck.db"
        new = not self.path.exists()
        try:
            self._db = sqlite3.connect(self.path, timeout=10.0, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._migrate()
        except sqlite3.Error as error:
            if new:
                remove_empty(self.path)
            raise cannot_open(self.path, error) from error

    def close(self) -> None:
        self._db.close()

    def _migrate(self) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version > len(MIGRATIONS):
            raise LocalError.because(
                _("the store {path} was written by a newer npudeck").format(path=self.path),
                _("its schema is {have}, this version knows {know}").format(
                    have=version, know=len(MIGRATIONS)
                ),
                _("update npudeck"),
            )
        for number in range(version, len(MIGRATIONS)):
            with self._transaction():
                (now,) = self._db.execute("PRAGMA user_version").fetchone()
                if now > number:
                    continue
                for statement in MIGRATIONS[number].split(";\n"):
                    if statement.strip():
                        self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version={number + 1}")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    # ---- runs ------------------------------------------------------------------------------------

    def create_run(self, created: RunCreated, site: dict[str, Any]) -> RunCreated:
        """Give the run its number ("r7") and remember it. `created.run_id` is ignored."""
        with self._transaction():
            cursor = self._db.execute(
                "INSERT INTO runs (run_id, uid, site) VALUES (?, ?, ?)",
                (created.uid, created.uid, json.dumps(site)),
            )
            run = replace(created, run_id=f"r{cursor.lastrowid}")
            self._db.execute("UPDATE runs SET run_id=? WHERE number=?", (run.run_id, cursor.lastrowid))
            self._insert(run)
        return run

    def site(self, run_id: str) -> dict[str, Any]:
        """What was fixed at launch. Raises `InputError` for an unknown run."""
        try:
            row = self._db.execute("SELECT site FROM runs WHERE run_id=?", (run_id,)).fetchone()
        except UnicodeEncodeError:
            # typed in bytes that are no UTF-8: no run is called so
            row = None
        if row is None:
            raise self._unknown(run_id)
        site: dict[str, Any] = json.loads(row[0])
        return site

    def fix_site(self, run_id: str, site: dict[str, Any]) -> None:
        """Replace what is fixed for a run: only before anything of it has started."""
        self._db.execute("UPDATE runs SET site=? WHERE run_id=?", (json.dumps(site), run_id))

    def require(self, run_id: str) -> None:
        """Raises `InputError` for an unknown run."""
        self.site(run_id)

    def _unknown(self, run_id: str) -> InputError:
        rows = self._db.execute("SELECT run_id FROM runs ORDER BY number DESC LIMIT 5").fetchall()
        known = ", ".join(row[0] for row in rows)
        return InputError.because(
            _("there is no run {run}").format(run=run_id),
            _("the newest runs are {known}").format(known=known)
            if known
            else _("nothing has been launched yet"),
            _("`npudeck runs list` shows all of them"),
        )

    def ask_stop(self, run_id: str, actor: str, *, now: bool = False) -> None:
        """The first to ask is remembered; `now` may be asked for later. Raises `InputError`."""
        self.require(run_id)
        self._db.execute(
            "UPDATE runs SET stop_asked=coalesce(stop_asked, ?), stop_now=max(stop_now, ?) WHERE run_id=?",
            (actor, int(now), run_id),
        )

    def stop_asked(self, run_id: str) -> str | None:
        row = self._db.execute("SELECT stop_asked FROM runs WHERE run_id=?", (run_id,)).fetchone()
        return row[0] if row is not None else None

    def stop_now(self, run_id: str) -> bool:
        """Is the stop to give no time to save?"""
        row = self._db.execute("SELECT stop_now FROM runs WHERE run_id=?", (run_id,)).fetchone()
        return bool(row is not None and row[0])

    # ---- events ----------------------------------------------------------------------------------

    def append(self, facts: Iterable[Fact]) -> None:
        """Remember facts, all of them or none."""
        with self._transaction():
            for fact in facts:
                self._insert(fact)

    def ingest(self, run_id: str, log: str, start: int, end: int, facts: Iterable[Fact]) -> None:
        """Remember what bytes `start..end` of a log said, exactly once.

        The cursor moves in the same transaction; raises `ValueError` when it does not stand at `start`.
        """
        with self._transaction():
            if self.committed(run_id, log) != start:
                raise ValueError(f"{log}: bytes from {start} were ingested already")
            for fact in facts:
                self._insert(fact)
            self._db.execute("INSERT OR REPLACE INTO log_cursors VALUES (?, ?, ?)", (run_id, log, end))

    def committed(self, run_id: str, log: str) -> int:
        """Bytes of a log that have been turned into events."""
        row = self._db.execute(
            "SELECT committed FROM log_cursors WHERE run_id=? AND log=?", (run_id, log)
        ).fetchone()
        return int(row[0]) if row is not None else 0

    def put_progress(self, sample: StageProgressed) -> None:
        _kind, payload = encode(sample)
        with self._transaction():
            (rev,) = self._db.execute("SELECT coalesce(max(rev), 0) + 1 FROM progress").fetchone()
            self._db.execute(
                "INSERT OR REPLACE INTO progress VALUES (?, ?, ?, ?, ?)",
                (sample.run_id, sample.stage.value, sample.node, rev, payload),
            )

    def _insert(self, fact: Fact) -> None:
        if isinstance(fact, IterationLogged):
            values = [getattr(fact, name) for name in _ITERATION_COLUMNS]
            marks = ", ".join("?" * len(values))
            columns = ", ".join(_ITERATION_COLUMNS)
            self._db.execute(f"INSERT INTO iterations ({columns}) VALUES ({marks})", values)  # noqa: S608
            return
        kind, payload = encode(fact)
        self._db.execute(
            "INSERT INTO events (run_id, kind, payload) VALUES (?, ?, ?)", (fact.run_id, kind, payload)
        )

    # ---- reading ---------------------------------------------------------------------------------

    def read_since(self, position: Position, run_id: str | None = None) -> tuple[tuple[Event, ...], Position]:
        """Everything newer than `position`, of one run or of all, and where the next reading begins."""
        only = " AND run_id=?" if run_id is not None else ""
        extra = (run_id,) if run_id is not None else ()
        events = self._db.execute(
            f"SELECT id, kind, payload FROM events WHERE id>?{only} ORDER BY id",  # noqa: S608
            (position.event, *extra),
        ).fetchall()
        columns = ", ".join(_ITERATION_COLUMNS)
        iterations = self._db.execute(
            f"SELECT id, {columns} FROM iterations WHERE id>?{only} ORDER BY id",  # noqa: S608
            (position.iteration, *extra),
        ).fetchall()
        progress = self._db.execute(
            f"SELECT rev, payload FROM progress WHERE rev>?{only} ORDER BY rev",  # noqa: S608
            (position.progress, *extra),
        ).fetchall()
        found = merged_by_time(
            _decoded((kind, payload) for _id, kind, payload in events),
            _decoded(("StageProgressed", payload) for _rev, payload in progress),
            [IterationLogged(*row[1:]) for row in iterations],
        )
        return found, Position(
            events[-1][0] if events else position.event,
            iterations[-1][0] if iterations else position.iteration,
            progress[-1][0] if progress else position.progress,
        )


def merged_by_time(*streams: Sequence[Event]) -> tuple[Event, ...]:
    """One stream of several: by time, and never against the order of any of them (clocks may step back)."""
    keyed = []
    for stream in streams:
        latest = accumulate((event.at for event in stream), max)
        keyed.append(list(zip(latest, stream, strict=True)))
    return tuple(event for _at, event in heapq.merge(*keyed, key=lambda pair: pair[0]))


def _decoded(rows: Iterable[tuple[str, str]]) -> list[Event]:
    events = (decode(kind, payload) for kind, payload in rows)
    return [event for event in events if event is not None]
