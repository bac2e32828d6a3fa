"""What a sign request keeps between its two steps: the half of a signature that waits for its key.

A signature in a PDF waits in the staged document, one beside a file needs nothing but the digest;
which of the two a request is about is said in what it keeps.
"""

import json
from typing import BinaryIO, TypeAlias

from pdf.algorithms import SignatureAlgorithm
from pdf.cades import PreparedDetached, prepare_detached
from pdf.options import SignatureFormat, SignatureOptions
from pdf.prepared import PreparedSignature
from pdf.signer import SignerChain
from signing.models import SignRequest

Prepared: TypeAlias = PreparedSignature | PreparedDetached


def prepare_beside(
    source: BinaryIO,
    options: SignatureOptions,
    signer: SignerChain,
    algorithm: SignatureAlgorithm,
) -> PreparedDetached:
    """Prepare a signature beside a file, which is only hashed; raises CertificateUnsuitable."""
    return prepare_detached(
        source,
        signer=signer,
        algorithm=algorithm,
        signing_time=options.signing_time,
        level=options.level,
        statement=options.statement,
    )


def prepared_of(request: SignRequest) -> Prepared:
    """Read what was prepared for a request; raises PreparedStateInvalid."""
    if format_of(request) is SignatureFormat.CADES:
        return PreparedDetached.from_json(request.prepared)
    return PreparedSignature.from_json(request.prepared)


def format_of(request: SignRequest) -> SignatureFormat:
    """Say whether a request is about a signature in a PDF or beside a file."""
    try:
        told = json.loads(request.prepared).get("format")
    except (ValueError, AttributeError):
        told = None  # reading it as what it should be says what is wrong
    return SignatureFormat.CADES if told == SignatureFormat.CADES else SignatureFormat.PADES
