"""The operation table, read off the explicit resource source; nothing of it is imported.

One endpoint is one ``self._verb(Into, "/path/{id}", id, scope=..., query=query)`` inside one public
method, and the last line of that method's docstring says the same for people. Tools and tests read
this table; the client itself never does.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, NamedTuple, NoReturn

_HERE: Final = Path(__file__).parent
_VERBS: Final[Mapping[str, str]] = {
    "_get": "GET",
    "_list": "GET",
    "_redirect": "GET",
    "_post": "POST",
    "_patch": "PATCH",
    "_delete": "DELETE",
    "_delete_counting": "DELETE",
}
#: What comes back of the verbs that are not told.
_NO_INTO: Final = {"_delete": "None", "_delete_counting": "Counts", "_redirect": "None"}
#: The members of a body that the caller makes as a whole.
AS_GIVEN: Final = ("...",)
_SCOPES: Final[Mapping[str, str | None]] = {"PUBLIC": None, "ANY_SCOPE": ""}
_LAZY: Final = re.compile(r"(\w+): Lazy\[(\w+)\] = Lazy\('(\w+)'\)")
_LITERAL: Final = re.compile(r"(\w+): TypeAlias = Literal\[(.*)\]")

Kind = Literal["one", "list", "none", "redirect"]
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Operation(NamedTuple):
    """One endpoint, as its method says it."""

    family: str
    """The attribute of the client: ``evse_models``."""
    owner: str
    """The class: ``EvseModels``."""
    name: str
    """The method: ``list``."""
    method: str
    path: str
    kind: Kind
    into: str | None
    """The model that comes back; of a list, of each item."""
    scope: str | None
    """What the token needs; empty for any token, None for none at all."""
    ids: tuple[str, ...]
    query: tuple[str, ...]
    json: tuple[str, ...] | None
    """Members of the body, `AS_GIVEN` where it is the caller's; None where there is no body."""
    inside: str | None
    """The member of the reply that holds what comes back, where the API wraps it."""
    expand: tuple[str, ...]
    paginated: bool
    """Whether it takes a position to go on from; ``page_size=None`` if it takes no size."""
    module: str
    line: int
    doc: str

    @property
    def call(self) -> str:
        """``evse_models.list``."""
        return f"{self.family}.{self.name}"

    @property
    def operation_id(self) -> str:
        """What the API's description calls it."""
        return operation_id(self.method, self.path)

    @property
    def summary(self) -> str:
        """``GET /evse_models, public``: the end of the docstring, without its full stop."""
        scopes = {None: "public", "": "any scope"}
        return f"{self.method} {self.path}, {scopes.get(self.scope, f'scope {self.scope}')}"


class HouseFormError(Exception):
    """An endpoint is not written in the house form; the message says where."""


def table(package: Path = _HERE) -> tuple[Operation, ...]:
    """Every operation of *package*, in the order of the client's families."""
    client = package / "_client.py"
    files = sorted((package / "resources").glob("[!_]*.py"))
    sources = {path.stem: _Source(path) for path in files}
    found: list[Operation] = []
    nodes = ast.walk(ast.parse(client.read_text(encoding="utf-8")))
    for node in [node for node in nodes if isinstance(node, ast.AnnAssign)]:
        if (line := _LAZY.fullmatch(ast.unparse(node))) is None:
            continue
        family, owner, module = line.groups()
        if module not in sources or owner not in sources[module].classes:
            raise HouseFormError(f"{client}:{node.lineno}: there is no {owner} in {module}.py")
        if owner in sources[module].workflows:
            continue
        cls = sources[module].classes.pop(owner)
        found += [
            _operation(sources, module, family, cls, function)
            for function in cls.body
            if isinstance(function, Function) and not function.name.startswith("_")
        ]
    for source in sources.values():
        for name, cls in source.classes.items():
            if name not in source.workflows:
                _refuse(source, cls, f"{name} has no Lazy line in _client.py")
    return tuple(found)


class _Source:
    """A module of resources, parsed."""

    def __init__(self, path: Path) -> None:
        self.path, self.body = path, ast.parse(path.read_text(encoding="utf-8")).body
        classes = [node for node in self.body if isinstance(node, ast.ClassDef)]
        bases = {c.name: set(map(ast.unparse, c.bases)) for c in classes}
        self.workflows = {name for name, names in bases.items() if "Workflow" in names}
        self.classes = {c.name: c for c in classes if bases[c.name] & {"Resource", "Workflow"}}


def _refuse(source: _Source, node: ast.stmt | ast.expr, why: str) -> NoReturn:
    raise HouseFormError(f"{source.path}:{node.lineno}: {why}")


