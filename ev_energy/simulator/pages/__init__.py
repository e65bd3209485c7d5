"""Pages for people: markup that escapes by itself, one layout, one stylesheet, sealed forms.

Nothing is loaded from anywhere else, and no page needs a script.
"""

from __future__ import annotations

from ev_energy.simulator.pages._browser_sessions import BrowserSession, BrowserSessions
from ev_energy.simulator.pages._forms import button, field, form, hidden, read_form
from ev_energy.simulator.pages._layout import facts, listed, notice, page, picks, table
from ev_energy.simulator.pages._markup import Content, Markup, tag

__all__ = [
    "BrowserSession",
    "BrowserSessions",
    "Content",
    "Markup",
    "button",
    "facts",
    "field",
    "form",
    "hidden",
    "listed",
    "notice",
    "page",
    "picks",
    "read_form",
    "table",
    "tag",
]
