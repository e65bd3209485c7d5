"""The HTML of the onboarding pages."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from ev_energy.simulator.pages import (
    bullet_list,
    button,
    definition_list,
    field,
    form,
    hidden_fields,
    link_list,
    notice,
    page,
    tag,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp import web

    from ev_energy.simulator.onboarding_pages._connector import MakerAccount, Option
    from ev_energy.simulator.onboarding_pages._pages import OnboardingSession
    from ev_energy.simulator.pages import Content, Markup


_OUT_OF_DATE: Final = "That form was out of date. Please try again."


def invalid_link(message: str, status: int) -> web.Response:
    """Return the page for an invalid link."""
    return page("This link does not work", notice(message, error=True), status=status)


def finished(session: OnboardingSession, title: str, uids: Sequence[str]) -> web.Response:
    """Return the last page, if the browser is not sent back to the application."""
    return page(
        title,
        definition_list((f"{session.kind.prefix}_uid", tag("code", uid)) for uid in uids),
        tag("p", f"You can close this page and continue in {session.application.name}."),
    )


def choose_make(session: OnboardingSession, makes: Sequence[Option]) -> web.Response:
    """Return the page with all makes, or with those that match the search."""
    term = session.about.get("q", "").strip()
    found = [make for make in makes if term.casefold() in make.name.casefold()]
    others = [(name, text) for name, text in session.about.items() if name != "q"]
    return _screen(
        session,
        f"Which make is your {session.kind.noun}?",
        tag(
            "form",
            hidden_fields(others),
            tag("input", type="search", name="q", value=term, aria_label="Search for a make",
                placeholder="Search"),
            tag("button", "Search", class_="quiet"),
            method="get", class_="search", role="search",
        ),
        link_list((session.link(make_id=make.id), make.name, make.note) for make in found),
        None if found else notice(f"No make of {session.kind.noun}s matches your search."),
    )  # fmt: skip


def choose_model(
    session: OnboardingSession, make: Option, models: Sequence[Option]
) -> web.Response:
    """Return the page with the models of a make."""
    return _screen(
        session,
        f"Which {make.name} model is it?",
        link_list((session.link(model_id=model.id), model.name, model.note) for model in models),
        None if models else notice("This make has no model that can be connected."),
    )


def enter_serial(
    session: OnboardingSession, make: Option, error: str | None = None
) -> web.Response:
    """Return the page that asks for a serial number."""
    return _screen(
        session,
        f"Connect your {make.name}",
        fields=[
            field("Serial number", "serial", value=session.fields.get("serial", ""), error=error,
                  note=f"It is printed on the {session.kind.noun}. The simulator accepts any that "
                       "is not in use.",
                  autocomplete="off"),
            _email_field(session, make),
            button("Connect", name="answer", value="connect"),
        ],
        status=HTTPStatus.OK if error is None else HTTPStatus.BAD_REQUEST,
    )  # fmt: skip


def sign_in(
    session: OnboardingSession,
    make: Option,
    email_error: str | None = None,
    password_error: str | None = None,
) -> web.Response:
    """Return the page in place of the maker's own login page."""
    return _screen(
        session,
        f"Sign in to {make.name}",
        tag("p", f"This page takes the place of the login page of {make.name}."),
        fields=[
            _email_field(session, make, email_error),
            field("Password", "password", kind="password", autocomplete="off",
                  error=password_error,
                  note="Any password is accepted, as long as it is not empty."),
            button("Sign in", name="answer", value="account"),
        ],
        status=HTTPStatus.BAD_REQUEST if email_error or password_error else HTTPStatus.OK,
    )  # fmt: skip


def choose_devices(
    session: OnboardingSession, make: Option, account: MakerAccount, error: str | None = None
) -> web.Response:
    """Return the page in place of the maker's own consent page."""
    if not account.devices:
        message = f"This account has no {session.kind.noun} that is not connected yet."
        return _screen(session, f"Nothing to connect at {make.name}", notice(message))
    input_type = "radio" if account.single else "checkbox"
    entries = [
        tag("li", tag(
            "label",
            tag("input", type=input_type, name="device", value=device.id,
                checked=len(account.devices) == 1 or device.id in session.devices),
            tag("span", device.name),
            tag("small", device.note) if device.note else None,
        ))
        for device in account.devices
    ]  # fmt: skip
    return _screen(
        session,
        "Which devices may ev.energy use?",
        tag("p", f"Your {make.name} account will allow ev.energy to"),
        bullet_list(["see its state and location", "start and stop its charging"]
                    if session.kind.folder == "vehicles" else ["see its state and measurements"]),
        notice(error, error=True) if error else None,
        fields=[
            tag("ul", *entries, class_="picks"),
            button("Allow", name="answer", value="allow"),
        ],
        status=HTTPStatus.OK if error is None else HTTPStatus.BAD_REQUEST,
    )  # fmt: skip


def confirm_reconnect(session: OnboardingSession) -> web.Response:
    """Return the page that reconnects a device."""
    return _screen(
        session,
        f"Reconnect your {session.kind.noun}",
        tag("p", f"ev.energy can no longer access this {session.kind.noun}. Reconnect it to give "
                 "access again."),
        fields=button("Reconnect", name="answer", value="reconnect"),
    )  # fmt: skip


def _email_field(session: OnboardingSession, make: Option, error: str | None = None) -> Markup:
    return field(
        f"E-mail of your {make.name} account",
        "email",
        value=session.fields.get("email", session.user.email),
        kind="email",
        error=error,
        autocomplete="username",
    )


def _screen(
    session: OnboardingSession,
    title: str,
    *content: Content,
    fields: Content = None,
    status: int = HTTPStatus.OK,
) -> web.Response:
    """Return a page with a form that posts *fields* to the page itself, and a cancel button."""
    return page(
        title,
        notice(_OUT_OF_DATE, error=True) if session.stale else None,
        tag("p", f"{session.user.name}, on behalf of {session.application.name}", class_="soft"),
        content,
        form(
            fields,
            button("Cancel", name="answer", value="cancel", quiet=True),
            csrf_token=session.csrf_token,
        ),
        status=HTTPStatus.FORBIDDEN if session.stale else status,
    )
