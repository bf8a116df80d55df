"""From bytes of a mirrored log to facts, exactly once: facts and cursor are stored together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from backend.clock import Clock
from backend.engines.job_fields import recipe_field
from backend.events import CheckpointSaved, Fact, IterationLogged, RunCreated, StageName, StageProgressed
from backend.problems import Problem, Severity
from backend.runs.verdict import NodeEvidence
from backend.telemetry.throughput import tokens_per_s_per_npu
from backend.telemetry.training_log import (
    CheckpointRecord,
    IterationRecord,
    LogRecord,
    NodeLine,
    TrainingLogParser,
    TrainingStarted,
)

_PIECE = 262_144


class Mirror(Protocol):
    @property
    def size(self) -> int: ...

    def read(self, offset: int, limit: int) -> bytes: ...


class Ingest(Protocol):
    """As much of the store as the intake needs."""

    def committed(self, run_id: str, log: str) -> int: ...

    def ingest(self, run_id: str, log: str, start: int, end: int, facts: list[Fact]) -> None: ...

    def put_progress(self, sample: StageProgressed) -> None: ...


class LogIntake:
    """One log of one run. `counts` says whether its iteration lines are the run's (the last rank's log)."""

    def __init__(
        self,
        store: Ingest,
        created: RunCreated,
        stage: StageName,
        node: str,
        clock: Clock,
        *,
        counts: bool,
        evidence: NodeEvidence,
        on_facts: Callable[[list[Fact]], None],
    ) -> None:
        self.log = f"{stage.value}/{node}"
        self._store = store
        self._created = created
        self._stage = stage
        self._node = node
        self._clock = clock
        self._counts = counts
        self._on_facts = on_facts
        self.evidence = evidence
        self.training_started = False
        self._parser = TrainingLogParser()
        self._base = store.committed(created.run_id, self.log)
        self._fed = self._base
        self._committed = self._base

    def recover_evidence(self, mirror: Mirror) -> None:
        """After a restart: evidence shortly before the cursor was ingested, but is not stored."""
        start = max(0, self._base - _PIECE)
        if self._base:
            for record in TrainingLogParser().feed(mirror.read(start, self._base - start)):
                if isinstance(record, NodeLine) and record.kind != "progress":
                    self._node_line(record)

    def catch_up(self, mirror: Mirror) -> None:
        """Take in everything the mirror holds and we have not seen."""
        while self._fed < mirror.size:
            data = mirror.read(self._fed, _PIECE)
            if not data:
                return
            self._fed += len(data)
            self._take(self._parser.feed(data))

    def close(self) -> None:
        """The log is complete: a last line without its end is a line."""
        self._take(self._parser.close())

    def _take(self, records: list[LogRecord]) -> None:
        facts = [fact for record in records if (fact := self._fact(record)) is not None]
        end = self._base + self._parser.committed
        if end == self._committed and not facts:
            return
        self._store.ingest(self._created.run_id, self.log, self._committed, end, facts)
        self._committed = end
        if facts:
            self._on_facts(facts)

    def _fact(self, record: LogRecord) -> Fact | None:
        if isinstance(record, IterationRecord) and record.iteration is not None and self._counts:
            return self._iteration(record, record.iteration)
        if isinstance(record, CheckpointRecord):
            return CheckpointSaved(
                self._created.run_id, self._clock.now(), record.iteration, record.path or ""
            )
        if isinstance(record, TrainingStarted):
            self.training_started = True
        if isinstance(record, NodeLine):
            self._node_line(record)
        return None

    def _iteration(self, record: IterationRecord, iteration: int) -> IterationLogged:
        gbs = record.gbs or self._created.global_batch_size
        speed = None
        if record.elapsed_ms:
            speed = tokens_per_s_per_npu(gbs, self._created.seq_length, self._created.npus, record.elapsed_ms)
        return IterationLogged(
            run_id=self._created.run_id,
            at=self._clock.now(),
            attempt=1,
            iteration=iteration,
            total=record.total,
            consumed_samples=record.consumed_samples,
            elapsed_ms=record.elapsed_ms,
            lr=record.lr,
            gbs=record.gbs,
            lm_loss=record.lm_loss,
            loss_scale=record.loss_scale,
            grad_norm=record.grad_norm,
            skipped=record.skipped,
            nan=record.nan,
            tflops=record.tflops,
            tokens_per_s_per_npu=speed,
            log=self.log,
            log_offset=self._base + record.offset,
        )

    def _node_line(self, line: NodeLine) -> None:
        payload = line.payload
        if line.kind == "progress":
            self._store.put_progress(
                StageProgressed(
                    self._created.run_id,
                    self._clock.now(),
                    self._stage,
                    self._node,
                    float(payload.get("done") or 0),
                    float(payload["total"]) if payload.get("total") is not None else None,
                    str(payload.get("unit") or ""),
                    str(payload.get("text") or ""),
                )
            )
        elif line.kind == "rank_exit" and self.evidence.rank is None:
            self.evidence.rank = int(payload["rank"])
            self.evidence.rank_exit_code = int(payload["exit_code"])
            self.evidence.rank_signal = str(payload.get("signal") or "")
            self.evidence.rank_at = float(payload["at"])
        elif line.kind == "problem":
            severity = Severity.WARNING if payload.get("severity") == "warning" else Severity.ERROR
            words = [str(payload.get(key) or "") for key in ("what", "why", "fix")]
            self.evidence.problem = Problem(recipe_field(str(payload.get("field") or "")), severity, *words)
