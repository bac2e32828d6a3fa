"""What would happen if this were signed, and why not: certificate, issuer, key, time, document.

Everything that signing itself would check is asked, and all of it at once: a caller sees every
reason, not only the first. No key is used and nothing is stored; opening a key may log in.
"""

import uuid
from dataclasses import dataclass, replace
from datetime import datetime
from typing import BinaryIO

from sqlalchemy.orm import Session

from ca import registry
from ca.errors import CaError, CertificateNotUsable
from ca.models import Authority, Certificate
from hsm.errors import HsmError
from hsm.key_uri import KeyURI
from pdf.errors import PdfError, TimestampUnavailable
from pdf.messages import Message
from pdf.options import Level
from pdf.preflight import Preflight
from pdf.preview import DEFAULT_DPI, Preview
from pdf.report import JSON
from signing.desk import Desk
from signing.errors import LevelNotOffered, SigningError
from signing.reading import Wish
from signing.sign import SignOrder
from signing.signing_keys import SigningCertificate, certificate_for, unchecked_certificate

Problem = CaError | HsmError | PdfError | SigningError


@dataclass(frozen=True, kw_only=True)
class SignPreflight:
    """The answer; `problems` are the reasons why it would not be signed, none when it would."""

    certificate: dict[str, JSON]
    key: dict[str, JSON]
    level: Level | None
    document: dict[str, JSON]
    place: dict[str, JSON] | None
    findings: tuple[Message, ...]
    problems: tuple[Problem, ...]

    @property
    def would_sign(self) -> bool:
        """Whether signing would succeed as far as can be known beforehand."""
        return not self.problems


def preflight(desk: Desk, source: BinaryIO, order: SignOrder, *, at: datetime) -> SignPreflight:
    """Ask everything that signing this order would ask; raises CertificateNotFound only."""
    problems: list[Problem] = []
    with desk.sessions() as session:
        row = registry.get(session, str(order.certificate_id))
        certificate = _certificate(session, row)
        signer = _signer(session, row.id, problems, at=at)
    key = _key(desk, row, problems)
    level = _level(desk, order, problems)
    found = None
    if signer is not None:
        found = _document(desk, source, order, signer, level, at=at)
        if found.refusal is not None:
            problems.append(found.refusal)
    return SignPreflight(
        certificate=certificate,
        key=key,
        level=level,
        document=found.document if found is not None else {},
        place=found.place if found is not None else None,
        findings=found.findings if found is not None else (),
        problems=tuple(problems),
    )


def preview(
    desk: Desk, source: BinaryIO, order: SignOrder, *, at: datetime, dpi: float = DEFAULT_DPI
) -> Preview:
    """Draw the page as it would look signed; the certificate need not be usable for that."""
    with desk.sessions() as session:
        signer = unchecked_certificate(session, order.certificate_id)
    options = replace(order.options, signing_time=at)
    algorithm = desk.policy.algorithm(signer.suited_algorithm)
    return desk.reading.preview(source, Wish(options, signer.chain, algorithm), dpi=dpi)


def _certificate(session: Session, row: Certificate) -> dict[str, JSON]:
    issuer = session.get(Authority, row.authority_id) if row.authority_id else None
    return {
        "id": str(row.id),
        "serial_number": row.serial_number,
        "kind": row.kind.value,
        "status": row.status.value,
        "not_before": row.not_before.isoformat(),
        "not_after": row.not_after.isoformat(),
        "issuer": issuer.slug if issuer is not None else None,
    }


def _signer(
    session: Session, certificate_id: uuid.UUID, problems: list[Problem], *, at: datetime
) -> SigningCertificate | None:
    """Give the signer, also of a certificate that may not sign now, and note why it may not."""
    try:
        return certificate_for(session, certificate_id, at=at)
    except CertificateNotUsable as error:
        problems.append(error)
    try:
        return unchecked_certificate(session, certificate_id)
    except CertificateNotUsable:
        return None


def _key(desk: Desk, row: Certificate, problems: list[Problem]) -> dict[str, JSON]:
    if row.key_uri is None:
        return {"with": "holder", "reachable": None}
    try:
        uri = KeyURI.parse(row.key_uri)
        if not uri.answers_now:
            return {"with": uri.scheme.value, "reachable": None}
        desk.keys.open(uri)
    except HsmError as error:
        problems.append(error)
        return {"with": "server", "reachable": False}
    return {"with": "server", "reachable": True}


def _level(desk: Desk, order: SignOrder, problems: list[Problem]) -> Level | None:
    try:
        level = desk.policy.level(order.level)
    except LevelNotOffered as error:
        problems.append(error)
        return None
    if level.reaches(Level.B_T) and desk.timestamps is None:
        problems.append(TimestampUnavailable("no time-stamp server is set up here"))
    return level


def _document(
    desk: Desk,
    source: BinaryIO,
    order: SignOrder,
    signer: SigningCertificate,
    level: Level | None,
    *,
    at: datetime,
) -> Preflight:
    options = replace(order.options, signing_time=at, level=level or Level.B_B)
    algorithm = desk.policy.algorithm(signer.suited_algorithm)
    return desk.reading.preflight(source, Wish(options, signer.chain, algorithm))
