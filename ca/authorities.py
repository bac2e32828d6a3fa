"""Making our authorities at the first run: root, issuing CA, OCSP responders and TSA.

Each CA has its own delegated OCSP responder, because a responder speaks only for the CA that
issued it (RFC 6960 4.2.2.2); so the CA keys are not needed to answer, and the root key rests.
Looking up and opening authorities is in `ca.authority_signers`, offered here under one name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from sqlalchemy import func, select

from ca import crl, distinguished_names
from ca.authority_profiles import build
from ca.authority_signers import (
    AuthoritySigner,
    by_slug,
    certificate_chain,
    issuing,
    signer,
    time_stamping,
)
from ca.certificate_fields import subject_of
from ca.errors import AuthorityPlanInvalid, AuthorityUnavailable, SubjectInvalid
from ca.models import Authority, AuthorityRole
from ca.names import MAX_COMMON_NAME, MAX_ORGANIZATION, clean, written
from ca.renewal import ESTABLISH_LOCK
from db import audit
from db.base import uuid7
from hsm.algorithms import KeyAlgorithm
from hsm.errors import HsmError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from ca.distinguished_names import DistinguishedName
    from hsm.key_uri import KeyURI
    from hsm.providers import KeyStore

__all__ = [
    "AuthorityName",
    "AuthorityPlan",
    "AuthoritySigner",
    "AuthoritySpec",
    "by_slug",
    "certificate_chain",
    "establish",
    "issuing",
    "signer",
    "time_stamping",
]

_YEAR = timedelta(days=365)
_COUNTRY: Final = re.compile(r"[A-Z]{2}")


@dataclass(frozen=True, slots=True)
class AuthorityName:
    """Whose authorities these are; written as a legal person (ETSI EN 319 412-3 4.2.1)."""

    organization: str = "Ủy ban nhân dân tỉnh Bình Phước"
    organizational_unit: str | None = None
    locality: str | None = "Bình Phước"
    organization_identifier: str | None = None
    """Such as `VATVN-3800100000` (ETSI EN 319 412-1 5.1.4)."""
    country: str = "VN"

    def with_common_name(self, common_name: str) -> DistinguishedName:
        """Encode the distinguished name, from the country down to the common name.

        AuthorityPlanInvalid where a part is longer than its bound, in characters, or no name.
        """
        if not _COUNTRY.fullmatch(self.country):
            raise AuthorityPlanInvalid(f"{self.country!r} is no country code of two letters")
        parts = {
            NameOID.LOCALITY_NAME: self.locality,
            NameOID.ORGANIZATION_NAME: self.organization,
            NameOID.ORGANIZATIONAL_UNIT_NAME: self.organizational_unit,
            NameOID.ORGANIZATION_IDENTIFIER: self.organization_identifier,
        }
        name = [(NameOID.COUNTRY_NAME, self.country)]
        try:
            for kind, text in parts.items():
                if text:
                    name.append((kind, clean(text, attribute="name", maximum=MAX_ORGANIZATION)))
            own = clean(common_name, attribute="common_name", maximum=MAX_COMMON_NAME)
        except SubjectInvalid as error:
            raise AuthorityPlanInvalid(f"{common_name}: {error}") from error
        return distinguished_names.write([*name, (NameOID.COMMON_NAME, own)])


@dataclass(frozen=True, slots=True)
class AuthoritySpec:
    """One authority to be made."""

    slug: str
    common_name: str
    algorithm: KeyAlgorithm
    lifetime: timedelta


@dataclass(frozen=True, slots=True)
class AuthorityPlan:
    """What the first run makes, and how: `make_key(label, algorithm)` gives a new key's URI."""

    public_url: str
    """Base of the AIA, CRL and OCSP addresses written into certificates, without a last slash."""
    make_key: Callable[[str, KeyAlgorithm], KeyURI] = field(repr=False)
    name: AuthorityName = field(default_factory=AuthorityName)
    root: AuthoritySpec = AuthoritySpec(
        "root", "Tổ chức chứng thực chữ ký số gốc Ấn Tín", KeyAlgorithm("p-384"), 20 * _YEAR
    )
    root_ocsp: AuthoritySpec = AuthoritySpec(
        "root-ocsp", "Dịch vụ OCSP của CA gốc Ấn Tín", KeyAlgorithm("p-256"), 5 * _YEAR
    )
    issuing: AuthoritySpec = AuthoritySpec(
        "issuing", "Tổ chức chứng thực chữ ký số Ấn Tín", KeyAlgorithm("p-256"), 10 * _YEAR
    )
    ocsp: AuthoritySpec = AuthoritySpec(
        "ocsp", "Dịch vụ OCSP Ấn Tín", KeyAlgorithm("p-256"), 5 * _YEAR
    )
    tsa: AuthoritySpec = AuthoritySpec(
        "tsa", "Dịch vụ cấp dấu thời gian Ấn Tín", KeyAlgorithm("p-256"), 10 * _YEAR
    )
    crl_lifetime: timedelta = timedelta(days=7)

    @property
    def specs(self) -> tuple[AuthoritySpec, ...]:
        """All that is made, from the root downwards."""
        return self.root, self.root_ocsp, self.issuing, self.ocsp, self.tsa


