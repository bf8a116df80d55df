"""The training log parser: grammar, joining of wrapped lines, exactly-once over any cut of the bytes."""

from __future__ import annotations

import json
import math
import tracemalloc
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.telemetry.training_log import (
    CheckpointRecord,
    IterationRecord,
    LogRecord,
    NodeLine,
    TrainingEnded,
    TrainingLogParser,
    TrainingStarted,
    ValidationRecord,
    parse_log,
)

CAPTURES = Path(__file__).resolve().parents[3] / ".." / "shared" / "captures" / "training-logs"


def line(iteration: int, **changes: str) -> str:
    """An iteration line of Megatron core_r0.6.0; a change to "" leaves the field out."""
    fields = {
        "consumed samples": f"{iteration * 64:12d}",
        "elapsed time per iteration (ms)": "6103.2",
        "throughput per GPU (TFLOP/s/GPU)": "151.2",
        "learning rate": "1.250000E-06",
        "global batch size": "   64",
        "lm loss": "2.841842E+00",
        "loss scale": "1.0",
        "grad norm": "1.233",
        "number of skipped iterations": "  0",
        "number of nan iterations": "  0",
    } | changes
    body = " | ".join(f"{key}: {value}" for key, value in fields.items() if value)
    return f" [2026-01-02 03:04:05] iteration {iteration:8d}/{2000:8d} | {body} |\n"


def read_all(text: str | bytes) -> list[LogRecord]:
    data = text.encode() if isinstance(text, str) else text
    parser = TrainingLogParser()
    return [*parser.feed(data), *parser.close()]


def read_one(text: str) -> IterationRecord:
    (record,) = read_all(text)
    assert isinstance(record, IterationRecord)
    return record


def wrapped(text: str, width: int) -> str:
    """As a terminal of that width copies it."""
    return "\n".join(text[at : at + width] for at in range(0, len(text), width))


def test_a_complete_line_is_answered_when_its_end_arrives() -> None:
    parser = TrainingLogParser()
    data = line(600).encode()
    assert parser.feed(data[:-1]) == []
    assert parser.committed == 0
    (record,) = parser.feed(b"\n")
    assert parser.committed == len(data)
    assert record == IterationRecord(
        offset=data.index(b"iteration"),
        iteration=600,
        total=2000,
        consumed_samples=38400,
        elapsed_ms=6103.2,
        lr=1.25e-06,
        gbs=64,
        lm_loss=2.841842,
        loss_scale=1.0,
        grad_norm=1.233,
        skipped=0,
        nan=0,
        tflops=151.2,
    )


@pytest.mark.parametrize(
    "last",
    [
        "lm loss: 1.0 | grad norm: 8.5 | max_memory_allocated(GB): 19.07 | max_memory_reserved(GB): 20.87 |",
        "loss: 1.0E+00 | grad norm: 50.001 |",
        "lm loss: 1.0 | number of nan iterations:   0 | samples per second: 19.238 | TFLOPs: 147.29 |",
    ],
)
def test_the_last_fields_of_other_trainers_need_no_next_line(last: str) -> None:
    parser = TrainingLogParser()
    (record,) = parser.feed(f"iteration 1/10000 | consumed samples: 8 | {last}\n".encode())
    assert isinstance(record, IterationRecord)
    assert record.lm_loss == 1.0


def test_a_line_that_may_go_on_waits_and_keeps_the_cursor_at_its_start() -> None:
    parser = TrainingLogParser()
    before = b"some text\n"
    assert parser.feed(before + line(5).encode()[:150] + b"\n") == []
    assert parser.committed == len(before) + line(5).index("iteration")
    assert len(parser.feed(b"unrelated text\n")) == 1
    assert parser.committed == len(before) + 151 + len(b"unrelated text\n")


@pytest.mark.parametrize("width", [*range(45, 121), 132, 200, 240])
def test_lines_wrapped_by_a_terminal_are_joined(width: int) -> None:
    text = wrapped(line(7)[:-1], width) + "\n" + wrapped(line(8)[:-1], width) + "\n"
    seventh, eighth = read_all(text)
    assert isinstance(seventh, IterationRecord)
    assert (seventh.lm_loss, seventh.grad_norm, seventh.tflops, seventh.gbs) == (2.841842, 1.233, 151.2, 64)
    assert isinstance(eighth, IterationRecord)
    assert (eighth.iteration, eighth.total, eighth.consumed_samples) == (8, 2000, 512)


