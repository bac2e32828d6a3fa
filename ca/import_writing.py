"""Writing what the rows of a batch lead to: new certificates, or what is new about known ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sqlalchemy import insert

from ca import devices, external_status, known_issuers, names, subscribers
from ca.devices import DeviceDetails
from ca.errors import CaError, SubjectInvalid
from ca.errors_registry import IssuerInvalid, IssuerTaken
from ca.external_status import LearntStatus
from ca.import_values import VIETNAM, refused
from ca.known_issuers import IssuerDetails
from ca.models import (
    Certificate,
    CertificateStatus,
    CertificateStatusChange,
    Device,
    DeviceKind,
    DeviceState,
)
from ca.models_imports import RowState
from ca.registry import external_serial
from db import audit
from db.base import uuid7

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from sqlalchemy.orm import Session

    from ca.import_resolution import Resolved, Resolver
    from ca.listed_certificates import ListedCertificate, Standing
    from ca.models_issuers import KnownIssuer
    from ca.subscribers import SubscriberDetails

PROFILE: Final = "external"
"""In place of a profile: the rules by which it was made are its issuer's."""


@dataclass
class BatchWriter:
    """Collects the rows of one transaction and writes them with few statements.

    With `pretend` nothing is written, and the outcomes are those that would be.
    """

    session: Session
    resolver: Resolver
    at: datetime
    actor: str
    import_id: uuid.UUID
    pretend: bool
    _subscribers: list[tuple[uuid.UUID, SubscriberDetails]] = field(default_factory=list)
    _devices: list[dict[str, object]] = field(default_factory=list)
    _certificates: list[dict[str, object]] = field(default_factory=list)
    _changes: list[dict[str, object]] = field(default_factory=list)

    def take(self, found: Resolved) -> tuple[RowState, uuid.UUID | None]:
        """Take a resolved row; RowRefused when it contradicts what is known."""
        if found.existing is not None:
            return self._update(found, found.existing), found.existing.id
        device = self._device_values(found)
        certificate_id = uuid7()
        row = {"id": certificate_id, **self._certificate_values(found)}
        issuer = found.issuer or self._new_issuer(found.issuer_names)
        if found.listed.seen is not None and issuer is not None:
            seen = found.listed.seen
            if not self.pretend:
                known_issuers.note_addresses(
                    issuer, crl_urls=seen.crl_urls, ocsp_urls=seen.ocsp_urls
                )
        if found.new_subscriber is not None:
            self._subscribers.append((found.subscriber_id, found.new_subscriber))
        if device is not None:
            self._devices.append(device)
        if issuer is not None:
            row["known_issuer_id"] = issuer.id
            self._certificates.append(row)
            self._changes += self._history(row, found.listed.standing)
        self.resolver.enter(found)
        return RowState.CREATED, None if self.pretend else certificate_id

    def flush(self) -> None:
        """Write what was taken."""
        if self.pretend or not self._certificates:
            return
        subscribers.create_many(self.session, rows=self._subscribers, at=self.at, actor=self.actor)
        if self._devices:
            self.session.execute(insert(Device), self._devices)
        self.session.execute(insert(Certificate), self._certificates)
        self.session.execute(insert(CertificateStatusChange), self._changes)
        for device in self._devices:
            self._record_device(device)
        for row in self._certificates:
            self._record(row)

    def _certificate_values(self, found: Resolved) -> dict[str, object]:
        listed, seen = found.listed, found.listed.seen
        standing = listed.standing
        revoked = standing.status is CertificateStatus.REVOKED
        suspended = standing.status is CertificateStatus.SUSPENDED
        if standing.expired and listed.not_after > self.at:
            raise refused("status_contradicts", "status", "expired")
        try:
            common_name = names.clean(
                listed.holder.full_name, attribute="common_name", maximum=names.MAX_ORGANIZATION
            )
        except SubjectInvalid as e:
            raise refused("subscriber_invalid", "full_name", str(e)) from e
        ended = standing.at or self.at
        return {
            "serial_number": external_serial(listed.serial_number),
            "kind": found.kind,
            "status": standing.status,
            "profile": PROFILE,
            "subscriber_id": found.subscriber_id,
            "organization_id": found.organization_id,
            "device_id": found.device_id,
            "subject": listed.subject,
            "common_name": common_name,
            "search_name": names.fold(common_name),
            "spki_sha256": (seen.spki_sha256 or None) if seen else None,
            "sha256_fingerprint": seen.sha256_fingerprint if seen else None,
            "not_before": listed.not_before,
            "not_after": listed.not_after,
            "der": seen.der if seen else None,
            "created_at": self.at,
            "issued_at": min(listed.issued_at, ended),
            "suspended_at": ended if suspended else None,
            "revoked_at": ended if revoked else None,
            "revocation_reason": standing.reason,
        }

    def _history(self, row: dict[str, object], standing: Standing) -> list[dict[str, object]]:
        def change(status: CertificateStatus, at: object, reason: object) -> dict[str, object]:
            return {
                "id": uuid7(),
                "certificate_id": row["id"],
                "at": at,
                "recorded_at": self.at,
                "status": status,
                "reason": reason,
                "actor": self.actor,
            }

        changes = [change(CertificateStatus.ACTIVE, row["issued_at"], None)]
        if standing.status is not CertificateStatus.ACTIVE:
            ended = row["revoked_at"] or row["suspended_at"]
            changes.append(change(standing.status, ended, standing.reason))
        return changes

    def _new_issuer(self, called: tuple[str, ...]) -> KnownIssuer | None:
        """Add an issuer that nobody has named before; None when only pretending to."""
        if self.pretend:
            return None
        known = self.resolver.issuers.find(called)
        if known is not None:
            return known
        details = IssuerDetails(called[-1], also_called=called)
        try:
            made = known_issuers.create(self.session, details=details, at=self.at, actor=self.actor)
        except (IssuerInvalid, IssuerTaken) as e:
            raise refused("issuer_invalid", "issuer", called[-1]) from e
        self.resolver.issuers.note(made)
        return made

    def _device_values(self, found: Resolved) -> dict[str, object] | None:
        device = found.new_device
        if device is None:
            return None
        details = DeviceDetails(
            kind=DeviceKind.SIM if device.iccid else DeviceKind.USB_TOKEN,
            serial_number=device.serial_number or device.iccid or "",
            msisdn=device.msisdn if device.iccid else None,
            iccid=device.iccid,
            operator=device.operator if device.iccid else None,
        )
        try:
            devices.check(details)
        except CaError as e:
            raise refused("device_invalid", "device_serial", str(e)) from e
        return {
            "id": found.device_id,
            "state": DeviceState.HANDED_OVER,
            "subscriber_id": found.subscriber_id,
            "created_at": self.at,
            **vars(details),
        }

    def _update(self, found: Resolved, row: Certificate) -> RowState:
        """Bring a known certificate up to what the import knows better."""
        listed, seen = found.listed, found.listed.seen
        _check_same(listed, row)
        changed = seen is not None and row.der is None
        step = self._step(listed.standing, row)
        if not changed and step is None:
            return RowState.UNCHANGED
        if self.pretend:
            return RowState.UPDATED
        if changed and seen is not None:
            row.der, row.sha256_fingerprint = seen.der, seen.sha256_fingerprint
            row.spki_sha256, row.subject = seen.spki_sha256 or None, listed.subject
            row.not_before, row.not_after = listed.not_before, listed.not_after
            if found.issuer is not None:
                known_issuers.note_addresses(
                    found.issuer, crl_urls=seen.crl_urls, ocsp_urls=seen.ocsp_urls
                )
            self.session.flush()
            self._record({"id": row.id, "serial_number": row.serial_number, "status": row.status})
        if step is not None:
            external_status.record(self.session, row, step, at=self.at, actor=self.actor)
        return RowState.UPDATED

    def _step(self, standing: Standing, row: Certificate) -> LearntStatus | None:
        if not standing.said or standing.expired or standing.status is row.status:
            return None
        if row.status is CertificateStatus.REVOKED:
            raise refused("revoked_before", "status", standing.status.value)
        since = standing.at or self.at
        return LearntStatus(standing.status, since, standing.reason, "certificate.import_status")

    def _record(self, row: dict[str, object]) -> None:
        audit.record(
            self.session,
            at=self.at,
            actor=self.actor,
            action="certificate.import",
            object_type="certificate",
            object_id=str(row["id"]),
            after={
                "import_id": str(self.import_id),
                "serial_number": str(row["serial_number"]),
                "status": str(row["status"]),
            },
        )

    def _record_device(self, device: dict[str, object]) -> None:
        audit.record(
            self.session,
            at=self.at,
            actor=self.actor,
            action="device.register",
            object_type="device",
            object_id=str(device["id"]),
            after={
                "serial_number": str(device["serial_number"]),
                "state": DeviceState.HANDED_OVER.value,
                "subscriber_id": str(device["subscriber_id"]),
            },
        )


def _check_same(listed: ListedCertificate, row: Certificate) -> None:
    """Refuse a row that says something else of a certificate than the registry does."""
    said = (
        ("full_name", names.fold(listed.holder.full_name), row.search_name, row.common_name),
        ("not_after", _day(listed.not_after), _day(row.not_after), _day(row.not_after)),
        ("not_before", _day(listed.not_before), _day(row.not_before), _day(row.not_before)),
    )
    for column, theirs, ours, shown in said:
        if theirs != ours:
            raise refused("known_differently", column, shown)
    seen = listed.seen
    if seen is not None and row.sha256_fingerprint not in {None, seen.sha256_fingerprint}:
        raise refused("known_differently", "certificate", row.sha256_fingerprint or "")


def _day(moment: datetime) -> str:
    """Return the day in Vietnam: lists give days where certificates give seconds."""
    return f"{moment.astimezone(VIETNAM):%d/%m/%Y}"
