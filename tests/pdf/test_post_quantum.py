"""ML-DSA in CMS (RFC 9881, RFC 9882): signed and checked, and marked as an experiment."""

import hashlib
import io
from pathlib import Path

import pytest
from asn1crypto import cms, core
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import mldsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from pdf.algorithms import SignatureAlgorithm
from pdf.appearance import Stamp
from pdf.cms import CmsTemplate
from pdf.detached import DetachedQuestion, verify_detached
from pdf.options import SignatureOptions
from pdf.preflight import preflight
from pdf.report import DocumentReport, Indication, SignatureReport
from pdf.verify import verify
from signing.errors import AlgorithmNotOffered
from signing.policy import SigningPolicy
from tests.pdf.signing_kit import (
    NOW,
    blank_pdf,
    pdfsig,
    person,
    qpdf_check,
    raw_signature,
    root,
    sign,
)
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


ML_DSA_65 = SignatureAlgorithm.ML_DSA_65


def own_verdict(data: bytes) -> SignatureReport:
    report = verify(io.BytesIO(data), name="a.pdf", at=NOW, checked_at=NOW, validator=TRUST_ALL)
    return report.signatures[-1]


@pytest.mark.parametrize("options", [{}, {"field": "Ký"}, {"stamp": Stamp()}])
def test_a_document_is_signed_and_the_report_says_that_it_is_an_experiment(
    options: dict[str, object], tmp_path: Path
) -> None:
    data = sign(sign(blank_pdf(2)), algorithm=ML_DSA_65, **options)
    found = own_verdict(data)
    assert found.indication is Indication.TOTAL_PASSED
    assert "EXPERIMENTAL_ALGORITHM" in {message.code for message in found.messages}
    (tmp_path / "a.pdf").write_bytes(data)
    assert qpdf_check(tmp_path / "a.pdf") == 0
    # the signature of the usual kind before it stands
    assert pdfsig(tmp_path / "a.pdf").valid == 1


def test_the_container_says_what_the_standards_ask() -> None:
    """RFC 9882: the identifier without parameters, SHA-512, the pure form with no context."""
    who = person("ml-dsa-65")
    template = CmsTemplate(who.chain, ML_DSA_65)
    attributes = template.signed_attributes(hashlib.sha512(CONTENT).digest())
    signature = raw_signature(who.key, ML_DSA_65, attributes)
    container = template.container(attributes, signature)
    signer = cms.ContentInfo.load(container)["content"]["signer_infos"][0]
    algorithm = signer["signature_algorithm"]
    assert algorithm["algorithm"].dotted == "2.16.840.1.101.3.4.3.18"
    assert isinstance(algorithm["parameters"], core.Void)
    assert signer["digest_algorithm"]["algorithm"].native == "sha512"
    assert len(signature) == 3309
    who.certificate.public_key().verify(signature, attributes)  # type: ignore[call-arg, union-attr]
    assert judged(container).indication is Indication.TOTAL_PASSED


def test_any_changed_byte_of_the_document_fails() -> None:
    data = sign(blank_pdf(), algorithm=ML_DSA_65)
    spoilt = data.replace(b"[0 0 595 842]", b"[0 0 595 843]")
    assert own_verdict(spoilt).sub_indication == "HASH_FAILURE"


@pytest.mark.parametrize("changed", [False, True])
def test_another_validator_agrees(changed: bool) -> None:  # noqa: FBT001 - of the case
    data = sign(blank_pdf(), algorithm=ML_DSA_65)
    if changed:
        data = data.replace(b"[0 0 595 842]", b"[0 0 595 843]")
    signature = PdfFileReader(io.BytesIO(data)).embedded_signatures[0]
    trusted = asn1_x509.Certificate.load(root()[0].public_bytes(Encoding.DER))
    status = validate_pdf_signature(signature, ValidationContext(trust_roots=[trusted]))
    assert status.valid
    assert (status.intact, status.bottom_line) == (not changed,) * 2
    assert (own_verdict(data).indication is Indication.TOTAL_PASSED) is not changed


def test_whoever_looks_ahead_is_told_that_it_is_an_experiment() -> None:
    chain = person("ml-dsa-65").chain
    options = SignatureOptions(signing_time=NOW)
    found = preflight(io.BytesIO(blank_pdf()), options=options, signer=chain, algorithm=ML_DSA_65)
    assert "EXPERIMENTAL_ALGORITHM" in {each.code for each in found.findings}


def test_a_server_signs_so_only_where_its_policy_permits_experiments() -> None:
    with pytest.raises(AlgorithmNotOffered):
        SigningPolicy().algorithm(ML_DSA_65)
    assert SigningPolicy(experimental=True).algorithm(ML_DSA_65) is ML_DSA_65
