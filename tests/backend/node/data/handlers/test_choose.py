from __future__ import annotations

import importlib
import subprocess
import sys
from typing import Any, cast

import pytest
from small_tokenizers import BYTE_LEVEL, encoder_of

from backend.node.data.encoder import Encoder
from backend.node.data.handlers.choose import HANDLERS, check_handler, make_handler
from backend.node.data.handlers.handler import HandlerOptions
from backend.node.job_lines import JobError

PLAIN = [name for name, kind in HANDLERS.items() if not kind.styled]


class NoEnd:
    """An encoder without an end-of-text token; nothing else of it is asked."""

    eos = None
    before = after = None
    cuts = ""
    special_texts = ()


@pytest.mark.torch
@pytest.mark.parametrize("name", PLAIN)
def test_every_name_makes_a_handler(name: str) -> None:
    pytest.importorskip("tokenizers")
    handler = make_handler(name, HandlerOptions(), encoder_of(BYTE_LEVEL))
    assert type(handler).__name__ == name
    assert set(handler.required) <= set(handler.columns)
    assert handler.packed == (name not in ("GeneralPretrainHandler", "AlpacaPretrainHandler"))


def test_names_lead_to_modules_of_this_folder() -> None:
    assert all(kind.name == name for name, kind in HANDLERS.items())
    for name in PLAIN:
        module = importlib.import_module(f"backend.node.data.handlers.{HANDLERS[name].module}")
        assert hasattr(module, name)


def test_no_name_is_the_pretraining_handler_as_in_the_reference() -> None:
    assert check_handler("", "").name == "GeneralPretrainHandler"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("GeneralInstructHandler", "GeneralInstructionHandler"),
        ("generalpretrainhandler", "GeneralPretrainHandler"),
        ("MossMultiTurnHandler", "MOSSMultiTurnHandler"),
    ],
)
def test_a_mistyped_name_is_refused_with_near_ones(typed: str, meant: str) -> None:
    with pytest.raises(JobError, match=f"no handler {typed}") as caught:
        check_handler(typed, "")
    assert caught.value.field == "handler"
    assert meant in caught.value.fix
    assert "AlpacaPretrainHandler" in caught.value.why


def test_a_strange_name_is_refused_without_a_guess() -> None:
    with pytest.raises(JobError) as caught:
        check_handler("xyzzy", "")
    assert caught.value.fix == ""


def test_prompt_templates_belong_to_some_handlers_only() -> None:
    assert check_handler("AlpacaStyleInstructionHandler", "qwen").styled
    for name, template in (("GeneralInstructionHandler", "qwen"), ("AlpacaStyleInstructionHandler", "")):
        with pytest.raises(JobError) as caught:
            check_handler(name, template)
        assert caught.value.field == "prompt_type"


@pytest.mark.parametrize(
    ("name", "append_eod", "field"),
    [
        ("GeneralPretrainHandler", True, "append_eod"),
        ("AlpacaPretrainHandler", True, "append_eod"),
        ("GeneralInstructionHandler", True, "append_eod"),
        ("MOSSMultiTurnHandler", False, "handler"),
    ],
)
def test_a_missing_end_token_is_said_before_any_row(name: str, append_eod: bool, field: str) -> None:
    with pytest.raises(JobError, match="no end-of-text token") as caught:
        make_handler(name, HandlerOptions(append_eod=append_eod), cast(Encoder, cast(Any, NoEnd())))
    assert caught.value.field == field


def test_importing_the_table_loads_nothing_heavy() -> None:
    code = (
        "import sys, backend.node.data.handlers.choose as choose;"
        "choose.check_handler('MOSSInstructionHandler', '');"
        "print([name for name in ('numpy', 'tokenizers', 'transformers') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
