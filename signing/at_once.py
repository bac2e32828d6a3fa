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
import uuid
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from io import BufferedRandom
from typing import TYPE_CHECKING, BinaryIO, Final, cast

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
from pdf.options import SignatureFormat, SignatureOptions
from pdf.prepare import prepare_here
from pdf.prepared import PreparedSignature
from pdf.signer import SignerChain
from pdf.staging import size_of
from signing.at_once_rows import Values, finish, intend
from signing.desk import Desk
from signing.documents import flush_to_disk, sha256_of
from signing.errors import KeyNotHere, SignatureUnacceptable, SigningError, SignRequestClosed
from signing.finish import Finish, Finished
from signing.finished import admit
from signing.models import SignRequestStatus, WhenNoTimestamp
from signing.sign import SignOrder, fail

if TYPE_CHECKING:
    from hsm.algorithms import PublicKey

Refusal = CaError | HsmError | PdfError | SigningError
REFUSALS: Final = (CaError, HsmError, PdfError, SigningError)
"""What a key, a certificate or a document says no with: the request has failed then."""
CLOSED: Final = "the sign request was closed while it was signed"


@dataclass(frozen=True)
class Walk:
    """The steps of one signature; what the database is told about it is given as values."""

    desk: Desk
    staged: BufferedRandom
    order: SignOrder
    standing: Standing
    at: datetime
    actor: str

    @property
    def id(self) -> uuid.UUID:
        """The id of the request."""
        return self.order.request_id

    def prepared(self, source: BinaryIO) -> PreparedSignature:
        """Write the new revision to the staged file, with room for the signature."""
        options, chain, algorithm = self._wish()
        prepare = self.desk.prepare
        return prepare(source, self.staged, options=options, signer=chain, algorithm=algorithm)

    def prepared_here(self, source: BinaryIO) -> PreparedSignature | None:
        """Do the same with bounded work in this process; None, and nothing, where it is more."""
        options, chain, algorithm = self._wish()
        here = prepare_here(source, self.staged, options=options, signer=chain, algorithm=algorithm)
        self.staged.flush()
        return here

    def _wish(self) -> tuple[SignatureOptions, SignerChain, SignatureAlgorithm]:
        policy = self.desk.policy
        chain, suited = _signer(self.standing)
        level = policy.level(self.order.level)
        options = replace(self.order.options, level=level, signing_time=self.at)
        return options, chain, policy.algorithm(suited)

    def intent(self, prepared: PreparedSignature) -> Values:
        """Give the row that says what is to be signed."""
        return {
            "id": self.id,
            "actor": self.actor,
            "certificate_id": self.standing.id,
            "file_name": self.order.file_name,
            "level": prepared.level.value,
            "algorithm": prepared.algorithm.value,
            "prepared": prepared.to_json(),
            "created_at": self.at,
            "expires_at": self.at + self.desk.policy.holder_time,
            "when_no_timestamp": self.order.when_no_timestamp.value,
            "entry": self._entry("sign.prepared", SignRequestStatus.PREPARED),
        }

    def sign(self, prepared: PreparedSignature) -> "Made":
        """Use the key, and put its signature into the staged file; raises what refuses."""
        uri = self.standing.key_uri
        if uri is None:
            raise KeyNotHere(f"the key of {self.standing.serial_number} is with its holder")
        key = self.desk.keys.open(address(uri))
        chosen = KeySignatureAlgorithm(prepared.algorithm)
        signature = algorithms.sign(key, chosen, prepared.to_be_signed)
        chain, _ = _signer(self.standing)
        try:
            work = Finish(self.desk, self.staged, chain, signature, self.at)
            return Made(prepared, work.at_level(prepared), signature)
        except SignatureRejected as error:
            raise SignatureUnacceptable(str(error)) from error

    def failed(self, error: Refusal) -> None:
        """Close the request with the code of the error that ended it."""
        fail(self.desk, self.id, error.code, at=self.at, actor=self.actor)

    def end(self, made: "Made") -> Values:
        """Give the row that says what was signed; the file is on the disk by now."""
        finished = made.finished
        document_sha256, size = sha256_of(self.staged, prefix=finished.prefix)
        level = finished.level.value
        status = SignRequestStatus.SIGNED
        return {
            "id": self.id,
            "at": self.at,
            "level": level,
            "field": made.prepared.field,
            "document_sha256": document_sha256,
            "document_size": size,
            "signature_sha256": hashlib.sha256(made.signature).hexdigest(),
            "proof_id": uuid7(),
            "proven_until": finished.proven_until,
            "entry": self._entry("sign.signed", status, sha256=document_sha256, level=level),
        }

    def _entry(self, action: str, status: SignRequestStatus, **facts: str) -> str:
        return audit.entry(
            at=self.at,
            actor=self.actor,
            action=action,
            object_type="sign_request",
            object_id=str(self.id),
            after={
                "status": status,
                "certificate": str(self.standing.id),
                "file": self.order.file_name,
                **facts,
            },
        )


@dataclass(frozen=True)
class Made:
    """A signature in its staged file."""

    prepared: PreparedSignature
    finished: Finished
    signature: bytes


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
            and order.format is SignatureFormat.PADES
            and address(standing.key_uri).answers_now
        )

    def sign(
        self, source: BinaryIO, order: SignOrder, standing: Standing, *, at: datetime, actor: str
    ) -> BufferedRandom:
        """Sign a document; returns the signed file, open at its beginning, for the caller to close.

        `order.request_id` is a new one, `standing` was asked for in this request. Raises as
        `signing.sign.start` and `sign_now` do.
        """
        admit(self.desk, size_of(source), actor=actor, at=at)
        staged = self.desk.documents.create_anew(order.request_id)
        try:
            self._signed(source, Walk(self.desk, staged, order, standing, at, actor))
        except BaseException:
            staged.close()
            raise
        staged.seek(0)
        return staged

    def _signed(self, source: BinaryIO, walk: Walk) -> None:
        """Prepare, intend, sign, finish."""
        try:
            prepared = walk.prepared(source)
            while not intend(self.direct, [walk.intent(prepared)]):
                now = standing(self.direct, walk.standing.id)
                now.require_in_force(at=walk.at)  # says why; or it is in force again
        except BaseException:
            self.desk.documents.remove(walk.id)
            raise
        try:
            made = walk.sign(prepared)
        except REFUSALS as error:
            walk.failed(error)
            raise
        flush_to_disk(walk.staged)
        if not finish(self.direct, [walk.end(made)]):
            raise SignRequestClosed(CLOSED)


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
def address(uri: str) -> KeyURI:
    """Parse a key's address, kept by its text."""
    return KeyURI.parse(uri)
