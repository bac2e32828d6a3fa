"""`antin certificates import` and `antin issuers`: certificates issued elsewhere."""

import hashlib
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from api.commands.installation import installation, operator
from api.commands.output import FAILED, AsJson, err, print_json, show
from api.errors import ParameterInvalid
from api.schemas.imports import DifferenceOut, ImportOut, ImportRowOut, IssuerOut
from api.wiring import Wiring
from ca import import_files, imports, issuer_watch, known_issuers, organizations
from ca.guarded_fetch import Fetcher, FetchLimits
from ca.import_files import FileRow
from ca.imports import ImportOptions, Source
from ca.known_issuers import IssuerDetails
from ca.models import CertificateKind
from ca.models_imports import Import, RowState

issuers_group = typer.Typer(no_args_is_help=True, help="Issuers elsewhere, and what they say.")
SHOWN = 50
STEP = 500
_COUNTED = ("id", "file_name", "format", "rows", "created", "updated", "unchanged", "failed")


def import_(  # noqa: PLR0913 -- one parameter for each option of the command
    file: Annotated[Path | None, typer.Argument(help="CSV, XLSX, PEM, DER, P7B or ZIP.")] = None,
    token: Annotated[str | None, typer.Option(help="Key URI of a token to read instead.")] = None,
    issuer: Annotated[str | None, typer.Option(help="Issuer of rows that name none.")] = None,
    organization: Annotated[str | None, typer.Option(help="Code, for rows that name none.")] = None,
    kind: CertificateKind | None = None,
    *,
    dry_run: Annotated[bool, typer.Option(help="Tell what would happen; write nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Import certificates issued elsewhere; exit code 1 when a row failed."""
    with installation() as wiring:
        source, rows = _read(wiring, file, token)
        with wiring.sessions.begin() as session:
            unit = organizations.by_code(session, organization).id if organization else None
            made = imports.submit(
                session,
                source=source,
                rows=rows,
                options=ImportOptions(issuer, unit, kind, dry_run),
                at=wiring.clock(),
                actor=operator(),
            )
        _work(wiring, made)
        with wiring.sessions() as session:
            shown = ImportOut.of(imports.progress(session, made.id))
            failed = imports.rows(
                session, made.id, states=frozenset({RowState.FAILED}), limit=import_files.MAX_ROWS
            )
            problems = [ImportRowOut.of(row) for row in failed]
    facts = shown.model_dump(mode="json")
    if as_json:
        print_json({**facts, "problems": [one.model_dump(mode="json") for one in problems]})
    else:
        show([{name: facts[name] for name in _COUNTED}], as_json=False)
        for row in problems[:SHOWN]:
            for one in row.problems:
                err.print(f"row {row.row}: {one.en} / dòng {row.row}: {one.vi}")
        if len(problems) > SHOWN:
            err.print(f"… and {len(problems) - SHOWN} more rows; see --json")
    if problems:
        raise typer.Exit(FAILED)


def _read(wiring: Wiring, file: Path | None, token: str | None) -> tuple[Source, list[FileRow]]:
    if (file is None) == (token is None):
        raise ParameterInvalid("FILE", "give a file, or --token, and not both")
    if file is not None:
        data = file.read_bytes()
        file_format, rows = import_files.read(data)
        return Source(file.name, file_format, hashlib.sha256(data).hexdigest()), rows
    found = wiring.keys.certificates(token or "")
    digest = hashlib.sha256(b"".join(found)).hexdigest()
    return Source("token", "token", digest), import_files.of_certificates(found, label="token")


def _work(wiring: Wiring, made: Import) -> None:
    with Progress(console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("rows", total=made.row_count)
        while not imports.run(wiring.sessions, made.id, at=wiring.clock(), max_rows=STEP):
            bar.advance(task, STEP)


@issuers_group.command("list")
def issuers_list(*, as_json: AsJson = False) -> None:
    """List the issuers elsewhere."""
    with installation() as wiring, wiring.sessions() as session:
        found = [IssuerOut.of(row) for row in known_issuers.listing(session)]
    rows = [one.model_dump(mode="json", exclude=None if as_json else {"pem"}) for one in found]
    show(rows, as_json=as_json)


@issuers_group.command("add")
def issuers_add(
    name: str,
    certificate: Annotated[Path | None, typer.Option(help="PEM or DER of the CA.")] = None,
    crl: Annotated[list[str] | None, typer.Option(help="Address of its CRL; repeatable.")] = None,
    ocsp: Annotated[list[str] | None, typer.Option(help="Address of its OCSP service.")] = None,
) -> None:
    """Add an issuer elsewhere."""
    with installation() as wiring, wiring.sessions.begin() as session:
        details = IssuerDetails(
            name,
            certificate=certificate.read_bytes() if certificate else None,
            crl_urls=tuple(crl or ()),
            ocsp_urls=tuple(ocsp or ()),
        )
        row = known_issuers.create(session, details=details, at=wiring.clock(), actor=operator())
    typer.echo(str(row.id))


@issuers_group.command("check")
def issuers_check(*, as_json: AsJson = False) -> None:
    """Compare our record with what the issuers publish, now; exit code 1 when they differ."""
    with installation() as wiring:
        fetcher = Fetcher(FetchLimits(allowed=wiring.settings.status_networks))
        issuer_watch.watch(wiring.sessions, fetcher, at=wiring.clock())
        with wiring.sessions() as session:
            found = issuer_watch.differences(session, limit=import_files.MAX_ROWS)
            rows = [DifferenceOut.of(*pair).model_dump(mode="json") for pair in found]
    show(rows, as_json=as_json)
    if rows:
        raise typer.Exit(FAILED)
