"""The operators' commands on registry, tokens and reports.

They work on the database directly, with the rights of whoever may read ANTIN_HOME; each change is
in the audit log under the account's name. Exit codes: 0 done, 1 refused or failed, 2 wrong usage.
"""

import uuid
from pathlib import Path
from typing import Annotated, Final

import typer
from pydantic import BaseModel

from api import tokens
from api.commands.installation import installation, operator
from api.commands.moments import time_given
from api.commands.output import AsJson, out, print_json, show
from api.models import Role
from api.permissions import Binding
from api.schemas.certificates import CertificateOut, pem
from api.schemas.organizations import OrganizationOut
from api.schemas.reports import ReportOut
from api.schemas.tokens import TokenOut
from ca import authorities, certificate_search, issue, organizations, registry, reports, revoke
from ca.certificate_search import SearchFilters
from ca.models import CertificateStatus
from ca.organizations import OrganizationDetails
from ca.revocation_reasons import RevocationReason

ca_group = typer.Typer(no_args_is_help=True, help="The authorities of this installation.")
certificates_group = typer.Typer(no_args_is_help=True, help="Certificates and their status.")
organizations_group = typer.Typer(no_args_is_help=True, help="The tree of organisations.")
tokens_group = typer.Typer(no_args_is_help=True, help="API tokens.")
report_group = typer.Typer(no_args_is_help=True, help="Reports as of any date.")

_LISTED: Final = (
    "id", "serial_number", "kind", "status", "common_name", "not_after", "revocation_reason",
)  # fmt: skip
Limit = Annotated[int, typer.Option(min=1, max=certificate_search.MAX_PAGE)]


