"""ML-DSA in CMS (RFC 9882): checked, and marked as an experiment."""

import hashlib
import io

import pytest
from asn1crypto import cms, core
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import mldsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from pdf.detached import DetachedQuestion, verify_detached
from pdf.report import DocumentReport, Indication
from tests.pdf.signing_kit import NOW
from tests.pdf.verifying_kit import TRUST_ALL

CONTENT = b"content"
KINDS = {
    "2.16.840.1.101.3.4.3.17": mldsa.MLDSA44PrivateKey,
    "2.16.840.1.101.3.4.3.18": mldsa.MLDSA65PrivateKey,
    "2.16.840.1.101.3.4.3.19": mldsa.MLDSA87PrivateKey,
}


def signed(identifier: str, digest: str = "sha512", *, flip: bool = False) -> bytes:
    key = KINDS[identifier].generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Người ký hậu lượng tử")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(77)
        .not_valid_before(NOW.replace(year=NOW.year - 1))
        .not_valid_after(NOW.replace(year=NOW.year + 1))
        .sign(key, None)
    )
    certificate = asn1_x509.Certificate.load(made.public_bytes(Encoding.DER))
    attributes = cms.CMSAttributes(
        [
            {"type": "content_type", "values": ["data"]},
            {"type": "message_digest", "values": [_digest(digest)]},
        ]
    )
    value = key.sign(attributes.dump())
    if flip:
        value = bytes([value[0] ^ 1]) + value[1:]
    signer = cms.SignerInfo(
        {
            "version": "v1",
            "sid": cms.SignerIdentifier(
                "issuer_and_serial_number",
                {"issuer": certificate.issuer, "serial_number": certificate.serial_number},
            ),
            "digest_algorithm": {"algorithm": digest},
            "signed_attrs": attributes,
            "signature_algorithm": {"algorithm": core.ObjectIdentifier(identifier).dotted},
            "signature": value,
        }
    )
    data = cms.SignedData(
        {
            "version": "v1",
            "digest_algorithms": [{"algorithm": digest}],
            "encap_content_info": {"content_type": "data"},
            "certificates": [certificate],
            "signer_infos": [signer],
        }
    )
    return cms.ContentInfo({"content_type": "signed_data", "content": data}).dump()


def _digest(name: str) -> bytes:
    return hashlib.new(name, CONTENT).digest()


def judged(signature: bytes) -> DocumentReport:
    question = DetachedQuestion(content_name="a", at=NOW, checked_at=NOW)
    return verify_detached(signature, io.BytesIO(CONTENT), question, validator=TRUST_ALL)


@pytest.mark.parametrize("identifier", KINDS)
def test_each_size_passes_and_is_marked_as_an_experiment(identifier: str) -> None:
    report = judged(signed(identifier))
    assert report.indication is Indication.TOTAL_PASSED
    codes = {message.code for message in report.signatures[0].messages}
    assert "EXPERIMENTAL_ALGORITHM" in codes


def test_a_changed_value_fails() -> None:
    report = judged(signed("2.16.840.1.101.3.4.3.18", flip=True))
    assert report.signatures[0].sub_indication == "SIG_CRYPTO_FAILURE"


def test_a_digest_weaker_than_the_signature_breaks_the_rule() -> None:
    report = judged(signed("2.16.840.1.101.3.4.3.19", "sha256"))
    assert not report.accept
    codes = {message.code for message in report.signatures[0].messages}
    assert "ALGORITHMS_DISAGREE" in codes
