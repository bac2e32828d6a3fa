"""The operators' commands on incidents, CRL partitions, our own authorities, and alarms."""

import gc
import os
import sys
import uuid
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from api.commands import issue_processes
from api.commands.installation import installation, operator
from api.commands.moments import time_given
from api.commands.output import FAILED, AsJson, complain, print_json, show
from api.commands.registry import ca_group, certificates_group
from api.errors import ParameterInvalid
from api.schemas.incidents import HitOut, IncidentOut
from api.wiring import Wiring
from ca import (
    authorities,
    crl,
    incidents,
    issue_batch,
    organizations,
    publication_watch,
    registry,
    renewal,
    requests,
)
from ca.incidents import Decision
from ca.issue_intents import Asked, Context
from ca.models import RequestState
from ca.models_publication import IncidentTarget
from ca.revocation_reasons import RevocationReason

__all__ = ["ca_group", "certificates_group"]

PAGE: Final = 1000


@certificates_group.command("issue-batch")
def issue_together(
    requests_file: Annotated[
        Path | None, typer.Argument(help="Ids of requests, one a line; - is standard input.")
    ] = None,
    *,
    all_approved: Annotated[
        bool, typer.Option("--all-approved", help="Every approved request that is waiting.")
    ] = False,
    approve: Annotated[
        bool, typer.Option("--approve", help="Approve them on the way, as a second person.")
    ] = False,
    processes: Annotated[
        int | None, typer.Option(min=1, max=64, help="For a long list; else one for each core.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Issue the certificates of many requests together; exit code 1 when one of them failed."""
    with installation() as wiring:
        ids = _waiting(wiring) if all_approved else _ids(requests_file)
        several = processes or (os.cpu_count() or 1)
        if several > 1 and len(ids) >= issue_processes.FROM:
            rows = issue_processes.issued_by(several, ids, approve=approve)
        else:
            rows = _issued_here(wiring, ids, approve=approve)
    failed = [row for row in rows if row["problem"]]
    if as_json:
        print_json(rows)
    else:
        if failed:
            show(failed, as_json=False, title="not issued")
        typer.echo(f"issued {len(rows) - len(failed)} of {len(rows)}")
    if failed:
        raise typer.Exit(FAILED)


def _issued_here(
    wiring: Wiring, ids: list[uuid.UUID], *, approve: bool
) -> list[issue_processes.Row]:
    """Issue in this process."""
    asked = [Asked(request_id=one, actor=operator(), approve=approve) for one in ids]
    gc.freeze()  # what is loaded stays until the end, so nothing is found by looking there
    try:
        outcomes = issue_batch.issue_batch(
            wiring.sessions,
            asked,
            context=Context(wiring.keys, wiring.clock(), wiring.make_key),
            parallel=issue_batch.AT_ONCE,
        )
    finally:
        gc.unfreeze()
    return [
        {
            "request_id": str(outcome.request_id),
            "certificate_id": _text(outcome, "id"),
            "serial_number": _text(outcome, "serial_number"),
            "problem": str(outcome.error) if outcome.error else None,
        }
        for outcome in outcomes
    ]


def _text(outcome: issue_batch.Outcome, column: str) -> str | None:
    """Read a column of the certificate that was issued; a row object for each would cost more."""
    if outcome.error is not None or outcome.certificate_columns is None:
        return None
    return str(outcome.certificate_columns[column])


@certificates_group.command("revoke-many")
def revoke_many(  # noqa: PLR0913, PLR0917 -- one parameter for each option
    note: Annotated[str, typer.Option(help="Why, in words.")],
    reason: RevocationReason = RevocationReason.UNSPECIFIED,
    organization: Annotated[str | None, typer.Option(help="Code; all below it too.")] = None,
    subscriber: Annotated[uuid.UUID | None, typer.Option(help="Id of a person.")] = None,
    device: Annotated[uuid.UUID | None, typer.Option(help="Id of a device.")] = None,
    listed: Annotated[
        Path | None, typer.Option("--list", help="Certificates, one a line: id or serial:<hex>.")
    ] = None,
    on: Annotated[str | None, typer.Option(help="Time (RFC 3339) of a later day.")] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count only.")] = False,
) -> None:
    """Revoke the certificates of a unit, a person, a device or a list, as one incident."""
    with installation() as wiring:
        at = wiring.clock()
        with wiring.sessions.begin() as session:
            unit = organizations.by_code(session, organization).id if organization else None
            lines = _lines(listed) if listed else []
            ids = tuple(registry.get(session, line).id for line in lines)
            targets = {
                IncidentTarget.ORGANIZATION: unit,
                IncidentTarget.SUBSCRIBER: subscriber,
                IncidentTarget.DEVICE: device,
            }
            decision = _decision(targets, ids, (reason, note, time_given(on, "--on")))
            if dry_run:
                hit = incidents.dry_run(session, decision, at=at)
                print_json(HitOut.of(hit).model_dump(mode="json"))
                return
            incident = incidents.decide(session, decision, at=at, actor=operator())
        done = incidents.carry_out(wiring.sessions, incident.id, keys=wiring.keys, at=at)
        with wiring.sessions() as session:
            row = incidents.get(session, incident.id)
            print_json(IncidentOut.of(row, done).model_dump(mode="json"))


@ca_group.command("shards")
def shards(
    count: Annotated[int, typer.Argument(help="How many; the number only grows.")],
    slug: str = "issuing",
) -> None:
    """Let new certificates name one of so many partitions of the CRL."""
    with installation() as wiring, wiring.sessions.begin() as session:
        authority = authorities.by_slug(session, slug)
        at, actor = wiring.clock(), operator()
        crl.set_shards(
            session, authority=authority, shards=count, keys=wiring.keys, at=at, actor=actor
        )
    typer.echo(f"{slug}: {count} partitions")


@ca_group.command("renew")
def renew(slug: str) -> None:
    """Give an OCSP responder or the time-stamp authority a new key and certificate now."""
    with installation() as wiring, wiring.sessions.begin() as session:
        made = renewal.renew(
            session,
            authorities.by_slug(session, slug),
            keys=wiring.keys,
            make_key=wiring.make_key,
            at=wiring.clock(),
            actor=operator(),
        )
    typer.echo(f"{made.slug} until {made.not_after.isoformat()}")


@ca_group.command("revoke")
def revoke(slug: str, reason: RevocationReason) -> None:
    """Revoke the certificate of one of our authorities for ever; renew a service first."""
    with installation() as wiring, wiring.sessions.begin() as session:
        authority = authorities.by_slug(session, slug)
        renewal.revoke_authority(
            session, authority=authority, reason=reason, at=wiring.clock(), actor=operator()
        )
    typer.echo(f"revoked {slug}")


@ca_group.command("alarms")
def alarms(*, as_json: AsJson = False) -> None:
    """Look what is about to run out, or has; exit code 1 when there is something."""
    with installation() as wiring, wiring.sessions.begin() as session:
        found = publication_watch.watch(session, at=wiring.clock(), actor=operator())
        rows = [
            {"kind": one.kind, "subject": one.subject, "runs_out_at": one.runs_out_at.isoformat()}
            for one in found
        ]
    show(rows, as_json=as_json)
    if rows:
        complain(f"{len(rows)} alarms", "See that the worker runs and its keys can be used.")
        raise typer.Exit(FAILED)


def _waiting(wiring: Wiring) -> list[uuid.UUID]:
    """Return every approved request that ends in a certificate, oldest first."""
    found: list[uuid.UUID] = []
    with wiring.sessions() as session:
        after = None
        while True:
            rows = requests.listing(
                session, states=frozenset({RequestState.APPROVED}), limit=PAGE, after=after
            )
            found += [row.id for row in rows if row.kind in requests.ISSUING_KINDS]
            if len(rows) < PAGE:
                return found
            after = rows[-1].id


def _ids(file: Path | None) -> list[uuid.UUID]:
    if file is None:
        raise ParameterInvalid("REQUESTS_FILE", "give a file, or --all-approved")
    try:
        return [uuid.UUID(line) for line in _lines(file)]
    except ValueError as error:
        raise ParameterInvalid("REQUESTS_FILE", "a line is no request's id") from error


def _lines(file: Path) -> list[str]:
    text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8-sig")
    return [line.strip() for line in text.splitlines() if line.strip()]


def _decision(
    targets: dict[IncidentTarget, uuid.UUID | None],
    listed: tuple[uuid.UUID, ...],
    said: tuple[RevocationReason, str, datetime | None],
) -> Decision:
    named = {target: found for target, found in targets.items() if found is not None}
    if len(named) + bool(listed) != 1:
        problem = "name one of --organization, --subscriber, --device and --list"
        raise ParameterInvalid("target", problem)
    target, target_id = next(iter(named.items()), (IncidentTarget.LIST, None))
    reason, note, effective_at = said
    return Decision(
        target=target,
        target_id=target_id,
        certificate_ids=listed,
        reason=reason,
        note=note,
        effective_at=effective_at,
    )
