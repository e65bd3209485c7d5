"""Models that users define for the replies of `Client.request`.

Their annotations are types here, as in code without ``from __future__ import annotations``, or
texts.
"""

import copy
import enum
import json
import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar, Generic, Literal, TypeVar, get_type_hints

import attrs
import pytest
from pydantic import TypeAdapter

import ev_energy_sync
from ev_energy import Client, Ref, errors, response_of
from ev_energy.models import EVSE, Model, OpenEnum, User, Vehicle, model
from tests.client.test_request import sends
from tests.helpers.recording_server import RecordingServer
from tests.helpers.support import TOKEN

ROOT = "https://api.ev.energy/v2"


class Stage(OpenEnum):
    """An enum that a user defines."""

    STAGED = "STAGED"
    INSTALLED = "INSTALLED"


@model
class Step(Model):
    """One object in another."""

    number: int
    at: datetime | None = None


@model
class FirmwareLog(Model):
    """A model with types as annotations."""

    id: str
    url: str | None = None
    logged_at: datetime | None = None
    stage: Stage | None = None
    steps: tuple[Step, ...] = ()
    price: Decimal | None = None
    details: dict[str, Any] | None = None
    counts: dict[str, int] | None = None
    sizes: list[float] | None = None
    evse: Ref[EVSE] | None = None
    users: tuple[Ref[User], ...] | None = None
    previous: "Ref[FirmwareLog] | None" = None


@model
class FirmwareLogOfTexts(Model):
    """The same with texts as annotations."""

    id: "str"
    url: "str | None" = None
    logged_at: "datetime | None" = None
    stage: "Stage | None" = None
    steps: "tuple[Step, ...]" = ()
    price: "Decimal | None" = None
    details: "dict[str, Any] | None" = None
    counts: "dict[str, int] | None" = None
    sizes: "list[float] | None" = None
    evse: "Ref[EVSE] | None" = None
    users: "tuple[Ref[User], ...] | None" = None
    previous: "Ref[FirmwareLogOfTexts] | None" = None


BODY: dict[str, Any] = {
    "id": "fwlg01",
    "url": f"{ROOT}/firmware_logs/fwlg01",
    "logged_at": "2026-01-01T12:00:00Z",
    "stage": "STAGED",
    "steps": [{"number": 1, "at": "2026-01-01T12:00:00Z"}, {"number": 2}],
    "price": "1.50",
    "details": {"a": [1, {"b": None}]},
    "counts": {"a": 1},
    "sizes": [1.5],
    "evse": f"{ROOT}/evses/evse01",
    "users": [f"{ROOT}/users/user01"],
    "previous": {"id": "fwlg00", "steps": []},
}
either = pytest.mark.parametrize("cls", [FirmwareLog, FirmwareLogOfTexts])


@either
async def test_reply_is_decoded_to_an_own_model(serve, cls) -> None:
    drifts: list[Any] = []
    server = await serve(sends(BODY))
    async with server.client(on_drift=drifts.append, strict=False) as client:
        query = {"expand": ["previous"]}
        log = await client.request("GET", "/firmware_logs/fwlg01", query=query, model=cls)
    assert drifts == []
    assert isinstance(log, cls)
    assert log.logged_at == datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert log.stage is Stage.STAGED
    assert log.steps == (Step(number=1, at=log.logged_at), Step(number=2))
    assert (log.price, log.details, log.counts) == (Decimal("1.50"), BODY["details"], {"a": 1})
    assert (log.evse.id, log.evse.into, log.users[0].into) == ("evse01", EVSE, User)
    assert log.previous.value == cls(id="fwlg00")
    assert response_of(log).request.operation == "GET /firmware_logs/{id}"


@either
async def test_own_model_is_as_lenient_as_others(serve, cls) -> None:
    drifts: list[Any] = []
    body = {"stage": "NEW", "steps": [{"number": "x"}], "logged_at": "2026-01-01T12:00:00", "a": 1}
    server = await serve(sends([{"id": "fwlg01"}, body]))
    async with server.client(on_drift=drifts.append) as client:
        plain, odd = await client.request("GET", "/logs", model=cls, paged=True).collect()
    assert plain == cls(id="fwlg01")
    assert (odd.id, odd.stage.value, odd.stage.known) == (None, "NEW", False)
    assert odd.steps[0].number == "x"
    assert odd.logged_at == datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert odd.extra == {"a": 1}
    assert [drift.path for drift in drifts] == [
        "$[1].id",
        "$[1].stage",
        "$[1].steps[0].number",
        "$[1].a",
    ]


USES: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda log: pickle.loads(pickle.dumps(log)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "evolve": attrs.evolve,
    "from_dict": lambda log: type(log).from_dict(log.to_dict()),
    "JSON": lambda log: type(log).from_dict(json.loads(json.dumps(log.to_dict()))),
    "pydantic": lambda log: TypeAdapter(type(log)).validate_python(log.to_dict()),
}


@either
@pytest.mark.parametrize("use", USES)
def test_own_model_is_a_value_like_others(cls, use) -> None:
    log = cls.from_dict({**BODY, "new": 1})
    assert USES[use](log) == log
    assert log.extra == {"new": 1}
    assert log.to_dict() == {**BODY, "new": 1}
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        log.id = "other"


@either
def test_type_hints_of_an_own_model_are_types(cls) -> None:
    hints = get_type_hints(cls)
    assert (hints["id"], hints["steps"]) == (str, tuple[Step, ...])
    assert hints["previous"] == Ref[cls] | None


class Labelled(EVSE):
    """A subclass without fields of its own."""

    prefix: ClassVar[str] = "EVSE "

    @property
    def label(self) -> str:
        return self.prefix + self.cpid


