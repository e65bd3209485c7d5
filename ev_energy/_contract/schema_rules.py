"""What the change of a keyword of a schema means: the table of what breaks programs."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from ev_energy._contract.change import Place

REFUSED: Final = "requests that were accepted may be refused"
ACCEPTED: Final = "more requests are accepted than before"
OTHER_REPLIES: Final = "it concerns replies only, and no type of the SDK depends on it"
REVIEW: Final = "this version of the SDK does not know it: read the description"
ANY_TYPE: Final = "programs may receive values of any type"
_NO_PROGRAM: Final = "no program depends on it"

FORMS: Final = ("oneOf", "anyOf")
#: The keywords that say when and how a schema applies, not which values it allows.
ANNOTATIONS: Final = ("readOnly", "writeOnly", "deprecated", "default")
NULL: Final = {"type": "null"}


class Rule(NamedTuple):
    """What the change of a keyword does to requests and to replies; None if it does no harm."""

    added_to_requests: str | None = None
    removed_from_requests: str | None = None
    added_to_replies: str | None = None
    removed_from_replies: str | None = None
    harmless: str = _NO_PROGRAM
    """What it means otherwise that it was added or changed, or also that it was removed."""
    harmless_removal: str | None = None

    def effect(self, place: Place, *, is_new: bool, was_there: bool) -> tuple[bool, str]:
        """Return whether it breaks something, and what it means."""
        candidates = (
            (place.use.sent and is_new, self.added_to_requests),
            (place.use.sent and was_there, self.removed_from_requests),
            (place.use.received and is_new, self.added_to_replies),
            (place.use.received and was_there, self.removed_from_replies),
        )
        found = dict.fromkeys(effect for applies, effect in candidates if applies and effect)
        if found:
            return True, ", and ".join(found)
        return False, self.harmless if is_new else self.harmless_removal or self.harmless


RESTRICTION: Final = Rule(added_to_requests=REFUSED, harmless="no request is refused because of it")
UNKNOWN: Final = Rule(REVIEW, REVIEW, REVIEW, REVIEW)
RULES: Final[Mapping[str, Rule]] = {
    "pattern": RESTRICTION,
    "not": RESTRICTION,
    "if": RESTRICTION,
    "then": RESTRICTION,
    "dependentSchemas": RESTRICTION,
    "format": Rule(
        added_to_requests=REFUSED,
        removed_from_replies="values may not have the form that the SDK converts from",
        harmless="values have this form",
        harmless_removal="requests may have other forms",
    ),
    "default": Rule(
        removed_from_requests="a call that leaves it out may do something else",
        harmless="a call that leaves it out gets this value",
        harmless_removal=_NO_PROGRAM,
    ),
    "readOnly": Rule(
        added_to_requests="requests that set it may be refused",
        harmless="requests cannot set it",
        harmless_removal="requests may set it",
    ),
    "writeOnly": Rule(
        added_to_replies="programs that read it find nothing",
        harmless="replies do not have it",
        harmless_removal="replies may have it",
    ),
    "deprecated": Rule(harmless="it still works; a later version of the API may remove it"),
}

#: The limits, with the comparison that is true if the first value allows less than the second.
LIMITS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    **dict.fromkeys(("minimum", "minLength", "minItems", "minProperties"), operator.gt),
    **dict.fromkeys(("maximum", "maxLength", "maxItems", "maxProperties"), operator.lt),
}

TYPE: Final = Rule(
    removed_from_requests=REFUSED,
    added_to_replies="programs may receive a type that they do not expect",
    harmless="requests may have this type",
    harmless_removal="replies do not have this type any more",
)
NULLABLE: Final = Rule(
    removed_from_requests="requests that set it to null may be refused",
    added_to_replies="programs may receive None where they expect a value",
    harmless="requests may set it to null",
    harmless_removal="replies always have a value",
)
ENUM_VALUE: Final = Rule(
    removed_from_requests="requests with this value may be refused",
    removed_from_replies="programs that wait for this value do not see it any more",
    harmless="enums are open: it is a value without a name in this version",
)
FORM: Final = Rule(
    removed_from_requests=REFUSED,
    added_to_replies="programs may receive a form that they do not expect",
    removed_from_replies="programs that expect this form do not receive it any more",
    harmless="requests may have this form",
)
FIELD: Final = Rule(
    removed_from_requests="requests that have it may be refused",
    removed_from_replies="programs that read it find nothing",
    harmless="the SDK keeps it in `.extra`; this version has no name for it",
)
REQUIRED: Final = Rule(
    added_to_requests="requests without it are refused",
    removed_from_replies="replies may lack it",
    harmless="replies always have it",
    harmless_removal="requests may lack it",
)
READ: Final = frozenset(
    {*RULES, *LIMITS, *FORMS, "type", "nullable", "enum", "properties", "required", "$ref"}
    | {"allOf", "items", "additionalProperties"}
)
