"""A small hierarchy with time-stamps and evidence, and documents signed in it at any level."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import cast

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from ca.authority_signers import AuthoritySigner
from ca.evidence import EvidenceCollector
from ca.revocation import RevocationEvidence, RevocationQuery
from ca.tsa import TimeStampAuthority
from ca.validation import PathValidator
from hsm.algorithms import default_for
from pdf.embed import embed
from pdf.evidence import EvidenceSource
from pdf.extend import ExtensionOptions, extend, extend_in_place
from pdf.options import Level
from pdf.prepare import SignatureAlgorithm, SignatureOptions, SignerChain, prepare
from pdf.report import DocumentReport
from pdf.timestamps import TimestampSource
from pdf.verify import verify
from tests.ca.hierarchy import (
    CA_EXTENSIONS,
    SIGNER_EXTENSIONS,
    Entity,
    Extension,
    key_usage,
    root,
)
from tests.pdf.signing_kit import blank_pdf, raw_signature

# the present, since whoever signs an OCSP answer writes it into it
AT = datetime.now(UTC).replace(microsecond=0)
YEAR = timedelta(days=365)
TSA_EXTENSIONS: tuple[Extension, ...] = (
    (key_usage("digital_signature"), True),
    (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), True),
)
RESPONDER_EXTENSIONS: tuple[Extension, ...] = (
    (key_usage("digital_signature"), True),
    (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False),
    (x509.OCSPNoCheck(), False),
)
RSA = SignatureAlgorithm.RSA_PKCS1_SHA256


@dataclass
class Stamps:
    """A time-stamp authority whose clock stands where it is put."""

    entity: Entity
    others: tuple[bytes, ...]
    at: datetime
    asked: int = 0

    @cached_property
    def _authority(self) -> TimeStampAuthority:
        key = self.entity.key
        signer = AuthoritySigner(
            self.entity.cert, self.entity.der, key, default_for(key.public_key())
        )
        return TimeStampAuthority(signer, others=self.others)

    def timestamp(self, digest: bytes, hash_algorithm: str) -> bytes:
        self.asked += 1
        return self._authority.token(digest, hash_algorithm, at=self.at)


@dataclass
class Servers:
    """Answers OCSP for the entities it knows, or serves CRLs; counts how often it is asked."""

    province: "Province"
    present: datetime
    crls: bool = False
    silent: bool = False
    revoked: dict[int, datetime] = field(default_factory=dict)
    asked: int = 0
    name: str = "servers"
    authoritative: bool = False

    def look_up(self, query: RevocationQuery) -> Iterator[RevocationEvidence]:
        if self.silent:
            return
        self.asked += 1
        for issuer in (self.province.root, self.province.issuing):
            if issuer.der == query.issuer.der:
                yield self._answer(issuer, query)

    def _answer(self, issuer: Entity, query: RevocationQuery) -> RevocationEvidence:
        since = self.revoked.get(query.certificate.serial_number)
        begin, end = self.present - timedelta(minutes=5), self.present + timedelta(days=1)
        if self.crls:
            listed = [
                (serial, at, x509.ReasonFlags.key_compromise) for serial, at in self.revoked.items()
            ]
            made = issuer.crl(*listed, this_update=begin, next_update=end)
            return RevocationEvidence((made,), ())
        target = Entity(issuer.subject, certificate=query.certificate.certificate)
        answer = issuer.ocsp(
            target,
            responder=self.province.responders[issuer.der],
            revoked_at=since,
            this_update=begin,
            next_update=end,
        )
        return RevocationEvidence((), (answer,))


def ocsp_at(address: str) -> Extension:
    place = x509.UniformResourceIdentifier(address)
    access = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, place)
    return x509.AuthorityInformationAccess([access]), False


class Province:
    """Root, issuing authority, responders, a signer for two years and a TSA for ten.

    With an `address` the certificates name an OCSP server there.
    """

    def __init__(self, *, address: str | None = None, since: datetime = AT) -> None:
        self.since = since
        self.asked_at: tuple[Extension, ...] = (ocsp_at(address),) if address else ()
        long = (since - YEAR, since + 20 * YEAR)
        self.root = root("Gốc", validity=long)
        self.issuing = self.root.issue_ca(
            "Cấp", validity=long, extensions=(*CA_EXTENSIONS, *self.asked_at)
        )
        self.responders = {
            each.der: each.issue("OCSP", extensions=RESPONDER_EXTENSIONS, validity=long)
            for each in (self.root, self.issuing)
        }
        self.signer = self.issuing.issue(
            "Nguyễn Văn Trăm",
            key=rsa.generate_private_key(65537, 2048),
            validity=(since - YEAR, since + 2 * YEAR),
            extensions=(*SIGNER_EXTENSIONS, *self.asked_at),
        )
        self.tsa = self.tsa_until(since + 10 * YEAR)

    def tsa_until(self, end: datetime) -> Entity:
        return self.issuing.issue(
            "Dấu thời gian",
            extensions=(*TSA_EXTENSIONS, *self.asked_at),
            validity=(self.since - YEAR, end),
        )

    @property
    def chain(self) -> SignerChain:
        return SignerChain(self.signer.der, (self.issuing.der, self.root.der))

    def stamps(self, at: datetime = AT, *, tsa: Entity | None = None) -> Stamps:
        return Stamps(tsa or self.tsa, (self.issuing.der, self.root.der), at)

    def servers(self, at: datetime = AT, **details: object) -> Servers:
        return Servers(self, at, **details)  # type: ignore[arg-type]

    def evidence(self, servers: Servers | None = None) -> EvidenceCollector:
        asked = servers or self.servers()
        return EvidenceCollector([self.root.der], lambda _: (asked,))

    def sign(
        self,
        source: bytes | None = None,
        *,
        level: Level = Level.B_B,
        at: datetime = AT,
        timestamps: TimestampSource | None = None,
        evidence: EvidenceSource | None = None,
        **options: object,
    ) -> bytes:
        """Walk all steps of a signature at a level; `who` and `algorithm` are options, too."""
        signer = cast("Entity", options.pop("who", self.signer))
        algorithm = cast("SignatureAlgorithm", options.pop("algorithm", RSA))
        chain = SignerChain(signer.der, (self.issuing.der, self.root.der))
        staged = io.BytesIO()
        stamps = timestamps or self.stamps(at)
        asked = SignatureOptions(**{"signing_time": at, "level": level, **options})
        prepared = prepare(
            io.BytesIO(source or blank_pdf()),
            staged,
            options=asked,
            signer=chain,
            algorithm=algorithm,
        )
        made = embed(
            staged,
            prepared,
            signature=raw_signature(signer.key, algorithm, prepared.to_be_signed),
            signer=chain,
            timestamps=stamps,
        )
        if level.reaches(Level.B_LT):
            wanted = ExtensionOptions(
                level=level,
                at=at,
                timestamps=stamps,
                evidence=evidence or self.evidence(self.servers(at)),
                password=asked.password,
            )
            extend_in_place(staged, wanted, prefix=made.prefix)
        return staged.getvalue()

    def extend(self, source: bytes, level: Level, *, at: datetime = AT, **options: object) -> bytes:
        target = io.BytesIO()
        given = {
            "timestamps": self.stamps(at),
            "evidence": self.evidence(self.servers(at)),
            **options,
        }
        extend(io.BytesIO(source), target, ExtensionOptions(level=level, at=at, **given))  # type: ignore[arg-type]
        return target.getvalue()

    def verify(
        self, data: bytes, *, at: datetime = AT, password: str | None = None
    ) -> DocumentReport:
        """Judge with the root alone: no network, no registry."""
        return verify(
            io.BytesIO(data),
            name="x.pdf",
            at=at,
            checked_at=at,
            validator=PathValidator([self.root.der]),
            password=password,
        )
