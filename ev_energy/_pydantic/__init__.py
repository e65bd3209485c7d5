"""The models as types of pydantic, and so of FastAPI.

`Model`, `Ref`, `OpenEnum` and `PlainValue` have `__get_pydantic_core_schema__`, by which pydantic
asks a class for its schema. Only those methods import this package, so the models need no pydantic.

The codec reads and writes models, as it does with replies of the API. So the schema of a model has
one function for each direction and no description of its fields, and costs next to nothing. The
description is made when the JSON schema is (`json_schema`). Values that a request contains,
`PlainValue`, are checked by pydantic field by field, so that its errors name the fields.
"""

import functools
from typing import Any

from pydantic_core import SchemaSerializer

from ev_energy._pydantic.json_schema import (
    link_schema,
    model_schema,
    open_enum_schema,
    plain_value_schema,
)

__all__ = [
    "link_schema",
    "model_schema",
    "open_enum_schema",
    "plain_value_schema",
    "serializer_of",
]


@functools.cache
def serializer_of(cls: type[Any]) -> SchemaSerializer:
    """Return what writes a *cls* that stands in a field of type `Any`."""
    return SchemaSerializer(cls.__get_pydantic_core_schema__(cls, None))
