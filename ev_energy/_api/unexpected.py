"""The errors for replies that the called operation cannot have."""

from __future__ import annotations

from http import HTTPStatus

from ev_energy._http.context import HttpContext
from ev_energy._http.outgoing import Outgoing
from ev_energy._http.slash_redirects import other_slash_form
from ev_energy._messages import Request, Response
from ev_energy._redaction.scrub import printable
from ev_energy._redaction.show import redact_link
from ev_energy._redaction.tracebacks import Secret
from ev_energy.errors import DecodeError


def is_redirect(response: Response) -> bool:
    """Return whether *response* has a status of the class of redirects."""
    return HTTPStatus.MULTIPLE_CHOICES <= response.status < HTTPStatus.BAD_REQUEST


def unexpected(http: HttpContext, out: Outgoing, response: Response) -> DecodeError:
    """Return the error for a reply that is neither a success nor an error response."""
    if response.status < HTTPStatus.OK:
        return decode_error(http, "expected an answer", out, response)
    if is_redirect(response):
        # Not a local variable: it may repeat the token, and tools print those of a traceback.
        message = Secret(_describe_redirect(out.request, response))
        return decode_error(http, message.value, out, response)
    text = f"no operation answers {response.status} with {media_type(http, out, response)}"
    return unexpected_success(http, text, out, response)


def unexpected_success(
    http: HttpContext, message: str, out: Outgoing, response: Response, path: str = "$"
) -> DecodeError:
    """Return the error for a success that cannot be the operation's."""
    if out.request.is_write:
        message += "; it may or may not have been carried out"
    return decode_error(http, message, out, response, path)


def decode_error(
    http: HttpContext, message: str, out: Outgoing, response: Response, path: str = "$"
) -> DecodeError:
    """Return the error with *message*, without the secrets that *response* may repeat."""
    redact = http.redactor_of(out).redact
    return DecodeError(redact(message), out.request, http.redact(out, response), redact(path))


def media_type(http: HttpContext, out: Outgoing, response: Response) -> str:
    """Return the media type of *response* for a message."""
    text = response.headers.get("content-type", "no content type")
    return printable(http.redactor_of(out).redact(text))


def _describe_redirect(request: Request, response: Response) -> str:
    """Return the message about a redirect that is not followed."""
    target = redact_link(response.headers.get("location", "nowhere"))
    if request.is_write and other_slash_form(request.url, response) is not None:
        return (
            f"not carried out, but redirected to {target}: a write is never repeated "
            "automatically. Call the method again; this client sends it there from now on"
        )
    return f"redirected to {target}, which is not followed"
