"""From what an import says to what the registry holds: organisation, issuer, person, certificate.

Everything that a batch of rows may need is looked up with a few queries; the rows are then settled
one by one without any, so that a row's outcome is known before anything is written.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import or_, select

from ca import names, organizations
from ca.errors import CaError
from ca.import_problems import RowProblem, RowRefused
from ca.import_values import refused
from ca.models import (
    Certificate,
    CertificateKind,
    Device,
    Organization,
    Subscriber,
    SubscriberKind,
)
from ca.models_people import FormerName
from ca.registry import OWN_SERIAL_DIGITS, external_serial
from ca.subscribers import SubscriberDetails, checked_values
from db.base import uuid7

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from ca.known_issuers import IssuerDirectory
    from ca.listed_certificates import Holder, ListedCertificate, ListedDevice
    from ca.models_issuers import KnownIssuer


@dataclass(frozen=True, slots=True)
class Unit:
    """An organisation as far as an import needs it."""

    id: uuid.UUID
    code: str
    open: bool


@dataclass(frozen=True, slots=True)
class Defaults:
    """What counts for rows that do not say it themselves."""

    issuer: str | None = None
    organization_id: uuid.UUID | None = None
    kind: CertificateKind | None = None


@dataclass(slots=True)
class Resolved:
    """A row with everything found for it; `existing` is None for a certificate that is new."""

    listed: ListedCertificate
    kind: CertificateKind
    organization_id: uuid.UUID
    issuer: KnownIssuer | None
    issuer_names: tuple[str, ...]
    existing: Certificate | None
    subscriber_id: uuid.UUID
    new_subscriber: SubscriberDetails | None = None
    device_id: uuid.UUID | None = None
    new_device: ListedDevice | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """A subscriber who has a national id."""

    id: uuid.UUID
    search_name: str
    organization_id: uuid.UUID


class Units:
    """The organisations that rows may name, by code and by folded name."""

    def __init__(self, session: Session, *, under: uuid.UUID | None, at: datetime) -> None:
        columns = (Organization.id, Organization.code, Organization.name, Organization.active_to)
        self.by_id: dict[uuid.UUID, Unit] = {}
        self._by_code: dict[str, Unit] = {}
        self._by_name: dict[str, list[Unit]] = defaultdict(list)
        for id_, code, name, active_to in session.execute(select(*columns)):
            unit = Unit(id_, code, active_to is None or active_to > at)
            self.by_id[id_] = unit
            self._by_code[code.casefold()] = unit
            self._by_name[names.fold(name)].append(unit)
        # A list may still use the name that a unit had before.
        for id_, folded in session.execute(
            select(FormerName.organization_id, FormerName.search_name)
        ):
            if folded not in self._by_name:
                self._by_name[folded] = [self.by_id[id_]]
        self._allowed = (
            None if under is None else set(session.scalars(organizations.subtree(under)))
        )

    def find(self, holder: Holder, default: uuid.UUID | None) -> Unit:
        """Return the organisation of a row; RowRefused when it is none, several or not theirs."""
        unit, said = self._named(holder, default)
        if not unit.open:
            raise refused("organization_closed", "organization_name", said)
        if self._allowed is not None and unit.id not in self._allowed:
            raise refused("not_permitted", "organization_name", said)
        return unit

    def check_covers(self, organization_id: uuid.UUID) -> None:
        """Raise RowRefused where the importer may not touch what is this organisation's."""
        if self._allowed is not None and organization_id not in self._allowed:
            code = self.by_id[organization_id].code
            raise refused("not_permitted", "organization_name", code)

    def _named(self, holder: Holder, default: uuid.UUID | None) -> tuple[Unit, str]:
        if holder.organization_code is not None:
            code = holder.organization_code
            found = self._by_code.get(code.casefold())
            if found is not None:
                return found, code
            if not self._by_name.get(names.fold(code)):
                raise refused("organization_unknown", "organization_code", code)
        said = [holder.organization_code, *holder.organization_names]
        for name in said:
            units = self._by_name.get(names.fold(name), []) if name else []
            if len(units) > 1:
                raise refused("organization_ambiguous", "organization_name", name or "")
            if units:
                return units[0], name or ""
        if default is not None:
            return self.by_id[default], self.by_id[default].code
        if holder.organization_names:
            raise refused("organization_unknown", "organization_name", holder.organization_names[0])
        raise refused("organization_missing", "organization_name")


