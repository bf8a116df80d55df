"""What can be pushed, and what is said of a push that was interrupted."""

from __future__ import annotations

from backend.translation import _

# kind -> its folder below the shared directory, as the guide has it
KINDS = {"data": "training_data", "model": "models", "tokenizer": "tokenizers"}
GOES_ON = _("the same command again goes on where this one was")
