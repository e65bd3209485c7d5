"""HTML pages: escaping markup, one layout with one stylesheet, forms with CSRF tokens.

Pages load nothing from other hosts and need no script.
"""

from __future__ import annotations

from ev_energy.simulator.pages._browser_sessions import BrowserSession, BrowserSessions
from ev_energy.simulator.pages._forms import button, field, form, hidden_fields, read_form
from ev_energy.simulator.pages._layout import (
    bullet_list,
    definition_list,
    link_list,
    notice,
    page,
    table,
)
from ev_energy.simulator.pages._markup import Content, Markup, tag

__all__ = [
    "BrowserSession",
    "BrowserSessions",
    "Content",
    "Markup",
    "bullet_list",
    "button",
    "definition_list",
    "field",
    "form",
    "hidden_fields",
    "link_list",
    "notice",
    "page",
    "read_form",
    "table",
    "tag",
]
