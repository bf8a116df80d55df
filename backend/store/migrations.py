"""The schema, as steps that are never edited once shipped: `PRAGMA user_version` says how many were taken."""

from __future__ import annotations

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE runs (
        number      INTEGER PRIMARY KEY AUTOINCREMENT,
        run_id      TEXT NOT NULL UNIQUE,
        uid         TEXT NOT NULL UNIQUE,
        site        TEXT NOT NULL,            -- JSON: what of the site must not change over restarts
        stop_asked  TEXT                      -- who asked for a stop, NULL while nobody did
    );
    CREATE TABLE events (
        id      INTEGER PRIMARY KEY AUTOINCREMENT,
        run_id  TEXT NOT NULL,
        kind    TEXT NOT NULL,
        payload TEXT NOT NULL                 -- JSON of the event's fields
    );
    CREATE INDEX events_of_run ON events (run_id, id);
    CREATE TABLE iterations (
        id         INTEGER PRIMARY KEY AUTOINCREMENT,
        run_id     TEXT NOT NULL,
        at         REAL NOT NULL,
        attempt    INTEGER NOT NULL,
        iteration  INTEGER NOT NULL,
        total      INTEGER,
        consumed_samples INTEGER,
        elapsed_ms REAL,
        lr         REAL,
        gbs        INTEGER,
        lm_loss    REAL,
        loss_scale REAL,
        grad_norm  REAL,
        skipped    INTEGER,
        nan        INTEGER,
        tflops     REAL,
        tokens_per_s_per_npu REAL,
        log        TEXT NOT NULL,
        log_offset INTEGER NOT NULL,
        UNIQUE (run_id, log, log_offset)      -- a line of a log is one iteration, once
    );
    CREATE TABLE log_cursors (
        run_id    TEXT NOT NULL,
        log       TEXT NOT NULL,
        committed INTEGER NOT NULL,           -- bytes of the mirror that have been turned into events
        PRIMARY KEY (run_id, log)
    );
    CREATE TABLE progress (
        run_id  TEXT NOT NULL,
        stage   TEXT NOT NULL,
        node    TEXT NOT NULL,
        rev     INTEGER NOT NULL,
        payload TEXT NOT NULL,
        PRIMARY KEY (run_id, stage, node)     -- a sample: the latest wins
    );
    """,
    # 1: stop without time for a checkpoint
    "ALTER TABLE runs ADD COLUMN stop_now INTEGER NOT NULL DEFAULT 0",
)
