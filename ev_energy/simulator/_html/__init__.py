"""Pages for people: markup that escapes by itself, one layout, one stylesheet, sealed forms.

Nothing is loaded from anywhere else, and no page needs a script.
"""

from ev_energy.simulator._html._forms import button, field, form, hidden, read_form
from ev_energy.simulator._html._layout import facts, listed, notice, page, picks, table
from ev_energy.simulator._html._markup import Content, Markup, tag
from ev_energy.simulator._html._visitors import Visitor, Visitors

__all__ = [
    "Content",
    "Markup",
    "Visitor",
    "Visitors",
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
