"""Issuers that are not ours: what they are called, their certificate, and where they publish.

Lists name an issuer in many ways; all of them are kept, folded, so that the same serial number in
two lists is the same certificate.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from ca import names
from ca.certificate_fields import subject_of
from ca.errors import SubjectInvalid
from ca.errors_registry import IssuerInvalid, IssuerNotFound, IssuerTaken
from ca.models import Authority
from ca.models_issuers import KnownIssuer
from ca.parsed_certificates import UNREADABLE, CertificateUnreadable, parse
from db.audited import Audited
from db.base import uuid7

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

MAX_NAME: Final = 500
MAX_SLUG: Final = 40
MAX_ADDRESSES: Final = 8
_SLUG: Final = re.compile(r"[a-z0-9](?:[a-z0-9\-]{0,38}[a-z0-9])?")
_ADDRESS: Final = re.compile(r"https?://[^\s\x00-\x1f]{1,2000}")


@dataclass(frozen=True)
class IssuerDetails:
    """What is known of an issuer; `certificate` is PEM or DER."""

    name: str
    slug: str | None = None
    also_called: tuple[str, ...] = ()
    certificate: bytes | None = None
    crl_urls: tuple[str, ...] = ()
    ocsp_urls: tuple[str, ...] = ()


@dataclass
class IssuerDirectory:
    """Every issuer by every folded name, read once for a batch of look-ups."""

    by_name: dict[str, KnownIssuer]
    own: frozenset[str] = field(default_factory=frozenset)
    """Folded names of our own authorities."""

    @classmethod
    def load(cls, session: Session) -> IssuerDirectory:
        """Read them all: a country has some dozens."""
        found = cls({})
        for issuer in session.scalars(select(KnownIssuer).order_by(KnownIssuer.id)):
            found.note(issuer)
        ours: set[str] = set()
        for authority in session.scalars(select(Authority)):
            ours |= {names.fold(authority.common_name), names.fold(authority.slug)}
            if authority.certificate:
                subject = subject_of(x509.load_der_x509_certificate(authority.certificate))
                ours.add(names.fold(subject.rfc4514()))
        found.own = frozenset(ours - {""})
        return found

    def note(self, issuer: KnownIssuer) -> None:
        """Enter an issuer under all its names."""
        for name in (*issuer.search_names, names.fold(issuer.slug)):
            self.by_name.setdefault(name, issuer)

    def find(self, called: Iterable[str]) -> KnownIssuer | None:
        """Return the issuer that has one of these names."""
        folded = (names.fold(name) for name in called)
        return next((self.by_name[name] for name in folded if name in self.by_name), None)

    def is_ours(self, called: Iterable[str]) -> bool:
        """Whether one of these names is one of our own authorities'."""
        return any(names.fold(name) in self.own for name in called)


def create(session: Session, *, details: IssuerDetails, at: datetime, actor: str) -> KnownIssuer:
    """Add an issuer; raise IssuerInvalid or IssuerTaken."""
    name = _checked_name(details.name)
    der = _ca_certificate(details.certificate) if details.certificate else None
    called = _folded([name, *details.also_called, *(_names_of(der) if der else ())])
    directory = IssuerDirectory.load(session)
    if any(one in directory.by_name or one in directory.own for one in called):
        raise IssuerTaken(f"an issuer is called {name} already")
    slug = details.slug or _free_slug(directory, name)
    if not _SLUG.fullmatch(slug):
        raise IssuerInvalid(f"the short name {slug!r} is not lower-case letters, digits, dashes")
    made = session.scalars(
        insert(KnownIssuer)
        .values(
            id=uuid7(),
            slug=slug,
            name=name,
            search_names=called,
            certificate=der,
            crl_urls=_addresses(details.crl_urls),
            ocsp_urls=_addresses(details.ocsp_urls),
            created_at=at,
        )
        .on_conflict_do_nothing(index_elements=[KnownIssuer.slug])
        .returning(KnownIssuer)
    ).one_or_none()
    if made is None:
        raise IssuerTaken(f"another issuer has the short name {slug}")
    _ISSUERS.record(session, made, "issuer.create", at=at, actor=actor)
    return made


def change(
    session: Session, issuer_id: uuid.UUID, *, details: IssuerDetails, at: datetime, actor: str
) -> KnownIssuer:
    """Give an issuer another name, certificate or addresses; the old names stay findable."""
    issuer = session.get(KnownIssuer, issuer_id, with_for_update=True, populate_existing=True)
    if issuer is None:
        raise IssuerNotFound(f"no issuer {issuer_id}")
    before = _ISSUERS.facts(issuer)
    issuer.name = _checked_name(details.name)
    if details.certificate is not None:
        issuer.certificate = _ca_certificate(details.certificate)
    certified = _names_of(issuer.certificate) if issuer.certificate else []
    added = _folded([issuer.name, *details.also_called, *certified])
    directory = IssuerDirectory.load(session)
    if any(directory.by_name.get(one, issuer).id != issuer.id for one in added):
        raise IssuerTaken("another issuer has one of these names")
    issuer.search_names = sorted({*issuer.search_names, *added})
    issuer.crl_urls = _addresses(details.crl_urls)
    issuer.ocsp_urls = _addresses(details.ocsp_urls)
    session.flush()
    _ISSUERS.record(session, issuer, "issuer.change", at=at, actor=actor, before=before)
    return issuer


