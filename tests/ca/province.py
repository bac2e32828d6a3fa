"""The model province: 3,056 certificates issued, as published figures of a real one add up.

2,241 personal + 416 organisational + 213 SIM in force, and 186 revoked. The rows are written at
once and without signatures; what counts here is how they are counted.
"""

import itertools
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import insert
from sqlalchemy.orm import Session

from ca import profiles
from ca.models import (
    Authority,
    AuthorityRole,
    Certificate,
    CertificateKind,
    CertificateStatus,
    CertificateStatusChange,
    Organization,
    Subscriber,
    SubscriberKind,
)
from ca.names import fold
from ca.revocation_reasons import RevocationReason
from db.base import uuid7

IN_FORCE = {
    CertificateKind.PERSONAL: 2241,
    CertificateKind.ORGANIZATIONAL: 416,
    CertificateKind.SIM: 213,
}
REVOKED = {
    CertificateKind.PERSONAL: 131,
    CertificateKind.ORGANIZATIONAL: 32,
    CertificateKind.SIM: 23,
}
ISSUED = 3056
DISTRICTS, COMMUNES = 11, 111
BEGIN = datetime(2024, 1, 2, 1, 0, tzinfo=UTC)
FIRST_REVOCATION = BEGIN + timedelta(days=400)
COUNTED = datetime(2025, 12, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Province:
    """Where the rows hang."""

    id: uuid.UUID
    districts: tuple[uuid.UUID, ...]


def settle(session: Session) -> Province:
    """Write the province; the caller commits."""
    root, districts, communes = _units(session)
    authority = _authority(session)
    certificates, changes, subscribers = [], [], []
    communes_in_turn = itertools.cycle(communes)
    for number, (kind, revoked) in enumerate(_kinds()):
        unit, subscriber = next(communes_in_turn), uuid7()
        person = kind is not CertificateKind.ORGANIZATIONAL
        name = f"Nguyễn Văn {number}" if person else f"Ủy ban nhân dân xã {number}"
        subscribers.append(
            {
                "id": subscriber,
                "kind": SubscriberKind.PERSON if person else SubscriberKind.ORGANIZATION,
                "organization_id": unit,
                "full_name": name,
                "search_name": fold(name),
                "created_at": BEGIN,
            }
        )
        row = _certificate(number, kind, name)
        row |= {"authority_id": authority, "subscriber_id": subscriber, "organization_id": unit}
        issued = row["issued_at"]
        changes.append(_change(row["id"], issued, CertificateStatus.ACTIVE, None))
        if revoked:
            at = FIRST_REVOCATION + timedelta(hours=number % 2000)
            row |= {
                "status": CertificateStatus.REVOKED,
                "revoked_at": at,
                "revocation_reason": RevocationReason.AFFILIATION_CHANGED,
            }
            reason = RevocationReason.AFFILIATION_CHANGED
            changes.append(_change(row["id"], at, CertificateStatus.REVOKED, reason))
        certificates.append(row)
    session.execute(insert(Subscriber), subscribers)
    session.execute(insert(Certificate), certificates)
    session.execute(insert(CertificateStatusChange), changes)
    return Province(root, districts)


def _kinds() -> Iterator[tuple[CertificateKind, bool]]:
    for counts, revoked in ((IN_FORCE, False), (REVOKED, True)):
        for kind, count in counts.items():
            yield from itertools.repeat((kind, revoked), count)


def _units(session: Session) -> tuple[uuid.UUID, tuple[uuid.UUID, ...], list[uuid.UUID]]:
    def unit(code: str, level: str, parent: uuid.UUID | None) -> uuid.UUID:
        made = Organization(
            id=uuid7(),
            parent_id=parent,
            code=code,
            name=code,
            search_name=fold(code),
            level=level,
            active_from=BEGIN,
        )
        session.add(made)
        session.flush()
        return made.id

    root = unit("P", "province", None)
    districts = tuple(unit(f"D{n:02d}", "district", root) for n in range(DISTRICTS))
    parents = itertools.cycle(districts)
    return root, districts, [unit(f"C{n:03d}", "commune", next(parents)) for n in range(COMMUNES)]


def _authority(session: Session) -> uuid.UUID:
    made = Authority(
        id=uuid7(),
        slug="issuing",
        role=AuthorityRole.ISSUING,
        common_name="CA",
        key_uri="holder:none",
        public_url="http://pki.example",
        certificate=b"",
        not_before=BEGIN,
        not_after=BEGIN + timedelta(days=7300),
        created_at=BEGIN,
    )
    session.add(made)
    session.flush()
    return made.id


def _certificate(number: int, kind: CertificateKind, name: str) -> dict[str, object]:
    issued = BEGIN + timedelta(hours=number * 3 % 8760)
    return {
        "id": uuid7(),
        "serial_number": f"{number:040x}",
        "kind": kind,
        "status": CertificateStatus.ACTIVE,
        "profile": profiles.for_kind(kind).identifier,
        "subject": f"CN={name}",
        "common_name": name,
        "search_name": fold(name),
        "spki_sha256": f"{number:064x}",
        "not_before": issued,
        "not_after": issued + timedelta(days=1826),
        "der": b"0",
        "created_at": issued,
        "issued_at": issued,
        "revoked_at": None,
        "revocation_reason": None,
    }


def _change(
    certificate: object,
    at: object,
    status: CertificateStatus,
    reason: RevocationReason | None,
) -> dict[str, object]:
    return {
        "id": uuid7(),
        "certificate_id": certificate,
        "at": at,
        "status": status,
        "reason": reason,
        "actor": "seed",
    }