ELAPSED = "elapsed time per iteration (ms)"
THROUGHPUT = "throughput per GPU (TFLOP/s/GPU)"


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        ({ELAPSED: "", "elapsed time per iteration (s)": "105.16"}, "elapsed_ms", 105160.0),
        ({ELAPSED: "12056.1/11900.0"}, "elapsed_ms", 12056.1),
        ({"lm loss": "", "loss": "1.016570E+01"}, "lm_loss", 10.1657),
        ({"lm loss": "", "lm-loss": "1.244238E+01"}, "lm_loss", 12.44238),
        ({"lm loss": ""}, "lm_loss", None),
        ({"grad norm": "", "g rad norm": "3.5"}, "grad_norm", 3.5),
        ({"grad norm": " "}, "grad_norm", None),
        ({"global batch size": "", "gloabl batch size": "512"}, "gbs", 512),
        ({"number of skipped iterations": "", "skipped iterations": "4"}, "skipped", 4),
        ({THROUGHPUT: "", "[LM]-TFLOPs": "49.66", "[DS]-TFLOPs": "73.3"}, "tflops", 49.66),
        ({"loss scale": "-1.0"}, "loss_scale", -1.0),
    ],
)
def test_spellings_of_fields(changes: dict[str, str], field: str, value: float | None) -> None:
    assert getattr(read_one(line(1, **changes)), field) == value


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("iteration=       3/  317 | lm loss=11.5 | number_of_nan_iterations=  2 |", "nan", 2),
        ("iteration 4/9 | elapsed_time_per_iteration_ms=108893.2 | lm loss=1 |", "elapsed_ms", 108893.2),
        ("\x1b[32mn \x1b[0m| INFO | iteration 4/9 | lm loss: \x1b[31m1.5\x1b[0m |\x1b[0m", "lm_loss", 1.5),
        (
            "iteration 427/ 500  consumed samples: 68 elapsed time per iteration (\nms): 2.5 |",
            "elapsed_ms",
            2.5,
        ),
        (
            "iteration 427/ 500  consumed samples: 68 elapsed time per iteration (\nms): 2 |",
            "consumed_samples",
            68,
        ),
        ("0: iteration   42\n7/ 500 | lm loss: 1.5 |", "iteration", 427),
        ("0: iteration   427\n/ 500 | lm loss: 1.5 |", "lm_loss", 1.5),
        ("0: iteration   427/ 5\n00 | lm loss: 1.5 |", "total", 500),
    ],
)
def test_spellings_of_lines(text: str, field: str, value: float | None) -> None:
    assert getattr(read_one(text), field) == value


def test_losses_of_other_names_are_series_of_their_own() -> None:
    record = read_one(
        line(1, **{"load_balancing_loss": "1.329517E+00", "mtp_1 loss": "7.9", "num zeros": "3.0"})
    )
    assert record.extra == {"load balancing loss": 1.329517, "mtp 1 loss": 7.9, "num zeros": 3.0}


def test_nan_and_inf_are_kept_and_words_elsewhere_mean_nothing() -> None:
    record = read_one(line(1, **{"lm loss": "NAN", "grad norm": "inf"}))
    assert record.lm_loss is not None
    assert math.isnan(record.lm_loss)
    assert record.grad_norm == math.inf
    (iteration,) = parse_log(line(1, **{"lm loss": "nan", "grad norm": "-INF"}))["iterations"]
    assert (iteration["lm_loss"], iteration["grad_norm"], iteration["nan"]) == ("nan", "-inf", 0)


def test_glued_records_have_their_own_offsets() -> None:
    text = "[default7]:" + line(1)[:-1] + "[default7]:" + line(2)
    first, second = read_all(text)
    assert (text.index("iteration"), text.rindex("iteration   ")) == (first.offset, second.offset)


def test_colours_do_not_move_offsets() -> None:
    text = "\x1b[1mx\x1b[0m " + line(1)
    assert read_one(text).offset == text.index("iteration")


def test_a_restart_is_no_error() -> None:
    records = read_all(line(9) + line(10) + line(9) + line(9))
    assert [record.iteration for record in records if isinstance(record, IterationRecord)] == [9, 10, 9, 9]


@pytest.mark.parametrize(
    "text",
    [
        "[rank-31/32] something |",
        "Evaluating iter 5/10",
        "elapsed time per iteration 5 |",
        "Starting iteration 5/10",
        "iteration 3/4 | nothing here | at all |",
        "saving checkpoint at iteration 200 to /ckpt",
        "done training ... soon",
        "File \"train.py\", line 3, in train\n    iteration = train(",
        "{'train_runtime': 77.1, 'train_loss': 1.9, 'epoch': 1.0}",
        '{"loss": "cross_entropy"}',
        '{"progress": 3}',
        '{"progress": {"done": "3"}}',
        '{"rank_exit": {"rank": "x", "exit_code": 1, "at": 1}}',
        '{"field": "lr", "severity": "error", "what": "x", "why": "", "fix": "", "more": 1}',
        '{"severity": ' + "[" * 50_000 + "}",
    ],
)  # fmt: skip
def test_text_that_is_no_record(text: str) -> None:
    assert read_all(text + "\n") == []


