"""The data stage against rules that are written down once more, slowly: random rows, jobs and tokenizers."""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.node.data import preprocess
from backend.node.job_lines import JobError
from tests.backend.node.data import tokenizer_folders

pytest.importorskip("tokenizers")

from tests.backend.node.data import slow_reference

pytestmark = pytest.mark.torch

Row = dict[str, Any]

# ------------------------------------------------------------------------------------------- tokenizers

_MARKS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_QWEN = {"tokenizer_class": "Qwen2Tokenizer", "eos_token": _MARKS[0], "unk_token": _MARKS[0]}
_GEMMA = {"tokenizer_class": "GemmaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
_LLAMA = {**_GEMMA, "tokenizer_class": "LlamaTokenizer"}
_GEMMA["pad_token"] = "<pad>"
_ODD_TOKENS = (
    {"content": "<left>", "lstrip": True},
    {"content": "<right>", "rstrip": True},
    {"content": "word", "single_word": True},
    {"content": "Ｎorm", "normalized": True, "special": False},
    {"content": "<both>", "lstrip": True, "rstrip": True, "special": False},
)


def _add_tokens(content: dict[str, Any], tokens: tuple[dict[str, Any], ...]) -> None:
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    start = max(content["model"]["vocab"].values()) + 1
    for number, token in enumerate(tokens):
        content["added_tokens"].append({"id": start + number, **plain, **token})


def _odd(content: dict[str, Any]) -> None:
    _add_tokens(content, _ODD_TOKENS)


def _crossing(content: dict[str, Any]) -> None:
    """Tokens right where a prompt would be cut."""
    cuts = ("###", "\n\n", "Response:\n", "Instruction:", ":\n", "\n#")
    _add_tokens(content, tuple({"content": cut, "special": False} for cut in cuts))


def _stripping(content: dict[str, Any]) -> None:
    strips = {"lstrip": True, "rstrip": True}
    _add_tokens(content, ({"content": "Response", **strips}, {"content": "it", **strips}))


def _gpt2(content: dict[str, Any]) -> None:
    content["normalizer"] = None
    content["pre_tokenizer"] = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": True,
    }


def _with_bos(content: dict[str, Any]) -> None:
    """As Llama-3 has it: the frame stands in tokenizer.json alone."""
    first: dict[str, Any] = {"SpecialToken": {"id": "<s>", "type_id": 0}}
    text: dict[str, Any] = {"Sequence": {"id": "A", "type_id": 0}}
    other: dict[str, Any] = {"Sequence": {"id": "B", "type_id": 1}}
    content["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [first, text],
        "pair": [first, text, other],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}},
    }


def _metaspace(scheme: str, split: bool) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        content["normalizer"] = None
        content["pre_tokenizer"] = {
            "type": "Metaspace",
            "replacement": "▁",
            "prepend_scheme": scheme,
            "split": split,
        }

    return change


def _blank_cuts(content: dict[str, Any]) -> None:
    content["normalizer"] = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    content["pre_tokenizer"] = {
        "type": "Split",
        "pattern": {"String": " "},
        "behavior": "MergedWithPrevious",
        "invert": False,
    }


def _lower(content: dict[str, Any]) -> None:
    """A normalizer after which a text is not what it was: no cut of it can be trusted unseen."""
    parts = [
        {"type": "NFKC"},
        {"type": "Lowercase"},
        {"type": "Strip", "strip_left": True, "strip_right": True},
    ]
    content["normalizer"] = {"type": "Sequence", "normalizers": parts}


def _bytes(config: dict[str, Any], special: tuple[str, ...] = _MARKS, change: Any = None) -> Any:
    def make(folder: Path) -> Path:
        return tokenizer_folders.byte_level(folder, config, special, change)

    return make


def _blanks(config: dict[str, Any], change: Any = None) -> Any:
    def make(folder: Path) -> Path:
        return tokenizer_folders.sentencepiece_like(folder, config, change)

    return make


