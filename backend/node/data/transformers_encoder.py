"""Texts to ids with transformers: only for folders without tokenizer.json, for slow tokenizers and for those
that bring their own code. Its releases disagree about ids, so the one used is always named."""

from __future__ import annotations

import os
import threading
from gettext import gettext as _
from typing import Any, List, Optional, Sequence, Tuple

from backend.node.data.encoder import NOWHERE, TokenizerOptions
from backend.node.data.prompt_tokens import NamedTokens, apply_template
from backend.node.data.ragged import Ragged, ragged
from backend.node.data.special_frame import frame_of
from backend.node.data.tokenizer_config import found_there
from backend.node.job_lines import JobError

REFERENCE = "4.43"


class TransformersEncoder:
    """An `Encoder` (see encoder.py) over what AutoTokenizer makes of the folder. Raises JobError."""

    name = "transformers"
    cuts = NOWHERE

    def __init__(self, options: TokenizerOptions) -> None:
        self._tokenizer = _load(options)
        # Its tokenizers keep a state between calls.
        self._lock = threading.Lock()
        named = self._apply(options)
        self.bos, self.eos, self.unknown = (self._id(text) for text in named[:3])
        pad = self._id(named.pad)
        self.pad = self.eos if pad is None else pad
        self.vocabulary = max(max(self._tokenizer.get_vocab().values(), default=-1) + 1, len(self._tokenizer))
        self.special_texts: Tuple[str, ...] = tuple(
            dict.fromkeys([*self._tokenizer.get_added_vocab(), *self._tokenizer.all_special_tokens])
        )
        import transformers

        self.versions = {"transformers": transformers.__version__}
        self.note = ""
        if not transformers.__version__.startswith(f"{REFERENCE}."):
            self.note = _(
                "the ids are those of transformers {version}; the reference is {reference}, which may differ"
            ).format(version=transformers.__version__, reference=REFERENCE)
        self.before, self.after = frame_of(
            lambda text: self._ids([text], True)[0], lambda text: self._ids([text], False)[0]
        )

    def plain(self, texts: Sequence[str]) -> Ragged:
        return ragged(self._ids(texts, False))

    def inner(self, texts: Sequence[str]) -> Ragged:
        return self.plain(texts)

    def full(self, texts: Sequence[str]) -> Ragged:
        return ragged(self._ids(texts, True))

    def token_id(self, text: str) -> Optional[int]:
        found: Optional[int] = self._tokenizer.get_vocab().get(text)
        return found

    def decode(self, ids: Sequence[int]) -> str:
        parts: List[str] = []
        run: List[int] = []
        for ident in map(int, ids):
            if 0 <= ident < self.vocabulary:
                run.append(ident)
                continue
            parts += [self._text(run), f"<{ident}>"]
            run = []
        return "".join([*parts, self._text(run)])

    def _text(self, ids: List[int]) -> str:
        with self._lock:
            text: str = self._tokenizer.decode(ids, skip_special_tokens=False) if ids else ""
        return text

    def _ids(self, texts: Sequence[str], special: bool) -> List[List[int]]:
        if not texts:
            return []
        with self._lock:
            found: List[List[int]] = self._tokenizer(
                list(texts), add_special_tokens=special, truncation=False, padding=False
            )["input_ids"]
        return found

    def _id(self, text: Optional[str]) -> Optional[int]:
        return None if text is None else self.token_id(text)

    def _apply(self, options: TokenizerOptions) -> NamedTokens:
        from transformers import AddedToken

        own = self._tokenizer
        named = NamedTokens(
            own.bos_token,
            own.eos_token,
            own.unk_token,
            own.pad_token,
            getattr(own, "additional_special_tokens", None)
            or getattr(own, "extra_special_tokens", None)
            or (),
        )
        return apply_template(
            named,
            options,
            lambda texts: own.add_tokens(
                [AddedToken(text, normalized=False, special=True) for text in texts], special_tokens=True
            ),
        )


def _load(options: TokenizerOptions) -> Any:
    try:
        import transformers
    except ImportError as error:
        what = _("the tokenizer in {folder} needs transformers, which is not installed")
        fix = _("put the model's tokenizer.json there, or install transformers {version}")
        raise JobError(
            "tokenizer", what.format(folder=options.folder), str(error), fix.format(version=REFERENCE)
        ) from error
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            options.folder,
            local_files_only=True,
            use_fast=options.use_fast,
            trust_remote_code=options.trust_remote_code,
        )
    except Exception as error:
        what = _("transformers {version} cannot read the tokenizer in {folder}").format(
            version=transformers.__version__, folder=os.path.abspath(options.folder)
        )
        why = f"{str(error).partition(chr(10))[0]}; {found_there(options.folder)}"
        raise JobError("tokenizer", what, why, _("see that all files of the tokenizer are there")) from error
    if not options.use_fast and tokenizer.is_fast:
        what = _("transformers {version} has no slow tokenizer for {folder}").format(
            version=transformers.__version__, folder=options.folder
        )
        fix = _("leave out --tokenizer-not-use-fast, or install transformers {version}")
        raise JobError("use_fast", what, "", fix.format(version=REFERENCE))
    return tokenizer
