"""Imports of certificates issued elsewhere: submit a file, work through its rows, say how it went.

`submit` stores the rows in the caller's transaction; `run` works through them in transactions of
its own. It may be called again at any time and by several processes: rows are done once.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sqlalchemy import insert, select

from ca import import_batches, listed_certificates, names, organizations
from ca.errors_registry import ImportNotFound
from ca.import_problems import RowProblem, RowRefused
from ca.models_imports import Import, ImportRow, ImportState, RowState
from db import jobs
from db.audited import Audited
from db.base import uuid7

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session, sessionmaker

    from ca.import_files import FileRow
    from ca.models import CertificateKind

BATCH: Final = 500
"""Rows in one transaction: a crash repeats no more, and nobody waits long for a lock."""

JOB: Final = "ca.run_import"


@dataclass(frozen=True, slots=True)
class Source:
    """Where the rows come from, for the record."""

    file_name: str
    file_format: str
    sha256: str


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What counts for rows that do not say it themselves, and whether to write at all.

    `issuer` is any name of an issuer; `under` is the subtree that the importer may write to.
    """

    issuer: str | None = None
    organization_id: uuid.UUID | None = None
    kind: CertificateKind | None = None
    dry_run: bool = False
    under: uuid.UUID | None = None

    def to_json(self) -> dict[str, object]:
        """Render what `run` needs again."""
        return {
            "issuer": self.issuer,
            "organization_id": str(self.organization_id) if self.organization_id else None,
            "kind": self.kind.value if self.kind else None,
        }


@dataclass(frozen=True)
class ImportProgress:
    """An import and how many of its rows came out how."""

    record: Import
    counts: Mapping[RowState, int] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        """Whether no row is left to do."""
        return self.record.state is ImportState.DONE


def submit(
    session: Session,
    *,
    source: Source,
    rows: Sequence[FileRow],
    options: ImportOptions,
    at: datetime,
    actor: str,
) -> Import:
    """Store an import with its rows and queue the job that works through them.

    Rows that cannot be read, and the second of two about one certificate, are refused at once.
    Raises OrganizationNotFound for a default that does not exist.
    """
    if options.organization_id is not None:
        organizations.get(session, options.organization_id)
    made = Import(
        id=uuid7(),
        state=ImportState.WAITING,
        file_name=_kept(source.file_name),
        file_format=source.file_format,
        sha256=source.sha256,
        dry_run=options.dry_run,
        options=options.to_json(),
        under=options.under,
        row_count=len(rows),
        created_by=actor,
        created_at=at,
    )
    session.add(made)
    session.flush()
    session.execute(insert(ImportRow), _stored(made.id, rows))
    _IMPORTS.record(session, made, "import.submit", at=at, actor=actor)
    jobs.enqueue(session, job=JOB, payload={"import_id": str(made.id)}, unique=str(made.id))
    return made


def run(
    sessions: sessionmaker[Session],
    import_id: uuid.UUID,
    *,
    at: datetime,
    max_rows: int | None = None,
) -> bool:
    """Work through waiting rows, in transactions of `BATCH`; return whether none is left.

    `max_rows` bounds the work of this call; another call goes on.
    """
    left = max_rows
    while left is None or left > 0:
        size = BATCH if left is None else min(BATCH, left)
        done = import_batches.run(sessions, import_id, at=at, size=size)
        if done == 0:
            return True
        left = None if left is None else left - done
    with sessions() as session:
        return progress(session, import_id).finished


def progress(session: Session, import_id: uuid.UUID) -> ImportProgress:
    """Return an import and its counts; ImportNotFound."""
    record = session.get(Import, import_id)
    if record is None:
        raise ImportNotFound(f"no import {import_id}")
    return ImportProgress(record, import_batches.counts(session, import_id))


def rows(
    session: Session,
    import_id: uuid.UUID,
    *,
    states: frozenset[RowState] = frozenset(RowState),
    limit: int,
    after: int = 0,
) -> list[ImportRow]:
    """Return up to `limit` rows by their numbers, those after the number `after`."""
    query = (
        select(ImportRow)
        .where(
            ImportRow.import_id == import_id,
            ImportRow.number > after,
            ImportRow.state.in_(states),
        )
        .order_by(ImportRow.number)
    )
    return list(session.scalars(query.limit(limit)))


def listing(
    session: Session,
    *,
    limit: int,
    before: uuid.UUID | None = None,
    created_by: str | None = None,
) -> list[Import]:
    """Return up to `limit` imports, newest first, those before the id `before`."""
    query = select(Import).order_by(Import.id.desc()).limit(limit)
    if created_by is not None:
        query = query.where(Import.created_by == created_by)
    if before is not None:
        query = query.where(Import.id < before)
    return list(session.scalars(query))


def _stored(import_id: uuid.UUID, rows_: Sequence[FileRow]) -> list[dict[str, object]]:
    """Return the rows as stored, each with what can be told wrong about it already."""
    seen: dict[tuple[str, int], int] = {}
    stored = []
    for row in rows_:
        problems = list(row.problems)
        if not problems:
            problems = _problems(row, seen)
        stored.append(
            {
                "import_id": import_id,
                "number": row.number,
                "state": RowState.FAILED if problems else RowState.WAITING,
                "label": _kept(row.label),
                "cells": _storable_cells(row.cells),
                "der": row.der,
                "problems": [one.to_dict() for one in problems] or None,
            }
        )
    return stored


def _problems(row: FileRow, seen: dict[tuple[str, int], int]) -> list[RowProblem]:
    try:
        listed = listed_certificates.from_row(row.cells, row.der)
    except RowRefused as refusal:
        return list(refusal.problems)
    if listed is None:
        return []
    key = (names.fold(next(iter(listed.issuer_names), "")), listed.serial_number)
    if key in seen:
        return [RowProblem("duplicate_row", "serial_number", str(seen[key]))]
    seen[key] = row.number
    return []


def _kept(text: str) -> str:
    return "".join(c for c in text if c.isprintable() and names.storable(c))[:200]


def _storable_cells(cells: Mapping[str, str] | None) -> dict[str, str] | None:
    """Return cells as JSON of the database takes them: without NUL and half surrogates."""
    if cells is None:
        return None
    return {name: "".join(c for c in value if names.storable(c)) for name, value in cells.items()}


def sha256(data: bytes) -> str:
    """Return the digest that an import is known by."""
    return hashlib.sha256(data).hexdigest()


def _facts(made: Import) -> dict[str, object]:
    return {
        "file_name": made.file_name,
        "sha256": made.sha256,
        "rows": made.row_count,
        "dry_run": made.dry_run,
    }


_IMPORTS: Final = Audited("import", _facts)
