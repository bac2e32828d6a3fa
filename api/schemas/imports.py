"""Imports, issuers elsewhere and what they say, as the registry's calls take and show them."""

import uuid
from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from api.schemas.administration import MAX_PEM_CHARACTERS
from api.schemas.certificates import pem
from api.schemas.lists import Schema
from api.schemas.options import Options
from ca.imports import ImportOptions, ImportProgress
from ca.known_issuers import IssuerDetails
from ca.models import Certificate, CertificateKind
from ca.models_imports import (
    DifferenceState,
    ImportRow,
    ImportState,
    IssuerStatus,
    RowState,
    StatusDifference,
)
from ca.models_issuers import KnownIssuer


class ImportOptionsIn(Options):
    """What counts for rows that do not say it themselves."""

    issuer: str | None = Field(default=None, description="Name of the issuer of all certificates")
    organization_id: uuid.UUID | None = Field(
        default=None, description="For rows that name no organisation"
    )
    kind: CertificateKind | None = None
    dry_run: bool = Field(default=False, description="Tell what would happen, write nothing")

    def options(self, *, under: uuid.UUID | None) -> ImportOptions:
        """Return them as the registry takes them, within a subtree."""
        return ImportOptions(
            issuer=self.issuer,
            organization_id=self.organization_id,
            kind=self.kind,
            dry_run=self.dry_run,
            under=under,
        )


class ImportOut(BaseModel):
    """An import and how far it is."""

    id: uuid.UUID
    state: ImportState
    file_name: str
    format: str
    sha256: str
    dry_run: bool
    rows: int
    waiting: int
    created: int
    updated: int
    unchanged: int
    failed: int
    created_by: str
    created_at: datetime
    finished_at: datetime | None
    failed_rows: str = Field(description="Where the rows that failed are listed")

    @classmethod
    def of(cls, progress: ImportProgress) -> Self:
        """Show an import."""
        row = progress.record
        return cls(
            id=row.id,
            state=row.state,
            file_name=row.file_name,
            format=row.file_format,
            sha256=row.sha256,
            dry_run=row.dry_run,
            rows=row.row_count,
            **{state.value: progress.counts.get(state, 0) for state in RowState},
            created_by=row.created_by,
            created_at=row.created_at,
            finished_at=row.finished_at,
            failed_rows=f"/api/v1/imports/{row.id}/rows?state=failed",
        )


class RowProblemOut(BaseModel):
    """What is wrong with a row, in both languages."""

    code: str
    column: str
    en: str
    vi: str


class ImportRowOut(BaseModel):
    """One row and what became of it."""

    row: int
    state: RowState
    label: str
    certificate_id: uuid.UUID | None
    problems: list[RowProblemOut]

    @classmethod
    def of(cls, row: ImportRow) -> Self:
        """Show a row."""
        return cls(
            row=row.number,
            state=row.state,
            label=row.label,
            certificate_id=row.certificate_id,
            problems=[RowProblemOut.model_validate(one) for one in row.problems or ()],
        )


class ImportDetailOut(ImportOut):
    """An import with the first rows that failed."""

    problems: list[ImportRowOut]


class IssuerIn(Schema):
    """An issuer elsewhere, and where it publishes."""

    name: str
    slug: str | None = None
    also_called: list[str] = Field(default_factory=list, max_length=50)
    certificate: str | None = Field(
        default=None, max_length=MAX_PEM_CHARACTERS, description="PEM of the CA"
    )
    crl_urls: list[str] = Field(default_factory=list)
    ocsp_urls: list[str] = Field(default_factory=list)

    def details(self) -> IssuerDetails:
        """Return it as the registry takes it."""
        return IssuerDetails(
            name=self.name,
            slug=self.slug,
            also_called=tuple(self.also_called),
            certificate=self.certificate.encode() if self.certificate else None,
            crl_urls=tuple(self.crl_urls),
            ocsp_urls=tuple(self.ocsp_urls),
        )


class IssuerOut(BaseModel):
    """An issuer elsewhere, and how the last comparison with it went."""

    id: uuid.UUID
    slug: str
    name: str
    pem: str | None
    crl_urls: list[str]
    ocsp_urls: list[str]
    created_at: datetime
    checked_at: datetime | None
    check_problem: str | None

    @classmethod
    def of(cls, row: KnownIssuer) -> Self:
        """Show a row."""
        return cls(
            id=row.id,
            slug=row.slug,
            name=row.name,
            pem=pem(row.certificate) if row.certificate is not None else None,
            crl_urls=row.crl_urls,
            ocsp_urls=row.ocsp_urls,
            created_at=row.created_at,
            checked_at=row.checked_at,
            check_problem=row.check_problem,
        )


class DifferenceOut(BaseModel):
    """Where our record of a certificate and its issuer's answer part."""

    id: uuid.UUID
    state: DifferenceState
    certificate_id: uuid.UUID
    serial_number: str
    common_name: str
    ours: str
    theirs: IssuerStatus
    their_moment: datetime | None
    their_reason: str | None
    source: str
    found_at: datetime
    seen_at: datetime
    closed_at: datetime | None
    closed_by: str | None

    @classmethod
    def of(cls, row: StatusDifference, certificate: Certificate) -> Self:
        """Show a difference."""
        return cls(
            id=row.id,
            state=row.state,
            certificate_id=certificate.id,
            serial_number=certificate.serial_number,
            common_name=certificate.common_name,
            ours=row.ours,
            theirs=row.theirs,
            their_moment=row.their_moment,
            their_reason=row.their_reason,
            source=row.source,
            found_at=row.found_at,
            seen_at=row.seen_at,
            closed_at=row.closed_at,
            closed_by=row.closed_by,
        )