def _operation(
    sources: Mapping[str, _Source], module: str, family: str, cls: ast.ClassDef, function: Function
) -> Operation:
    source = sources[module]
    verb, call = _call(source, f"{cls.name}.{function.name}", function)
    told: list[ast.expr] = [ast.Name(_NO_INTO[verb])] if verb in _NO_INTO else []
    into, path, *ids = [*told, *call.args]
    if not isinstance(path, ast.Constant) or not isinstance(path.value, str):
        _refuse(source, call, "the path must be a literal")
    names = tuple(map(ast.unparse, ids))
    if names != tuple(re.findall(r"{(\w+)}", path.value)):
        _refuse(source, call, f"{path.value} is filled with {', '.join(names) or 'nothing'}")
    given = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    if len(given) != len(call.keywords):
        _refuse(source, call, "every query parameter must be named")
    scope = _scope(source, call, given.pop("scope", None))
    body, inside = given.pop("json", None), given.pop("inside", None)
    what = ast.unparse(into)
    kind: Kind = "list" if verb == "_list" else "one"
    if what == "None":
        kind = "redirect" if verb == "_redirect" else "none"
    returns = ast.unparse(function.returns) if function.returns else "nothing"
    # What one reply wraps, it may leave out.
    one = what if inside is None else f"{what} | None"
    expected = f"Pager[{what}]" if kind == "list" else one
    if kind != "redirect" and returns != expected:
        _refuse(source, function, f"{function.name} returns {returns}, but asks for {what}")
    made = Operation(
        family=family,
        owner=cls.name,
        name=function.name,
        method=_VERBS[verb],
        path=path.value,
        kind=kind,
        into=None if what == "None" else what,
        scope=scope,
        ids=names,
        query=tuple(name for name, value in given.items() if ast.unparse(value) != "None"),
        json=None if body is None else _members(source, function, body),
        inside=None if inside is None else str(ast.literal_eval(inside)),
        expand=_expand(sources, source, given["expand"]) if "expand" in given else (),
        paginated="page_size" in given,
        module=module,
        line=function.lineno,
        doc=ast.get_docstring(function) or "",
    )
    if " ".join(made.doc.rpartition("\n\n")[2].split()) != f"{made.summary}.":
        _refuse(source, function, f"the docstring of {made.call} must end in: {made.summary}.")
    return made


def _call(source: _Source, name: str, function: Function) -> tuple[str, ast.Call]:
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
    own = [call for call in calls if ast.unparse(call.func).startswith("self.")]
    if len(own) != 1:
        _refuse(source, function, f"{name} makes {len(own)} calls; one method is one endpoint")
    verb = ast.unparse(own[0].func).removeprefix("self.")
    if verb not in _VERBS:
        _refuse(source, own[0], f"{name} calls {verb}, which is none of {', '.join(_VERBS)}")
    if len(own[0].args) < (1 if verb in _NO_INTO else 2):
        _refuse(source, own[0], "what comes back and the path come first")
    return verb, own[0]


def _scope(source: _Source, call: ast.Call, value: ast.expr | None) -> str | None:
    if isinstance(value, ast.Constant) and isinstance(value.value, str) and value.value:
        return value.value
    if not isinstance(value, ast.Name) or value.id not in _SCOPES:
        _refuse(source, call, f"scope must be a text or one of {', '.join(_SCOPES)}")
    return _SCOPES[value.id]


def _members(source: _Source, function: Function, body: ast.expr) -> tuple[str, ...]:
    """The keys of a dict display, or of the one that a local name stands for."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and [ast.unparse(body)] == [
            *map(ast.unparse, node.targets)
        ]:
            body = node.value
    if isinstance(body, ast.Call) and ast.unparse(body.func) == "as_given":
        return AS_GIVEN
    keys = body.keys if isinstance(body, ast.Dict) else [None]
    names = [str(key.value) for key in keys if isinstance(key, ast.Constant)]
    if len(names) != len(keys):
        _refuse(source, body, "the body must be a dict with literal keys")
    return tuple(names)


def _expand(sources: Mapping[str, _Source], source: _Source, value: ast.expr) -> tuple[str, ...]:
    """The texts of ``expand_values(Alias, expand)``, wherever the alias was made."""
    call = re.fullmatch(r"expand_values\((\w+), expand(?:, single=True)?\)", ast.unparse(value))
    if call is None:
        _refuse(source, value, "expand must be expand_values(Alias, expand)")
    for node in source.body:
        alias = isinstance(node, ast.AnnAssign) and _LITERAL.fullmatch(ast.unparse(node))
        if alias and alias[1] == call[1]:
            return tuple(map(str, ast.literal_eval(f"({alias[2]},)")))
        if isinstance(node, ast.ImportFrom) and call[1] in {name.name for name in node.names}:
            return _expand(sources, sources[(node.module or "").rpartition(".")[2]], value)
    _refuse(source, value, f"there is no Literal called {call[1]}")


#: The ids in the API's description that are not the verb and the words of the path, with dashes.
_IRREGULAR: Final = """
get-root
  /
get-users-user_id-payout-method
  /users/{user_id}/payout_method
patch-users-user_id-payout-method
  /users/{user_id}/payout_method
delete-users-user_id-payout-method
  /users/{user_id}/payout_method
get-evses-evse_id-status_logs-timestamp
  /evses/{evse_id}/status_logs/{sampled_at}
get-evses-evse_id-command_logs-timestamp
  /evses/{evse_id}/command_logs/{logged_at}
