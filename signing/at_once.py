"""One signature by a key that answers now, from the document to the signed file, in one go.

The same walk as `signing.sign`, for the caller that waits for it; what differs is how often the
database and the disk are asked:

    read      the certificate and everything above it, fresh (ca.standing)
    intent    request and audit entry, if the certificate is still active: one statement, committed
    key       the raw signature; no connection and no lock is held meanwhile
    disk      the finished file is flushed once
    finish    request SIGNED, signature, proof, audit entry: one statement, committed

Nobody else can use the key for this request meanwhile: its id is new, and a repeated call finds
the claim of this process (`api.idempotency`). Should it be cancelled all the same, the last
statement changes nothing and the signed file is not handed out.

The staged file is not flushed before the intent. After a power cut it may be damaged; then it does
not match its digests, is not signed, and the caller's repeated request is prepared anew.
"""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from io import BufferedRandom
from typing import TYPE_CHECKING, BinaryIO, Final, LiteralString, cast

from cryptography import x509

from ca.errors import CaError, CertificateNotUsable
from ca.standing import Standing, standing
from db import audit
from db.base import uuid7
from db.direct import Direct
from hsm import algorithms
from hsm.algorithms import SignatureAlgorithm as KeySignatureAlgorithm
from hsm.errors import HsmError
from hsm.key_uri import KeyURI
from pdf.algorithms import SignatureAlgorithm
from pdf.errors import PdfError, SignatureRejected
from pdf.prepared import PreparedSignature
from pdf.signer import SignerChain
from pdf.staging import size_of
from signing.desk import Desk
from signing.documents import flush_to_disk, sha256_of
from signing.errors import KeyNotHere, SignatureUnacceptable, SigningError, SignRequestClosed
from signing.finish import Finish, Finished
from signing.models import SignRequestStatus, WhenNoTimestamp
from signing.sign import SignOrder, fail

if TYPE_CHECKING:
    from hsm.algorithms import PublicKey

_INTENT: Final[LiteralString] = """
WITH made AS (
    INSERT INTO sign_requests (id, status, actor, certificate_id, organization_id, file_name,
        level, algorithm, prepared, created_at, expires_at, when_no_timestamp)
    SELECT %s, 'prepared', %s, c.id, c.organization_id, %s, %s, %s, %s, %s, %s, %s
        FROM certificates c WHERE c.id = %s AND c.status = 'active'
    RETURNING id
)
SELECT audit_append(%s) FROM made
"""
_FINISH: Final[LiteralString] = """
WITH done AS (
    UPDATE sign_requests SET status = 'signed', completed_at = %s, reached_level = %s
        WHERE id = %s AND status = 'prepared' RETURNING id, certificate_id
), made AS (
    INSERT INTO signatures (sign_request_id, certificate_id, signed_at, level, field,
        document_sha256, document_size, signature_sha256)
    SELECT id, certificate_id, %s, %s, %s, %s, %s, %s FROM done RETURNING sign_request_id
), proven AS (
    INSERT INTO document_proofs (id, sign_request_id, made_at, level, proven_until,
        document_sha256, document_size, superseded)
    SELECT %s, sign_request_id, %s, %s, %s, %s, %s, false FROM made
)
SELECT audit_append(%s) FROM done
"""


@dataclass(frozen=True)
class AtOnce:
    """Signs for callers that wait; threads share it."""

    desk: Desk
    direct: Direct

    def takes(self, standing: Standing, order: SignOrder) -> bool:
        """Whether this walk is for an order: the key answers now, and nothing may be put off."""
        return (
            standing.key_uri is not None
            and standing.certificate is not None
            and order.when_no_timestamp is WhenNoTimestamp.FAIL
            and _address(standing.key_uri).answers_now
        )

    def sign(
        self, source: BinaryIO, order: SignOrder, standing: Standing, *, at: datetime, actor: str
    ) -> BufferedRandom:
        """Sign a document; returns the signed file, open at its beginning, for the caller to close.

        `order.request_id` is a new one, `standing` was asked for in this request. Raises as
        `signing.sign.start` and `sign_now` do.
        """
        self.desk.documents.space.require(size_of(source))
        staged = self.desk.documents.create_anew(order.request_id)
        try:
            _Walk(self.desk, self.direct, staged, order, standing, at, actor).go(source)
        except BaseException:
            staged.close()
            raise
        staged.seek(0)
        return staged


