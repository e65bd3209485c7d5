"""The pytest plugin, in projects of users."""

from __future__ import annotations

import importlib.util
import sys
import textwrap
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import ev_energy_sync
from ev_energy import Client

pytest_plugins = "pytester"

# pytester removes modules that a run in this process imports. Import the package before, so that
# no class exists twice.
Client.preload()
assert ev_energy_sync.Client

ROOT = Path(__file__).parents[1]
PLUGIN = "ev_energy.testing"
#: Older installations have no entry point, so the plugin is named.
BY_HAND = [] if PLUGIN in {e.value for e in entry_points(group="pytest11")} else ["-p", PLUGIN]

AUTO = "asyncio_mode = auto"
STRICT = "asyncio_mode = strict"


@pytest.fixture
def project(pytester: pytest.Pytester) -> Project:
    return Project(pytester)


class Project:
    """A project of a user with tests."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester

    def run(
        self, tests: str, *words: str, ini: str = STRICT, apart: bool = False
    ) -> pytest.RunResult:
        """Run the tests, in this process or a new one (``apart``), with warnings as errors."""
        loops = "" if "no:asyncio" in words else "asyncio_default_fixture_loop_scope = function\n"
        self.pytester.makeini(f"[pytest]\nxfail_strict = true\n{loops}{ini}\n")
        self.pytester.makepyfile(test_theirs=textwrap.dedent(tests))
        run = self.pytester.runpytest_subprocess if apart else self.pytester.runpytest_inprocess
        # Plugins that take time, or read settings of other projects.
        unused = [f"-pno:{name}" for name in ("cov", "hypothesispytest", "schemathesis", "timeout")]
        return run(
            *("-W", "error", "--strict-markers", "-p", "no:cacheprovider"),
            # The run around this one has imported the plugins.
            *("-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning"),
            *unused,
            *BY_HAND,
            *words,
        )


ASYNC = """
    import pytest

    {mark}
    async def test_lists(ev_energy_client, ev_energy_simulator):
        evses = await ev_energy_client.evses.list().collect()
        assert len(evses) == 51
        (made, *_) = [seen.path for seen in ev_energy_simulator.requests if "/o/" not in seen.path]
        assert made == "/v2/evses"
