"""Whose signature has to be there first: a person's before the seal of the agency.

Decree 30/2020/ND-CP, Art 32: the clerk puts the agency's signature only on a document that carries
the competent person's, or on a copy that the agency made itself. Which stamps the rule is about is
data of the presets; that a document is such a copy is for the caller to say.
"""

from typing import BinaryIO

from pdf import decryption
from pdf.document import Document
from pdf.earlier import is_personal
from pdf.errors import PdfError, PersonalSignatureMissing
from pdf.kept_signatures import check, locate
from pdf.options import SignatureOptions
from pdf.plain_document import opened
from pdf.signer import SignerChain


def require_precedence(source: BinaryIO, options: SignatureOptions, signer: SignerChain) -> None:
    """Raise PersonalSignatureMissing when a seal is to be put on what nobody has signed.

    Asked of organisational certificates only. An earlier signature counts when it holds over its
    bytes; whether its certificate is trusted is a verifier's question.
    """
    stamp = options.stamp
    if stamp is None or not stamp.look.after_person or options.agency_copy:
        return
    if is_personal(signer.certificate):
        return
    certificates = _signers(source, options.password)
    if not any(is_personal(each) for each in certificates):
        raise PersonalSignatureMissing(
            "the document carries no signature of a person that holds, which the seal has to follow"
        )


def _signers(source: BinaryIO, password: str | None) -> list[bytes]:
    """Give the certificates of the signatures in a document; none when one of them is broken."""
    try:
        with opened(source) as buffer:
            document = Document(buffer)
            if "Encrypt" in document.latest.trailer:
                decryption.unlock(document, password)
            kept = check(document, locate(document), {})
            return [
                each.facts.signer.encoded
                for each in kept
                if each.facts.signer is not None and not each.is_timestamp
            ]
    except PdfError:
        return []