def learn(
    session: Session, directory: IssuerDirectory, certificate: bytes, *, at: datetime, actor: str
) -> bool:
    """Take a CA certificate that came with an import; return whether it was new to us.

    Raises IssuerInvalid when it is no CA's.
    """
    der = _ca_certificate(certificate)
    called = _names_of(der)
    known = directory.find(called)
    if known is None:
        issuer = create(
            session, details=IssuerDetails(called[-1], certificate=der), at=at, actor=actor
        )
        directory.note(issuer)
        return True
    if known.certificate is not None:
        return False
    before = _ISSUERS.facts(known)
    known.certificate = der
    known.search_names = sorted({*known.search_names, *_folded(called)})
    session.flush()
    directory.note(known)
    _ISSUERS.record(session, known, "issuer.change", at=at, actor=actor, before=before)
    return True


def note_addresses(
    issuer: KnownIssuer, *, crl_urls: Sequence[str], ocsp_urls: Sequence[str]
) -> None:
    """Remember where its certificates say that it publishes, up to a few places."""
    crls = list(dict.fromkeys([*issuer.crl_urls, *crl_urls]))[:MAX_ADDRESSES]
    answers = list(dict.fromkeys([*issuer.ocsp_urls, *ocsp_urls]))[:MAX_ADDRESSES]
    if (crls, answers) != (issuer.crl_urls, issuer.ocsp_urls):
        issuer.crl_urls, issuer.ocsp_urls = crls, answers


def get(session: Session, issuer_id: uuid.UUID) -> KnownIssuer:
    """Return the issuer of that id."""
    found = session.get(KnownIssuer, issuer_id)
    if found is None:
        raise IssuerNotFound(f"no issuer {issuer_id}")
    return found


def listing(session: Session) -> list[KnownIssuer]:
    """Return all issuers by their short names."""
    return list(session.scalars(select(KnownIssuer).order_by(KnownIssuer.slug)))


def _checked_name(name: str) -> str:
    try:
        return names.clean(name, attribute="issuer", maximum=MAX_NAME)
    except SubjectInvalid as e:
        raise IssuerInvalid(str(e)) from e


def _folded(called: Iterable[str]) -> list[str]:
    return sorted({names.fold(name) for name in called} - {""})


def _free_slug(directory: IssuerDirectory, name: str) -> str:
    words = "-".join(names.fold(name).encode("ascii", "ignore").decode().split())
    base = words[:MAX_SLUG].strip("-") or "issuer"
    taken = {issuer.slug for issuer in directory.by_name.values()}
    if base not in taken:
        return base
    return f"{base[: MAX_SLUG - 9].strip('-')}-{uuid7().hex[-8:]}"


def _addresses(urls: Sequence[str]) -> list[str]:
    if len(urls) > MAX_ADDRESSES or not all(_ADDRESS.fullmatch(url) for url in urls):
        raise IssuerInvalid(f"at most {MAX_ADDRESSES} addresses beginning with http:// or https://")
    return list(dict.fromkeys(urls))


def _ca_certificate(data: bytes) -> bytes:
    try:
        if data.lstrip().startswith(b"-----"):
            data = x509.load_pem_x509_certificate(data).public_bytes(Encoding.DER)
        parsed = parse(data)
    except (CertificateUnreadable, *UNREADABLE) as e:
        raise IssuerInvalid("the certificate cannot be read") from e
    constraints = parsed.extension(x509.BasicConstraints)
    # Roots of the first version have no extensions at all; some still have certificates in force.
    old_root = not parsed.extensions and parsed.self_issued
    if not old_root and (constraints is None or not constraints.ca):
        raise IssuerInvalid("this is not the certificate of a CA")
    return parsed.der


def _names_of(der: bytes) -> list[str]:
    """Return the subject's full name and, last, its common name."""
    subject = subject_of(x509.load_der_x509_certificate(der))
    found = [subject.rfc4514(), names.common_name(subject)]
    return [name for name in found if name]


def _facts(issuer: KnownIssuer) -> dict[str, object]:
    return {
        "slug": issuer.slug,
        "name": issuer.name,
        "certificate": issuer.certificate is not None,
        "crl_urls": issuer.crl_urls,
        "ocsp_urls": issuer.ocsp_urls,
    }


_ISSUERS: Final = Audited("issuer", _facts)
