"""The one door for sentences that people read: `_("…")`. English only for now."""

from gettext import gettext, ngettext

__all__ = ["_", "ngettext"]

_ = gettext
