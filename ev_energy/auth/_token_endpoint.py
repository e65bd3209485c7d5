"""The authorization server's endpoints, called through the client's own retry loop."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from http import HTTPStatus

import msgspec
from yarl import URL

from ev_energy._codec.drift import Reporter
from ev_energy._codec.problems import api_error, report_repair
from ev_energy._http.attempt import attempt
from ev_energy._http.context import HttpContext
from ev_energy._http.outgoing import Outgoing
from ev_energy._http.retry import retry
from ev_energy._http.retry_policy import RetryPolicy
from ev_energy._messages import Request, Response
from ev_energy._redaction.show import Unshown
from ev_energy.auth._credentials import Endpoint
from ev_energy.auth._oauth import TokenRequest


class TokenEndpoint(Unshown, msgspec.Struct, frozen=True, eq=False):
    """Posts token and revocation requests (RFC 6749, RFC 7009)."""

    http: HttpContext
    urls: Mapping[Endpoint, URL]
    report: Reporter
    policy: RetryPolicy
    timeout: float
    time_limit: float

    async def post(self, endpoint: Endpoint, token_request: TokenRequest) -> Response:
        """Return the endpoint's reply, without secrets if it is an error.

        A token request may be repeated. `ApiError` for replies that say nothing about the
        credentials: 429 and 5xx.
        """
        url = self.urls[endpoint]
        request = Request("POST", url, authorised=False, template=url.path)
        out = Outgoing(
            request=request,
            headers=token_request.headers,
            body=token_request.body,
            policy=self.policy,
            timeout=self.timeout,
            deadline=self.http.clock() + self.time_limit,
            time_limit=self.time_limit,
            is_write=False,
            is_token_request=True,
        )
        with self.http.call_span(request):
            response = await retry(self.http, out, functools.partial(attempt, self.http))
        report_repair(self.report, "Token", response.body)
        if response.status != HTTPStatus.OK:  # RFC 6749 §5.1, RFC 7009 §2.2
            response = self.http.redact(out, response).without(token_request.secrets)
        if (
            response.status == HTTPStatus.TOO_MANY_REQUESTS
            or response.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        ):
            raise api_error(request, response)
        return response