get-evses-evse_id-error_logs-timestamp
  /evses/{evse_id}/error_logs/{sampled_at}
get-evses-evse_id-ocpp_logs-timestamp
  /evses/{evse_id}/ocpp_logs/{sampled_at}
get-ct-clamps
  /ct_clamps
get-ct-clamps-ct_clamp_id
  /ct_clamps/{ct_clamp_id}
get-ct-clamps-ct_clamp_id-logs
  /ct_clamps/{ct_clamp_id}/logs
get-ct-clamps-ct_clamp_id-logs-sampled_at
  /ct_clamps/{ct_clamp_id}/logs/{sampled_at}
patch-vehicles
  /vehicles/{vehicle_id}
delete-vehicles
  /vehicles/{vehicle_id}
get-vehicles-vehicle_id-status_logs-timestamp
  /vehicles/{vehicle_id}/status_logs/{sampled_at}
get-vehicles-vehicle_id-error_logs-timestamp
  /vehicles/{vehicle_id}/error_logs/{logged_at}
get-vehicles-vehicle_id-location_logs-timestamp
  /vehicles/{vehicle_id}/location_logs/{sampled_at}
get-vehicles-vehicle_id-command_logs-timestamp
  /vehicles/{vehicle_id}/command_logs/{logged_at}
get-suppliers-suppler_id
  /suppliers/{supplier_id}
get-tariff-prices
  /tariffs/{tariff_id}/prices
get-solar-arrays
  /solar_arrays
post-solar-arrays
  /solar_arrays
get-solar-arrays-solar_array_id
  /solar_arrays/{solar_array_id}
get-solar-forecasts
  /solar_forecasts
get-solar-forecasts-solar_forecast_id
  /solar_forecasts/{solar_forecast_id}
get-solar-forecasts-solar_forecast_id-forecast_logs
  /solar_forecasts/{solar_forecast_id}/forecast_logs
get-solar-forecasts-solar_forecast_id-forecast_logs-valid_period_start
  /solar_forecasts/{solar_forecast_id}/forecast_logs/{valid_period_start}
get-subscription-offerings-offering_id
  /subscription_offerings/{offering_id}
get-support_ticket_stats-sankey
  /support-ticket-stats/sankey
get-support_ticket_stats-volume
  /support-ticket-stats/volume
get-support_ticket_stats-resolution
  /support-ticket-stats/resolution
get-support_ticket_stats-status
  /support-ticket-stats/status
get-support_ticket_stats-priority
  /support-ticket-stats/priority
get-support_ticket_stats-source
  /support-ticket-stats/source
get-support_ticket_stats-top-categories
  /support-ticket-stats/top-categories
get-home_batteries-home_battery_id-status_logs-timestamp
  /home_batteries/{home_battery_id}/status_logs/{sampled_at}
get-boundary_meters-boundary_meter_id-status_logs-timestamp
  /boundary_meters/{boundary_meter_id}/status_logs/{sampled_at}
get-rebate_types-rebate_evidence_type_id
  /rebate_evidence_types/{rebate_evidence_type_id}
get-rebates
  /user_rebates
post-rebates
  /user_rebates
get-rebates-application_id
  /user_rebates/{user_rebate_id}
patch-user_rebates-application_id
  /user_rebates/{user_rebate_id}
post-user_rebates-application_id-:submit
  /user_rebates/{user_rebate_id}:submit
post-rebate-evidence_files:start_upload
  /rebate_evidence_files:start_upload
post-rebate-evidence_files-evidence_file_id-:finish_upload
  /rebate_evidence_files/{rebate_evidence_file_id}:finish_upload
get-user_rebates-application_id-evidence_files
  /rebate_evidence_files
get-user_rebates-application_id-evidence_files-evidence_file_id
  /rebate_evidence_files/{rebate_evidence_file_id}
post-programs-user-verification
  /programs/{program_id}/user_verification
get-programs-program_id-participation_agreement_versions-id
  /programs/{program_id}/participation_agreement_versions/{participation_agreement_version_id}
post-programs-program_id-participation_agreement_versions-id-accept
  /programs/{program_id}/participation_agreement_versions/{participation_agreement_version_id}/accept
post-programs-post-enrollment-verification
  /programs/{program_id}/post-enrollment-verification
get-cpms_providers-provider_id
  /cpms_providers/{cpms_provider_id}
get-dispatch_coordinators-dispatch_coordinator_id-dispatch_logs-timestamp
  /dispatch_coordinators/{dispatch_coordinator_id}/dispatch_logs/{logged_at}
"""

_WORDS: Final = _IRREGULAR.split()
#: By verb and path.
IRREGULAR: Final[Mapping[tuple[str, str], str]] = {
    (name.partition("-")[0].upper(), path): name
    for name, path in zip(_WORDS[::2], _WORDS[1::2], strict=True)
}


def operation_id(method: str, path: str) -> str:
    """The ``operationId`` of an operation."""
    words = path.strip("/").replace("{", "").replace("}", "").replace("/", "-")
    return IRREGULAR.get((method, path), f"{method.lower()}-{words}")
