"""Options and help of one command, by cyclopts. Only this module imports it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from typing import Annotated, Any, Final

from cyclopts import App, CycloptsError, Group, Parameter

from ev_energy.cli._exit import UsageError
from ev_energy.cli._options import ARGUMENTS, CONNECTION, OUTPUT, Option

_GROUPS: Final = {
    name: Group(name, sort_key=number)
    for number, name in enumerate((ARGUMENTS, OUTPUT, CONNECTION))
}
#: Messages of cyclopts, and what they mean for a command line.
_MESSAGES: Final = (
    (r"^Unused Tokens: \['(.*?)'.*\]\.$", r"there is no place for the argument '\1'"),
    (r"^Parameter (--\S+) requires an argument\.$", r"\1 needs a value"),
    (r"^Parameter (\S+) requires an argument\.$", r"\1 is missing"),
    (r"^Parameter (\S+) specified multiple times\.$", r"\1 is given more than once"),
    (
        r'^Invalid value for (\S+): unable to convert "(.*)" into int\.$',
        r"\1: '\2' is not a whole number",
    ),
)
_HELP: Final = Group("Help", sort_key=len(_GROUPS))


def _parameter(option: Option) -> inspect.Parameter:
    """Return the parameter that makes cyclopts parse *option*."""
    is_option = option.name.startswith("-")
    kind = inspect.Parameter.KEYWORD_ONLY if is_option else inspect.Parameter.POSITIONAL_ONLY
    details = Parameter(
        name=option.name if is_option else None,
        help=option.help,
        metavar=option.metavar,
        group=_GROUPS[option.group],
        negative=(),
        show_default=False,
        consume_multiple=False,
    )
    default = inspect.Parameter.empty if option.required else None
    type_ = option.type if option.required else option.type | None
    return inspect.Parameter(
        option.key, kind, default=default, annotation=Annotated[type_, details]
    )


def parse(
    name: str, description: str, options: Sequence[Option], words: Sequence[str]
) -> dict[str, Any] | None:
    """Return the values of *options* that *words* set, or None after printing the help.

    ``-`` may be a value: it stands for stdin. `UsageError` says in one line what is wrong with
    *words*.
    """

    def command(*values: Any, **named: Any) -> dict[str, Any]:
        positional = [option.key for option in options if not option.name.startswith("-")]
        found = {**dict(zip(positional, values, strict=False)), **named}
        return {key: value for key, value in found.items() if value is not None}

    parameters = [_parameter(option) for option in options]
    # cyclopts reads both.
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in parameters}
    app = App(
        name=name,
        help=description.replace("`", ""),
        help_format="plaintext",
        version_flags=(),
        default_command=command,
        group_arguments=_GROUPS[ARGUMENTS],
        group_commands=_HELP,
    )
    try:
        function, bound, _ = app.parse_args(
            _join_dashes(list(map(_normal, words)), options),
            print_error=False,
            exit_on_error=False,
            verbose=False,
        )
    except CycloptsError as error:
        raise UsageError(
            _plain(" ".join(str(error).split())), f"{name} --help lists the options"
        ) from None
    result: dict[str, Any] | None = function(*bound.args, **bound.kwargs)  # the help returns None
    return result


def _plain(message: str) -> str:
    """Return a message of cyclopts in the words of the other messages."""
    for pattern, replacement in _MESSAGES:
        message = re.sub(pattern, replacement, message)
    return message


def _join_dashes(words: Sequence[str], options: Sequence[Option]) -> list[str]:
    """Return *words* with ``--option=-`` for ``--option -``, which cyclopts takes for no value."""
    with_value = {option.name for option in options if option.type is not bool}
    joined: list[str] = []
    for word in words:
        if word == "-" and joined and joined[-1] in with_value:
            joined[-1] += "=-"
        else:
            joined.append(word)
    return joined


def _normal(word: str) -> str:
    """Return an option with dashes in place of the underscores of the method's arguments."""
    if not word.startswith("--"):
        return word
    option, equals, value = word.partition("=")
    while "__" in option:
        option = option.replace("__", "_")
    return option.replace("_", "-") + equals + value
