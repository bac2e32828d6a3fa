"""Trusted lists as the service keeps them, and everything together that paths may end at.

Importing a list is an audited act, as adding an anchor is: whoever does it names the list's signer.
A newer list of the same scheme takes the place of the old one; an older one never does.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, cast

from sqlalchemy import select

from ca import trust
from ca.errors_trust import TrustedListNotFound, TrustedListOutdated
from ca.listed_terms import GOOD, anchors_of
from ca.models_trust import TrustedListRow
from ca.trusted_list import ListedService, StatusPeriod, TrustedList
from db.audited import Audited

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Mapping

    from sqlalchemy.orm import Session

    from ca.anchor_terms import AnchorTerms


@dataclass(frozen=True, slots=True)
class Trusted:
    """Anchors as DER, and for those of lists when and for what they are trusted."""

    anchors: tuple[bytes, ...]
    terms: Mapping[bytes, AnchorTerms]


def read_list(data: bytes, *, signer: bytes, at: datetime) -> tuple[TrustedList, datetime]:
    """Read a list that is in force at `at`, and until when it speaks.

    `signer` is one certificate, PEM or DER. Raises TrustedListUnreadable, TrustedListUntrusted,
    TrustedListOutdated, AnchorUnreadable.
    """
    from ca.trusted_list_xml import read_trusted_list  # noqa: PLC0415 -- most processes read none

    found = read_trusted_list(data, signer=trust.one_certificate(signer), at=at)
    end = found.next_update or found.issued_at
    if end <= at:
        raise TrustedListOutdated(f"the list ended at {end.isoformat()}")
    return found, end


def trusted_by(lists: Iterable[tuple[TrustedList, datetime]], *, own: Iterable[bytes]) -> Trusted:
    """Give one's own anchors, which are trusted always, and those of lists."""
    always = tuple(dict.fromkeys(own))
    marks = {hashlib.sha256(one).digest() for one in always}
    listed: dict[bytes, tuple[bytes, AnchorTerms]] = {}
    for found, end in lists:
        for mark, (encoded, terms) in anchors_of(found.services, end=end).items():
            known = listed.get(mark)
            listed[mark] = (encoded, terms if known is None else known[1].joined(terms))
    more = {mark: one for mark, one in listed.items() if mark not in marks}
    return Trusted(
        (*always, *(encoded for encoded, _ in more.values())),
        {mark: terms for mark, (_, terms) in more.items()},
    )


def import_list(
    session: Session, data: bytes, *, signer: bytes, at: datetime, actor: str
) -> TrustedListRow:
    """Trust what a list says from now on; what `read_list` raises, and no step back in time.

    The same file again changes nothing.
    """
    found, end = read_list(data, signer=signer, at=at)
    digest = hashlib.sha256(data).hexdigest()
    same = select(TrustedListRow).where(
        TrustedListRow.operator == found.operator, TrustedListRow.territory == found.territory
    )
    row = session.scalar(same.with_for_update())
    before = None if row is None else _LISTS.facts(row)
    if row is not None:
        if row.sha256 == digest:
            return row
        if found.sequence_number <= row.sequence_number:
            raise TrustedListOutdated(
                f"number {row.sequence_number} is there, this one is {found.sequence_number}"
            )
        if found.issued_at < row.issued_at:
            raise TrustedListOutdated(
                f"the one that is there was issued later, at {row.issued_at.isoformat()}"
            )
    else:
        row = TrustedListRow(operator=found.operator, territory=found.territory)
        session.add(row)
    row.sequence_number = found.sequence_number
    row.issued_at, row.next_update = found.issued_at, end
    row.sha256 = digest
    row.signer_fingerprint = hashlib.sha256(trust.one_certificate(signer)).hexdigest()
    row.services = [_told(one) for one in found.services]
    row.added_at, row.added_by = at, actor
    session.flush()
    _LISTS.record(session, row, "trusted_list.import", at=at, actor=actor, before=before)
    return row


def remove_list(session: Session, list_id: uuid.UUID, *, at: datetime, actor: str) -> None:
    """Trust a list no more; TrustedListNotFound when there is none of that id."""
    row = session.get(TrustedListRow, list_id)
    if row is None:
        raise TrustedListNotFound(str(list_id))
    _LISTS.record_removal(session, row, "trusted_list.remove", at=at, actor=actor)
    session.delete(row)
    session.flush()


def list_lists(session: Session) -> list[TrustedListRow]:
    """List the trusted lists, oldest first."""
    order = (TrustedListRow.operator, TrustedListRow.territory)
    return list(session.scalars(select(TrustedListRow).order_by(*order)))


def trusted(session: Session) -> Trusted:
    """Give everything that the service trusts: its root, the added anchors, the lists."""
    lists = [(_read(row), row.next_update) for row in list_lists(session)]
    return trusted_by(lists, own=trust.anchors(session))


def trusted_services(row: TrustedListRow, *, at: datetime) -> int:
    """Count the services that the list calls good at that time, as far as it still speaks."""
    if row.next_update <= at:
        return 0
    present = (_service(one).periods for one in row.services)
    return sum(1 for periods in present if periods and periods[0].status in GOOD)


def _told(service: ListedService) -> dict[str, object]:
    return {
        "provider": service.provider,
        "name": service.name,
        "certificates": [b64encode(one).decode() for one in service.certificates],
        "periods": [[one.kind, one.status, one.since.isoformat()] for one in service.periods],
    }


def _service(told: Mapping[str, object]) -> ListedService:
    periods = cast("list[tuple[str, str, str]]", told["periods"])
    return ListedService(
        str(told["provider"]),
        str(told["name"]),
        tuple(b64decode(one) for one in cast("list[str]", told["certificates"])),
        tuple(
            StatusPeriod(kind, status, datetime.fromisoformat(since))
            for kind, status, since in periods
        ),
    )


def _read(row: TrustedListRow) -> TrustedList:
    return TrustedList(
        operator=row.operator,
        territory=row.territory,
        sequence_number=row.sequence_number,
        issued_at=row.issued_at,
        next_update=row.next_update,
        services=tuple(_service(one) for one in row.services),
    )


def _facts(row: TrustedListRow) -> dict[str, object]:
    return {
        "operator": row.operator,
        "territory": row.territory,
        "sequence_number": row.sequence_number,
        "sha256": row.sha256,
        "signer": row.signer_fingerprint,
        "next_update": row.next_update.isoformat(),
    }


_LISTS: Final = Audited("trusted_list", _facts)
