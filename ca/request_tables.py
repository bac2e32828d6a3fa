"""Many requests from one table (CSV, XLSX): a row for each certificate, stored all or not at all.

Every row names its organisation and its holder and carries a CSR. All rows are checked before
anything is stored, each with everything that is wrong with it; a few statements read what the
registry knows and a few more store all. The requests then wait for a second person, as single ones
do; `ca.issue_batch` issues them together.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ca import (
    csr,
    csv_table,
    import_values,
    names,
    organizations,
    profiles,
    public_keys,
    xlsx_table,
)
from ca.errors import CsrUnacceptable, KeyUnacceptable, SubjectInvalid, SubscriberInvalid
from ca.errors_registry import ImportUnreadable
from ca.import_columns import HEADER_WITHIN, meaning
from ca.import_files import MAX_FILE_BYTES, MAX_LABEL
from ca.import_problems import RowProblem, RowRefused
from ca.models import CertificateKind, SubscriberKind
from ca.names import fold
from ca.request_table_rows import Known, Prepared, Storing, known, store
from ca.subjects import subject_for
from ca.subscribers import SubscriberDetails, checked_values
from db.base import uuid7

if TYPE_CHECKING:
    import uuid
    from collections.abc import Collection, Iterable, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from ca.issue_rows import SubscriberFacts
    from ca.profiles import Profile

_CSR_HEADINGS: Final = frozenset(
    {"csr", "pkcs10", "pkcs 10", "certification request", "certificate request"}
    | {"yeu cau chung thuc", "yeu cau cap chung thu so", "tep yeu cau"}
)
_NEEDED: Final = ("organization_code", "full_name", "csr")
_BEGIN: Final = "-----"


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row of the table, by our names of its columns."""

    number: int
    cells: dict[str, str]

    @property
    def label(self) -> str:
        """The holder, to find the row by."""
        return self.cells.get("full_name", "")[:MAX_LABEL]


@dataclass(slots=True)
class RowOutcome:
    """What is wrong with a row, or the request that it became."""

    row: TableRow
    problems: tuple[RowProblem, ...] = ()
    request_id: uuid.UUID | None = None


def read(data: bytes) -> list[TableRow]:
    """Read the rows of a table; raises ImportUnreadable for a file that is none."""
    if len(data) > MAX_FILE_BYTES:
        raise ImportUnreadable("too_large", f"over {MAX_FILE_BYTES} octets")
    if not data.strip():
        raise ImportUnreadable("empty", "the file has no content")
    table = xlsx_table.rows(data) if data[:2] == b"PK" else csv_table.rows(data)
    return _rows(table)


def submit(
    session: Session,
    rows: Sequence[TableRow],
    *,
    at: datetime,
    actor: str,
    under: Collection[uuid.UUID] | None = None,
) -> list[RowOutcome]:
    """Put a request in for every row, or none where any row has a problem.

    `under` are the organisations for which, and for all below, requests may be put in.
    A person is known by the national id, an organisation as holder by itself; who is not known yet
    becomes a subscriber. Outcomes are in the order of the rows.
    """
    outcomes = [RowOutcome(row) for row in rows]
    within = None
    if under is not None:
        within = frozenset(
            unit for root in under for (unit,) in session.execute(organizations.subtree(root))
        )
    checking = _Checking(known(session, [row.cells for row in rows]), at, within)
    for outcome in outcomes:
        try:
            checking.check(outcome.row)
        except RowRefused as refused:
            outcome.problems = refused.problems
    hashes = [one.spki_sha256 for one in checking.prepared]
    for prepared, problem in _of_keys(session, checking.prepared, hashes):
        outcomes[prepared.index].problems = (problem,)
    if any(outcome.problems for outcome in outcomes):
        return outcomes
    store(session, checking.storing, at=at, actor=actor)
    for prepared in checking.prepared:
        outcomes[prepared.index].request_id = prepared.request_id
    return outcomes


def _rows(table: Iterable[tuple[int, list[str]]]) -> list[TableRow]:
    columns: list[str | None] | None = None
    found: list[TableRow] = []
    for number, cells in table:
        if columns is not None:
            pairs = zip(columns, cells, strict=False)
            found.append(TableRow(number, {name: cell for name, cell in pairs if name and cell}))
            continue
        headings = [_column(cell) for cell in cells]
        if "csr" in headings:
            columns = headings
            _check_columns([name for name in headings if name is not None])
        elif number >= HEADER_WITHIN:
            break
    if columns is None:
        raise ImportUnreadable("columns_missing", "no row of the table names a column of CSRs")
    if not found:
        raise ImportUnreadable("empty", "the table has no row below its header")
    return found