@ca_group.command("show")
def ca_show(
    slug: Annotated[str, typer.Argument(help="root, issuing, ocsp, tsa, …")] = "issuing",
    chain: Annotated[Path | None, typer.Option(help="Write its chain as PEM to this file.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show an authority, and with --chain write its certificates."""
    with installation() as wiring, wiring.sessions() as session:
        row = authorities.by_slug(session, slug)
        if chain is not None:
            found = authorities.certificate_chain(session, row)
            chain.write_text("".join(pem(der) for der in found))
        facts = {
            "slug": row.slug,
            "role": row.role.value,
            "common_name": row.common_name,
            "not_before": row.not_before,
            "not_after": row.not_after,
            "crl_number": row.crl_number,
            "pem": pem(row.certificate),
        }
        if as_json:
            print_json(facts)
        else:
            out.print("\n".join(f"{name}: {value}" for name, value in facts.items()))


@certificates_group.command("list")
def certificates_list(
    name: str | None = None,
    status: CertificateStatus | None = None,
    under: Annotated[str | None, typer.Option(help="Code of an organisation.")] = None,
    limit: Limit = 50,
    *,
    as_json: AsJson = False,
) -> None:
    """List certificates, newest first."""
    with installation() as wiring, wiring.sessions() as session:
        subtree = organizations.by_code(session, under).id if under is not None else None
        filters = SearchFilters(name=name, status=status, under=subtree)
        found = certificate_search.search(session, filters=filters, limit=limit)
        rows = [_facts(CertificateOut.of(row, at=wiring.clock())) for row in found.items]
    show([{n: row[n] for n in _LISTED} for row in rows] if not as_json else rows, as_json=as_json)


@certificates_group.command("show")
def certificates_show(certificate: str, *, as_json: AsJson = False) -> None:
    """Show a certificate, by its id or as serial:<hex>."""
    with installation() as wiring, wiring.sessions() as session:
        row = registry.get(session, certificate)
        facts = _facts(CertificateOut.of(row, at=wiring.clock(), with_pem=True))
    if as_json:
        print_json(facts)
    else:
        out.print("\n".join(f"{name}: {value}" for name, value in facts.items()))


@certificates_group.command("open")
def certificates_open(*, as_json: AsJson = False) -> None:
    """List the certificates whose issuing a crash interrupted."""
    with installation() as wiring, wiring.sessions() as session:
        found = issue.open_intents(session)
        rows = [_facts(CertificateOut.of(row, at=wiring.clock())) for row in found]
    show([{n: row[n] for n in _LISTED} for row in rows], as_json=as_json)


@certificates_group.command("abandon")
def certificates_abandon(
    certificate: str, note: Annotated[str, typer.Option(help="Why, for the audit log.")]
) -> None:
    """Give an interrupted issuing up; its request can then be approved and issued anew."""
    with installation() as wiring, wiring.sessions.begin() as session:
        found = registry.get(session, certificate)
        issue.abandon(
            session, certificate_id=found.id, note=note, at=wiring.clock(), actor=operator()
        )
    typer.echo(f"abandoned {found.id}")


@certificates_group.command("revoke")
def certificates_revoke(
    certificate: str, reason: RevocationReason = RevocationReason.UNSPECIFIED
) -> None:
    """Revoke a certificate for ever."""
    with installation() as wiring, wiring.sessions.begin() as session:
        found = registry.get(session, certificate)
        revoke.revoke(
            session,
            certificate_id=found.id,
            reason=reason,
            keys=wiring.keys,
            at=wiring.clock(),
            actor=operator(),
        )
    typer.echo(f"revoked {found.id}")


@certificates_group.command("suspend")
def certificates_suspend(certificate: str) -> None:
    """Pause a certificate."""
    with installation() as wiring, wiring.sessions.begin() as session:
        found = registry.get(session, certificate)
        at, who = wiring.clock(), operator()
        revoke.suspend(session, certificate_id=found.id, keys=wiring.keys, at=at, actor=who)
    typer.echo(f"suspended {found.id}")


@certificates_group.command("restore")
def certificates_restore(certificate: str) -> None:
    """Bring a paused certificate back."""
    with installation() as wiring, wiring.sessions.begin() as session:
        found = registry.get(session, certificate)
        at, who = wiring.clock(), operator()
        revoke.restore(session, certificate_id=found.id, keys=wiring.keys, at=at, actor=who)
    typer.echo(f"restored {found.id}")


@organizations_group.command("list")
def organizations_list(
    under: Annotated[str | None, typer.Option(help="Code of an organisation.")] = None,
    limit: Limit = 200,
    *,
    as_json: AsJson = False,
) -> None:
    """List organisations by their codes."""
    with installation() as wiring, wiring.sessions() as session:
        subtree = organizations.by_code(session, under).id if under is not None else None
        found = organizations.listing(session, under=subtree, limit=limit, after=None)
        rows = [_facts(OrganizationOut.of(row)) for row in found]
    show(rows, as_json=as_json)


@organizations_group.command("add")
def organizations_add(
    code: str,
    name: str,
    level: str = "unit",
    parent: Annotated[str | None, typer.Option(help="Code of the one above.")] = None,
    identifier: Annotated[str | None, typer.Option(help="Tax or registration number.")] = None,
) -> None:
    """Add an organisation to the tree."""
    with installation() as wiring, wiring.sessions.begin() as session:
        above = organizations.by_code(session, parent).id if parent is not None else None
        details = OrganizationDetails(
            code=code, name=name, level=level, parent_id=above, identifier=identifier
        )
        row = organizations.create(session, details=details, at=wiring.clock(), actor=operator())
    typer.echo(str(row.id))


@tokens_group.command("list")
def tokens_list(*, as_json: AsJson = False) -> None:
    """List the API tokens, without their secrets."""
    with installation() as wiring, wiring.sessions() as session:
        rows = [
            _facts(TokenOut.of(row)) for row in tokens.list_tokens(session, limit=1000, after=None)
        ]
    show(rows, as_json=as_json)


@tokens_group.command("create")
def tokens_create(
    name: str,
    role: Annotated[list[Role], typer.Option(help="Repeatable.")],
    organization: Annotated[str | None, typer.Option(help="Code; everywhere without.")] = None,
) -> None:
    """Make an API token and show its secret, once."""
    with installation() as wiring, wiring.sessions.begin() as session:
        where = organizations.by_code(session, organization).id if organization else None
        new = tokens.NewToken(name=name, bindings=tuple(Binding(one, where) for one in role))
        _, secret = tokens.create(session, new, at=wiring.clock(), actor=operator())
    typer.echo(secret.reveal_text())


@tokens_group.command("revoke")
def tokens_revoke(token_id: uuid.UUID) -> None:
    """Put an API token out of force."""
    with installation() as wiring, wiring.sessions.begin() as session:
        tokens.revoke(session, token_id, at=wiring.clock(), actor=operator())
    typer.echo(f"revoked {token_id}")


@report_group.command("certificates")
def report_certificates(
    as_of: Annotated[str | None, typer.Option(help="Time (RFC 3339); now.")] = None,
    by: Annotated[str, typer.Option(help="kind, status, organization, …")] = "",
    under: Annotated[str | None, typer.Option(help="Code of an organisation.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Count certificates as they stood at a moment."""
    with installation() as wiring, wiring.sessions() as session:
        subtree = organizations.by_code(session, under).id if under is not None else None
        report = ReportOut.of(
            reports.certificate_totals(
                session,
                as_of=time_given(as_of, "--as-of") or wiring.clock(),
                by=[word.strip() for word in by.split(",") if word.strip()],
                under=subtree,
            )
        )
    if as_json:
        print_json(report.model_dump(mode="json"))
        return
    rows = [{**row.group, **_totals(row)} for row in report.rows] if report.by else []
    blank = dict.fromkeys(report.by, "")
    show([*rows, {**blank, **_totals(report.totals)}], as_json=False)


def _facts(shown: BaseModel) -> dict[str, object]:
    return shown.model_dump(mode="json")


def _totals(shown: BaseModel) -> dict[str, object]:
    return shown.model_dump(mode="json", exclude={"group", "links"})
