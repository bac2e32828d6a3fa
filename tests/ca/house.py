"""A small province for tests: authorities with keys in files, units, people, and their requests."""

import itertools
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from sqlalchemy.orm import Session, sessionmaker

from ca import authorities, devices, issue, organizations, requests, subscribers
from ca.authorities import AuthorityPlan, AuthoritySpec
from ca.devices import DeviceDetails
from ca.models import (
    Certificate,
    CertificateRequest,
    Device,
    DeviceKind,
    Organization,
    RequestKind,
    Subscriber,
    SubscriberKind,
)
from ca.organizations import OrganizationDetails
from ca.requests import RequestDetails
from ca.subscribers import SubscriberDetails
from hsm.algorithms import KeyAlgorithm
from hsm.key_uri import KeyURI
from hsm.providers import KeyStore
from hsm.secret import Secret
from hsm.software import generate_key_file

AT = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)
PUBLIC_URL = "http://pki.binhphuoc.gov.vn"
CLERK, CHIEF = "clerk@example", "chief@example"


@dataclass(repr=False)
class House:
    """What the tests of the registry live in; `sessions` commits only where a method says so."""

    sessions: sessionmaker[Session]
    keys: KeyStore
    directory: Path
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def make_key(self, label: str, algorithm: KeyAlgorithm) -> KeyURI:
        """Make a key in an encrypted file, its passphrase in another."""
        passphrase = self.directory / f"{label}.pass"
        passphrase.write_text(uuid.uuid4().hex)
        path = self.directory / f"{label}.pem"
        generate_key_file(path, algorithm=algorithm, passphrase=Secret(passphrase.read_text()))
        return KeyURI.for_file(path, pin_source=f"file:{passphrase}")

    def establish(self) -> None:
        responders = (
            AuthoritySpec(slug, f"OCSP {slug}", KeyAlgorithm.P_256, timedelta(days=3650))
            for slug in ("ocsp", "root-ocsp")
        )
        plan = AuthorityPlan(
            public_url=PUBLIC_URL,
            make_key=self.make_key,
            ocsp=next(responders),
            root_ocsp=next(responders),
        )
        with self.sessions.begin() as session:
            authorities.establish(
                session, keys=self.keys, plan=plan, at=AT - timedelta(days=1), actor="setup"
            )

    def organization(self, name: str = "Sở Nội vụ", **details: object) -> Organization:
        values: dict[str, object] = {
            "code": f"000.00.{next(self._numbers):02d}.H10",
            "level": "department",
        }
        with self.sessions.begin() as session:
            return organizations.create(
                session,
                details=OrganizationDetails(name=name, **(values | details)),  # type: ignore[arg-type]
                at=AT,
                actor=CLERK,
            )

    def person(
        self, full_name: str = "Nguyễn Thị Đức", *, organization: Organization | None = None
    ) -> Subscriber:
        unit = organization or self.organization()
        details = SubscriberDetails(
            kind=SubscriberKind.PERSON,
            organization_id=unit.id,
            full_name=full_name,
            national_id=f"0930{next(self._numbers):08d}",
            post="Giám đốc",
        )
        with self.sessions.begin() as session:
            return subscribers.create(session, details=details, at=AT, actor=CLERK)

    def agency(self, organization: Organization | None = None) -> Subscriber:
        unit = organization or self.organization("Ủy ban nhân dân tỉnh Bình Phước")
        details = SubscriberDetails(
            kind=SubscriberKind.ORGANIZATION, organization_id=unit.id, full_name=unit.name
        )
        with self.sessions.begin() as session:
            return subscribers.create(session, details=details, at=AT, actor=CLERK)

    def sim(self) -> Device:
        number = next(self._numbers)
        details = DeviceDetails(
            kind=DeviceKind.SIM,
            serial_number=f"SIM-{number}",
            msisdn=f"+8491{number:07d}",
            iccid=with_check_digit(f"898402{number:012d}"),
            operator="Viettel",
        )
        with self.sessions.begin() as session:
            return devices.register(session, details=details, at=AT, actor=CLERK)

    def received(self, subscriber: Subscriber, **details: object) -> CertificateRequest:
        """Put in a request of its own key, unless the details say otherwise."""
        values: dict[str, object] = {
            "kind": RequestKind.NEW,
            "subscriber_id": subscriber.id,
            "profile": "personal",
        }
        if not {"csr", "key_algorithm"} & set(details):
            values["csr"] = csr_for(ec_key())
        with self.sessions.begin() as session:
            return requests.submit(
                session,
                details=RequestDetails(**(values | details)),  # type: ignore[arg-type]
                at=AT,
                actor=CLERK,
            )

    def approved(self, subscriber: Subscriber, **details: object) -> CertificateRequest:
        request = self.received(subscriber, **details)
        with self.sessions.begin() as session:
            return requests.approve(session, request.id, at=AT, actor=CHIEF)

    def issue(self, request: CertificateRequest, *, at: datetime = AT) -> Certificate:
        return issue.issue(
            self.sessions,
            request_id=request.id,
            keys=self.keys,
            at=at,
            actor=CHIEF,
            make_key=self.make_key,
        )

    def certificate(self, *, at: datetime = AT) -> Certificate:
        """Issue a personal certificate of a new person."""
        return self.issue(self.approved(self.person()), at=at)


Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def csr_builder(common_name: str = "Nguyễn Thị Đức") -> x509.CertificateSigningRequestBuilder:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    return x509.CertificateSigningRequestBuilder().subject_name(name)


def csr_for(key: Key) -> bytes:
    return csr_builder().sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def with_check_digit(digits: str) -> str:
    """Append the Luhn digit, computed the other way round than the code under test does."""
    doubled = (int(d) * (2 - i % 2) for i, d in enumerate(reversed(digits)))
    return digits + str(-sum(n // 10 + n % 10 for n in doubled) % 10)