@dataclass
class Resolver:
    """Settles the rows of one batch; what one row adds, the next one finds."""

    session: Session
    units: Units
    issuers: IssuerDirectory
    defaults: Defaults
    _certificates: dict[tuple[uuid.UUID, str], Certificate] = field(default_factory=dict)
    _own: dict[str, Certificate] = field(default_factory=dict)
    """Certificates of our own authorities, by serial number: a list may name them too."""
    _by_national_id: dict[str, Person] = field(default_factory=dict)
    _by_name: dict[tuple[uuid.UUID, SubscriberKind, str], list[tuple[uuid.UUID, str | None]]] = (
        field(default_factory=lambda: defaultdict(list))
    )
    _devices: dict[str, Device] = field(default_factory=dict)
    _new_devices: dict[str, tuple[uuid.UUID, uuid.UUID]] = field(default_factory=dict)

    def prepare(self, batch: Sequence[ListedCertificate]) -> None:
        """Look up what the batch names: certificates, persons, devices."""
        numbers = {one.serial_number for one in batch}
        serials = {external_serial(number) for number in numbers}
        serials |= {f"{number:0{OWN_SERIAL_DIGITS}x}" for number in numbers}
        query = select(Certificate).where(Certificate.serial_number.in_(serials))
        for row in self.session.scalars(query.with_for_update()):
            if row.known_issuer_id is not None:
                self._certificates[row.known_issuer_id, row.serial_number] = row
            else:
                self._own[row.serial_number] = row
        self._load_people([one.holder for one in batch])
        self._load_devices([one.device for one in batch if one.device is not None])

    def resolve(self, listed: ListedCertificate) -> Resolved:
        """Settle one row; RowRefused with every problem that can be told at once."""
        problems: list[RowProblem] = []
        unit: Unit | None = None
        try:
            unit = self.units.find(listed.holder, self.defaults.organization_id)
        except RowRefused as refusal:
            problems += refusal.problems
        called = listed.issuer_names or _present(self.defaults.issuer)
        issuer = self.issuers.find(called)
        if not called:
            problems.append(RowProblem("issuer_missing", "issuer"))
        existing = self._existing(issuer, called, listed)
        if issuer is None and existing is None and self.issuers.is_ours(called):
            problems.append(RowProblem("issuer_ours", "issuer", called[-1]))
        if problems or unit is None:
            raise RowRefused(*problems)
        kind = listed.holder.kind or self.defaults.kind or _kind_by_device(listed.device)
        found = Resolved(listed, kind, unit.id, issuer, called, existing, uuid7())
        if existing is not None:
            self.units.check_covers(existing.organization_id)
            found.subscriber_id = existing.subscriber_id
            return found
        self._find_person(found)
        self._find_device(found)
        return found

    def enter(self, found: Resolved) -> None:
        """Let later rows of the batch find the person and the device that this one adds."""
        details = found.new_subscriber
        if details is not None:
            folded = names.fold(details.full_name)
            if details.national_id is not None:
                person = Person(found.subscriber_id, folded, details.organization_id)
                self._by_national_id[details.national_id] = person
            key = (details.organization_id, details.kind, folded)
            self._by_name[key].append((found.subscriber_id, details.email))
        device = found.new_device
        if device is not None and found.device_id is not None:
            number = device.serial_number or device.iccid or ""
            self._new_devices[number] = (found.device_id, found.subscriber_id)

    def _existing(
        self, issuer: KnownIssuer | None, called: tuple[str, ...], listed: ListedCertificate
    ) -> Certificate | None:
        if issuer is not None:
            return self._certificates.get((issuer.id, external_serial(listed.serial_number)))
        if self.issuers.is_ours(called):
            return self._own.get(f"{listed.serial_number:0{OWN_SERIAL_DIGITS}x}")
        return None

    def _find_person(self, found: Resolved) -> None:
        holder, kind = found.listed.holder, _subscriber_kind(found.kind)
        details = SubscriberDetails(
            kind=kind,
            organization_id=found.organization_id,
            full_name=holder.full_name,
            national_id=holder.national_id if kind is SubscriberKind.PERSON else None,
            email=holder.email,
            post=holder.post,
        )
        try:
            values = checked_values(details)
        except CaError as e:
            raise refused("subscriber_invalid", "full_name", str(e)) from e
        folded = str(values["search_name"])
        known = self._known_person(details, folded)
        if known is not None:
            found.subscriber_id = known
            return
        found.new_subscriber = details

    def _known_person(self, details: SubscriberDetails, folded: str) -> uuid.UUID | None:
        if details.national_id is not None:
            known = self._by_national_id.get(details.national_id)
            if known is None:
                return None
            if known.search_name != folded:
                raise refused("subscriber_differs", "national_id", known.search_name)
            self.units.check_covers(known.organization_id)
            return known.id
        candidates = self._by_name[details.organization_id, details.kind, folded]
        fitting = [
            id_
            for id_, email in candidates
            if not email or not details.email or email.casefold() == details.email.casefold()
        ]
        return fitting[0] if len(fitting) == 1 else None

    def _find_device(self, found: Resolved) -> None:
        device = found.listed.device
        if device is None:
            return
        number = device.serial_number or device.iccid or ""
        if number in self._new_devices:
            id_, holder = self._new_devices[number]
            if holder != found.subscriber_id:
                raise refused("device_elsewhere", "device_serial", number)
            found.device_id = id_
            return
        known = self._devices.get(number)
        if known is None:
            found.device_id, found.new_device = uuid7(), device
        elif known.subscriber_id not in {None, found.subscriber_id}:
            raise refused("device_elsewhere", "device_serial", number)
        else:
            found.device_id = known.id

    def _load_people(self, holders: Sequence[Holder]) -> None:
        ids = {holder.national_id for holder in holders if holder.national_id}
        folded = {names.fold(holder.full_name) for holder in holders}
        columns = (
            Subscriber.id,
            Subscriber.kind,
            Subscriber.organization_id,
            Subscriber.search_name,
            Subscriber.national_id,
            Subscriber.email,
        )
        query = select(*columns).where(
            or_(Subscriber.national_id.in_(ids), Subscriber.search_name.in_(folded))
        )
        for id_, kind, unit, name, national_id, email in self.session.execute(query):
            if national_id is not None:
                self._by_national_id.setdefault(national_id, Person(id_, name, unit))
            entries = self._by_name[unit, kind, name]
            if all(entry[0] != id_ for entry in entries):
                entries.append((id_, email))

    def _load_devices(self, devices: Iterable[ListedDevice]) -> None:
        numbers = {number for one in devices for number in (one.serial_number, one.iccid) if number}
        if not numbers:
            return
        query = select(Device).where(
            or_(Device.serial_number.in_(numbers), Device.iccid.in_(numbers))
        )
        for device in self.session.scalars(query):
            self._devices[device.serial_number] = device
            if device.iccid is not None:
                self._devices[device.iccid] = device


def _present(name: str | None) -> tuple[str, ...]:
    return (name,) if name else ()


def _kind_by_device(device: ListedDevice | None) -> CertificateKind:
    on_sim = device is not None and device.iccid is not None
    return CertificateKind.SIM if on_sim else CertificateKind.PERSONAL


def _subscriber_kind(kind: CertificateKind) -> SubscriberKind:
    return (
        SubscriberKind.ORGANIZATION
        if kind is CertificateKind.ORGANIZATIONAL
        else SubscriberKind.PERSON
    )
