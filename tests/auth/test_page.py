"""The code of docs/auth.md and examples/sign_in.py, run with a browser."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import textwrap
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from ev_energy import AuthorizationCode
from ev_energy.auth import AuthorizationRequest
from ev_energy.simulator import Simulator
from tests.helpers.pages import Page

ROOT = Path(__file__).parents[2]
BACK = "https://app.example.com/back"
AS_APPLICATION, SCRIPT, WEB, ROTATED_SECRET, ROTATED_TOKEN = Page.read("auth.md").snippets

Register = Callable[..., AuthorizationCode]
Consent = Callable[[AuthorizationRequest], Awaitable[str]]


@pytest.fixture
async def environment(register: Register, sim: Simulator) -> dict[str, str]:
    app = register()
    assert app.client_secret is not None
    return {
        "EV_ENERGY_CLIENT_ID": app.client_id,
        "EV_ENERGY_CLIENT_SECRET": app.client_secret,
        "EV_ENERGY_BASE_URL": sim.base_url,
        "EV_ENERGY_REDIRECT_URI": BACK,
        "SESSION_KEY": "a-key-for-the-cookies-of-visitors",
    }


def copied(code: str, environment: dict[str, str]) -> str:
    """Return *code* with the client id and secret of *environment*."""
    for name in ("client_id", "client_secret"):
        code = code.replace(f'{name}="..."', f'{name}="{environment[f"EV_ENERGY_{name.upper()}"]}"')
    return code


def test_application_example_runs(environment: dict[str, str]) -> None:
    names: dict[str, Any] = {}
    exec(copied(AS_APPLICATION, environment), names)
    assert environment["EV_ENERGY_CLIENT_ID"] in repr(names["client"])


async def test_examples_of_secrets_that_rotate_run(
    environment: dict[str, str], sim: Simulator, tmp_path, capsys
) -> None:
    file = tmp_path / "secret"
    file.write_text(environment["EV_ENERGY_CLIENT_SECRET"] + "\n")
    code = copied(ROTATED_SECRET, environment).replace("/run/secrets/ev-energy", str(file))
    await run_as_page(code.replace("Client(app)", f'Client(app, base_url="{sim.base_url}")'))
    file.unlink()

    class Tokens:
        async def current(self, name: str) -> str:
            assert name == "ev-energy"
            return sim.sign_in().access_token

    code = ROTATED_TOKEN.replace('="reports")', f'="reports"), base_url="{sim.base_url}"')
    await run_as_page(code, tokens=Tokens())
    assert re.fullmatch(r"(evse\w+\n){2}", capsys.readouterr().out)


async def run_as_page(code: str, **names: Any) -> None:
    """Run *code*, which may await, with *names*."""
    exec(f"async def page():\n{textwrap.indent(code, '    ')}", names)
    await names["page"]()


@pytest.mark.shows_secrets("output", reason="the URL to sign in at has the state in it")
async def test_script_example_signs_a_user_in(
    environment: dict[str, str], sim: Simulator, consent: Consent, monkeypatch, capsys, tmp_path
) -> None:
    monkeypatch.chdir(tmp_path)
    code = copied(SCRIPT, environment).replace(
        'Client(app.for_account("me"))', f'Client(app.for_account("me"), base_url="{sim.base_url}")'
    )
    code = code.replace("input(", "await asked(request, ")
    await run_as_page(code, asked=lambda request, _: consent(request))
    url, evse_id = capsys.readouterr().out.splitlines()
    assert url.startswith(f"Sign in at {sim.page_url}o/authorize/?")
    assert evse_id.startswith("evse")
    assert sim.requests[-1].user_id == sim.user_id
    assert (tmp_path / "tokens.json").exists()


async def test_web_application_example_connects_and_disconnects_users(
    environment: dict[str, str], sim: Simulator, consent: Consent, monkeypatch, tmp_path
) -> None:
    httpx = pytest.importorskip("httpx", reason="needs httpx: pip install -e '.[test]'")
    pytest.importorskip("fastapi", reason="needs fastapi: pip install -e '.[test]'")
    pytest.importorskip("itsdangerous", reason="needs itsdangerous: pip install -e '.[test]'")
    monkeypatch.chdir(tmp_path)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    names: dict[str, Any] = {}
    exec(WEB, names)
    app = names["app"]

    # The page leaves the login to the application.
    async def log_in(visit: Any, user_id: str) -> None:
        visit.session["user_id"] = user_id

    log_in.__annotations__["visit"] = names["Request"]
    app.get("/log-in")(log_in)

    def visitor() -> Any:
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="https://app.example.com"
        )

    async with app.router.lifespan_context(app), visitor() as ada, visitor() as bob:
        await ada.get("/log-in?user_id=7")
        await bob.get("/log-in?user_id=8")
        assert (await ada.get("/chargers")).status_code == 403

        async def sent_away(who: Any) -> str:
            leaving = await who.get("/connect")
            assert leaving.status_code == 307
            request = leading_to(leaving.headers["Location"])
            return (await consent(request)).removeprefix("https://app.example.com")

        back = await sent_away(ada)
        stolen = await sent_away(ada)  # an attacker makes another user open this callback
        assert (await bob.get(stolen)).status_code == 400
        assert (await ada.get(back)).status_code == 400  # a second sign-in replaced the first
        back = await sent_away(ada)
        assert (await ada.get(back)).headers["Location"] == "/chargers"
        assert (await ada.get(back)).status_code == 400  # the callback was reloaded
        chargers = await ada.get("/chargers")
        assert chargers.status_code == 200
        assert chargers.json()[0].startswith("evse")
        assert sim.requests[-1].user_id == sim.user_id
        assert (await bob.get("/chargers")).status_code == 403
        sim.expire_tokens()
        assert (await ada.get("/chargers")).status_code == 200
        assert (await ada.post("/disconnect")).status_code == 200
        assert (await ada.get("/chargers")).status_code == 403


@pytest.mark.slow
@pytest.mark.shows_secrets("files", reason="the example keeps its token in a file")
async def test_example_keeps_the_token_for_the_next_run(
    environment: dict[str, str], consent: Consent, tmp_path
) -> None:
    async def start() -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-u", "-W", "error", str(ROOT / "examples" / "sign_in.py")),
            str(tmp_path / "tokens.json"),
            env={**os.environ, **environment},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    first = await start()
    assert first.stdin is not None
    assert first.stdout is not None
    callbacks = [
        "/back?error=access_denied&state={state}",
        "/back?code=made-up&state={state}",
        None,
    ]
    for made_up in callbacks:
        line = (await first.stdout.readline()).decode()
        while "Sign in at " not in line:  # the error of the previous attempt
            assert "Signing in failed: " in line
            line = (await first.stdout.readline()).decode()
        url = line.partition("Sign in at ")[2].strip()
        (state,) = re.findall(r"[?&]state=([^&]+)", url)
        callback = made_up and made_up.format(state=state)
        callback = callback or await consent(leading_to(url))
        first.stdin.write(f"{callback}\n".encode())
    out, err = await asyncio.wait_for(first.communicate(), 30)
    assert (first.returncode, err) == (0, b"")
    evses = out.decode().removeprefix("The URL you were redirected to: ").split()
    assert evses[0].startswith("evse")

    second = await start()
    out, err = await asyncio.wait_for(second.communicate(), 30)
    assert (second.returncode, err) == (0, b"")
    assert out.decode().split() == evses


def leading_to(url: str) -> AuthorizationRequest:
    """Return a request with a URL only, as a browser knows it."""
    names = ["client_id", "redirect_uri", "issuer", "state", "verifier"]
    return AuthorizationRequest(url=url, **dict.fromkeys(names, "unknown"))