_BOS = ("<s>", "</s>", "<unk>", *_MARKS)
_FAST = {**_LLAMA, "tokenizer_class": "PreTrainedTokenizerFast"}
FOLDERS: dict[str, Callable[[Path], Path]] = {
    "qwen": _bytes(_QWEN),
    "qwen-odd": _bytes({**_QWEN, "additional_special_tokens": ["<|im_end|>", "<new>"]}, change=_odd),
    "qwen-crossing": _bytes(_QWEN, change=_crossing),
    "qwen-stripping": _bytes(_QWEN, change=_stripping),
    "qwen-split": _bytes({**_QWEN, "split_special_tokens": True}, change=_odd),
    "qwen-lower": _bytes(_QWEN, change=_lower),
    "gpt2": _bytes({**_QWEN, "tokenizer_class": "GPT2Tokenizer", "bos_token": _MARKS[0]}, change=_gpt2),
    "neox": _bytes({**_LLAMA, "tokenizer_class": "GPTNeoXTokenizerFast", "add_bos_token": True}, _BOS),
    "llama3": _bytes(_FAST, _BOS, _with_bos),
    "llama": _blanks(_LLAMA),
    "llama-eos": _blanks({**_LLAMA, "add_eos_token": True}),
    "llama-bare": _blanks({**_LLAMA, "add_bos_token": False}, _odd),
    "llama-crossing": _blanks(_LLAMA, _crossing),
    "llama-stripping": _blanks({**_LLAMA, "add_eos_token": True}, _stripping),
    "metaspace-first": _blanks(_LLAMA, _metaspace("first", False)),
    "metaspace-never": _blanks(_LLAMA, _metaspace("never", False)),
    "metaspace-always": _blanks(_FAST, _metaspace("always", True)),
    "metaspace-split": _blanks({**_LLAMA, "add_eos_token": True}, _metaspace("first", True)),
    "gemma": _blanks(_GEMMA, _blank_cuts),
}
WITH_BOS = [name for name in FOLDERS if not name.startswith("qwen")]


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("tokenizers")
    return {name: make(root / name) for name, make in FOLDERS.items()}


# ------------------------------------------------------------------------------------------------ texts

_FRAGMENTS = (
    *_MARKS,
    *("<s>", "</s>", "<unk>", "<left>", "<right>", "word", "Ｎorm", "<both>", "<new>", "<0x0A>"),
    *("### Response:", "### Response:\n", "### Instruction:", "###", "\n### Response:\n", "# Response:"),
    *("Human:", "Assistant:", "```", "<eoh>", "<|Human|>: ", "<|MOSS|>:", "<eom>", "<|user|>", "<|eot_id|>"),
    *("{{content}}", "{{idx}}", "{{name}}", "{content}", "{{system}}", "%s", "[INST]", "<<SYS>>", "[gMASK]"),
    *("\n", "\r", "\r\n", "\n\n", "\n\n\n", "\v", "\f", "\x1c", "\x85", "\u2028", "\u2029", "\t", " ", "  "),
    *("   \n", "\u00a0", "\u3000", "\u200b", "\u200d", "\ufeff", "\x00", "\x7f", "\x1b", "▁", "▁▁", "Ġ"),
    *(
        "e\u0301",
        "é",
        "\u0301",
        "A\u030a",
        "ﬁ",
        "Ⅳ",
        "한",
        "\u1112\u1161\u11ab",
        "\U0001f468\u200d\U0001f469",
    ),
    *(
        "\U0010ffff",
        "\ufffe",
        "\U000e0041",
        "𠮷",
        "中文。",
        "learn",
        "words",
        " it",
        "123",
        "4567",
        "'s",
        "'LL",
    ),
    *(
        "it",
        "Say it.",
        "A few words",
        "Response",
        "Response:",
        " Response:",
        ":\n",
        ":",
        "{",
        "}",
        "\\n",
        '"',
    ),
)
_FREE = st.text(st.characters(codec="utf-8"), max_size=12)
TEXT = st.lists(st.sampled_from(_FRAGMENTS) | _FREE, max_size=9).map("".join)
SOME_TEXT = TEXT.filter(bool)
MAYBE = TEXT | st.none()
_LINE = TEXT.map(lambda text: "".join(text.split("\n")).replace("\r", ""))

