"""Does a recipe's file exist that this form knows nothing of?"""

from __future__ import annotations

import os


def would_overwrite(path: str, own: str) -> bool:
    """Is there a file at `path` that is not `own`, the one that was loaded or last saved ("": none)?"""
    if not os.path.lexists(path):
        return False
    return not own or os.path.realpath(path) != os.path.realpath(own)
