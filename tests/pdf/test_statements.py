"""Commitment and signature policy: stated in signed attributes, read back by others."""

import hashlib
import io
from pathlib import Path

import pytest
from asn1crypto import cms
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from pdf.cades import finish_detached, prepare_detached
from pdf.embed import embed
from pdf.errors import SignatureRejected, StatementInvalid
from pdf.options import Level, SignatureOptions
from pdf.prepare import PreparedSignature, SignatureAlgorithm, prepare
from pdf.report import Indication
from pdf.rules import DEFAULT_RULES, Rules
from pdf.statement import Commitment, SignaturePolicy, Statement
from pdf.verify import verify
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
from tests.pdf.time_stamping import OpensslAuthority
from tests.pdf.verifying_kit import TRUST_ALL

RSA = SignatureAlgorithm.RSA_PKCS1_SHA256
TEXT = "Quy chế ký số của tỉnh".encode()
POLICY = SignaturePolicy(
    identifier="1.3.6.1.4.1.99999.1.2",
    digest=hashlib.sha256(TEXT).digest(),
    uri="https://example.invalid/quy-che.pdf",
)
STATEMENTS = {
    "commitment": Statement(commitment=Commitment.APPROVAL),
    "policy": Statement(policy=POLICY),
    "both": Statement(commitment=Commitment.ORIGIN, policy=POLICY),
}


def attributes_of(data: bytes) -> dict[str, cms.CMSAttribute]:
    reader = PdfFileReader(io.BytesIO(data))
    signer = reader.embedded_signatures[-1].signer_info
    return {each["type"].dotted: each["values"][0] for each in signer["signed_attrs"]}


@pytest.mark.parametrize("name", STATEMENTS)
@pytest.mark.parametrize("level", [Level.B_B, Level.B_T])
def test_what_is_stated_is_signed_and_everybody_accepts_it(
    name: str, level: Level, tmp_path: Path
) -> None:
    stamps = OpensslAuthority(tmp_path) if level is Level.B_T else None
    data = sign(blank_pdf(), statement=STATEMENTS[name], level=level, timestamps=stamps)
    file = tmp_path / "a.pdf"
    file.write_bytes(data)
    assert (pdfsig(file).valid, qpdf_check(file)) == (1, 0)
    signature = PdfFileReader(io.BytesIO(data)).embedded_signatures[0]
    trusted = asn1_x509.Certificate.load(root()[0].public_bytes(Encoding.DER))
    assert validate_pdf_signature(signature, ValidationContext(trust_roots=[trusted])).bottom_line
    report = verify(io.BytesIO(data), name="a", at=NOW, checked_at=NOW, validator=TRUST_ALL)
    assert report.signatures[0].indication is Indication.TOTAL_PASSED
    assert report.signatures[0].level == level


@pytest.mark.parametrize("commitment", Commitment)
def test_each_commitment_has_its_identifier(commitment: Commitment) -> None:
    data = sign(blank_pdf(), statement=Statement(commitment=commitment))
    value = attributes_of(data)["1.2.840.113549.1.9.16.2.16"]
    identifier = value["commitment_type_id"].native
    assert identifier.replace("_", "-") == commitment.value


def test_the_policy_reads_back_as_it_was_given() -> None:
    data = sign(blank_pdf(), statement=STATEMENTS["policy"])
    found = attributes_of(data)["1.2.840.113549.1.9.16.2.15"].chosen
    assert found["sig_policy_id"].dotted == POLICY.identifier
    assert found["sig_policy_hash"]["digest"].native == POLICY.digest
    assert found["sig_policy_hash"]["digest_algorithm"]["algorithm"].native == "sha256"
    (qualifier,) = found["sig_policy_qualifiers"]
    assert qualifier["sig_qualifier"].native == POLICY.uri


@pytest.mark.parametrize("known", [True, False])
def test_a_verifier_that_knows_the_policy_holds_its_hash_against_it(known: bool) -> None:  # noqa: FBT001 -- of the case
    digest = POLICY.digest if known else bytes(range(32))
    stated = Statement(policy=SignaturePolicy(identifier=POLICY.identifier, digest=digest))
    rules = Rules(**{**vars(DEFAULT_RULES), "policies": {POLICY.identifier: {POLICY.digest.hex()}}})
    report = verify(
        io.BytesIO(sign(blank_pdf(), statement=stated)),
        name="a",
        at=NOW,
        checked_at=NOW,
        validator=TRUST_ALL,
        rules=rules,
    )
    passed = report.signatures[0].indication is Indication.TOTAL_PASSED
    assert passed is known


def test_nothing_is_stated_unless_it_is_asked_for() -> None:
    assert len(attributes_of(sign(blank_pdf()))) == 3


def test_a_reason_in_words_and_a_commitment_exclude_each_other() -> None:
    with pytest.raises(StatementInvalid, match="reason"):
        SignatureOptions(signing_time=NOW, reason="Phê duyệt", statement=STATEMENTS["commitment"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"identifier": "no"},
        {"identifier": "1.40.1"},
        {"identifier": "3.1"},
        {"identifier": "1.2.0123"},
        {"digest": b"short"},
        {"hash_algorithm": "md5"},
        {"uri": ""},
        {"uri": "https://ví-dụ"},
    ],
)
def test_a_policy_that_cannot_be_encoded_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(StatementInvalid):
        SignaturePolicy(**{**vars(POLICY), **wrong})  # type: ignore[arg-type]


def test_attributes_that_nobody_may_state_are_not_taken_for_the_signers() -> None:
    """Only the two kinds may stand beside the usual ones when a signature comes back."""
    who = person()
    staged = io.BytesIO()
    asked = SignatureOptions(signing_time=NOW, statement=STATEMENTS["both"])
    state = prepare(io.BytesIO(blank_pdf()), staged, options=asked, signer=who.chain, algorithm=RSA)
    again = PreparedSignature.from_json(state.to_json())
    assert again == state
    extra = cms.CMSAttributes.load(state.to_be_signed)
    extra.append({"type": "signing_time", "values": [cms.Time({"utc_time": NOW})]})
    forged = PreparedSignature.from_json(
        state.to_json().replace(state.to_be_signed.hex(), extra.dump(force=True).hex())
    )
    assert forged.to_be_signed != state.to_be_signed
    with pytest.raises(SignatureRejected):
        embed(
            staged,
            forged,
            signature=raw_signature(who.key, RSA, forged.to_be_signed),
            signer=who.chain,
        )
    embed(
        staged,
        again,
        signature=raw_signature(who.key, RSA, again.to_be_signed),
        signer=who.chain,
    )


def test_detached_signatures_state_it_too() -> None:
    who = person()
    prepared = prepare_detached(
        io.BytesIO(TEXT),
        signer=who.chain,
        algorithm=RSA,
        signing_time=NOW,
        statement=STATEMENTS["both"],
    )
    container = finish_detached(
        prepared,
        signature=raw_signature(who.key, RSA, prepared.to_be_signed),
        signer=who.chain,
    ).container
    signer = cms.ContentInfo.load(container)["content"]["signer_infos"][0]
    assert len(signer["signed_attrs"]) == 6
