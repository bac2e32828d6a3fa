"""What is true after the kills: journal, tables, audit log, lists and answers tell one story."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.settings import Settings
from api.wiring import Wiring, build
from ca import authorities, crl, incidents, issue
from ca.crl import Scope
from ca.models import Certificate, CertificateStatus, CertificateStatusChange
from ca.models_publication import CertificateRevocationList, OcspAnswer
from ca.tbs import tbs_of
from db import audit_verification
from db.models import AuditEntry
from tests.journeys.registry_victim import CHIEF, SHARDS, at_work

ZERO: Final = (
    "died_of_themselves",
    "server_ended_with",
    "good_after_revocation",
    "signatures_without_intent",
    "signed_twice",
    "certificates_never_signed",
    "lost_revocations",
    "revocations_untold",
    "lists_that_know_less",
    "lists_that_differ",
    "answers_that_differ",
    "broken_audit_entries",
)
"""Figures that must be 0."""


def wrong(figures: Mapping[str, object]) -> dict[str, object]:
    """Return the figures that should be 0 and are not."""
    return {name: figures[name] for name in ZERO if figures[name] != 0}


def told(settings: Settings, url: str, journal: Path) -> dict[str, int]:
    """Hold everything against everything, and see that the registry still works."""
    noted: dict[str, list[str]] = {"s": [], "r": []}
    for line in journal.read_text().splitlines():
        noted[line[0]].append(line[2:])
    wiring = build(settings, url)
    try:
        _finish_incidents(wiring)
        found = _signatures(wiring, noted["s"]) | _revocations(wiring, noted["r"])
        _still_works(wiring, journal)
    finally:
        wiring.close()
    return found


def _finish_incidents(wiring: Wiring) -> None:
    """Carry out what the kills interrupted, as the worker would."""
    at = datetime.now(UTC)
    with wiring.sessions() as session:
        due = incidents.due(session, at=at)
    for incident_id in due:
        left = incidents.carry_out(wiring.sessions, incident_id, keys=wiring.keys, at=at)
        assert left.waiting == 0


def _signatures(wiring: Wiring, signed: list[str]) -> dict[str, int]:
    with wiring.sessions() as session:
        rows = session.scalars(select(Certificate)).all()
        entries = session.scalars(
            select(AuditEntry).where(AuditEntry.action == "certificate.intend")
        )
        intended = {one.object_id: str((one.after or {})["tbs_sha256"]) for one in entries}
        held = {str(row.id): _digest(row.tbs or tbs_of(row.der or b"")) for row in rows}
        done = [row for row in rows if row.status is not CertificateStatus.ISSUING]
        never = {_digest(tbs_of(row.der)) for row in done if row.der} - set(signed)
        left_open = issue.open_intents(session)
        assert {row.id for row in rows} - {row.id for row in done} == {row.id for row in left_open}
    assert intended == held, "an intent is not the one that the audit log knows"
    return {
        "certificates": len(done),
        "open_intents": len(left_open),
        "signatures": len(signed),
        "signatures_without_intent": len(set(signed) - set(held.values())),
        "signed_twice": len(signed) - len(set(signed)),
        "certificates_never_signed": len(never),
    }


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _revocations(wiring: Wiring, acknowledged: list[str]) -> dict[str, int]:
    at = datetime.now(UTC)
    with wiring.sessions.begin() as session:
        issuing = authorities.issuing(session)
        deltas = [
            crl.publish_scope(
                session, authority=issuing, scope=Scope(shard, delta=True), keys=wiring.keys, at=at
            )
            for shard in (None, *range(SHARDS))
        ]
        complete = [
            crl.publish_scope(
                session, authority=issuing, scope=Scope(shard), keys=wiring.keys, at=at
            )
            for shard in (None, *range(SHARDS))
        ]
    with wiring.sessions() as session:
        rows = session.scalars(select(Certificate).where(Certificate.der.is_not(None))).all()
        revoked = {row.serial_number: row for row in rows if row.revoked_at is not None}
        listed = {row.serial_number for row in rows if row.crl_entry is not None}
        lists = session.scalars(
            select(CertificateRevocationList)
            .where(CertificateRevocationList.authority_id == issuing.id)
            .order_by(CertificateRevocationList.number)
        ).all()
        numbers = [one.number for one in lists]
        assert numbers == sorted(set(numbers))
        verdict = audit_verification.verify(session)
        return {
            "revoked": len(revoked),
            "acknowledged": len(acknowledged),
            "lost_revocations": len(set(acknowledged) - set(revoked)),
            "revocations_untold": _untold(session, revoked),
            "lists": len(lists),
            "lists_that_know_less": _know_less(lists),
            "lists_that_differ": _differ(lists, deltas, complete, rows, listed),
            "answers_that_differ": _answers(wiring, session, rows, at),
            "audit_entries": verdict.entries,
            "broken_audit_entries": len(verdict.broken),
        }


def _untold(session: Session, revoked: Mapping[str, Certificate]) -> int:
    """Count revocations whose history or audit entry is missing or there twice."""
    ids = Counter(str(row.id) for row in revoked.values())
    ends = select(CertificateStatusChange.certificate_id).where(
        CertificateStatusChange.status == CertificateStatus.REVOKED
    )
    history = Counter(map(str, session.scalars(ends)))
    entries = select(AuditEntry.object_id).where(AuditEntry.action == "certificate.revoke")
    audited = Counter(session.scalars(entries))
    return ((history - ids) + (ids - history) + (audited - ids) + (ids - audited)).total()


def _know_less(lists: Iterable[CertificateRevocationList]) -> int:
    """Count complete lists without a revocation that an earlier one of their scope had."""
    known: dict[int | None, set[int]] = {}
    count = 0
    for one in lists:
        if one.base_number is not None:
            continue
        final = {
            entry.serial_number
            for entry in x509.load_der_x509_crl(one.der)
            if _reason(entry) is not x509.ReasonFlags.certificate_hold
        }
        count += not known.get(one.shard, set()) <= final
        known[one.shard] = final
    return count


def _differ(
    lists: Iterable[CertificateRevocationList],
    deltas: list[CertificateRevocationList],
    complete: list[CertificateRevocationList],
    rows: Iterable[Certificate],
    listed: set[str],
) -> int:
    """Count the last lists that are not what the rows say: complete, of a part, with a delta."""
    by_number = {one.number: one for one in lists}
    shards = {row.serial_number: row.crl_shard for row in rows}
    count = 0
    for delta, now in zip(deltas, complete, strict=True):
        expected = {serial for serial in listed if now.shard in {None, shards[serial]}}
        base = _entries(by_number[delta.base_number or 0])
        for serial, reason in _entries(delta).items():
            if reason is x509.ReasonFlags.remove_from_crl:
                base.pop(serial, None)
            else:
                base[serial] = reason
        count += (set(_entries(now)) != expected) + (set(base) != expected)
    return count


def _entries(one: CertificateRevocationList) -> dict[str, x509.ReasonFlags | None]:
    read = x509.load_der_x509_crl(one.der)
    return {f"{entry.serial_number:040x}": _reason(entry) for entry in read}


def _reason(entry: x509.RevokedCertificate) -> x509.ReasonFlags | None:
    try:
        return entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    except x509.ExtensionNotFound:
        return None


def _answers(wiring: Wiring, session: Session, rows: Iterable[Certificate], at: datetime) -> int:
    """Count stored and live answers that say something else than the row."""
    issuer = x509.load_der_x509_certificate(authorities.issuing(session).certificate)
    stored = {one.certificate_id: one.der for one in session.scalars(select(OcspAnswer))}
    count = 0
    for row in rows:
        asked = ocsp.OCSPRequestBuilder().add_certificate(
            x509.load_der_x509_certificate(row.der or b""), issuer, hashes.SHA256()
        )
        live = wiring.ocsp.answer(session, asked.build().public_bytes(Encoding.DER), at=at)
        expected = "GOOD" if row.status is CertificateStatus.ACTIVE else "REVOKED"
        for der in (stored[row.id], live):
            count += ocsp.load_der_ocsp_response(der).certificate_status.name != expected
    return count


def _still_works(wiring: Wiring, journal: Path) -> None:
    """Give the open intents up, issue and end one more certificate: no lock was left behind."""
    at = datetime.now(UTC)
    with wiring.sessions.begin() as session:
        for intent in issue.open_intents(session):
            issue.abandon(session, certificate_id=intent.id, note="mất điện", at=at, actor=CHIEF)
    last = at_work(wiring, journal, lambda _: None, seed=0)
    last.issue()
    last.revoke()
