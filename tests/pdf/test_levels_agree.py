"""Every level with every algorithm, written both ways: four verifiers, one verdict.

Poppler's pdfsig and qpdf know no levels: they say whether signature and file hold. pyHanko judges
signature, time-stamps and paths; our own verifier says the level, too.
"""

import io
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature, validate_pdf_timestamp
from pyhanko_certvalidator import ValidationContext

from pdf.algorithms import SignatureAlgorithm
from pdf.options import Level
from pdf.plain_document import plain_document
from pdf.report import Indication
from tests.ca.hierarchy import SIGNER_EXTENSIONS, Entity
from tests.pdf.archive_kit import AT, YEAR, Province
from tests.pdf.signing_kit import Key, assemble, blank_pdf, page_count, pdfsig, qpdf_check

MINUTE = timedelta(minutes=1)
ED25519 = SignatureAlgorithm.ED25519
KINDS = {
    "rsa": SignatureAlgorithm.RSA_PKCS1_SHA256,
    "rsa-pss": SignatureAlgorithm.RSA_PSS_SHA256,
    "p-256": SignatureAlgorithm.ECDSA_SHA256,
    "p-384": SignatureAlgorithm.ECDSA_SHA384,
    "ed25519": ED25519,
}
# A form with a field of its own is not plain: signature and extensions take the object layer.
WITH_FORM = assemble(
    [
        "<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[5 0 R]>>>>",
        "<</Type/Pages/Kids[4 0 R]/Count 1>>",
        "<</Length 0>>stream\n\nendstream",
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 3 0 R/Annots[5 0 R]>>",
        "<</FT/Tx/T(Chữ)/V(x)/Type/Annot/Subtype/Widget/Rect[0 0 9 9]/P 4 0 R>>",
    ]
)


class Verdict(NamedTuple):
    """What all of them say about a document."""

    poppler: tuple[int, int]
    """Signatures found, and signatures that hold (document time-stamps it does not judge)."""
    qpdf: int
    pages: int
    other: tuple[bool, bool, bool]
    """pyHanko: intact, valid, trusted."""
    other_stamps: tuple[bool, ...]
    ours: tuple[tuple[str, str, Indication], ...]


@pytest.fixture(scope="module")
def province() -> Province:
    return Province()


@pytest.fixture(scope="module")
def signers(province: Province) -> dict[str, Entity]:
    keys: dict[str, Key] = {
        "rsa": rsa.generate_private_key(65537, 2048),
        "p-256": ec.generate_private_key(ec.SECP256R1()),
        "p-384": ec.generate_private_key(ec.SECP384R1()),
        "ed25519": ed25519.Ed25519PrivateKey.generate(),
    }
    validity = (AT - YEAR, AT + 2 * YEAR)
    made = {
        kind: province.issuing.issue(
            "Nguyễn Thị Hoài Thương",
            key=key,  # type: ignore[arg-type]
            validity=validity,
            extensions=SIGNER_EXTENSIONS,
        )
        for kind, key in keys.items()
    }
    return {**made, "rsa-pss": made["rsa"]}


def asked_everybody(province: Province, data: bytes, folder: Path) -> Verdict:
    file = folder / "signed.pdf"
    file.write_bytes(data)
    opinion = pdfsig(file)
    reader = PdfFileReader(io.BytesIO(data), strict=False)
    (signature,) = reader.embedded_regular_signatures
    status = validate_pdf_signature(signature, trusting(province))
    stamps = [validate_pdf_timestamp(each, trusting(province)) for each in stamps_of(reader)]
    if status.timestamp_validity is not None:
        own = status.timestamp_validity
        stamps.append(own)
    report = province.verify(data, at=AT + MINUTE)
    return Verdict(
        poppler=(opinion.signatures, opinion.valid),
        qpdf=qpdf_check(file),
        pages=page_count(file),
        other=(status.intact, status.valid, status.trusted),
        other_stamps=tuple(each.intact and each.valid and each.trusted for each in stamps),
        ours=tuple((each.kind, each.level, each.indication) for each in report.signatures),
    )


def stamps_of(reader: PdfFileReader) -> list[object]:
    return list(reader.embedded_timestamp_signatures)


def trusting(province: Province) -> ValidationContext:
    root = asn1_x509.Certificate.load(province.root.der)
    return ValidationContext(trust_roots=[root], allow_fetching=False)


def expected(kind: str, level: Level) -> Verdict:
    archived = level is Level.B_LTA
    ours = [("signature", level.value, Indication.TOTAL_PASSED)]
    if archived:
        # nothing stands behind the archive time-stamp itself
        ours.append(("document_timestamp", "B-LT", Indication.TOTAL_PASSED))
    return Verdict(
        # pdfsig's library cannot judge EdDSA in CMS
        poppler=(2 if archived else 1, 0 if kind == "ed25519" else 1),
        qpdf=0,
        pages=1,
        other=(True, True, True),
        other_stamps=(True,) * (archived + level.reaches(Level.B_T)),
        ours=tuple(ours),
    )


@pytest.mark.parametrize("level", list(Level))
@pytest.mark.parametrize("kind", KINDS)
def test_four_verifiers_agree_whatever_the_level_algorithm_and_way_of_writing(
    province: Province, signers: dict[str, Entity], kind: str, level: Level, tmp_path: Path
) -> None:
    asked = {"who": signers[kind], "algorithm": KINDS[kind], "level": level}
    short = province.sign(blank_pdf(), **asked)  # type: ignore[arg-type]
    layered = province.sign(WITH_FORM, field="Ký", **asked)  # type: ignore[arg-type]
    assert plain_document(short, page=1) is not None
    assert plain_document(WITH_FORM, page=1) is None
    assert plain_document(layered, page=1) is None
    verdict = asked_everybody(province, short, tmp_path)
    assert verdict == asked_everybody(province, layered, tmp_path)
    assert verdict == expected(kind, level)


@pytest.mark.parametrize("level", list(Level))
def test_four_verifiers_agree_that_a_changed_document_does_not_hold(
    province: Province, signers: dict[str, Entity], level: Level, tmp_path: Path
) -> None:
    """The agreement above is not for free."""
    for source, field in ((blank_pdf(), None), (WITH_FORM, "Ký")):
        signed = province.sign(source, who=signers["rsa"], level=level, field=field)
        changed = signed.replace(b"[0 0 595 842]", b"[0 0 595 843]", 1)
        verdict = asked_everybody(province, changed, tmp_path)
        assert verdict.poppler[1] == 0
        assert not verdict.other[0]
        assert verdict.ours[0][2] is Indication.TOTAL_FAILED
