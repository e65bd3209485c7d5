"""Read a description of the API from a file or from stdin, in YAML or JSON."""

from __future__ import annotations

import datetime as dt
import json
import re
import sys
from pathlib import Path
from typing import Any, Final

from ev_energy._contract.change import is_list, is_object
from ev_energy._contract.extract import InvalidDescriptionError
from ev_energy.cli._exit import UsageError

#: Values of a YAML file with all aliases written out. The API's description has about 40,000.
_MAX_VALUES: Final = 500_000
#: Digits of an integer: as many as Python converts.
_MAX_DIGITS: Final = 4_300
#: The tags of YAML 1.1 that YAML 1.2, which OpenAPI prescribes, does not have.
_NOT_IN_YAML_1_2: Final = frozenset({"tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp"})
_TOO_LONG: Final = 10**_MAX_DIGITS
_LONG_NUMBER: Final = f"a number of more than {_MAX_DIGITS:,} digits"
_BOOLEAN: Final = re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$")


def read_description(path: str) -> Any:
    """Return the description in the file *path*, or on stdin if it is ``-``.

    Raises:
        UsageError: The file cannot be read, or it is YAML and PyYAML is not installed.
        InvalidDescriptionError: It is neither JSON nor YAML.
    """
    text = _text(path)
    name = "stdin" if path == "-" else path
    if path.endswith(".json") or text.lstrip().startswith("{"):
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            place = f"line {error.lineno}, column {error.colno}"
            raise InvalidDescriptionError(f"{name} is no JSON: {error.msg} at {place}") from None
        except ValueError:
            raise InvalidDescriptionError(f"{name} has {_LONG_NUMBER}") from None
        except RecursionError:
            raise InvalidDescriptionError(f"{name} is nested too deeply") from None
    return _from_yaml(text, name)


def _text(path: str) -> str:
    try:
        data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"DESCRIPTION: {path} cannot be read: {reason}") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        name = "stdin" if path == "-" else path
        raise InvalidDescriptionError(f"{name} is no UTF-8 at byte {error.start}") from None


def _from_yaml(text: str, name: str) -> Any:
    try:
        import yaml
    except ModuleNotFoundError:
        raise UsageError(
            f"DESCRIPTION: {name} is no JSON, and reading YAML needs the package PyYAML",
            "pip install 'ev-energy[cli]', or convert the description to JSON",
        ) from None
    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[misc]
        """A loader of YAML 1.2, where `NO` and a date are strings."""

        def get_single_node(self) -> Any:
            """Return the document, which is small once its aliases are written out."""
            node: Any = base.get_single_node(self)
            _size(node, {})
            return node

    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in _NOT_IN_YAML_1_2]
        for first, resolvers in base.yaml_implicit_resolvers.items()
    }
    Loader.add_implicit_resolver("tag:yaml.org,2002:bool", _BOOLEAN, list("tTfF"))
    try:
        return _as_json(yaml.load(text, Loader=Loader))  # noqa: S506 - it is safe
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise InvalidDescriptionError(f"{name} is no YAML: {problem}{place}") from None
    except (RecursionError, ValueError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise InvalidDescriptionError(f"{name} is no YAML: {reason}") from None


def _size(node: Any, known: dict[int, int]) -> int:
    """Return how many values a node of YAML has with all aliases written out.

    An alias is the same node as its anchor, which is counted once, so that a file of a few lines
    that stands for billions of values is refused before it is expanded.
    """
    size = known.get(id(node))
    if size == 0:
        raise ValueError("it contains itself")
    if size is None:
        known[id(node)] = 0
        size = 1
        value: Any = getattr(node, "value", None)
        is_mapping = getattr(node, "id", None) == "mapping"
        for part in value if is_list(value) else ():  # of an object, names and values in pairs
            pair: Any = part if is_mapping else (part,)
            size += sum(_size(one, known) for one in pair)
        if size > _MAX_VALUES:
            raise ValueError(f"its aliases stand for more than {_MAX_VALUES:,} values")
        known[id(node)] = size
    return size


def _as_json(value: Any) -> Any:
    """Return a value of YAML as JSON has it: statuses are keys, and keys are texts."""
    if is_object(value):
        return {_key(name): _as_json(one) for name, one in value.items()}
    if is_list(value):
        return [_as_json(one) for one in value]
    if isinstance(value, int) and abs(value) >= _TOO_LONG:  # written in base 16 or 60
        raise ValueError(f"it has {_LONG_NUMBER}")
    if isinstance(value, dt.date | bytes):  # with an explicit tag
        return str(value)
    return value


def _key(name: object) -> str:
    return name if isinstance(name, str) else json.dumps(name, default=str)