def _column(heading: str) -> str | None:
    return "csr" if fold(heading) in _CSR_HEADINGS else meaning(heading)


def _check_columns(named: list[str]) -> None:
    twice = sorted({name for name in named if named.count(name) > 1})
    if twice:
        raise ImportUnreadable("column_twice", ", ".join(twice))
    missing = [name for name in _NEEDED if name not in named]
    if missing:
        raise ImportUnreadable("columns_missing", ", ".join(missing))


@dataclass(slots=True)
class _Checking:
    """Checks row after row against what the registry knows and what the rows before said."""

    known: Known
    at: datetime
    within: frozenset[uuid.UUID] | None
    storing: Storing = field(default_factory=Storing)
    prepared: list[Prepared] = field(default_factory=list)
    _count: int = 0
    _keys: dict[str, int] = field(default_factory=dict)

    def check(self, row: TableRow) -> None:
        """Check one row and note what it becomes; raises RowRefused with everything wrong."""
        index, self._count = self._count, self._count + 1
        for column in _NEEDED:
            if column not in row.cells:
                raise RowRefused(RowProblem("missing_value", column))
        profile = profiles.for_kind(
            import_values.kind(row.cells["kind"])
            if "kind" in row.cells
            else CertificateKind.PERSONAL
        )
        if profile.devices:
            raise RowRefused(RowProblem("kind_needs_device", "kind", row.cells["kind"]))
        unit = self.known.organization(row.cells["organization_code"], self.at)
        if self.within is not None and unit.id not in self.within:
            raise RowRefused(RowProblem("not_permitted", "organization_code", unit.code))
        details = _details(row, profile, unit.id)
        holder = self._holder(details)
        try:
            names.build(subject_for(profile, subscriber=holder, organization=unit))
        except SubjectInvalid as error:
            raise RowRefused(RowProblem("subscriber_invalid", "full_name", str(error))) from error
        encoded, spki = self._key(row, profile)
        request_id = uuid7()
        self.prepared.append(Prepared(index, row.number, request_id, spki, encoded, holder.id))
        self.storing.requests.append((request_id, holder.id, unit.id, profile, encoded))

    def _holder(self, details: SubscriberDetails) -> SubscriberFacts:
        found = self.known.holder(details)
        if found is not None:
            return found
        try:
            values = checked_values(details)
        except (SubscriberInvalid, SubjectInvalid) as error:
            raise RowRefused(RowProblem("subscriber_invalid", "full_name", str(error))) from error
        made = self.known.add(uuid7(), details, values)
        self.storing.subscribers.append((made.id, details))
        return made

    def _key(self, row: TableRow, profile: Profile) -> tuple[bytes, str]:
        try:
            parsed = csr.parse(_octets(row.cells["csr"]), rules=profile.keys)
        except (CsrUnacceptable, KeyUnacceptable) as error:
            raise RowRefused(RowProblem(error.code, "csr", str(error))) from error
        spki = public_keys.fingerprint(parsed.public_key)
        if spki in self._keys:
            raise RowRefused(RowProblem("key_twice", "csr", str(self._keys[spki])))
        self._keys[spki] = row.number
        return parsed.der, spki


def _details(row: TableRow, profile: Profile, organization_id: uuid.UUID) -> SubscriberDetails:
    cells = row.cells
    person = profile.subscriber_kind is SubscriberKind.PERSON
    if person and "national_id" not in cells:
        raise RowRefused(RowProblem("missing_value", "national_id"))
    return SubscriberDetails(
        kind=profile.subscriber_kind,
        organization_id=organization_id,
        full_name=cells["full_name"],
        national_id=import_values.national_id(cells["national_id"]) if person else None,
        email=cells.get("email"),
        post=cells.get("post") if person else None,
    )


def _octets(cell: str) -> bytes:
    """Read a CSR in a cell: PEM, or the Base64 of its DER."""
    if cell.startswith(_BEGIN):
        return cell.encode()
    try:
        return b64decode("".join(cell.split()), validate=True)
    except (binascii.Error, ValueError):
        return cell.encode()  # what it is not is told by whoever reads it


def _of_keys(
    session: Session, prepared: Sequence[Prepared], hashes: Sequence[str]
) -> list[tuple[Prepared, RowProblem]]:
    """Tell which keys may not be certified by a new request."""
    taken = public_keys.known(session, hashes)
    asked = public_keys.asked_for(session, [one.subscriber_id for one in prepared])
    found = []
    for one in prepared:
        if one.spki_sha256 in taken:
            found.append((one, RowProblem("key_known", "csr")))
        elif one.csr in asked:
            found.append((one, RowProblem("asked_before", "csr")))
    return found
