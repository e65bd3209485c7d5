"""Models in other tools: type hints, signatures, and plain data from a cattrs converter."""

from __future__ import annotations

import datetime as dt
import inspect
import subprocess
import sys
import typing
from typing import Any

import attrs
import pytest

import ev_energy
import ev_energy_sync
from ev_energy import models
from ev_energy.models import (
    EVSEModel,
    EVSEStatusLog,
    LatLong,
    Model,
    RegionDetail,
    User,
)

FOUND = [getattr(models, name) for name in dir(models)]
MODELS = [c for c in FOUND if isinstance(c, type) and issubclass(c, Model) and c is not Model]
by_name = pytest.mark.parametrize("model", MODELS, ids=lambda model: str(model.__name__))


def fields_of(model: type[Any]) -> set[str]:
    return {field.name for field in attrs.fields(model)}


@by_name
def test_type_hints_of_every_model_resolve(model: type[Model]) -> None:
    hints = typing.get_type_hints(model)
    assert fields_of(model) <= set(hints)
    assert not [hint for hint in hints.values() if isinstance(hint, str)]


@by_name
def test_annotations_of_every_model_resolve_for_inspect(model: type[Model]) -> None:
    own = inspect.get_annotations(model, eval_str=True)
    assert not [hint for hint in own.values() if isinstance(hint, str)]
    assert own.keys() == inspect.get_annotations(model).keys()
    inspect.signature(model, eval_str=True)


@by_name
def test_constructor_of_every_model_takes_its_fields_by_name(model: type[Any]) -> None:
    parameters = inspect.signature(model).parameters
    assert {*parameters} == fields_of(model) - {"_extra"} | {"extra"}
    for name, parameter in parameters.items():
        field = getattr(attrs.fields(model), "_extra" if name == "extra" else name)
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        required = field.default is attrs.NOTHING
        assert parameter.default == (inspect.Parameter.empty if required else field.default)
        assert parameter.annotation == field.type or name == "extra"


def test_type_hints_equal_the_annotations() -> None:
    hints = typing.get_type_hints(models.EVSE)
    assert hints["model"] == ev_energy.Ref[EVSEModel] | None
    assert hints["user"] == ev_energy.Ref[User] | None
    assert hints["location"] == LatLong | None
    assert typing.get_type_hints(EVSEStatusLog)["sampled_at"] == dt.datetime | None
    extra = typing.get_type_hints(EVSEStatusLog, include_extras=True)["sampled_at"]
    assert typing.get_args(extra)[0] is not dt.datetime
    assert {"id", "name"} <= typing.get_type_hints(RegionDetail).keys()


def test_resolving_types_before_the_first_reply_does_not_disturb_decoding() -> None:
    code = """
import attrs, cattrs, typing
from ev_energy import models
found = [getattr(models, name) for name in dir(models)]
for model in found:
    if isinstance(model, type) and issubclass(model, models.Model) and model is not models.Model:
        attrs.resolve_types(model)
        typing.get_type_hints(model)
url = "https://api.ev.energy/v2/users/me"
evse = models.EVSE.from_dict({
    "id": "e", "url": "https://api.ev.energy/v2/evses/e", "cpid": "A", "user": url,
    "location": {"latitude": 1, "longitude": 2},
})
assert evse.user.url == url and evse.location.latitude == 1
assert attrs.fields(models.EVSE).cpid.type is str
print(cattrs.unstructure(evse)["location"])
"""
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert (result.stdout, result.stderr) == (
        "{'latitude': 1.0, 'longitude': 2.0, '_extra': {}}\n",
        "",
    )


def test_every_model_is_unstructured_by_a_plain_converter() -> None:
    # In a new process, since cattrs resolves the types of the fields permanently.
    code = """
import attrs, cattrs, typing
from ev_energy import models

def sample(hint):
    # JSON with the required members, as far as they are lists or objects.
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(hint, type) and issubclass(hint, models.Model):
        hints = typing.get_type_hints(hint)
        return {
            field.name: sample(hints[field.name])
            for field in attrs.fields(hint) if field.default is attrs.NOTHING
        }
    if origin is tuple:
        return [sample(arguments[0])] * (1 if ... in arguments else len(arguments))
    return sample(arguments[0]) if arguments and origin is not dict else None

count = 0
for name in dir(models):
    model = getattr(models, name)
    if isinstance(model, type) and issubclass(model, models.Model) and model is not models.Model:
        names = {field.name for field in attrs.fields(model)}
        made = model.from_dict({**sample(model), "unheard_of": 1})
        assert cattrs.unstructure(made).keys() == names, model
        assert cattrs.Converter().unstructure(made).keys() == names, model
        count += 1
assert count > 100
evse = models.EVSE.from_dict({"id": "e", "user": "https://api.ev.energy/v2/users/me"})
assert cattrs.unstructure(evse)["user"] == evse.user
"""
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("package", [ev_energy, ev_energy_sync])
def test_types_of_id_arguments_are_public(package: Any) -> None:
    assert {"Id", "Key"} <= set(dir(package))
    assert typing.get_args(package.Id[models.EVSE])[0] is str
    assert dt.datetime in typing.get_args(package.Key[models.EVSE])
