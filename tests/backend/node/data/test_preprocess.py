"""The stage "data" as a job: what it writes, what it leaves alone, what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from plain_tokenizer import folder_with

from backend.node.data import preprocess
from backend.node.data.encoder import EncoderMismatchError
from backend.node.data.indexed import IndexedDataset
from backend.node.data.preprocess import Progress
from backend.node.job_lines import JobError, StorageError

tokenizers = pytest.importorskip("tokenizers")

pytestmark = pytest.mark.torch
ROOT = Path(__file__).resolve().parents[4]
FILES = ("set.json", "set_text_document.bin", "set_text_document.idx")


@pytest.fixture
def job(tmp_path: Path) -> dict[str, Any]:
    folder = folder_with(tmp_path / "tokenizer")
    (tmp_path / "in.jsonl").write_text('{"text": "a few words"}\n{"text": ""}\n{"text": "more"}\n')
    return {
        "input": str(tmp_path / "in.jsonl"),
        "output_prefix": str(tmp_path / "out" / "set"),
        "tokenizer": str(folder),
        "append_eod": True,
        "workers": 1,
        "encoder": "tokenizers",
    }


def out(job: dict[str, Any], name: str = "text") -> IndexedDataset:
    return IndexedDataset(f"{job['output_prefix']}_{name}_document")


def contents(job: dict[str, Any]) -> dict[str, bytes]:
    """Everything in the output folder."""
    folder = Path(job["output_prefix"]).parent
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


def stamp(job: dict[str, Any]) -> int:
    return os.stat(job["output_prefix"] + "_text_document.bin").st_mtime_ns


def test_an_empty_text_makes_no_document(job: dict[str, Any]) -> None:
    told: list[Progress] = []
    outcome = preprocess.run(job, told.append)
    found = out(job)
    assert found.documents.tolist() == [0, 1, 2]
    assert all(found[number][0] == 0 and found[number][-1] == 1 for number in range(2))
    assert tuple(sorted(contents(job))) == FILES
    manifest = json.loads(Path(job["output_prefix"] + ".json").read_text())
    assert manifest == outcome.manifest
    counts = manifest["counts"]
    assert (counts["records"], counts["kept"], counts["empty"], counts["sequences"]) == (3, 3, 1, 2)
    assert counts["longest_record"] == 1
    assert told[-1].done == told[-1].total == os.path.getsize(job["input"])
    assert told[-1].records == 3


def test_the_lines_of_a_stage(job: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    from backend.node.main import main

    path = Path(job["output_prefix"]).parent.parent / "job.json"
    path.write_text(json.dumps(job))
    assert main(["data", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert json.loads(lines[0])["progress"]["unit"] == "bytes"
    assert lines[-1].startswith("3 records made 2 sequences")
    assert main(["data", str(path)]) == 0
    assert capsys.readouterr().out.startswith("up to date")


def test_an_unchanged_job_is_not_done_twice(job: dict[str, Any]) -> None:
    preprocess.run(job)
    before = stamp(job)
    assert preprocess.run({**job, "workers": 2}).up_to_date
    assert stamp(job) == before


@pytest.mark.parametrize("change", ["input", "tokenizer", "settings", "output"])
def test_a_changed_job_is_done_anew(job: dict[str, Any], change: str) -> None:
    preprocess.run(job)
    before = stamp(job)
    if change == "input":
        Path(job["input"]).write_text('{"text": "b few words"}\n')
    elif change == "tokenizer":
        (Path(job["tokenizer"]) / "tokenizer_config.json").write_text(
            '{"tokenizer_class": "LlamaTokenizerFast"}'
        )
    elif change == "settings":
        job["append_eod"] = False
    else:
        os.unlink(job["output_prefix"] + "_text_document.idx")
    assert not preprocess.run(job).up_to_date
    assert stamp(job) != before
    out(job)


def test_files_of_another_program_are_not_replaced_unasked(job: dict[str, Any]) -> None:
    preprocess.run(job)
    os.unlink(job["output_prefix"] + ".json")
    before = contents(job)
    with pytest.raises(JobError, match="there already"):
        preprocess.run(job)
    assert contents(job) == before
    preprocess.run({**job, "force": True})
    assert tuple(sorted(contents(job))) == FILES


def test_what_a_killed_process_left_is_removed(job: dict[str, Any]) -> None:
    preprocess.run(job)
    for name in (*FILES, "set_text_document.bin.tmp-99999999", "set_text_document.idx.tmp-99999999"):
        (Path(job["output_prefix"]).parent / name).write_text("half")
    (Path(job["output_prefix"]).parent / "set.json").write_text(json.dumps({"format": 1, "made_from": {}}))
    preprocess.run(job)
    assert tuple(sorted(contents(job))) == FILES
    out(job)


def test_one_process_a_prefix(job: dict[str, Any]) -> None:
    from backend.node.data.prefix_lock import hold

    os.makedirs(os.path.dirname(job["output_prefix"]))
    with hold(job["output_prefix"]), pytest.raises(JobError, match="another process"):
        preprocess.run(job)
    preprocess.run(job)
    assert tuple(sorted(contents(job))) == FILES


def test_a_folder_is_read_in_order(job: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for name in "ba":
        (folder / f"{name}.txt").write_text(name * 3 + "\n")
    preprocess.run({**job, "input": str(folder)})
    model = tokenizers.Tokenizer.from_file(job["tokenizer"] + "/tokenizer.json")
    found = out(job)
    assert [model.decode(found[number].tolist()).replace(" ", "") for number in range(2)] == ["aaa", "bbb"]


@pytest.mark.parametrize("workers", [2, 4, 5])
def test_workers_do_not_change_a_byte(job: dict[str, Any], tmp_path: Path, workers: int) -> None:
    lines = [json.dumps({"text": f"some words {number} " * (number % 70)}) for number in range(6000)]
    Path(job["input"]).write_text("\n".join(lines))
    preprocess.run(job)
    whole = {name: content for name, content in contents(job).items() if name != "set.json"}
    job["output_prefix"] = str(tmp_path / "again" / "set")
    preprocess.run({**job, "workers": workers})
    assert {name: content for name, content in contents(job).items() if name != "set.json"} == whole


BAD_ROWS = [
    ('{"text": "a"}\n{"other": "b"}\n', "line 2 of .*: column text"),
    ('{"text": "a"}\n{"text": 3}\n', "line 2 of .*: column text"),
    ('{"text": "a"}\n{"text": null}\n', "line 2 of .*: column text"),
    ('{"text": "a"}\n{"text": "\\ud800"}\n', "line 2 of .*: column text"),
    ('{"text": "a"}\n{"text"\n', "line 2 of .* cannot be used"),
    ('{"text": "a"}\n{"text": "caf\\xe9"}\n', "line 2 of .* cannot be used"),
    ('{"text": "a"}\n{"text": "cut o', "line 2 of .* cannot be used"),
]


@pytest.mark.parametrize(("content", "message"), BAD_ROWS)
def test_a_bad_row_is_named_and_old_results_stay(job: dict[str, Any], content: str, message: str) -> None:
    preprocess.run(job)
    before = contents(job)
    Path(job["input"]).write_bytes(content.replace("\\xe9", "\xe9").encode("latin-1"))
    with pytest.raises(JobError, match=message) as caught:
        preprocess.run(job)
    assert caught.value.why
    assert contents(job) == before


@pytest.mark.parametrize(("content", "message"), BAD_ROWS)
def test_a_bad_row_can_be_left_out(job: dict[str, Any], content: str, message: str) -> None:
    Path(job["input"]).write_bytes(content.replace("\\xe9", "\xe9").encode("latin-1"))
    told: list[Progress] = []
    manifest = preprocess.run({**job, "on_bad_row": "skip"}, told.append).manifest
    assert (manifest["counts"]["records"], manifest["counts"]["bad"]) == (2, 1)
    (listed,) = manifest["bad_rows"]
    assert (listed["number"], listed["path"]) == (2, job["input"])
    assert any(progress.note.startswith("left out: line 2 of") for progress in told)


def test_many_bad_rows_are_counted_and_few_are_shown(job: dict[str, Any]) -> None:
    Path(job["input"]).write_text('{"text": "a"}\n' + '{"text": 3}\n' * 1500)
    told: list[Progress] = []
    manifest = preprocess.run({**job, "on_bad_row": "skip"}, told.append).manifest
    assert manifest["counts"]["bad"] == 1500
    assert len(manifest["bad_rows"]) == 1000
    assert len([progress for progress in told if progress.note]) == 6


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"text": ""}\n', "all texts in .* are empty"),
        ('\n\n{"text": ""}', "are empty"),
        ("", "empty|no rows"),
    ],
)
def test_nothing_to_train_on_is_an_error(job: dict[str, Any], content: str, message: str) -> None:
    Path(job["input"]).write_text(content)
    with pytest.raises(JobError, match=message):
        preprocess.run(job)
    assert contents(job) == {}


def test_too_short_a_length_says_the_longest(job: dict[str, Any]) -> None:
    with pytest.raises(JobError) as caught:
        preprocess.run({**job, "seq_length": 1})
    assert caught.value.field == "seq_length"
    assert "the longest has" in caught.value.why


def test_what_is_dropped_for_its_length_is_listed(job: dict[str, Any]) -> None:
    manifest = preprocess.run({**job, "seq_length": 5}).manifest
    assert manifest["counts"]["dropped"] == len(manifest["long_records"]) == 1
    assert manifest["long_records"][0]["record"] == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"handler": "GeneralPretrainHandle"}, "handler"),
        ({"handler": "GeneralInstructionHandler"}, "handler"),
        ({"tokenizer_type": "Sentencepiece"}, "tokenizer_type"),
        ({"json_keys": []}, "json_keys"),
        ({"json_keys": ["text", "text"]}, "json_keys"),
        ({"json_keys": ["body"]}, "json_keys"),
        ({"input": "/nowhere/at all"}, "input"),
        ({"tokenizer": "/nowhere"}, "tokenizer"),
        ({"output_prefix": "/somewhere/"}, "output_prefix"),
        ({"workers": 0}, "workers"),
        ({"seq_length": "4096"}, "seq_length"),
        ({"pack": True}, "seq_length"),
        ({"pack": True, "seq_length": 8}, "pack"),
        ({"encoder": "fast"}, "encoder"),
        ({"on_bad_row": "ignore"}, "on_bad_row"),
    ],
)
def test_bad_settings_are_named(job: dict[str, Any], change: dict[str, Any], field: str) -> None:
    with pytest.raises(JobError) as caught:
        preprocess.run({**job, **change})
    assert caught.value.field == field
    assert contents(job) == {}


def test_a_job_without_a_key_is_named(job: dict[str, Any]) -> None:
    del job["input"]
    with pytest.raises(JobError) as caught:
        preprocess.run(job)
    assert caught.value.field == "input"


def test_an_end_token_is_needed_before_reading(job: dict[str, Any]) -> None:
    (Path(job["tokenizer"]) / "tokenizer_config.json").write_text(
        '{"tokenizer_class": "PreTrainedTokenizerFast"}'
    )
    with pytest.raises(JobError) as caught:
        preprocess.run(job)
    assert caught.value.field == "append_eod"


def test_token_files_made_before_are_used_where_they_lie(job: dict[str, Any], tmp_path: Path) -> None:
    preprocess.run(job)
    made = job["output_prefix"] + "_text_document"
    for given in (made + ".idx", made + ".bin", made):
        again = {**job, "input": given, "output_prefix": str(tmp_path / "other" / "set")}
        assert preprocess.run(again).up_to_date
        assert out(again).tokens.tolist() == out(job).tokens.tolist()
    assert os.path.islink(tmp_path / "other" / "set_text_document.bin")
    assert preprocess.run(again).up_to_date
    with pytest.raises(JobError, match="does not go with"):
        preprocess.run({**again, "handler": "GeneralInstructionHandler"})


def test_a_fast_encoder_that_errs_is_given_up(job: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("gigatoken")
    from backend.node.data import block_encoder

    preprocess.run(job)
    expected = out(job).tokens.tolist()
    load = block_encoder.load_encoder

    def treacherous(options: Any) -> Any:
        encoder = load(options)
        if options.encoder == "gigatoken":

            def wrong(_texts: Any) -> Any:
                raise EncoderMismatchError("another id for 'x'")

            encoder.full = encoder.plain = encoder.inner = wrong
        return encoder

    monkeypatch.setattr(block_encoder, "load_encoder", treacherous)
    job["output_prefix"] += "2"
    manifest = preprocess.run({**job, "encoder": "gigatoken"}).manifest
    assert out(job).tokens.tolist() == expected
    assert manifest["encoder"] == "tokenizers"
    assert any("another id for 'x'" in note for note in manifest["notes"])


def test_a_worker_that_is_killed_is_an_error(job: dict[str, Any]) -> None:
    Path(job["input"]).write_text('{"text": "some words"}\n' * 400_000)
    result: list[BaseException] = []

    def work() -> None:
        try:
            preprocess.run({**job, "workers": 5})
        except JobError as error:
            result.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    own = str(os.getpid())
    while thread.is_alive() and not result:
        children = subprocess.run(["pgrep", "-P", own, "-f", "spawn_main"], capture_output=True, text=True)
        for pid in children.stdout.split()[:1]:
            subprocess.run(["kill", "-9", pid], check=False)
        thread.join(0.3)
    thread.join()
    assert result
    assert "killed" in str(result[0])
    assert contents(job) == {}


@pytest.mark.skipif(os.getuid() != 0, reason="mounting a file system needs root")
@pytest.mark.parametrize(("options", "word"), [("size=64k", "space|small"), ("ro", "read or written")])
def test_a_target_that_cannot_hold_the_result(
    job: dict[str, Any], tmp_path: Path, options: str, word: str
) -> None:
    target = tmp_path / "small"
    target.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(target)], check=False)
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        Path(job["input"]).write_text('{"text": "a few words to learn from"}\n' * 20_000)
        with pytest.raises(StorageError, match=word):
            preprocess.run({**job, "output_prefix": str(target / "set")})
        assert os.listdir(target) == []
    finally:
        subprocess.run(["umount", str(target)], check=True)


@pytest.mark.long
def test_killed_at_any_moment_it_leaves_nothing_half_done(job: dict[str, Any], tmp_path: Path) -> None:
    import random
    import time

    Path(job["input"]).write_text("".join(f'{{"text": "words {n} and more"}}\n' for n in range(150_000)))
    path = tmp_path / "job.json"
    path.write_text(json.dumps({**job, "workers": 2}))
    argv = [sys.executable, "-m", "backend.node.main", "data", str(path)]
    started = time.monotonic()
    subprocess.run(argv, cwd=ROOT, check=True, capture_output=True)
    whole = time.monotonic() - started
    expected = {name: content for name, content in contents(job).items() if name != "set.json"}
    draw = random.Random(1)
    for _round in range(20):
        for name in contents(job):
            (Path(job["output_prefix"]).parent / name).unlink()
        process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(draw.uniform(0, whole * 1.1))
        process.kill()
        process.wait()
        for name, content in expected.items():
            assert contents(job).get(name, content) == content, name
    subprocess.run(argv, cwd=ROOT, check=True, capture_output=True)
    assert {name: content for name, content in contents(job).items() if name != "set.json"} == expected
    assert tuple(sorted(contents(job))) == FILES


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("in.json", '[{"text": "a"}, {"text": "b'),
        ("in.json", '[{"text": "a"} {"text": "b"}]'),
        ("in.csv", 'text\na\n"b\nc\n'),
    ],
)
@pytest.mark.parametrize("policy", ["fail", "skip"])
def test_the_rest_of_a_file_is_never_lost_silently(
    job: dict[str, Any], tmp_path: Path, name: str, content: str, policy: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(JobError, match=r"(record 2|line 3) of .* cannot be used") as caught:
        preprocess.run({**job, "input": str(tmp_path / name), "on_bad_row": policy})
    assert "would be lost" in caught.value.fix
    assert contents(job) == {}


def test_the_raw_data_is_never_replaced(job: dict[str, Any], tmp_path: Path) -> None:
    raw = tmp_path / "alpaca.json"
    raw.write_text('[{"text": "a few words"}]')
    for force in (False, True):
        with pytest.raises(JobError, match="is the raw data"):
            preprocess.run(
                {**job, "input": str(raw), "output_prefix": str(tmp_path / "alpaca"), "force": force}
            )
    assert raw.read_text() == '[{"text": "a few words"}]'


def test_a_strangers_json_is_not_taken_for_the_manifest(job: dict[str, Any]) -> None:
    path = Path(job["output_prefix"] + ".json")
    path.parent.mkdir()
    path.write_text('{"my": "recipe"}')
    with pytest.raises(JobError, match="there already"):
        preprocess.run(job)
    assert path.read_text() == '{"my": "recipe"}'


@pytest.mark.parametrize("name", ["set.json", "set_text_document.bin"])
def test_a_folder_in_the_place_of_a_file_is_refused(job: dict[str, Any], name: str) -> None:
    folder = Path(job["output_prefix"]).parent
    (folder / name).mkdir(parents=True)
    with pytest.raises(JobError, match="is a folder"):
        preprocess.run({**job, "force": True})
    assert [path.name for path in folder.iterdir()] == [name]


def test_a_file_in_the_place_of_the_folder_is_refused(job: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(JobError, match="is not a folder") as caught:
        preprocess.run({**job, "output_prefix": job["input"] + "/x"})
    assert caught.value.field == "output_prefix"


def test_names_that_are_not_utf8_go_through(job: dict[str, Any], tmp_path: Path) -> None:
    name = os.fsdecode(b"bad\xff.jsonl")
    os.rename(job["input"], tmp_path / name)
    again = {**job, "input": str(tmp_path / name), "output_prefix": str(tmp_path / os.fsdecode(b"q\xff"))}
    assert not preprocess.run(again).up_to_date
    assert preprocess.run(again).up_to_date


def test_a_changed_file_is_made_anew_and_named(job: dict[str, Any]) -> None:
    from backend.node.data.verify import verify

    preprocess.run(job)
    assert verify(job["output_prefix"])["sound"]
    path = Path(job["output_prefix"] + "_text_document.bin")
    path.write_bytes(path.read_bytes()[::-1])
    found = verify(job["output_prefix"])
    assert any("has changed" in finding["what"] for finding in found["findings"])
    assert not preprocess.run(job).up_to_date
    assert verify(job["output_prefix"])["sound"]


def test_files_of_other_endings_are_told_and_dead_links_refused(job: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for name in ("a.txt", "b.txt", "c.jsonl"):
        (folder / name).write_text('{"text": "a"}\n')
    told: list[Progress] = []
    preprocess.run({**job, "input": str(folder)}, told.append)
    assert any("not read: c.jsonl" in progress.note for progress in told)
    (folder / "d.txt").symlink_to(folder / "nowhere")
    for wanted in (str(folder), str(folder / "*.txt")):
        with pytest.raises(JobError, match=r"d\.txt is not a file"):
            preprocess.run({**job, "input": wanted, "output_prefix": job["output_prefix"] + "2"})


@pytest.mark.parametrize("content", ["{'text': 'a'}\n", '{"text": "a", "text": "b"}\n', '{"text": 1'])
def test_a_broken_first_record_is_told_as_such(job: dict[str, Any], content: str) -> None:
    Path(job["input"]).write_text(content)
    with pytest.raises(JobError, match=r"(line|record) 1 of .* cannot be used"):
        preprocess.run(job)


def test_no_records_are_told_as_such(job: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "in.json").write_text("[]")
    with pytest.raises(JobError, match="no rows"):
        preprocess.run({**job, "input": str(tmp_path / "in.json")})


@pytest.mark.parametrize("number", ["SIGTERM", "SIGHUP"])
def test_told_to_end_it_takes_everything_away(job: dict[str, Any], tmp_path: Path, number: str) -> None:
    import signal
    import time

    Path(job["input"]).write_text('{"text": "some words"}\n' * 3_000_000)
    path = tmp_path / "job.json"
    path.write_text(json.dumps(job))
    argv = [sys.executable, "-m", "backend.node.main", "data", str(path)]
    number_of = getattr(signal, number)
    # Under nohup the signal would be ignored, also by this process.
    process = subprocess.Popen(
        argv,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(number_of, signal.SIG_DFL) and None,
    )
    deadline = time.monotonic() + 30
    while not any("tmp-" in name for name in contents(job)):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number_of)
    assert process.wait(30) == 128 + number_of
    assert contents(job) == {}


def test_a_length_with_digits_too_many_is_refused(job: dict[str, Any]) -> None:
    with pytest.raises(JobError, match="seq_length"):
        preprocess.run({**job, "seq_length": 99_999_999_999})


def test_other_names_of_columns_need_a_template(job: dict[str, Any]) -> None:
    with pytest.raises(JobError) as caught:
        preprocess.run({**job, "map_keys": {"text": "output"}})
    assert caught.value.field == "map_keys"
