"""The search for leaked secrets, applied to tests that leak one on purpose."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import secret_leaks

ROOT = Path(__file__).parents[2]

CONFTEST = """
from tests.helpers import secret_leaks

def pytest_configure(config):
    secret_leaks.install(config)
"""

LEAKS = """
import asyncio, base64, logging, subprocess, sys, warnings
import pytest
from aiohttp import web
from tests.helpers.recording_server import RecordingServer
from tests.helpers.support import SECRET, TOKEN
from ev_energy import Client, ClientCredentials, StaticToken, errors
from ev_energy._api import capture as _capture
from ev_energy._codec.problems import api_error
from ev_energy._messages import Request, Response
from ev_energy.auth import AuthorizationCode, FileStore, Token
from ev_energy.simulator import Simulator
from yarl import URL

HERE = Request("GET", URL("http://127.0.0.1/v2/evses"), template="/evses")

def test_logs_of_any_logger(): logging.getLogger("foreign").error("received %s", TOKEN)

def test_logs_in_escapes_of_json():
    escaped = "".join(f"{chr(92)}u{ord(letter):04X}" for letter in TOKEN)
    logging.getLogger("foreign").error("received %s", escaped)

def test_logs_in_escapes_of_urls():
    logging.getLogger("foreign").error("received " + "".join(f"%{ord(one):02x}" for one in TOKEN))

def test_errors_in_utf_16():
    with pytest.raises(errors.ApiError):
        raise api_error(HERE, Response(400, "", {}, TOKEN.encode("utf-16")))

def test_logs_of_ours_at_any_level(): logging.getLogger("ev_energy.deep").debug("%r", [SECRET])

def test_logs_with_an_exception():
    try:
        raise ValueError(TOKEN)
    except ValueError:
        logging.getLogger("a").exception("failed")

def test_errors_that_are_expected():
    with pytest.raises(ValueError):
        raise ValueError(f"unknown token {TOKEN}")

def test_errors_that_are_caught():
    try:
        raise errors.CursorError(SECRET)
    except errors.CursorError:
        pass

def test_errors_still_alive():
    pytest.kept = errors.CursorError(SECRET)

def test_errors_with_an_attribute():
    with pytest.raises(errors.ApiError):
        raise errors.ApiError(HERE, Response(500, "", {}, TOKEN.encode()))

def test_errors_with_an_attribute_that_prints_nothing():
    error = errors.CursorError("fine")
    error.reply = Response(500, "", {}, TOKEN.encode())

def test_errors_with_a_cause():
    with pytest.raises(errors.EvEnergyError):
        raise errors.EvEnergyError("fine") from OSError(TOKEN)

def test_errors_with_a_note():
    error = errors.EvEnergyError("fine")
    error.add_note(TOKEN)

def test_errors_with_a_code():
    request = AuthorizationCode(client_id="app", redirect_uri="https://x.example/").start_authorization()
    with pytest.raises(errors.AuthorizationError):
        raise errors.AuthorizationError("no_code", request.verifier)

async def test_errors_with_an_issued_token():
    async with Simulator() as simulator:
        token = simulator.sign_in().refresh_token
        with pytest.raises(ValueError):
            raise ValueError(token)

async def test_errors_with_the_secret_as_it_is_sent():
    auth = ClientCredentials(client_id="app", client_secret="a-long-secret-of-an-app")
    with pytest.raises(ValueError):
        raise ValueError(auth.token_request(None).headers["Authorization"])

async def test_captures():
    async def answer(request): return web.json_response({})
    async with RecordingServer(answer) as server, server.client() as client:
        with client.capture() as calls:
            request = Request("GET", URL(f"{server.url}/{TOKEN}"), template="/a")
            _capture.begin_call(client._caller.state, request)

def test_warnings():
    with pytest.warns(UserWarning):
        warnings.warn(TOKEN)

def test_output(): print(TOKEN)

def test_output_on_stderr(): sys.stderr.write(SECRET)

def test_output_that_is_looked_at(capsys):
    print(TOKEN)
    capsys.readouterr()

def test_output_of_a_process():
    subprocess.run([sys.executable, "-c", f"print('{TOKEN}')"], capture_output=True, check=True)

def test_files(tmp_path): (tmp_path / "a.log").write_text(f"secret {SECRET}")

async def test_files_beside_a_store(tmp_path):
    store, token = FileStore(tmp_path / "tokens"), Token(access_token="a-token-that-is-long")
    async with store.lock("k"): await store.save("k", token)
    (tmp_path / "tokens.tmp").write_text(token.access_token)
"""

NO_LEAKS = """
import logging, warnings
import pytest
from tests.helpers.support import SECRET, TOKEN
from ev_energy import errors, StaticToken
from ev_energy.auth import FileStore, Token

def test_nothing_secret(tmp_path, capsys):
    logging.getLogger("ev_energy").debug("a call with %r", StaticToken(TOKEN))
    with pytest.raises(ValueError):
        raise ValueError("no")
    with pytest.warns(UserWarning):
        warnings.warn("take care")
    print("fine")
    (tmp_path / "a.log").write_text("fine")

async def test_store_is_the_place_for_tokens(tmp_path):
    store, token = FileStore(tmp_path / "tokens"), Token(access_token="a-token-that-is-long")
    async with store.lock("k"): await store.save("k", token)

@pytest.mark.shows_secrets("output", reason="to see that it is allowed")
def test_on_purpose(): print(TOKEN)
"""


def run(folder: Path, tests: str) -> tuple[int, str]:
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_it.py").write_text(tests)
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n")
    plain = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST_")}
    # Not `subprocess.run`: its output contains secrets, and this test is searched too.
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short"],
        cwd=folder,
        env={**plain, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        shown = process.stdout.read()
        return process.wait(60), shown


@pytest.mark.slow
@pytest.mark.shows_secrets("files", reason="it writes tests that leak")
def test_each_kind_of_leak_fails_its_test(tmp_path: Path) -> None:
    code, shown = run(tmp_path, LEAKS)
    written = set(re.findall(r"def (test_\w+)", LEAKS))
    pattern = r"^_+ (?:ERROR at teardown of )?(test_\w+) _+\nsecrets were shown"
    caught = set(re.findall(pattern, shown, re.MULTILINE))
    assert (code, written - caught) == (1, set()), shown


@pytest.mark.slow
def test_tests_without_leaks_and_with_permitted_leaks_pass(tmp_path: Path) -> None:
    code, shown = run(tmp_path, NO_LEAKS)
    assert code == 0, shown
    assert "3 passed" in shown


@pytest.mark.parametrize(
    "mark",
    [
        pytest.mark.shows_secrets(),
        pytest.mark.shows_secrets("output"),
        pytest.mark.shows_secrets("output", reason=""),
        pytest.mark.shows_secrets(reason="everywhere"),
        pytest.mark.shows_secrets("sound", reason="loud"),
    ],
)
def test_permission_to_leak_needs_a_kind_and_a_reason(
    request: pytest.FixtureRequest, mark: pytest.MarkDecorator
) -> None:
    request.node.add_marker(mark)
    with pytest.raises(pytest.UsageError, match="shows_secrets takes some of .*, and reason="):
        secret_leaks.allowed_in(request.node)
