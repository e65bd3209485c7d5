from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ev_energy._operations import AS_GIVEN, EndpointFormError, operation_table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CLIENT = 'class Client:\n    things: Lazy[Things] = Lazy("things")\n'
THINGS = '''
from typing import Literal, TypeAlias
from ev_energy.resources.others import Borrowed

ThingExpand: TypeAlias = Literal["owner", "owner.home"]


class Things(Resource):
    """Things."""

    def list(self, *, page_size: int = 100, expand: Sequence[ThingExpand] = ()) -> Pager[Thing]:
        """List things.

        GET /things, public.
        """
        return self._list(
            Thing,
            "/things",
            scope=PUBLIC,
            page_size=page_size,
            expand=expand_values(ThingExpand, expand),
        )

    async def update(self, thing_id: Id[Thing], *, name: str, expand: Any = ()) -> Thing:
        """Change one.

        PATCH /things/{thing_id}, any scope.
        """
        body = {"name": name, "made_by": "me"}
        checked(body)
        return await self._patch(
            Thing,
            "/things/{thing_id}",
            thing_id,
            scope=ANY_SCOPE,
            json=body,
            expand=expand_values(Borrowed, expand),
        )

    async def delete(self, thing_id: Id[Thing]) -> None:
        """Delete one.

        DELETE /things/{thing_id}, scope thing:write.
        """
        await self._delete("/things/{thing_id}", thing_id, scope="thing:write")

    def parts(self, thing_id: Id[Thing]) -> Pager[Part]:
        """List its parts.

        GET /things/{thing_id}/parts, public.
        """
        return self._list(
            Part,
            "/things/{thing_id}/parts",
            thing_id,
            scope=PUBLIC,
            envelope_key="parts",
            page_size=None,
        )

    async def tell(self, thing_id: Id[Thing], *, story: Mapping[str, object]) -> None:
        """Tell one something, whatever it is: a line this long may well be
        broken.

        POST /things/{thing_id}/tell,
        any scope.
        """
        await self._post(
            None,
            "/things/{thing_id}/tell",
            thing_id,
            scope=ANY_SCOPE,
            json=as_given("story", story),
        )

    async def crush(self, thing_id: Id[Thing]) -> Counts:
        """Crush one.

        DELETE /things/{thing_id}/crush, any scope.
        """
        return await self._delete_counting(
            "/things/{thing_id}/crush", thing_id, scope=ANY_SCOPE
        )

    def _private(self) -> None:
        self.nothing()


class ThingWork(Workflow):
    """A workflow makes several calls and is not an endpoint."""

    async def build(self) -> None:
        """Build."""
        await Things(self._caller).update("1", name="x")
'''
OTHERS = 'Borrowed: TypeAlias = Literal["owner"]\n'

Package = "Callable[..., Path]"


@pytest.fixture
def package(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a package with one family.

    Each change is a text and its replacement.
    """

    def write(*changes: tuple[str, str], client: str = CLIENT) -> Path:
        things = THINGS
        for before, after in changes:
            assert before in things
            things = things.replace(before, after, 1)
        (tmp_path / "resources").mkdir(exist_ok=True)
        (tmp_path / "resources" / "things.py").write_text(things)
        (tmp_path / "resources" / "others.py").write_text(OTHERS)
        (tmp_path / "resources" / "_base.py").write_text(
            "not Python: private modules are not parsed"
        )
        (tmp_path / "_client.py").write_text(client)
        return tmp_path

    return write


def test_operations_have_the_values_of_their_methods(package: Package) -> None:
    listing, update, delete, parts, tell, crush = operation_table(package())
    assert (listing.call, listing.owner, listing.module) == ("things.list", "Things", "things")
    assert (listing.method, listing.path, listing.model, listing.kind) == (
        "GET",
        "/things",
        "Thing",
        "list",
    )
    assert listing.expand == ("owner", "owner.home")
    assert listing.paginated
    assert listing.scope is None
    assert listing.doc.startswith("List things.")
    assert THINGS.splitlines()[listing.line - 1].startswith("    def list(")
    assert (update.ids, update.json, update.scope) == (("thing_id",), ("name", "made_by"), "")
    assert update.expand == ("owner",)
    assert (delete.kind, delete.model, delete.json) == ("none", None, None)
    assert delete.scope == "thing:write"
    assert not delete.paginated
    assert (parts.envelope_key, parts.paginated, parts.query) == ("parts", True, ())
    assert listing.envelope_key is None
    assert (tell.kind, tell.model, tell.json) == ("none", None, AS_GIVEN)
    assert (crush.method, crush.kind, crush.model) == ("DELETE", "one", "Counts")


def test_workflows_are_not_operations(package: Package) -> None:
    line = '    thing_work: Lazy[ThingWork] = Lazy("things")\n'
    assert operation_table(package(client=CLIENT + line)) == operation_table(package(client=CLIENT))


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (
            "return self._list(",
            "self._get(X, '/', scope=PUBLIC)\n        return self._list(",
            "calls 2 methods of self",
        ),
        ("await self._delete(", "await other._delete(", "calls 0 methods of self"),
        ("await self._delete(", "await self._remove(", "calls _remove instead of one of"),
        ('"/things",', 'f"/things",', "the path must be a literal"),
        ("            thing_id,\n", "", "the ids of /things/{thing_id} are passed as nothing"),
        ("            thing_id,\n", "            other_id,\n", "are passed as other_id"),
        ("page_size=page_size,", "**more,", "must be keyword arguments"),
        ("scope=PUBLIC", "scope=scope", "scope must be a non-empty string literal or one of"),
        ('scope="thing:write"', 'scope=""', "scope must be a non-empty string literal or one of"),
        ("            scope=PUBLIC,\n", "", "scope must be a non-empty string literal or one of"),
        ('body = {"name": name, "made_by": "me"}', "body = {**other}", "literal keys"),
        ('body = {"name": name, "made_by": "me"}', "body = made()", "literal keys"),
        (
            "expand=expand_values(ThingExpand, expand)",
            "expand=expand",
            "expand must be expand_values",
        ),
        (
            "expand_values(ThingExpand, expand)",
            "expand_values(Missing, expand)",
            "no Literal type alias Missing",
        ),
        (
            "-> Pager[Thing]",
            "-> list[Thing]",
            "returns list[Thing], but its call returns Pager[Thing]",
        ),
        ("-> Thing:", "-> Other:", "returns Other, but its call returns Thing"),
        ("GET /things, public.", "GET /things, scope x.", "must end in: GET /things, public."),
        ("GET /things, public.", "GET /thing, public.", "must end in: GET /things, public."),
        (", any scope.", ", public.", "must end in: PATCH /things/{thing_id}, any scope."),
        ("scope thing:write.", "scope thing:write", "must end in: DELETE"),
    ],
)
def test_other_forms_raise_an_error_with_the_line(
    package: Package, before: str, after: str, message: str
) -> None:
    with pytest.raises(EndpointFormError, match=r"things\.py:\d+: ") as raised:
        operation_table(package((before, after)))
    assert message in str(raised.value)


def test_family_without_an_attribute_of_the_client_raises_an_error(package: Package) -> None:
    with pytest.raises(
        EndpointFormError, match=r"things\.py:8: the class Client declares no attribute for Things"
    ):
        operation_table(package(client="class Client: ..."))


def test_attribute_of_the_client_without_a_family_raises_an_error(package: Package) -> None:
    lost = CLIENT + '    lost: Lazy[Lost] = Lazy("things")\n'
    with pytest.raises(EndpointFormError, match=r"_client\.py:3: there is no Lost in things\.py"):
        operation_table(package(client=lost))