def test_validation_checkpoint_start_and_end() -> None:
    text = (
        "0: training ...\n"
        " validation loss at iteration 1000 on validation set | lm loss value: 2.5 | lm loss PPL: 12. | \n"
        "[default7]:valid loss at iteration 1200 | reg loss value: 7.0E+03 | "
        "lm loss value: 2.0E+00 | lm loss PPL: 7.4 |\n"
        "saving checkpoint at iteration    1000 to /ckpt/run 1 in torch_dist format\n"
        "  successfully saved checkpoint from iteration    1000 to /ckpt/run 1 [ t 1/8, p 1/2 ]\n"
        "0:   successfully saved checkpoint at iteration       7 to /数据/é\n"
        "[after training is done] datetime: 2026-01-02 03:04:05\n"
        "[exiting program after 1190.03 minutes] datetime: 2026-01-02 03:04:05\n"
    )
    records = read_all(text)
    assert isinstance(records[0], TrainingStarted)
    assert [(r.iteration, r.loss, r.ppl) for r in records if isinstance(r, ValidationRecord)] == [
        (1000, 2.5, 12.0),
        (1200, 2.0, 7.4),
    ]
    assert [(r.iteration, r.path) for r in records if isinstance(r, CheckpointRecord)] == [
        (1000, "/ckpt/run 1"),
        (7, "/数据/é"),
    ]
    assert [type(r) for r in records[-2:]] == [TrainingEnded, TrainingEnded]


def test_a_wrapped_validation_line_is_joined() -> None:
    text = "validation loss at iteration 5 | lm loss value: 2.3\n27E+00 | lm loss PPL: 1.0E+01 |\n"
    assert read_all(text) == [ValidationRecord(0, 5, 2.327, 10.0)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "{'loss': 2.9, 'grad_norm': 2.4, 'learning_rate': 0.0001, 'global_step/max_steps': '5/16'}",
            IterationRecord(0, 5, 16, lr=0.0001, lm_loss=2.9, grad_norm=2.4),
        ),
        (
            "{'loss': '0.0', 'grad_norm': '1.5', 'learning_rate': '1e-4', 'epoch': '0.1'}",
            IterationRecord(0, None, None, lr=1e-4, lm_loss=0.0, grad_norm=1.5, extra={"epoch": 0.1}),
        ),
        (
            '{"current_steps": 20, "total_steps": 30, "eval_loss": 1.9503, "epoch": 2.0}',
            ValidationRecord(0, 20, 1.9503, None),
        ),
        (
            '{"progress": {"done": 3, "total": null, "unit": "records", "text": "é"}}',
            NodeLine(0, "progress", {"done": 3, "total": None, "unit": "records", "text": "é"}),
        ),
        (
            '{"rank_exit": {"rank": 3, "local_rank": 1, "exit_code": 137, "signal": "SIGKILL", "at": 1.5}}',
            NodeLine(
                0,
                "rank_exit",
                {"rank": 3, "local_rank": 1, "exit_code": 137, "signal": "SIGKILL", "at": 1.5},
            ),
        ),
        (
            '{"field": "lr", "severity": "error", "what": "a", "why": "b", "fix": "c"}',
            NodeLine(0, "problem", {"field": "lr", "severity": "error", "what": "a", "why": "b", "fix": "c"}),
        ),
    ],
)
def test_lines_that_are_dictionaries(text: str, expected: LogRecord) -> None:
    assert read_all(text + "\n") == [expected]


MIXED = (
    "training ...\n"
    + line(1)
    + "[Rank 2] (after 1 iterations) memory (MB) | allocated: 7063.2 | max allocated: 23105.0 |\n"
    + wrapped(line(2)[:-1], 97)
    + "\r\n"
    + '\r 6%|█ | 1/16 [00:58<14:41]\r12%|██ | 2/16 [02:00<13:54]\r{"progress": {"done": 1, "total": 2}}\n'
    + line(3)[:-2]
    + "\n"
    + line(4)[:-1]
    + line(5)[:130]
    + "\n"
    + line(5)[130:]
    + "\x1b[31m"
    + line(6, **{"grad norm": "nan"})
    + " successfully saved checkpoint at iteration 6 to /数据\n"
    + "validation loss at iteration 6 | lm loss\n value: 2.5 |\n"
    + "[after training is done] datetime: x\n"
).encode()


def feed_pieces(data: bytes, cuts: list[int]) -> list[LogRecord]:
    parser = TrainingLogParser()
    records: list[LogRecord] = []
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, end in pairwise(edges):
        records += parser.feed(data[start:end])
    return records + parser.close()


def same(left: list[LogRecord], right: list[LogRecord]) -> bool:
    return repr(left) == repr(right)