# ------------------------------------------------------------------------------------------------- rows


def _object(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Row]:
    return st.fixed_dictionaries(dict(fields))


_INSTRUCTION = _object(instruction=TEXT, input=TEXT, output=TEXT)
_BELLE_TALK = st.lists(st.sampled_from(["Human:", "Assistant:", " ", "\n"]) | TEXT, max_size=9).map("".join)
_BELLE = _object(instruction=_BELLE_TALK.map(lambda talk: talk + "Human: a"), output=TEXT)
_LEETCODE = _object(code_with_problem=TEXT, code_only=TEXT, explanation_only=TEXT)
_TURN = st.none() | _object(Human=TEXT, MOSS=TEXT)
_TURNS = st.lists(st.tuples(st.sampled_from(["turn_1", "turn_2", "turn_3", "b"]), _TURN), max_size=4)
_MOSS = _object(chat=_TURNS.map(dict))

_ALPACA = _object(
    instruction=MAYBE, input=MAYBE, output=TEXT, sys=MAYBE, chosen=TEXT, rejected=TEXT
) | _object(instruction=SOME_TEXT, input=st.none(), output=st.none(), sys=TEXT, chosen=TEXT, rejected=TEXT)
_LISTED = _object(
    instruction=TEXT,
    input=MAYBE,
    output=st.lists(TEXT, max_size=3) | st.none(),
    sys=MAYBE,
    chosen=st.lists(TEXT, min_size=2, max_size=3),
    rejected=st.lists(TEXT, min_size=2, max_size=3),
)
_PARAMETER = st.fixed_dictionaries(
    {},
    optional={
        "type": TEXT,
        "description": TEXT,
        "enum": st.lists(TEXT | st.integers(0, 9), max_size=2),
        "items": st.just({}) | _object(type=TEXT),
    },
)
_PARAMETERS = st.fixed_dictionaries(
    {"properties": st.dictionaries(TEXT, _PARAMETER, max_size=2)},
    optional={"required": st.lists(TEXT, max_size=2)},
)
_TOOL = st.fixed_dictionaries(
    {}, optional={"name": TEXT, "parameters": _PARAMETERS, "description": TEXT}
) | _object(name=TEXT, parameters=_PARAMETERS)
_TOOLS = st.lists(_TOOL, max_size=2).map(json.dumps) | st.sampled_from(["", "{", "[]", "{}", "3", '{"a": 1}'])
_ARGUMENTS = st.dictionaries(TEXT, TEXT | st.integers() | st.lists(TEXT, max_size=2), max_size=2)
_CALL = _object(name=TEXT.filter(lambda text: "{{" not in text), arguments=_ARGUMENTS).map(json.dumps) | TEXT


def _said(tags: list[str]) -> st.SearchStrategy[Row]:
    return st.sampled_from(tags).flatmap(
        lambda tag: _object(**{"from": st.just(tag), "value": _CALL if tag == "function_call" else TEXT})
    )


_ASKED = _said(["human", "human", "observation"])
_TOLD = _said(["gpt", "gpt", "function_call"])


@st.composite
def _conversation(draw: Any, pairwise: bool) -> list[Row]:
    turns = draw(st.lists(st.sampled_from(["system"]), max_size=1))
    turns = [{"from": "system", "value": draw(TEXT)} for _ in turns]
    for _ in range(draw(st.integers(1, 3))):
        turns += [draw(_ASKED), draw(_TOLD)]
    if pairwise:
        turns.pop()
    if draw(st.integers(0, 7)) == 0:
        turns.append(draw(_ASKED))
    if draw(st.integers(0, 7)) == 0:
        turns.insert(draw(st.integers(1, len(turns))), draw(_TOLD))
    return turns


def _talks(pairwise: bool) -> st.SearchStrategy[Row]:
    return _object(
        conversations=_conversation(pairwise), sys=MAYBE, tools=_TOOLS, chosen=_TOLD, rejected=_TOLD | _ASKED
    )