"""


def test_async_client_works_in_auto_mode(project: Project) -> None:
    project.run(ASYNC.format(mark=""), ini=AUTO).assert_outcomes(passed=1)


def test_async_client_works_in_strict_mode(project: Project) -> None:
    project.run(ASYNC.format(mark="@pytest.mark.asyncio")).assert_outcomes(passed=1)


@pytest.mark.parametrize("scope", ["function", "class", "module", "package", "session"])
def test_client_is_opened_in_the_loop_of_the_test_for_any_scope(
    project: Project, scope: str
) -> None:
    tests = f"""
        import asyncio, pytest
        pytestmark = pytest.mark.asyncio(loop_scope="{scope}")
        loops = []

        class TestTwo:
            async def test_one(self, ev_energy_client):
                loops.append(asyncio.get_running_loop())
                await ev_energy_client.evses.list().first()

            async def test_other(self, ev_energy_client):
                loops.append(asyncio.get_running_loop())
                await ev_energy_client.evses.list().first()
                assert (loops[0] is loops[1]) == ({scope!r} != "function")
    """
    project.run(tests).assert_outcomes(passed=2)


def test_loop_scope_of_the_configuration_is_used(project: Project) -> None:
    ini = f"{AUTO}\nasyncio_default_test_loop_scope = session"
    project.run(ASYNC.format(mark=""), ini=ini).assert_outcomes(passed=1)


def test_blocking_client_sees_changes_of_the_simulator(
    project: Project,
) -> None:
    tests = """
        import pytest
        from ev_energy import errors

        def test_lists(ev_energy_sync_client, ev_energy_simulator):
            assert len(ev_energy_sync_client.evses.list().collect()) == 51
            ev_energy_simulator.faults.add("problem", operation="/evses", status=403, count=1)
            with pytest.raises(errors.ForbiddenError):
                ev_energy_sync_client.evses.list().first()
            ev_energy_simulator.clock.advance(hours=11)
            ev_energy_sync_client.evses.list().first()
            tokens = [seen for seen in ev_energy_simulator.requests if "/o/token" in seen.path]
            assert len(tokens) == 2
    """
    project.run(tests).assert_outcomes(passed=1)


def test_simulator_is_fresh_with_a_stopped_clock_and_no_rate_limit(
    project: Project,
) -> None:
    tests = """
        import pytest

        @pytest.mark.parametrize("turn", range(2))
        def test_fresh(turn, ev_energy_simulator, ev_energy_sync_client):
            assert ev_energy_simulator.clock.speed == 0
            assert ev_energy_simulator.vehicles == 50
            ev_energy_sync_client.evses.list().first()
            assert ev_energy_sync_client.rate_limit is None
            users, me = ev_energy_sync_client.users, ev_energy_simulator.user_id
            assert users.get(me).email != "eve@example.com"
            users.update(me, email="eve@example.com")
            assert users.get(me).email == "eve@example.com"
    """
    project.run(tests).assert_outcomes(passed=2)


def test_nearest_marker_configures_the_simulator(project: Project) -> None:
    tests = """
        import pytest
        pytestmark = pytest.mark.ev_energy_simulator(vehicles=3, seed=7)

        @pytest.mark.ev_energy_simulator(vehicles=4, speed=60, rate_limit=2)
        class TestThem:
            def test_class(self, ev_energy_simulator, ev_energy_sync_client):
                sim = ev_energy_simulator
                assert (sim.vehicles, sim.seed, sim.clock.speed) == (4, 7, 60)
                ev_energy_sync_client.evses.list().first()
                assert ev_energy_sync_client.rate_limit.limit == 2

            @pytest.mark.ev_energy_simulator(vehicles=5, speed=0)
            def test_function(self, ev_energy_simulator):
                sim = ev_energy_simulator
                assert (sim.vehicles, sim.seed, sim.clock.speed) == (5, 7, 0)
    """
    project.run(tests).assert_outcomes(passed=2)


@pytest.mark.parametrize(("said", "named"), [("vehicels=3", "vehicels"), ("3", "3")])
def test_invalid_marker_is_an_error_that_names_it(project: Project, said: str, named: str) -> None:
    tests = f"""
        import pytest

        @pytest.mark.ev_energy_simulator({said})
        def test_it(ev_energy_simulator):
            pass
    """
    result = project.run(tests)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*takes vehicles, seed, rate_limit, speed, *, not {named}*"])


def test_async_client_needs_an_async_plugin(
    project: Project,
) -> None:
    tests = """
        def test_blocking(ev_energy_sync_client):
            assert ev_energy_sync_client.evses.list().first()

        def test_async(ev_energy_client):
            pass
    """
    result = project.run(tests, "-p", "no:asyncio", "-p", "no:anyio", ini="")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*ev_energy_client needs pytest-asyncio*"])
    assert "Traceback" not in result.stdout.str()


ON_ANYIO = """
    import pytest

    @pytest.fixture
    def anyio_backend():
        return "{backend}"

    @pytest.mark.anyio
    async def test_lists(ev_energy_client):
        assert len(await ev_energy_client.evses.list().collect()) == 51
