"""What drivers see on their journey."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ev_energy.simulator.pages import button, field, form, hidden, listed, notice, page, picks, tag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp import web

    from ev_energy.simulator.onboarding_pages._connector import MakerAccount, Option
    from ev_energy.simulator.onboarding_pages._onboarding_session import Visit
    from ev_energy.simulator.pages import Content, Markup


_OUT_OF_DATE = "That form was out of date. Please try again."


def lost(said: str, status: int) -> web.Response:
    """Return the page for a link that leads nowhere."""
    return page("This link does not work", notice(said, error=True), status=status)


def pick_make(visit: Visit, makes: Sequence[Option]) -> web.Response:
    """Return the page with all makes, or with those that were searched for."""
    wanted = visit.about.get("q", "").strip()
    found = [make for make in makes if wanted.casefold() in make.name.casefold()]
    others = [(name, text) for name, text in visit.about.items() if name != "q"]
    return _screen(
        visit,
        f"Which make is your {visit.kind.thing}?",
        tag(
            "form",
            hidden(others),
            tag("input", type="search", name="q", value=wanted, aria_label="Search for a make",
                placeholder="Search"),
            tag("button", "Search", class_="quiet"),
            method="get", class_="search", role="search",
        ),
        picks((visit.link(make_id=make.id), make.name, make.note) for make in found),
        None if found else notice(f"No make of {visit.kind.thing}s has a name like that."),
    )  # fmt: skip


def pick_model(visit: Visit, make: Option, models: Sequence[Option]) -> web.Response:
    """Return the page with the models of a make."""
    return _screen(
        visit,
        f"Which {make.name} is it?",
        picks((visit.link(model_id=model.id), model.name, model.note) for model in models),
        None if models else notice("This make has no model that can be connected."),
    )


def say_serial(visit: Visit, make: Option, wrong: str | None = None) -> web.Response:
    """Return the page that asks for a serial number."""
    return _screen(
        visit,
        f"Connect your {make.name}",
        fields=[
            field("Serial number", "serial", value=visit.sent.get("serial", ""), error=wrong,
                  note=f"It stands on the {visit.kind.thing}. Here, any that is not taken will do.",
                  autocomplete="off"),
            _email(visit, make),
            button("Connect", name="answer", value="connect"),
        ],
        status=200 if wrong is None else 400,
    )  # fmt: skip


def sign_in(
    visit: Visit, make: Option, wrong: str | None = None, *, password: str | None = None
) -> web.Response:
    """Return the page that stands for a maker's own login, with what was wrong with it."""
    return _screen(
        visit,
        f"Sign in to {make.name}",
        tag("p", f"This stands for the page of {make.name}, where your account is."),
        fields=[
            _email(visit, make, wrong),
            field("Password", "password", kind="password", autocomplete="off", error=password,
                  note="Any password will do, as long as it is not empty."),
            button("Sign in", name="answer", value="account"),
        ],
        status=400 if wrong or password else 200,
    )  # fmt: skip


def pick_devices(
    visit: Visit, make: Option, account: MakerAccount, wrong: str | None = None
) -> web.Response:
    """Return the page that stands for a maker's question what may be shared."""
    if not account.devices:
        said = f"This account holds no {visit.kind.thing} that is not connected already."
        return _screen(visit, f"Nothing at {make.name}", notice(said))
    box = "radio" if account.single else "checkbox"
    boxes = [
        tag("li", tag(
            "label",
            tag("input", type=box, name="device", value=device.id,
                checked=len(account.devices) == 1 or device.id in visit.devices),
            tag("span", device.name),
            tag("small", device.note) if device.note else None,
        ))
        for device in account.devices
    ]  # fmt: skip
    return _screen(
        visit,
        "What may ev.energy use?",
        tag("p", f"Your {make.name} account will let ev.energy"),
        listed(["see its state and where it is", "start and stop its charging"]
               if visit.kind.folder == "vehicles" else ["see its state and what it measures"]),
        notice(wrong, error=True) if wrong else None,
        fields=[
            tag("ul", *boxes, class_="picks"),
            button("Allow", name="answer", value="allow"),
        ],
        status=200 if wrong is None else 400,
    )  # fmt: skip


def ask_again(visit: Visit) -> web.Response:
    """Return the page on which something is connected again."""
    return _screen(
        visit,
        f"Reconnect your {visit.kind.thing}",
        tag("p", "Its maker no longer lets ev.energy use it. Say yes once more to go on."),
        fields=button("Reconnect", name="answer", value="reconnect"),
    )


def _email(visit: Visit, make: Option, wrong: str | None = None) -> Markup:
    return field(
        f"E-mail of your {make.name} account",
        "email",
        value=visit.sent.get("email", visit.person.email),
        kind="email",
        error=wrong,
        autocomplete="username",
    )


def _screen(
    visit: Visit, title: str, *content: Content, fields: Content = None, status: int = 200
) -> web.Response:
    """Return a page with a way out, and with fields that are posted back to it."""
    return page(
        title,
        notice(_OUT_OF_DATE, error=True) if visit.stale else None,
        tag("p", f"{visit.person.name}, on behalf of {visit.application.name}", class_="soft"),
        content,
        form(
            fields,
            button("Cancel", name="answer", value="cancel", quiet=True),
            csrf_token=visit.csrf_token,
        ),
        status=403 if visit.stale else status,
    )