ROWS: dict[str, st.SearchStrategy[Row]] = {
    "GeneralInstructionHandler": _INSTRUCTION,
    "BelleMultiTurnInstructionHandler": _BELLE,
    "LeetcodePythonInstructionHandler": _LEETCODE,
    "MOSSInstructionHandler": _MOSS,
    "MOSSMultiTurnHandler": _MOSS,
    "AlpacaPretrainHandler": _object(instruction=MAYBE, input=MAYBE, output=MAYBE),
}
_KEYS = ("text", "a", "b")

# ------------------------------------------------------------------------------------------------- jobs


def _grown(rows: list[Row], times: int) -> list[Row]:
    """More rows than one group has, from few."""
    return [rows[(number * number) % len(rows)] for number in range(times)] if times else rows


def _damaged(draw: Any, rows: list[Row]) -> list[Row]:
    """At times a field is null or not there at all."""
    if draw(st.integers(0, 5)):
        return rows
    rows = [dict(row) for row in rows]
    row = draw(st.sampled_from(rows))
    name = draw(st.sampled_from(sorted(row)))
    if draw(st.booleans()):
        row[name] = None
    else:
        del row[name]
    return rows


_TIMES = st.sampled_from([0, 0, 0, 0, 3, 51, 70])
_JOB = {
    "append_eod": st.booleans(),
    "workers": st.just(1),
    "encoder": st.sampled_from(["tokenizers", "auto"]),
    "n_subs": st.sampled_from([1, 1, 1, 2, 3, 7]),
    "on_bad_row": st.sampled_from(["fail", "skip"]),
}
# A length, by its place among the lengths that the rows get, and what is added to it.
_LIMIT = st.none() | st.tuples(st.integers(0, 7), st.integers(-1, 2))


@st.composite
def pretrain_jobs(draw: Any) -> tuple[Row, list[Row]]:
    keys = draw(st.lists(st.sampled_from(_KEYS), min_size=1, max_size=3, unique=True))
    row = _object(**dict.fromkeys(keys, st.just("") | TEXT))
    rows = _grown(_damaged(draw, draw(st.lists(row, min_size=4, max_size=12))), draw(_TIMES))
    job = draw(st.fixed_dictionaries(_JOB))
    return {
        **job,
        "json_keys": keys,
        "seq_length": draw(_LIMIT),
        "tokenizer": draw(st.sampled_from([*FOLDERS])),
    }, rows


@st.composite
def plain_jobs(draw: Any) -> tuple[Row, list[Row]]:
    handler = draw(st.sampled_from([*ROWS]))
    rows = _grown(_damaged(draw, draw(st.lists(ROWS[handler], min_size=4, max_size=8))), draw(_TIMES))
    job = {**draw(st.fixed_dictionaries(_JOB)), "handler": handler, "seq_length": draw(_LIMIT)}
    if draw(st.booleans()) and handler != "AlpacaPretrainHandler":
        job["pack"] = job["seq_length"] is not None
    return {**job, "tokenizer": draw(st.sampled_from([*FOLDERS]))}, rows


NEEDS_BOS = ("mistral", "mixtral", "gemma", "llama2", "llama3", "deepseek2", "deepseek2-lite")


@st.composite
def template_jobs(draw: Any) -> tuple[Row, list[Row]]:
    prompt_type = draw(st.sampled_from([*slow_reference.TEMPLATES]))
    names = WITH_BOS if prompt_type in NEEDS_BOS else [*FOLDERS]
    pairwise, alpaca = draw(st.booleans()), draw(st.booleans())
    row = st.one_of(_ALPACA, _LISTED) if alpaca else _talks(pairwise)
    if alpaca:
        row = draw(st.sampled_from([_ALPACA, _LISTED]))
    rows = _grown(_damaged(draw, draw(st.lists(row, min_size=4, max_size=8))), draw(_TIMES))
    columns = {"system": "sys"} if draw(st.booleans()) else {}
    if not alpaca and draw(st.booleans()):
        columns["tools"] = "tools"
    if alpaca and draw(st.booleans()):
        columns |= {"prompt": "input", "query": "instruction"}
    kind = ("Alpaca" if alpaca else "Sharegpt") + "Style" + ("Pairwise" if pairwise else "Instruction")
    job = {**draw(st.fixed_dictionaries(_JOB)), "handler": kind + "Handler", "prompt_type": prompt_type}
    job |= {"map_keys": columns or None, "seq_length": draw(_LIMIT)}
    job["pack"] = not pairwise and job["seq_length"] is not None and draw(st.booleans())
    return {**job, "tokenizer": draw(st.sampled_from(names))}, rows