"""


@pytest.mark.parametrize("words", [(), ("-p", "no:asyncio")], ids=["beside asyncio", "alone"])
def test_async_client_works_under_anyio(project: Project, words: tuple[str, ...]) -> None:
    pytest.importorskip("anyio", reason="needs anyio: pip install -e '.[test]'")
    tests = ON_ANYIO.format(backend="asyncio")
    project.run(tests, *words, ini="" if words else STRICT).assert_outcomes(passed=1)


RECEIVER = """
    import datetime, pytest
    from ev_energy import errors
    from ev_energy.webhooks import ChargingSubSessionCreated, ChargingSubSessionEnded

    def test_records(ev_energy_webhook_receiver, ev_energy_simulator):
        receiver, sim = ev_energy_webhook_receiver, ev_energy_simulator
        assert [(e.id, e.url, e.secret) for e in sim.webhooks.endpoints] == [
            (receiver.endpoint_id, receiver.url, receiver.secret)
        ]
        sim.clock.advance(days=1)
        sim.webhooks.block_until_settled()
        assert receiver.deliveries == receiver.block_until(20)
        assert {type(event) for event in receiver.events} == {
            ChargingSubSessionCreated, ChargingSubSessionEnded
        }
        assert (receiver.failed, receiver.refused) == ([], [])

    def test_fails(ev_energy_webhook_receiver, ev_energy_simulator):
        receiver, webhooks = ev_energy_webhook_receiver, ev_energy_simulator.webhooks
        receiver.fail_next(2, status=500)
        name = webhooks.publish("an.event", {})
        webhooks.block_until_settled()
        ev_energy_simulator.clock.advance(seconds=5)
        webhooks.block_until_settled()
        assert [one.id for one in receiver.failed] == [name, name]
        assert receiver.deliveries == []
        ev_energy_simulator.clock.advance(minutes=5)
        (delivery,) = receiver.block_until(1)
        assert delivery.id == name
        webhooks.block_until_settled()
        assert [one.status for one in webhooks.deliveries] == [500, 500, 204]

    def test_refuses(ev_energy_webhook_receiver, ev_energy_simulator):
        receiver, webhooks = ev_energy_webhook_receiver, ev_energy_simulator.webhooks
        webhooks.corrupt_signature(1)
        webhooks.publish("an.event", {})
        webhooks.stale_timestamp(1)
        webhooks.publish("an.event", {})
        webhooks.block_until_settled()
        assert [type(error) for error in receiver.refused] == [
            errors.SignatureError, errors.DeliveryTimestampError
        ]
        assert [one.status for one in webhooks.deliveries] == [400, 400]
        webhooks.rotate_secret(receiver.endpoint_id)
        webhooks.publish("an.event", {})
        receiver.block_until(1)

    def test_waits_no_longer_than_asked(ev_energy_webhook_receiver):
        with pytest.raises(TimeoutError, match="0 of 1 deliveries"):
            ev_energy_webhook_receiver.block_until(1, timeout=0)
        with pytest.raises(ValueError, match="status"):
            ev_energy_webhook_receiver.fail_next(1, status=204)
        with pytest.raises(ValueError, match="deliveries"):
            ev_energy_webhook_receiver.fail_next(-1)

    @pytest.mark.asyncio
    async def test_async(ev_energy_webhook_receiver, ev_energy_simulator):
        receiver = ev_energy_webhook_receiver
        with pytest.raises(TimeoutError, match="advance the clock"):
            await receiver.wait_for(1, timeout=0)
        ev_energy_simulator.clock.advance(hours=12)
        assert len(await receiver.wait_for(5)) >= 5
        await ev_energy_simulator.webhooks.settled()

    @pytest.mark.ev_energy_simulator(webhook_timestamps="world")
    def test_simulated_time(ev_energy_webhook_receiver, ev_energy_simulator):
        ev_energy_simulator.webhooks.publish("an.event", {})
        (delivery,) = ev_energy_webhook_receiver.block_until(1)
        assert delivery.sent_at == ev_energy_simulator.clock.now()

    @pytest.mark.ev_energy_simulator(
        webhook_timestamps=lambda: datetime.datetime(2040, 1, 1, tzinfo=datetime.UTC)
    )
    def test_time_of_the_test(ev_energy_webhook_receiver, ev_energy_simulator):
        ev_energy_simulator.webhooks.publish("an.event", {})
        (delivery,) = ev_energy_webhook_receiver.block_until(1)
        assert delivery.sent_at.year == 2040
"""


def test_webhook_receiver_verifies_and_records(project: Project) -> None:
    project.run(RECEIVER).assert_outcomes(passed=7)


def test_unused_plugin_imports_almost_nothing(project: Project) -> None:
    tests = """
        import sys

        def test_it():
            heavy = {"aiohttp", "msgspec", "cattrs", "yarl", "ev_energy.models", "ev_energy.auth"}
            assert "ev_energy.testing" in sys.modules
            assert heavy.isdisjoint(sys.modules)
            assert "ev_energy.simulator" not in sys.modules
            assert "ev_energy_sync" not in sys.modules
    """
    words = ["-p", "no:asyncio", "-p", "no:anyio"]
    project.run(tests, *words, ini="", apart=True).assert_outcomes(passed=1)


def test_pytest_lists_the_fixtures_and_the_marker(project: Project) -> None:
    project.run("").assert_outcomes()
    shown = project.run("", "--markers").stdout.str()
    assert "@pytest.mark.ev_energy_simulator(vehicles=50, seed=1," in shown
    shown = project.run("", "--fixtures").stdout.str()
    for name in (
        "ev_energy_simulator",
        "ev_energy_client",
        "ev_energy_sync_client",
        "ev_energy_webhook_receiver",
    ):
        assert name in shown


def test_entry_point_loads_the_plugin() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    assert declared == {"pytest11": {"ev_energy": PLUGIN}}


@pytest.mark.parametrize("path", ["__init__.py", "_lazy_exports.py", "testing.py"])
def test_modules_loaded_before_coverage_starts_can_be_reloaded(path: str) -> None:
    spec = importlib.util.spec_from_file_location("loaded_again", ROOT / "ev_energy" / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before = set(sys.modules)
    spec.loader.exec_module(module)
    assert module.__doc__
    assert set(sys.modules) == before
