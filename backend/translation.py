"""The one door for sentences that people read: `_("…")`. English only for now."""

from __future__ import annotations

import gettext

__all__ = ["_", "ngettext"]

# looked up once: gettext's own module functions search the disk at every call
_CATALOGUE = gettext.translation("npudeck", fallback=True)
_ = _CATALOGUE.gettext
ngettext = _CATALOGUE.ngettext
