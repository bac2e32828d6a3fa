"""Bringing an installation up: database, tables, authorities, the first administrator.

Every step looks first whether it is done, so a start after a crash or beside another server goes on
where things stand.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from api import tokens, wiring
from api.authority_names import AuthorityNames
from api.models import ApiToken, Role
from api.permissions import Binding
from api.wiring import Wiring, make_home
from ca import authorities, issue
from ca.authorities import AuthorityName, AuthorityPlan
from db import revision
from db.embedded import EmbeddedPostgres
from signing import sign

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.settings import Settings
    from ca.authorities import AuthoritySpec
    from hsm.secret import Secret

ACTOR = "system:set-up"
_LOCK = 0x616E74696E
"""Key of the advisory lock under which the first administrator is made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetUp:
    """What a start found or made."""

    first_run: bool
    token: Secret | None
    """The administrator's token: at the first run only, and not when it was given."""
    open_certificates: tuple[str, ...]
    open_signatures: tuple[str, ...]
    """Intents that a crash left behind, for an administrator to decide on."""
    named_otherwise: tuple[str, ...] = ()
    """Names of authorities that were made before the settings asked for other ones."""


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """Give the database's URL; the embedded server runs meanwhile, when it is the one."""
    make_home(settings)
    if settings.database_url is not None:
        yield settings.database_url.reveal_text()
        return
    with EmbeddedPostgres(settings.home / "postgres") as server:
        yield server.url


def set_up(settings: Settings, url: str) -> SetUp:
    """Migrate, make what is missing, and say what is left open from before."""
    with_all = wiring.build(settings, url)
    try:
        with with_all.sessions() as session:
            newest = revision.is_newest(session)
        if not newest:
            from db import schema  # noqa: PLC0415 -- slow to load, and mostly not needed

            schema.upgrade(url)
        return _set_up(with_all)
    finally:
        with_all.close()


def _set_up(parts: Wiring) -> SetUp:
    plan = _plan(parts)
    at = parts.clock()
    with parts.sessions.begin() as session:
        authorities.establish(session, keys=parts.keys, plan=plan, at=at, actor=ACTOR)
        asked = parts.settings.authority != AuthorityNames()
        otherwise = authorities.named_otherwise(session, plan=plan) if asked else ()
    made, secret = _first_administrator(parts)
    with parts.sessions() as session:
        certificates = issue.open_intents(session, before=at)
        signatures = sign.open_requests(session, before=at)
        return SetUp(
            first_run=made,
            token=secret,
            open_certificates=tuple(str(row.id) for row in certificates),
            open_signatures=tuple(str(row.id) for row in signatures),
            named_otherwise=otherwise,
        )


def _plan(parts: Wiring) -> AuthorityPlan:
    """Say what is to be made: our defaults, but for the names that the operator has set.

    Our locality belongs to our organisation; another one has its own, or none.
    """
    names = parts.settings.authority
    plan = AuthorityPlan(public_url=parts.settings.public_url, make_key=parts.make_key)
    of_ours = names.organization is None
    who = AuthorityName(
        organization=names.organization or plan.name.organization,
        organizational_unit=names.unit,
        locality=names.locality or (plan.name.locality if of_ours else None),
        organization_identifier=names.identifier,
        country=names.country or plan.name.country,
    )
    return replace(
        plan,
        name=who,
        root=_called(plan.root, names.root),
        root_ocsp=_called(plan.root_ocsp, names.root_ocsp),
        issuing=_called(plan.issuing, names.issuing),
        ocsp=_called(plan.ocsp, names.ocsp),
        tsa=_called(plan.tsa, names.tsa),
    )


def _called(spec: AuthoritySpec, name: str | None) -> AuthoritySpec:
    return spec if name is None else replace(spec, common_name=name)


def _first_administrator(parts: Wiring) -> tuple[bool, Secret | None]:
    """Make the first administrator's token; returns whether it was made, and what to show."""
    given = parts.settings.admin_token
    with parts.sessions.begin() as session:
        session.execute(select(func.pg_advisory_xact_lock(_LOCK)))
        if session.scalar(select(func.count()).select_from(ApiToken)):
            return False, None
        new = tokens.NewToken(
            name="first administrator",
            bindings=(Binding(Role.ADMINISTRATOR, None),),
            secret=given,
        )
        _, secret = tokens.create(session, new, at=parts.clock(), actor=ACTOR)
    return True, None if given is not None else secret