async def test_subclass_without_fields_needs_no_decorator(serve) -> None:
    server = await serve(sends({"id": "evse01", "url": f"{ROOT}/evses/evse01", "cpid": "SHIR1"}))
    async with server.client() as client:
        evse = await client.request("GET", "/evses/x", model=Labelled)
    assert evse.label == "EVSE SHIR1"


class Undecorated(Model):
    id: str


@attrs.frozen(kw_only=True)
class AttrsClass(Model):
    id: str


class Derived(FirmwareLog):
    more: "str | None" = None


@model
class Inside(Model):
    log: Undecorated | None = None


@model
class LiteralField(Model):
    state: Literal["on", "off"]


@model
class EnumField(Model):
    states: list[enum.Enum] | None = None


@model
class KeyedByNumber(Model):
    values: dict[int, str] | None = None


@model
class UnknownName(Model):
    state: "Nowhere"  # type: ignore[name-defined]  # noqa: F821


@model
class TwoModels(Model):
    device: EVSE | Vehicle | None = None


DECORATE = "declares fields, so it must be decorated with @ev_energy.models.model"
TYPES = "which cannot be decoded: see ev_energy.models.model for the types that can"


@pytest.mark.parametrize(
    ("cls", "message"),
    [
        (Model, "model must be a model class, such as EVSE, not the class Model"),
        (list[EVSE], "model must be a model class, such as EVSE, not a GenericAlias"),
        (Undecorated, f"model: Undecorated {DECORATE}"),
        (AttrsClass, f"model: AttrsClass {DECORATE}"),
        (Derived, f"model: Derived {DECORATE}"),
        (Inside, f"model: Undecorated {DECORATE}"),
        (
            LiteralField,
            f"model: LiteralField.state has the type typing.Literal['on', 'off'], {TYPES}",
        ),
        (EnumField, f"model: EnumField.states has the type list[enum.Enum] | None, {TYPES}"),
        (KeyedByNumber, f"model: KeyedByNumber.values has the type dict[int, str] | None, {TYPES}"),
        (
            UnknownName,
            (
                "model: name 'Nowhere' is not defined in the annotations of UnknownName: define it "
                "at the top level of the module"
            ),
        ),
    ],
)
@pytest.mark.parametrize("paged", [False, True])
def test_class_that_cannot_be_decoded_is_refused(cls, message, paged) -> None:
    for _ in range(2):
        with pytest.raises(TypeError) as caught:
            Client(TOKEN).request("GET", "/things", model=cls, paged=paged)
        assert str(caught.value) == message


T = TypeVar("T")


@model
class Checked(Model):
    """A model with a step of its own after its fields are set."""

    id: str
    level: int = 0
    evse: Ref[EVSE] | None = None

    def __attrs_post_init__(self) -> None:
        if self.level > 9:
            raise ValueError("level must be 9 or less")


@model
class Plain(Model):
    """The same without a link."""

    level: int = 0

    def __attrs_post_init__(self) -> None:
        if self.level > 9:
            raise ValueError("level must be 9 or less")


@model
class Tagged(Model, Generic[T]):
    """A model with a type variable, and a link."""

    id: str
    evse: Ref[EVSE] | None = None


@pytest.mark.parametrize("cls", [Checked, Plain])
def test_step_of_an_own_model_is_carried_out_after_decoding(cls: Any) -> None:
    assert cls.from_dict({"id": "a", "level": 9}).level == 9
    with pytest.raises(ValueError, match="level must be 9 or less"):
        cls.from_dict({"id": "a", "level": 10})
    with pytest.raises(ValueError, match="level must be 9 or less"):
        cls.from_dict({"id": "a", "level": 10, "unheard_of": 1})


@pytest.mark.parametrize("data", [{"id": "a"}, {"id": "a", "unheard_of": 1}])
def test_step_of_an_own_model_before_its_fields_is_carried_out(data: dict[str, Any]) -> None:
    made = []

    @model
    class Prepared(Model):
        id: str
        evse: Ref[EVSE] | None = None

        def __attrs_pre_init__(self) -> None:
            made.append(type(self))

    assert Prepared.from_dict(data).id == "a"
    assert set(made) == {Prepared}


def test_own_model_may_have_type_variables() -> None:
    decoded = Tagged.from_dict({"id": "a", "evse": f"{ROOT}/evses/evse01"})
    assert type(decoded) is Tagged
    assert decoded.evse is not None
    assert decoded.evse.id == "evse01"


def test_union_of_models_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^model: TwoModels cannot be decoded: Type unions may"):
        Client(TOKEN).request("POST", "/things", model=TwoModels)


def test_decorator_is_for_models() -> None:
    with pytest.raises(TypeError) as caught:
        model(type("Log", (), {"__annotations__": {"id": str}}))
    assert str(caught.value) == "@model needs a subclass of Model: class Log(Model)"


def test_blocking_client_decodes_own_models() -> None:
    server = RecordingServer(sends(BODY))
    with server.in_thread(), ev_energy_sync.Client(TOKEN, base_url=server.url) as client:
        log = client.request("GET", "/firmware_logs/x", model=FirmwareLog)
        assert (log.id, log.steps[1].number) == ("fwlg01", 2)
        with pytest.raises(TypeError, match=DECORATE):
            client.request("POST", "/things", model=Undecorated)
        server.handler = sends([])
        with pytest.raises(errors.DecodeError, match="expected FirmwareLog: expected an object"):
            client.request("GET", "/firmware_logs/x", model=FirmwareLog)
    assert {request.method for request in server.requests} == {"GET"}