def establish(
    session: Session, *, keys: KeyStore, plan: AuthorityPlan, at: datetime, actor: str
) -> None:
    """Make the authorities of the plan that are missing, and the first CRL of each CA.

    May run at every start and in several processes at once: what exists is left as it is. The keys
    are made before the transaction commits, so a crash can leave a key without an authority, never
    an authority without a key.
    """
    _check(plan)
    session.execute(select(func.pg_advisory_xact_lock(ESTABLISH_LOCK)))
    work = _Establishment(session, keys, plan, at.replace(microsecond=0), actor)
    root = work.ensure(plan.root, AuthorityRole.ROOT, None)
    work.ensure(plan.root_ocsp, AuthorityRole.OCSP, root)
    issuer = work.ensure(plan.issuing, AuthorityRole.ISSUING, root)
    work.ensure(plan.ocsp, AuthorityRole.OCSP, issuer)
    work.ensure(plan.tsa, AuthorityRole.TSA, issuer)
    for authority in (root, issuer):
        if authority.crl_number == 0:
            crl.publish(session, authority=authority, keys=keys, at=at, lifetime=plan.crl_lifetime)


def named_otherwise(session: Session, *, plan: AuthorityPlan) -> tuple[str, ...]:
    """List the names (RFC 4514) of authorities made earlier, under others than the plan's."""
    found = []
    for spec in plan.specs:
        certificate = x509.load_der_x509_certificate(by_slug(session, spec.slug).certificate)
        name = subject_of(certificate)
        if name.parts != plan.name.with_common_name(spec.common_name).parts:
            found.append(written(name))
    return tuple(found)


def _check(plan: AuthorityPlan) -> None:
    specs = plan.specs
    if not plan.public_url.startswith(("http://", "https://")) or plan.public_url.endswith("/"):
        raise AuthorityPlanInvalid("public_url is an http(s) address without a slash at its end")
    if len({spec.slug for spec in specs}) < len(specs):
        raise AuthorityPlanInvalid("two authorities have the same slug")
    if len({spec.common_name.casefold() for spec in specs}) < len(specs):
        raise AuthorityPlanInvalid("two authorities have the same name")
    for spec in specs:
        if not spec.slug.replace("-", "").isalnum() or not spec.slug.isascii():
            raise AuthorityPlanInvalid(f"{spec.slug!r} does not fit into an address")
        plan.name.with_common_name(spec.common_name)
        if spec.lifetime <= timedelta():
            raise AuthorityPlanInvalid(f"{spec.slug}: a lifetime is positive")


@dataclass(frozen=True, slots=True)
class _Establishment:
    session: Session
    keys: KeyStore
    plan: AuthorityPlan
    at: datetime
    actor: str

    def ensure(
        self, spec: AuthoritySpec, role: AuthorityRole, issuer: Authority | None
    ) -> Authority:
        found = self.session.scalar(select(Authority).where(Authority.slug == spec.slug))
        if found is not None:
            return found
        try:
            key_uri = self.plan.make_key(spec.slug, spec.algorithm)
            certificate = self._certificate(spec, role, issuer, key_uri)
        except HsmError as error:
            raise AuthorityUnavailable(f"{spec.slug}: {error}") from error
        return self._store(spec, role, issuer, str(key_uri), certificate)

    def _certificate(
        self, spec: AuthoritySpec, role: AuthorityRole, issuer: Authority | None, key_uri: KeyURI
    ) -> x509.Certificate:
        key = self.keys.open(key_uri)
        above = signer(issuer, keys=self.keys) if issuer else None
        not_after = self.at + spec.lifetime
        if issuer is not None:
            not_after = min(not_after, issuer.not_after)
        return build(
            role,
            subject=self.plan.name.with_common_name(spec.common_name),
            validity=(self.at, not_after),
            key=key,
            issuer=above,
            addresses=(self.plan.public_url, issuer.slug if issuer else spec.slug),
        )

    def _store(
        self,
        spec: AuthoritySpec,
        role: AuthorityRole,
        issuer: Authority | None,
        key_uri: str,
        certificate: x509.Certificate,
    ) -> Authority:
        made = Authority(
            id=uuid7(),
            slug=spec.slug,
            role=role,
            issuer_id=issuer.id if issuer else None,
            common_name=spec.common_name,
            key_uri=key_uri,
            public_url=self.plan.public_url,
            certificate=certificate.public_bytes(Encoding.DER),
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
            crl_number=0,
            created_at=self.at,
        )
        self.session.add(made)
        self.session.flush()
        audit.record(
            self.session,
            at=self.at,
            actor=self.actor,
            action="authority.establish",
            object_type="authority",
            object_id=str(made.id),
            after={"slug": made.slug, "role": role.value, "key_uri": key_uri},
        )
        return made
