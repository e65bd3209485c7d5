"""The operation table, parsed from the source of the resource modules without importing them.

Each public method of a resource contains exactly one call of the form
``self._verb(Model, "/path/{id}", id, scope=..., query=query)``, and its docstring ends in the same
operation for human readers. Tools and tests use this table; the client does not.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, NamedTuple, NoReturn

_PACKAGE: Final = Path(__file__).parent
_VERBS: Final[Mapping[str, str]] = {
    "_get": "GET",
    "_list": "GET",
    "_list_log": "GET",
    "_redirect": "GET",
    "_post": "POST",
    "_patch": "PATCH",
    "_delete": "DELETE",
    "_delete_counting": "DELETE",
}
#: What the verbs of listings return.
_PAGERS: Final = {"_list": "Pager", "_list_log": "LogPager"}
#: What methods return that call several operations again and again, and are none themselves.
_STREAMS: Final = frozenset({"SubSessionStream"})
#: The models of the verbs that take no model as an argument.
_FIXED_MODELS: Final = {"_delete": "None", "_delete_counting": "Counts", "_redirect": "None"}
#: Stands for the body members of an operation whose caller passes the whole body.
AS_GIVEN: Final = ("...",)
_SCOPES: Final[Mapping[str, str | None]] = {"PUBLIC": None, "ANY_SCOPE": ""}
_LAZY: Final = re.compile(r"(\w+): Lazy\[(\w+)\] = Lazy\('(\w+)'\)")
_ID: Final = re.compile(r"\b(?:Id|Key)\[([\w |]+)\]")
_LITERAL: Final = re.compile(r"(\w+): TypeAlias = Literal\[(.*)\]")

ReplyKind = Literal["one", "list", "none", "redirect"]
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Operation(NamedTuple):
    """One operation of the API, as its method declares it."""

    family: str
    """The client's attribute, such as ``evse_models``."""
    owner: str
    """The resource class, such as ``EvseModels``."""
    name: str
    """The Python method, such as ``list``."""
    method: str
    path: str
    kind: ReplyKind
    model: str | None
    """The model of the reply, or of each item of a list."""
    scope: str | None
    """The OAuth scope that the token needs; empty for any token, None if no token is needed."""
    ids: tuple[str, ...]
    id_models: tuple[tuple[str, ...], ...]
    """For each of the ids, the models in its annotation ``Id[...]`` or ``Key[...]``."""
    query: tuple[str, ...]
    json: tuple[str, ...] | None
    """The members of the body, `AS_GIVEN` if the caller passes it whole, or None without a body."""
    envelope_key: str | None
    """The member of the reply object that contains the model, if the API wraps it."""
    expand: tuple[str, ...]
    paginated: bool
    """Whether the operation has pages; it passes ``page_size=None`` if their size is fixed."""
    followable: bool
    """Whether it lists a log, which `LogPager.follow` reads in the order of time."""
    module: str
    line: int
    doc: str

    @property
    def call(self) -> str:
        """``evse_models.list``."""
        return f"{self.family}.{self.name}"

    @property
    def operation_id(self) -> str:
        """The ``operationId`` in the API's description."""
        return operation_id(self.method, self.path)

    @property
    def summary(self) -> str:
        """The end of the docstring without its full stop, such as ``GET /evse_models, public``."""
        scopes = {None: "public", "": "any scope"}
        return f"{self.method} {self.path}, {scopes.get(self.scope, f'scope {self.scope}')}"


class EndpointFormError(Exception):
    """An endpoint is not written in the form that this module parses; the message has the line."""