@dataclass(frozen=True)
class _Walk:
    """One signature on its way."""

    desk: Desk
    direct: Direct
    staged: BufferedRandom
    order: SignOrder
    standing: Standing
    at: datetime
    actor: str

    def go(self, source: BinaryIO) -> None:
        """Prepare, intend, sign, finish."""
        chain, suited = _signer(self.standing)
        try:
            prepared = self._prepare(source, chain, suited)
            self._intend(prepared)
        except BaseException:
            self.desk.documents.remove(self.order.request_id)
            raise
        try:
            signature = self._signature(prepared)
            finished = self._embed(prepared, chain, signature)
        except (CaError, HsmError, PdfError, SigningError) as error:
            fail(self.desk, self.order.request_id, error.code, at=self.at, actor=self.actor)
            raise
        self._record(prepared, finished, signature)

    def _prepare(
        self, source: BinaryIO, chain: SignerChain, suited: SignatureAlgorithm
    ) -> PreparedSignature:
        policy = self.desk.policy
        level = policy.level(self.order.level)
        return self.desk.prepare(
            source,
            self.staged,
            options=replace(self.order.options, level=level, signing_time=self.at),
            signer=chain,
            algorithm=policy.algorithm(suited),
        )

    def _intend(self, prepared: PreparedSignature) -> None:
        """Commit the intent; raises CertificateNotUsable when the certificate no longer is."""
        values = (
            self.order.request_id,
            self.actor,
            self.order.file_name,
            prepared.level.value,
            prepared.algorithm.value,
            prepared.to_json(),
            self.at,
            self.at + self.desk.policy.holder_time,
            self.order.when_no_timestamp.value,
            self.standing.id,
            self._entry("sign.prepared", SignRequestStatus.PREPARED),
        )
        while not self.direct.write(_INTENT, values):
            now = standing(self.direct, self.standing.id)
            now.require_in_force(at=self.at)  # says why; or it is in force again

    def _signature(self, prepared: PreparedSignature) -> bytes:
        uri = self.standing.key_uri
        if uri is None:
            raise KeyNotHere(f"the key of {self.standing.serial_number} is with its holder")
        key = self.desk.keys.open(_address(uri))
        chosen = KeySignatureAlgorithm(prepared.algorithm)
        return algorithms.sign(key, chosen, prepared.to_be_signed)

    def _embed(self, prepared: PreparedSignature, chain: SignerChain, signature: bytes) -> Finished:
        try:
            work = Finish(self.desk, self.staged, chain, signature, self.at)
            finished = work.at_level(prepared)
        except SignatureRejected as error:
            raise SignatureUnacceptable(str(error)) from error
        flush_to_disk(self.staged)
        return finished

    def _record(self, prepared: PreparedSignature, finished: Finished, signature: bytes) -> None:
        """Commit that the request is signed; the file is on the disk by now."""
        document_sha256, size = sha256_of(self.staged, prefix=finished.prefix)
        level = finished.level.value
        values = (
            *(self.at, level, self.order.request_id),
            *(self.at, level, prepared.field, document_sha256, size),
            hashlib.sha256(signature).hexdigest(),
            *(uuid7(), self.at, level, finished.proven_until, document_sha256, size),
            self._entry(
                "sign.signed", SignRequestStatus.SIGNED, sha256=document_sha256, level=level
            ),
        )
        if not self.direct.write(_FINISH, values):
            raise SignRequestClosed("the sign request was closed while it was signed")

    def _entry(self, action: str, status: SignRequestStatus, **facts: str) -> str:
        return audit.entry(
            at=self.at,
            actor=self.actor,
            action=action,
            object_type="sign_request",
            object_id=str(self.order.request_id),
            after={
                "status": status,
                "certificate": str(self.standing.id),
                "file": self.order.file_name,
                **facts,
            },
        )


def _signer(standing: Standing) -> tuple[SignerChain, SignatureAlgorithm]:
    if standing.certificate is None:
        raise CertificateNotUsable("not_held", "only its number is known, not the certificate")
    return signer_of(standing.certificate, standing.issuers)


@lru_cache(maxsize=1024)
def signer_of(
    certificate: bytes, issuers: tuple[bytes, ...]
) -> tuple[SignerChain, SignatureAlgorithm]:
    """Give the chain of a certificate and the algorithm that suits its key, kept by its bytes."""
    public_key = cast("PublicKey", x509.load_der_x509_certificate(certificate).public_key())
    chain = SignerChain(certificate=certificate, others=issuers)
    return chain, SignatureAlgorithm(algorithms.default_for(public_key))


@lru_cache(maxsize=1024)
def _address(uri: str) -> KeyURI:
    return KeyURI.parse(uri)