@settings(deadline=None)
@given(st.lists(st.integers(0, 100_000), max_size=12))
def test_the_cut_of_the_bytes_changes_nothing(cuts: list[int]) -> None:
    assert same(feed_pieces(MIXED, cuts), read_all(MIXED))


@settings(deadline=None)
@given(st.binary(max_size=300), st.lists(st.integers(0, 100_000), max_size=5), st.booleans())
def test_any_bytes_in_any_pieces(junk: bytes, cuts: list[int], first: bool) -> None:
    data = junk + MIXED[:700] if first else MIXED[:700] + junk
    assert same(feed_pieces(data, cuts), read_all(data))


@settings(deadline=None)
@given(st.lists(st.integers(0, len(MIXED)), min_size=1, max_size=6))
def test_killed_and_restarted_at_the_cursor_loses_and_doubles_nothing(kills: list[int]) -> None:
    """A new parser at `base + committed`, with only what was handed out so far kept."""
    records: list[str] = []
    base = 0
    for kill in sorted({max(kill, 0) for kill in kills}):
        parser = TrainingLogParser()
        if kill < base:
            continue
        records += [_at(record, base) for record in parser.feed(MIXED[base:kill])]
        base += parser.committed
    parser = TrainingLogParser()
    rest = [*parser.feed(MIXED[base:]), *parser.close()]
    records += [_at(record, base) for record in rest]
    assert records == [_at(record, 0) for record in read_all(MIXED)]


def _at(record: LogRecord, base: int) -> str:
    values = {name: getattr(record, name) for name in type(record).__slots__}
    return f"{type(record).__name__} {values | {'offset': record.offset + base}}"


def test_memory_stays_bounded_whatever_has_no_end() -> None:
    parser = TrainingLogParser()
    piece = b"x" * 1_000_000
    tracemalloc.start()
    for _ in range(50):
        assert parser.feed(piece) == []
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4_000_000
    assert parser.committed > 49_000_000
    assert len(parser.feed(b"\n" + line(1).encode())) == 1


def test_floods_of_carriage_returns_and_bars_are_quick() -> None:
    parser = TrainingLogParser()
    for _ in range(20):
        assert parser.feed(b" 50%|#####     | 8/16 [07:55<07:49, 58.70s/it]\r" * 2_000) == []
        assert (
            parser.feed(b"|" * 65_000 + b"\n" + b"iteration " * 6_000 + b"\n" + b"a:" * 30_000 + b"\n") == []
        )


def test_nothing_is_held_back_at_the_end() -> None:
    parser = TrainingLogParser()
    assert parser.feed(line(3).rstrip("|\n ").encode()) == []
    assert len(parser.close()) == 1
    assert parser.close() == []


def test_the_command_s_shape() -> None:
    summary: dict[str, Any] = parse_log("training ...\n" + line(2))
    assert list(summary) == ["iterations", "validation", "checkpoints", "training_started", "failure"]
    assert summary["training_started"] is True
    assert summary["failure"] is None
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert parse_log(b"\xff\xfe\x00")["training_started"] is False


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**12), st.floats(0.001, 1e6), st.integers(0, 10**9))
def test_what_is_printed_is_read(iteration: int, loss: float, samples: int) -> None:
    record = read_one(line(iteration, **{"lm loss": f"{loss:.6E}", "consumed samples": f"{samples:12d}"}))
    assert (record.iteration, record.lm_loss, record.consumed_samples) == (
        iteration,
        float(f"{loss:.6E}"),
        samples,
    )


@pytest.mark.skipif(not CAPTURES.is_dir(), reason="the shared captures are not beside this checkout")
def test_agrees_with_every_published_log() -> None:
    wrong = []
    names = sorted((CAPTURES / "expected").glob("*.json"))
    assert names
    for name in names:
        expected = json.loads(name.read_text())
        data = (CAPTURES / "captures" / f"{name.stem}.log").read_bytes()
        summary = parse_log(data)
        if any(summary[key] != expected[key] for key in summary if key != "failure"):
            wrong.append(name.stem)
        if not same(feed_pieces(data, list(range(1, len(data), 7))), read_all(data)):
            wrong.append(f"{name.stem} in pieces")
    assert not wrong


@pytest.mark.parametrize("cut", ["lm loss: 1.57", "lm loss: 1.5755", "lm loss: 1.5755E"])
def test_a_number_broken_in_two_is_one(cut: str) -> None:
    rest = "1.5755E+01"[len(cut) - len("lm loss: ") :]
    record = read_one(f"iteration 3/9 | {cut}\n{rest} | own field: 1.5 | other: 2 |\n")
    assert record.lm_loss == 15.755
    assert record.extra == {"own field": 1.5, "other": 2.0}