def operation_table(package: Path = _PACKAGE) -> tuple[Operation, ...]:
    """Return all operations of *package*, in the order of the client's families."""
    client = package / "_client.py"
    files = sorted((package / "resources").glob("[!_]*.py"))
    sources = {path.stem: _Source(path) for path in files}
    operations: list[Operation] = []
    nodes = ast.walk(ast.parse(client.read_text(encoding="utf-8")))
    for node in [node for node in nodes if isinstance(node, ast.AnnAssign)]:
        if (declaration := _LAZY.fullmatch(ast.unparse(node))) is None:
            continue
        family, owner, module = declaration.groups()
        if module not in sources or owner not in sources[module].classes:
            raise EndpointFormError(f"{client}:{node.lineno}: there is no {owner} in {module}.py")
        if owner in sources[module].workflows:
            continue
        cls = sources[module].classes.pop(owner)
        operations += [
            _operation(sources, module, family, cls, function)
            for function in cls.body
            if isinstance(function, Function) and not function.name.startswith("_")
            if function.returns is None or ast.unparse(function.returns) not in _STREAMS
        ]
    for source in sources.values():
        for name, cls in source.classes.items():
            if name not in source.workflows:
                _fail(source, cls, f"the class Client declares no attribute for {name}")
    return tuple(operations)


class _Source:
    """A parsed resource module."""

    def __init__(self, path: Path) -> None:
        self.path, self.body = path, ast.parse(path.read_text(encoding="utf-8")).body
        classes = [node for node in self.body if isinstance(node, ast.ClassDef)]
        bases = {cls.name: set(map(ast.unparse, cls.bases)) for cls in classes}
        self.workflows = {name for name, names in bases.items() if "Workflow" in names}
        resources = [cls for cls in classes if bases[cls.name] & {"Resource", "Workflow"}]
        self.classes = {cls.name: cls for cls in resources}


def _fail(source: _Source, node: ast.stmt | ast.expr, message: str) -> NoReturn:
    raise EndpointFormError(f"{source.path}:{node.lineno}: {message}")


def _operation(
    sources: Mapping[str, _Source], module: str, family: str, cls: ast.ClassDef, function: Function
) -> Operation:
    source = sources[module]
    verb, call = _call(source, f"{cls.name}.{function.name}", function)
    fixed: list[ast.expr] = [ast.Name(_FIXED_MODELS[verb])] if verb in _FIXED_MODELS else []
    model_expr, path, *ids = [*fixed, *call.args]
    if not isinstance(path, ast.Constant) or not isinstance(path.value, str):
        _fail(source, call, "the path must be a literal")
    names = tuple(map(ast.unparse, ids))
    if names != tuple(re.findall(r"{(\w+)}", path.value)):
        _fail(
            source, call, f"the ids of {path.value} are passed as {', '.join(names) or 'nothing'}"
        )
    keywords = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    if len(keywords) != len(call.keywords):
        _fail(source, call, "the query must be keyword arguments, not **kwargs")
    scope = _scope(source, call, keywords.pop("scope", None))
    body, envelope_key = keywords.pop("json", None), keywords.pop("envelope_key", None)
    model = ast.unparse(model_expr)
    kind: ReplyKind = "list" if verb in _PAGERS else "one"
    if model == "None":
        kind = "redirect" if verb == "_redirect" else "none"
    returns = ast.unparse(function.returns) if function.returns else "nothing"
    # A reply that wraps the model may omit it.
    single = model if envelope_key is None else f"{model} | None"
    expected = f"{_PAGERS[verb]}[{model}]" if kind == "list" else single
    if kind != "redirect" and returns != expected:
        _fail(
            source, function, f"{function.name} returns {returns}, but its call returns {expected}"
        )
    operation = Operation(
        family=family,
        owner=cls.name,
        name=function.name,
        method=_VERBS[verb],
        path=path.value,
        kind=kind,
        model=None if model == "None" else model,
        scope=scope,
        ids=names,
        id_models=tuple(_id_models(function, name) for name in names),
        query=tuple(name for name, value in keywords.items() if ast.unparse(value) != "None"),
        json=None if body is None else _members(source, function, body),
        envelope_key=None if envelope_key is None else str(ast.literal_eval(envelope_key)),
        expand=_expand(sources, source, keywords["expand"]) if "expand" in keywords else (),
        paginated="page_size" in keywords,
        followable=kind == "list" and _PAGERS[verb] == "LogPager",
        module=module,
        line=function.lineno,
        doc=ast.get_docstring(function) or "",
    )
    summary = operation.summary
    if " ".join(operation.doc.rpartition("\n\n")[2].split()) != f"{summary}.":
        _fail(source, function, f"the docstring of {operation.call} must end in: {summary}.")
    return operation