# -------------------------------------------------------------------------------------------- comparing


def made_files(job: Row) -> dict[str, bytes] | str:
    """What the stage writes, or why it writes nothing."""
    prefix = Path(job["output_prefix"])
    try:
        preprocess.run(job, tell=lambda progress: None)
    except JobError as error:
        assert not list(prefix.parent.glob("out_*"))
        return str(error)
    return {path.name.removeprefix("out"): path.read_bytes() for path in prefix.parent.glob("out_*")}


def _is_empty(files: dict[str, bytes]) -> bool:
    return not any(body for name, body in files.items() if name.endswith(".bin"))


def _length(job: Row, rows: list[Row]) -> int | None:
    """The sequence length that a job asks for by the place among all lengths."""
    if job["seq_length"] is None:
        return None
    place, more = job["seq_length"]
    files = slow_reference.files_of({**job, "seq_length": None, "pack": False, "n_subs": 1}, rows)
    lengths: list[int] = []
    for name, content in files.items():
        if name.endswith(".idx"):
            count = int.from_bytes(content[18:26], "little")
            lengths += (int.from_bytes(content[at : at + 4], "little") for at in range(34, 34 + 4 * count, 4))
    lengths.sort(reverse=True)
    longest = lengths[place * len(lengths) // 11] if lengths else 8
    return int(max(1, longest + more) * (4 if job.get("pack") and place % 2 else 1))


def compare(job: Row, rows: list[Row]) -> None:
    made = made_files(job)
    try:
        wanted = slow_reference.files_of(job, rows)
    except slow_reference.BAD:
        wanted = {}
    if isinstance(made, str):
        assert _is_empty(wanted), made
        return
    assert sorted(made) == sorted(wanted)
    for name, content in wanted.items():
        assert made[name] == content, name


def _write(source: Path, rows: list[Row]) -> None:
    with source.open("w", encoding="utf-8") as stream:
        for number, row in enumerate(rows):
            stream.write(json.dumps(row, ensure_ascii=number % 2 == 0) + "\n")


def check(tokenizers: dict[str, Path], job: Row, rows: list[Row]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "rows.jsonl"
        _write(source, rows)
        where = {"input": str(source), "output_prefix": str(Path(folder) / "out")}
        job = {**job, **where, "tokenizer": str(tokenizers[job["tokenizer"]])}
        read = slow_reference.rows_in(source)
        stage = slow_reference.stage_of(job)
        usable = [row for row in read if not slow_reference.is_bad(stage, row)]
        job["seq_length"] = _length(job, usable)
        if job.get("on_bad_row") == "skip":
            read, job["n_subs"] = usable, 1
        compare(job, read)


JOBS = {"pretrain": pretrain_jobs(), "plain": plain_jobs(), "template": template_jobs()}


def run_many(kind: str, count: int, tokenizers: dict[str, Path], **chosen: Any) -> None:
    @settings(max_examples=count, deadline=None, derandomize=True, database=None)
    @given(JOBS[kind])
    def one(drawn: tuple[Row, list[Row]]) -> None:
        check(tokenizers, {**drawn[0], **chosen}, drawn[1])

    one()


def test_the_slow_rules_make_the_recorded_files(tmp_path: Path) -> None:
    # leaves the test out where the recorded files are not
    from tests.backend.node.data.test_preprocess_golden import CASES, GOLDEN, job_of

    for case in CASES:
        made = slow_reference.files_of(job_of(case, tmp_path / "out"))
        recorded = {path.name.removeprefix("out"): path for path in (GOLDEN / case).glob("out_*")}
        assert sorted(made) == sorted(recorded), case
        assert all(made[name] == path.read_bytes() for name, path in recorded.items()), case


@pytest.mark.parametrize("kind", [*JOBS])
def test_random_jobs_make_the_same_bytes(kind: str, tokenizers: dict[str, Path]) -> None:
    run_many(kind, 40, tokenizers)


@pytest.mark.long
@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("kind", [*JOBS])
def test_many_random_jobs_make_the_same_bytes(kind: str, workers: int, tokenizers: dict[str, Path]) -> None:
    run_many(kind, 1000 if workers == 1 else 150, tokenizers, workers=workers)


_TURNS_OF_TALK = (
    {"from": "system", "value": "Say {{idx}} of {{content}}."},
    {"from": "human", "value": "{{idx}} A few words\n### Response:\n<|im_end|>"},
    {"from": "function_call", "value": '{"name": "learn", "arguments": {"it": "é词"}}'},
    {"from": "observation", "value": "{{idx}}{{content}} learn"},
    {"from": "gpt", "value": " it {{idx}}"},
)
_ONE_TOOL = json.dumps(
    [{"name": "learn", "parameters": {"properties": {"it": {"enum": ["a"], "items": {}}}}}]
)


@pytest.mark.parametrize("pairwise", [False, True])
@pytest.mark.parametrize("prompt_type", [*slow_reference.TEMPLATES])
@pytest.mark.parametrize("tokenizer", ["llama", "llama3"])
def test_every_template_fills_every_role(
    prompt_type: str, tokenizer: str, pairwise: bool, tokenizers: dict[str, Path]
) -> None:
    turns = list(_TURNS_OF_TALK)
    row: Row = {"conversations": turns, "tools": _ONE_TOOL, "chosen": turns[2], "rejected": turns[4]}
    rows = [row, {**row, "conversations": turns[1:], "tools": "?"}]
    rows += [{**row, "conversations": turns[1:-2], "tools": ""}]
    if pairwise:
        rows = [{**row, "conversations": row["conversations"][:-1]} for row in rows]
    handler = "SharegptStylePairwiseHandler" if pairwise else "SharegptStyleInstructionHandler"
    job = {"handler": handler, "prompt_type": prompt_type, "map_keys": {"tools": "tools"}, "seq_length": None}
    check(tokenizers, {**job, "tokenizer": tokenizer, "workers": 1}, rows)


def _jsonl(path: Path, rows: list[Row]) -> None:
    _write(path, rows)


def _array(path: Path, rows: list[Row]) -> None:
    path.write_text(json.dumps(rows, indent=1), encoding="utf-8")


def _parquet(path: Path, rows: list[Row]) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path, row_group_size=7)


def _csv(path: Path, rows: list[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows(rows)


def _txt(path: Path, rows: list[Row]) -> None:
    path.write_bytes("".join(row["text"] for row in rows).encode())


_WRITERS = {
    "rows.jsonl": _jsonl,
    "rows.json": _array,
    "rows.parquet": _parquet,
    "rows.csv": _csv,
    "rows.txt": _txt,
}


def check_file(tokenizers: dict[str, Path], name: str, rows: list[Row], **job: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / name
        _WRITERS[name](source, rows)
        where = {"input": str(source), "output_prefix": str(Path(folder) / "out")}
        tokenizer = str(tokenizers[job.get("tokenizer", "qwen")])
        compare({**job, **where, "tokenizer": tokenizer}, slow_reference.rows_in(source))


@pytest.mark.parametrize("name", [*_WRITERS])
@pytest.mark.parametrize("workers", [1, 2])
def test_every_format_is_read_alike(name: str, workers: int, tokenizers: dict[str, Path]) -> None:
    if name == "rows.parquet":
        pytest.importorskip("pyarrow.parquet")

    @settings(max_examples=6 if workers == 1 else 2, deadline=None, derandomize=True, database=None)
    @given(st.lists(_object(text=TEXT, other=TEXT), min_size=1, max_size=40))
    def one(rows: list[Row]) -> None:
        if name in ("rows.csv", "rows.json"):
            rows = [{key: text.replace("\x00", "") for key, text in row.items()} for row in rows]
        check_file(tokenizers, name, rows, workers=workers, seq_length=9)

    one()
