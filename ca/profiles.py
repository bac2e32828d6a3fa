"""Certificate profiles as data: who may be the subject, what the key may do, how long it lasts.

The three built-in profiles follow ETSI EN 319 412-2 (natural persons) and EN 319 412-3 (legal
persons). A profile is named `name@version`; a change of anything in it is a new version, so that
a certificate's row says for ever by which rules it was made. Validity is dated policy data with
its source, because terms are set by decree and decrees change.
"""

import calendar
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from ca.errors import AuthorityUnavailable, ProfileUnknown, SubjectInvalid
from ca.models import CertificateKind, DeviceKind, RequestKind, SubscriberKind
from ca.names import Subject


class EtsiType(StrEnum):
    """Which part of EN 319 412 a profile follows; the linter chooses its rules by it."""

    NATURAL_PERSON = "natural_person"
    LEGAL_PERSON = "legal_person"


@dataclass(frozen=True)
class SubjectRules:
    """Attributes (names of `ca.names.Subject`) that must and that may be in a subject."""

    required: frozenset[str]
    optional: frozenset[str]


@dataclass(frozen=True)
class KeyRules:
    """Which public keys a profile certifies."""

    rsa_bits: tuple[int, int] = (2048, 4096)
    """Smallest and largest modulus (ETSI TS 119 312 8.4; larger ones only slow everybody down)."""
    curves: frozenset[str] = frozenset({"secp256r1", "secp384r1"})


@dataclass(frozen=True)
class Profile:
    """Everything a certificate of this kind has in common with its siblings.

    `devices` are the kinds of device its private key may live on; empty means that a certificate
    request may name any device or none.
    """

    name: str
    version: int
    kind: CertificateKind
    subscriber_kind: SubscriberKind
    etsi_type: EtsiType
    subject: SubjectRules
    policies: tuple[str, ...]
    devices: frozenset[DeviceKind] = frozenset()
    keys: KeyRules = KeyRules()

    @property
    def identifier(self) -> str:
        """`name@version`, as stored with a certificate."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True)
class ValidityTerm:
    """How long certificates of some kinds last, from when on, and who says so."""

    kinds: frozenset[CertificateKind]
    requests: frozenset[RequestKind]
    years: int
    effective_from: datetime | None
    effective_to: datetime | None
    source: str


EXAMPLE_ARC: Final = "1.3.6.1.4.1.32473.24"
"""Below the enterprise number that RFC 5612 keeps for documentation: a policy identifier promises
a practice statement, so an operator who has one puts the own identifiers into the profiles."""

_PERSON_REQUIRED: Final = frozenset(
    {"country", "common_name", "given_name", "surname", "serial_number", "organization"}
)

PERSONAL: Final = Profile(
    name="personal",
    version=1,
    kind=CertificateKind.PERSONAL,
    subscriber_kind=SubscriberKind.PERSON,
    etsi_type=EtsiType.NATURAL_PERSON,
    subject=SubjectRules(_PERSON_REQUIRED, frozenset({"organizational_units", "title"})),
    policies=(f"{EXAMPLE_ARC}.1",),
)

ORGANIZATIONAL: Final = Profile(
    name="organizational",
    version=1,
    kind=CertificateKind.ORGANIZATIONAL,
    subscriber_kind=SubscriberKind.ORGANIZATION,
    etsi_type=EtsiType.LEGAL_PERSON,
    subject=SubjectRules(
        frozenset({"country", "common_name", "organization", "organization_identifier"}),
        frozenset({"organizational_units"}),
    ),
    policies=(f"{EXAMPLE_ARC}.2",),
)

SIM: Final = Profile(
    name="sim",
    version=1,
    kind=CertificateKind.SIM,
    subscriber_kind=SubscriberKind.PERSON,
    etsi_type=EtsiType.NATURAL_PERSON,
    subject=SubjectRules(_PERSON_REQUIRED, frozenset({"organizational_units", "title"})),
    policies=(f"{EXAMPLE_ARC}.3",),
    devices=frozenset({DeviceKind.SIM}),
)
"""A person's certificate whose key lives on a signing SIM; the phone number stays in the registry,
because a certificate is public and a subscriber's number is not."""

BUILT_IN: Final = (PERSONAL, ORGANIZATIONAL, SIM)

_ALL_KINDS: Final = frozenset(CertificateKind)

VALIDITY: Final = (
    ValidityTerm(
        kinds=_ALL_KINDS,
        requests=frozenset({RequestKind.NEW, RequestKind.CHANGE}),
        years=5,
        effective_from=None,
        effective_to=None,
        source="upper bound for new certificates as commonly cited for Decree 68/2024/ND-CP; "
        "not read in the original, to be confirmed by the operator",
    ),
    ValidityTerm(
        kinds=_ALL_KINDS,
        requests=frozenset({RequestKind.RENEW}),
        years=3,
        effective_from=None,
        effective_to=None,
        source="upper bound for renewals as commonly cited for Decree 68/2024/ND-CP; "
        "not read in the original, to be confirmed by the operator",
    ),
)


def get(identifier: str) -> Profile:
    """Return the profile `name@version`, or the newest of `name`; raise ProfileUnknown."""
    name, _, version = identifier.partition("@")
    named = [profile for profile in BUILT_IN if profile.name == name]
    if version:
        named = [profile for profile in named if str(profile.version) == version]
    if not named:
        raise ProfileUnknown(f"no certificate profile {identifier!r}")
    return max(named, key=lambda profile: profile.version)


def for_kind(kind: CertificateKind) -> Profile:
    """Return the newest profile of a kind of certificate."""
    return max(
        (profile for profile in BUILT_IN if profile.kind is kind),
        key=lambda profile: profile.version,
    )


def check_subject(profile: Profile, subject: Subject) -> None:
    """Raise SubjectInvalid unless what is required is there, and nothing that is not allowed."""
    present = subject.present()
    if profile.subject.required <= present <= profile.subject.required | profile.subject.optional:
        return
    for attribute in sorted(profile.subject.required - present):
        raise SubjectInvalid(
            attribute, f"is required by profile {profile.identifier}", reason="required"
        )
    for attribute in sorted(present - profile.subject.required - profile.subject.optional):
        raise SubjectInvalid(
            attribute, f"is not allowed by profile {profile.identifier}", reason="not_allowed"
        )


def validity(
    profile: Profile,
    *,
    request: RequestKind,
    at: datetime,
    issuer_not_after: datetime,
    terms: tuple[ValidityTerm, ...] = VALIDITY,
) -> tuple[datetime, datetime]:
    """Return notBefore and notAfter (both inclusive, whole seconds) of a certificate made at `at`.

    The end is the one of the policy term in force at `at`, cut to the issuer's own end, so that
    a certificate never outlives the path it hangs on.
    """
    not_before = at.replace(microsecond=0)
    if not_before >= issuer_not_after:
        raise AuthorityUnavailable("the issuing authority's certificate has run out")
    years = max(
        (
            term.years
            for term in terms
            if profile.kind in term.kinds
            and request in term.requests
            and (term.effective_from is None or term.effective_from <= at)
            and (term.effective_to is None or at < term.effective_to)
        ),
        default=None,
    )
    if years is None:
        raise ProfileUnknown(f"no validity term for {profile.identifier}, {request}, at {at}")
    end = _years_later(not_before, years) - timedelta(seconds=1)
    return not_before, min(end, issuer_not_after.replace(microsecond=0))


def _years_later(at: datetime, years: int) -> datetime:
    year = at.year + years
    return at.replace(year=year, day=min(at.day, calendar.monthrange(year, at.month)[1]))