def _id_models(function: Function, name: str) -> tuple[str, ...]:
    """Return the models whose id the argument *name* takes: ``Id[A | B]`` is A and B."""
    for argument in (*function.args.args, *function.args.kwonlyargs):
        if argument.arg == name and argument.annotation is not None:
            found = _ID.search(ast.unparse(argument.annotation))
            return tuple(found[1].split(" | ")) if found else ()
    return ()


def _call(source: _Source, name: str, function: Function) -> tuple[str, ast.Call]:
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
    own = [call for call in calls if ast.unparse(call.func).startswith("self.")]
    if len(own) != 1:
        _fail(source, function, f"{name} calls {len(own)} methods of self instead of one")
    verb = ast.unparse(own[0].func).removeprefix("self.")
    if verb not in _VERBS:
        _fail(source, own[0], f"{name} calls {verb} instead of one of {', '.join(_VERBS)}")
    if len(own[0].args) < (1 if verb in _FIXED_MODELS else 2):
        _fail(source, own[0], "the first two arguments must be the model and the path")
    return verb, own[0]


def _scope(source: _Source, call: ast.Call, value: ast.expr | None) -> str | None:
    if isinstance(value, ast.Constant) and isinstance(value.value, str) and value.value:
        return value.value
    if not isinstance(value, ast.Name) or value.id not in _SCOPES:
        _fail(
            source, call, f"scope must be a non-empty string literal or one of {', '.join(_SCOPES)}"
        )
    return _SCOPES[value.id]


def _members(source: _Source, function: Function, body: ast.expr) -> tuple[str, ...]:
    """Return the keys of the dict display *body*, which may be assigned to a local name."""
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
        _fail(source, body, "the body must be a dict with literal keys")
    return tuple(names)


def _expand(sources: Mapping[str, _Source], source: _Source, value: ast.expr) -> tuple[str, ...]:
    """Return the values of the alias in ``expand_values(Alias, expand)``, from any module."""
    call = re.fullmatch(r"expand_values\((\w+), expand(?:, single=True)?\)", ast.unparse(value))
    if call is None:
        _fail(source, value, "expand must be expand_values(Alias, expand)")
    for node in source.body:
        alias = isinstance(node, ast.AnnAssign) and _LITERAL.fullmatch(ast.unparse(node))
        if alias and alias[1] == call[1]:
            return tuple(map(str, ast.literal_eval(f"({alias[2]},)")))
        if isinstance(node, ast.ImportFrom) and call[1] in {name.name for name in node.names}:
            return _expand(sources, sources[(node.module or "").rpartition(".")[2]], value)
    _fail(source, value, f"there is no Literal type alias {call[1]}")


#: The operationIds that differ from the rule of `operation_id`, each before its path.
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
#: Irregular operationIds, by HTTP method and path.
IRREGULAR: Final[Mapping[tuple[str, str], str]] = {
    (name.partition("-")[0].upper(), path): name
    for name, path in zip(_WORDS[::2], _WORDS[1::2], strict=True)
}


def operation_id(method: str, path: str) -> str:
    """Return the ``operationId`` of an operation.

    It usually consists of the HTTP method and the words of the path, joined by dashes.
    """
    words = path.strip("/").replace("{", "").replace("}", "").replace("/", "-")
    return IRREGULAR.get((method, path), f"{method.lower()}-{words}")
