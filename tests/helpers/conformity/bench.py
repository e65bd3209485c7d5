"""A running simulator with a client, and the resources that exist in it."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from ev_energy.simulator import Simulator
from ev_energy.simulator.clock._clock import Clock
from ev_energy.simulator.resources._operations import OPERATIONS
from tests.helpers.conformity.calls import Call
from tests.helpers.conformity.crawler import Crawler
from tests.helpers.conformity.existing import ExistingResources
from tests.helpers.conformity.monitor import MONITOR
from tests.helpers.spec import description


class Bench:
    """A simulator and a client with the token of an application that has all scopes."""

    def __init__(self, simulator: Simulator, client: httpx.Client) -> None:
        self.simulator = simulator
        self.client = client
        self.headers = self.authorized(simulator.client_id, simulator.client_secret)

    def authorized(self, client_id: str, secret: str) -> dict[str, str]:
        """Return the header with a new token for an application."""
        answer = self.client.post(
            self.simulator.token_url,
            data={"grant_type": "client_credentials"},
            auth=(client_id, secret),
        )
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def existing(self) -> ExistingResources:
        """Return the existing resources, with their URLs in this simulator."""
        known = {
            "client_id": self.simulator.client_id,
            "redirect_uri": "https://drivers.example.com/",
        }
        return ExistingResources(crawl_once()[0], self.simulator.base_url, known)

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request with the token, unless *headers* replaces it."""
        headers = {**self.headers, **options.pop("headers", {})}
        sent = {name: value for name, value in headers.items() if value is not None}
        return self.client.request(method, path, headers=sent, **options)

    def send(
        self, call: Call, headers: Mapping[str, str | None] | None = None, **options: Any
    ) -> httpx.Response:
        """Send a call; URLs of other simulators in its body are replaced by those of this one."""
        request: dict[str, Any] = {"params": call.query}
        if call.body is not None:
            request["json"] = self._with_own_urls(call.body)
        sent = {**call.headers, **(headers or {})}
        return self.ask(call.method, call.path, headers=sent, **{**request, **options})

    def _with_own_urls(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: self._with_own_urls(one) for name, one in value.items()}
        if isinstance(value, list):
            return [self._with_own_urls(one) for one in value]
        if isinstance(value, str):
            return re.sub(r"^http://[^/]+/v2(?=/)", self.simulator.base_url, value)
        return value


@contextmanager
def bench(*, rate_limit: int | None = None) -> Iterator[Bench]:
    """Run a simulator in a thread; its clock is stopped, for the rate limit as well."""
    clock = Clock(speed=0, monotonic=lambda: 0.0)
    with (
        Simulator.in_thread(rate_limit=rate_limit, clock=clock) as simulator,
        # Without certificates, which would be read again for each simulator.
        httpx.Client(base_url=simulator.base_url, verify=False, trust_env=False) as client,
    ):
        yield Bench(simulator, client)


@functools.cache
def crawl_once() -> tuple[Crawler, list[str]]:
    """Crawl one simulator, for all have the same data; also return reports of deviations."""
    spec = description.from_facts()
    with bench() as made:

        def read(path: str) -> Any:
            answer = made.ask("GET", path)
            return answer.json() if answer.is_success and answer.content else None

        crawler = Crawler(spec, OPERATIONS).crawl(read)
    return crawler, MONITOR.reports()
