"""Every indication and sub-indication of EN 319 102-1, each reached by a real file and chain."""

import hashlib
import io
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from asn1crypto import cms
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from ca.algorithm_policy import AlgorithmPolicy
from ca.anchor_terms import AnchorTerms, TrustTerm
from ca.parsed_certificates import parse
from ca.path_rules import SubIndication as PathSubIndication
from ca.signature_demands import KnownSignaturePolicy, SignatureDemands
from ca.validation import PathPolicy, PathValidator
from pdf.detached import DetachedQuestion, verify_detached
from pdf.options import Level
from pdf.report import DocumentReport, Indication, SignatureReport
from pdf.report_xml import xml
from pdf.sub_indications import FAILED, SubIndication
from pdf.verify import verify
from signing.rules import rules_for
from tests.ca.hierarchy import CA_EXTENSIONS, SIGNER_EXTENSIONS, Entity, key_usage, root
from tests.pdf.archive_kit import (
    AT,
    RESPONDER_EXTENSIONS,
    YEAR,
    Province,
    Servers,
    ocsp_at,
)
from tests.pdf.cms_kit import (
    CONTENT_TIME_STAMP,
    POLICY_ATTRIBUTE,
    Detached,
    policy,
    with_changed_cms,
)
from tests.pdf.etsi_schema import problems
from tests.pdf.signing_kit import blank_pdf

S = SubIndication
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
CONTENT = "Quyết định số 12/QĐ-UBND".encode()
NAMED = "1.3.6.1.4.1.99999.1"
ADDRESS = ocsp_at("http://127.0.0.1:9/ocsp")


@dataclass(kw_only=True)
class Judged:
    """A file, who judges it, and when; a PDF, or else a CMS over `content`."""

    data: bytes
    anchors: tuple[bytes, ...]
    sources: tuple[Servers, ...] = ()
    at: datetime = AT
    content: bytes | None = CONTENT
    policy: PathPolicy = field(default_factory=PathPolicy)
    terms: dict[bytes, AnchorTerms] = field(default_factory=dict)

    def report(self) -> DocumentReport:
        validator = PathValidator(self.anchors, self.sources, policy=self.policy, terms=self.terms)
        rules = rules_for(validator)
        if self.data.startswith(b"\x30"):
            question = DetachedQuestion(content_name="a", at=self.at, checked_at=AT)
            content = None if self.content is None else io.BytesIO(self.content)
            return verify_detached(self.data, content, question, validator=validator, rules=rules)
        return verify(
            io.BytesIO(self.data),
            name="a.pdf",
            at=self.at,
            checked_at=AT,
            validator=validator,
            rules=rules,
        )


@cache
def province() -> Province:
    return Province()


@cache
def signed_pdf() -> bytes:
    return province().sign()


def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def other_signer(**details: object) -> Province:
    """The same authorities with another signer."""
    made = Province()
    made.__dict__.update(province().__dict__)
    made.signer = province().issuing.issue("Nguyễn Văn Khác", key=key(), **details)
    return made


def pdf(data: bytes, **more: object) -> Judged:
    return Judged(data=data, anchors=(province().root.der,), **more)


def detached(signer: Entity | None = None, **details: object) -> bytes:
    house = province()
    given = {"content": CONTENT, "signer": signer or house.signer, "at": AT, **details}
    return Detached(others=(house.issuing,), **given).encoded()


def content_stamp(at: datetime) -> dict[str, bytes]:
    stamps = province().stamps(at)
    return {CONTENT_TIME_STAMP: stamps.timestamp(hashlib.sha256(CONTENT).digest(), "sha256")}


def demanding(**demands: object) -> PathPolicy:
    return PathPolicy(algorithms=AlgorithmPolicy(demands=SignatureDemands(**demands)))


# --- what the file itself shows -------------------------------------------------------------------


def format_failure() -> Judged:
    """The bytes that are covered do not end where the value begins."""
    data = signed_pdf()
    at = data.index(b"/ByteRange")
    digits = data.index(b"0 ", at) + 2
    return pdf(data[:digits] + b"1" + data[digits + 1 :])


def hash_failure() -> Judged:
    data = bytearray(signed_pdf())
    data[data.index(b"/MediaBox") + 11] ^= 1
    return pdf(bytes(data))


def sig_crypto_failure() -> Judged:
    def change(signed: cms.SignedData) -> None:
        value = signed["signer_infos"][0]["signature"].native
        signed["signer_infos"][0]["signature"] = bytes((value[0] ^ 1,)) + value[1:]

    return pdf(with_changed_cms(signed_pdf(), change))


def signed_data_not_found() -> Judged:
    """A detached signature without the file that it was made over."""
    return pdf(detached(), content=None)


def no_signing_certificate_found() -> Judged:
    def change(signed: cms.SignedData) -> None:
        signed["certificates"] = []

    return pdf(with_changed_cms(signed_pdf(), change))


def custom() -> Judged:
    """Encrypted, signed twice, and no password: what the second revision changed is unknown."""
    word = {"password": "mat khau"}
    lock = ["--object-streams=generate", "--encrypt", word["password"], "chủ", "256", "--"]
    with tempfile.TemporaryDirectory() as name:
        plain, locked = Path(name, "plain.pdf"), Path(name, "locked.pdf")
        plain.write_bytes(blank_pdf())
        subprocess.run(["qpdf", plain, *lock, locked], check=True)
        once = province().sign(locked.read_bytes(), **word)
    return pdf(province().sign(once, **word))


# --- what the rules demand ------------------------------------------------------------------------


def policy_processing_error() -> Judged:
    """The policy is known, and the signature names another text by its digest."""
    named = {POLICY_ATTRIBUTE: policy(NAMED, hashlib.sha256(b"another text").digest())}
    digest = hashlib.sha256(b"the text").hexdigest()
    rules = demanding(policies=(KnownSignaturePolicy(NAMED, (digest,)),))
    return pdf(detached(attributes=named), policy=rules)


def signature_policy_not_available() -> Judged:
    named = {POLICY_ATTRIBUTE: policy(NAMED, hashlib.sha256(b"the text").digest())}
    return pdf(detached(attributes=named), policy=demanding(known_policies_only=True))


def sig_constraints_failure() -> Judged:
    """The rules want a proven time, and there is no time-stamp."""
    return pdf(signed_pdf(), policy=demanding(required=("proven_time",)))


def crypto_constraints_failure() -> Judged:
    """MD5 has never been good enough."""
    return pdf(detached(digest="md5"))


def crypto_constraints_failure_no_poe() -> Judged:
    """SHA-1 was good enough once, and nothing proves that the signature is that old."""
    return pdf(detached(digest="sha1"))


def timestamp_order_failure() -> Judged:
    """The value's time-stamp is a day older than the one inside what was signed."""
    stamps = province().stamps(AT - DAY)
    return pdf(detached(attributes=content_stamp(AT - HOUR), stamp=stamps.timestamp))


# --- what the certificate's path shows ------------------------------------------------------------


def no_certificate_chain_found() -> Judged:
    return Judged(data=signed_pdf(), anchors=(root("Nơi khác").der,))


def no_certificate_chain_found_no_poe() -> Judged:
    """The root was trusted until yesterday."""
    mark = parse(province().root.der).fingerprint
    term = (TrustTerm(AT - YEAR, AT - DAY),)
    return pdf(signed_pdf(), terms={mark: AnchorTerms(term, term)})


def chain_constraints_failure() -> Judged:
    house = other_signer(extensions=((key_usage("key_encipherment"), True),))
    return pdf(house.sign())


def certificate_chain_general_failure() -> Judged:
    """An authority's certificate whose policy mappings cannot be read."""
    broken = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.33"), b"\x30\x03\x02\x01")
    house = other_signer()
    long = (AT - YEAR, AT + YEAR)
    house.issuing = house.root.issue_ca(
        "Cấp hỏng", validity=long, extensions=(*CA_EXTENSIONS, (broken, False))
    )
    house.signer = house.issuing.issue("A", key=key(), validity=long)
    return pdf(house.sign())


def revoked_no_poe() -> Judged:
    house = province()
    told = house.servers(AT, revoked={house.signer.cert.serial_number: AT - DAY})
    return pdf(signed_pdf(), sources=(told,))


def revoked_ca_no_poe() -> Judged:
    house = province()
    told = house.servers(AT, revoked={house.issuing.cert.serial_number: AT - DAY})
    return pdf(signed_pdf(), sources=(told,))


def expired_signer(*, named: bool = False) -> Province:
    return other_signer(
        validity=(AT - YEAR, AT - HOUR),
        extensions=(*SIGNER_EXTENSIONS, *((ADDRESS,) if named else ())),
    )


def out_of_bounds_no_poe() -> Judged:
    return pdf(expired_signer().sign(at=AT - DAY))


def out_of_bounds_not_revoked() -> Judged:
    """A list from before the end, still in force, does not have it."""
    told = province().servers(AT - 2 * HOUR, crls=True)
    return pdf(expired_signer().sign(at=AT - DAY), sources=(told,))


def revocation_out_of_bounds_no_poe() -> Judged:
    """The answer is in force, but its signer's certificate has ended since."""
    house = other_signer(extensions=(*SIGNER_EXTENSIONS, ADDRESS))
    short = house.issuing.issue(
        "OCSP", extensions=RESPONDER_EXTENSIONS, validity=(AT - YEAR, AT + HOUR)
    )
    house.responders = {**house.responders, house.issuing.der: short}
    told = house.servers(AT)
    return pdf(house.sign(), sources=(told,), at=AT + 2 * HOUR)


def try_later() -> Judged:
    """A certificate that says where to ask, and nobody to be asked."""
    return pdf(other_signer(extensions=(*SIGNER_EXTENSIONS, ADDRESS)).sign())


def no_poe() -> Judged:
    """Stamped before the certificate ended, and nothing tells its status of that time."""
    house = expired_signer(named=True)
    return pdf(house.sign(level=Level.B_T, at=AT - DAY))


# --- proof that it was made when it could not be --------------------------------------------------


def revoked() -> Judged:
    """Signed over a document time-stamp that is later than the revocation."""
    first = province().sign(level=Level.B_LTA, at=AT - DAY)
    house = other_signer()
    told = house.servers(AT, revoked={house.signer.cert.serial_number: AT - 2 * DAY})
    return pdf(house.sign(first), sources=(told,))


def expired() -> Judged:
    """Signed over a time-stamp from after the end of its certificate."""
    signer = other_signer(validity=(AT - YEAR, AT - 3 * DAY)).signer
    return pdf(detached(signer, attributes=content_stamp(AT - DAY)))


def not_yet_valid() -> Judged:
    """Stamped a day before the certificate began."""
    house = other_signer(validity=(AT - HOUR, AT + YEAR))
    return pdf(house.sign(level=Level.B_T, timestamps=house.stamps(AT - DAY)))


CASES: dict[SubIndication, Callable[[], Judged]] = {
    S.FORMAT_FAILURE: format_failure,
    S.HASH_FAILURE: hash_failure,
    S.SIG_CRYPTO_FAILURE: sig_crypto_failure,
    S.REVOKED: revoked,
    S.EXPIRED: expired,
    S.NOT_YET_VALID: not_yet_valid,
    S.SIG_CONSTRAINTS_FAILURE: sig_constraints_failure,
    S.CHAIN_CONSTRAINTS_FAILURE: chain_constraints_failure,
    S.CERTIFICATE_CHAIN_GENERAL_FAILURE: certificate_chain_general_failure,
    S.CRYPTO_CONSTRAINTS_FAILURE: crypto_constraints_failure,
    S.POLICY_PROCESSING_ERROR: policy_processing_error,
    S.SIGNATURE_POLICY_NOT_AVAILABLE: signature_policy_not_available,
    S.TIMESTAMP_ORDER_FAILURE: timestamp_order_failure,
    S.NO_SIGNING_CERTIFICATE_FOUND: no_signing_certificate_found,
    S.NO_CERTIFICATE_CHAIN_FOUND: no_certificate_chain_found,
    S.NO_CERTIFICATE_CHAIN_FOUND_NO_POE: no_certificate_chain_found_no_poe,
    S.REVOKED_NO_POE: revoked_no_poe,
    S.REVOKED_CA_NO_POE: revoked_ca_no_poe,
    S.OUT_OF_BOUNDS_NOT_REVOKED: out_of_bounds_not_revoked,
    S.OUT_OF_BOUNDS_NO_POE: out_of_bounds_no_poe,
    S.REVOCATION_OUT_OF_BOUNDS_NO_POE: revocation_out_of_bounds_no_poe,
    S.CRYPTO_CONSTRAINTS_FAILURE_NO_POE: crypto_constraints_failure_no_poe,
    S.NO_POE: no_poe,
    S.TRY_LATER: try_later,
    S.SIGNED_DATA_NOT_FOUND: signed_data_not_found,
    S.CUSTOM: custom,
}


def judged(case: Judged) -> SignatureReport:
    """The verdict on the signature that the case is about: the last one with a problem."""
    report = case.report()
    assert problems(xml(report.to_dict())) == []
    signatures = [one for one in report.signatures if one.kind == "signature"]
    bad = [one for one in signatures if one.indication is not Indication.TOTAL_PASSED]
    assert bad, report.to_dict()
    return bad[-1]


@pytest.mark.parametrize("word", CASES)
def test_each_sub_indication_is_reached_by_a_file(word: SubIndication) -> None:
    found = judged(CASES[word]())
    shown = found.to_dict()
    expected = Indication.TOTAL_FAILED if word in FAILED else Indication.INDETERMINATE
    assert (found.indication, found.sub_indication) == (expected, word), shown
    codes = {message.code for message in found.messages}
    assert all(message.en != message.code for message in found.messages), codes


def test_no_sub_indication_is_forgotten() -> None:
    assert set(CASES) == set(SubIndication)
    assert len(SubIndication) == 25 + 1  # those of EN 319 102-1, and CUSTOM
    assert {str(word) for word in PathSubIndication} <= {str(word) for word in SubIndication}


def test_every_main_indication_is_reached() -> None:
    cases = {
        Indication.TOTAL_PASSED: pdf(signed_pdf()),
        Indication.TOTAL_FAILED: hash_failure(),
        Indication.INDETERMINATE: no_certificate_chain_found(),
        Indication.NO_SIGNATURE: pdf(blank_pdf()),
        Indication.NOT_A_PDF: pdf(b"?"),
    }
    assert {word: case.report().indication for word, case in cases.items()} == {
        word: word for word in Indication
    }


# --- the same doubts, lifted by a proof of time ---------------------------------------------------


def passed(case: Judged) -> bool:
    return case.report().indication is Indication.TOTAL_PASSED


def test_a_signature_older_than_the_end_of_its_anchors_term_passes() -> None:
    """The term for signers has ended, that for time-stamps has not."""
    case = no_certificate_chain_found_no_poe()
    ((mark, terms),) = case.terms.items()
    case.data = province().sign(level=Level.B_T, at=AT - 2 * DAY)
    assert not passed(case)
    case.terms = {mark: AnchorTerms(terms.signing, (TrustTerm(AT - YEAR),))}
    assert passed(case)


def test_an_expired_certificate_passes_when_the_time_and_the_status_are_proven() -> None:
    case = out_of_bounds_not_revoked()
    house = expired_signer()
    case.data = house.sign(level=Level.B_T, at=AT - 3 * HOUR)
    assert passed(case)


def test_a_status_whose_teller_has_expired_since_counts_for_a_signature_proven_before() -> None:
    case = revocation_out_of_bounds_no_poe()
    (told,) = case.sources
    case.data = told.province.sign(level=Level.B_T)
    assert passed(case)


def test_a_time_stamp_within_the_signature_and_one_over_it_in_order_pass() -> None:
    stamps = province().stamps(AT - HOUR)
    signed = detached(attributes=content_stamp(AT - DAY), stamp=stamps.timestamp)
    assert passed(pdf(signed))


def test_clocks_of_two_authorities_may_differ_by_seconds() -> None:
    stamps = province().stamps(AT - HOUR - timedelta(seconds=20))
    assert passed(pdf(detached(attributes=content_stamp(AT - HOUR), stamp=stamps.timestamp)))


def test_a_covered_time_stamp_from_before_the_revocation_proves_nothing_against_it() -> None:
    house = province()
    told = house.servers(AT, revoked={house.signer.cert.serial_number: AT - HOUR})
    case = pdf(detached(attributes=content_stamp(AT - DAY)), sources=(told,))
    assert judged(case).sub_indication is S.REVOKED_NO_POE


def test_a_covered_time_stamp_of_an_unknown_authority_proves_nothing() -> None:
    elsewhere = Province()
    token = elsewhere.stamps(AT - DAY).timestamp(hashlib.sha256(CONTENT).digest(), "sha256")
    signer = other_signer(validity=(AT - YEAR, AT - 3 * DAY)).signer
    case = pdf(detached(signer, attributes={CONTENT_TIME_STAMP: token}))
    assert judged(case).sub_indication is S.OUT_OF_BOUNDS_NO_POE


def test_a_covered_time_stamp_over_another_content_proves_nothing() -> None:
    token = province().stamps(AT - DAY).timestamp(hashlib.sha256(b"other").digest(), "sha256")
    signer = other_signer(validity=(AT - YEAR, AT - 3 * DAY)).signer
    case = pdf(detached(signer, attributes={CONTENT_TIME_STAMP: token}))
    assert judged(case).sub_indication is S.OUT_OF_BOUNDS_NO_POE


def test_sha1_passes_where_a_proof_is_as_old_as_the_algorithm_was_good() -> None:
    policy = AlgorithmPolicy(hashes={**AlgorithmPolicy().hashes, "sha1": AT - DAY})
    stamps = province().stamps(AT - 2 * DAY)
    signed = detached(digest="sha1", stamp=stamps.timestamp)
    assert passed(pdf(signed, policy=PathPolicy(algorithms=policy)))


def test_sha1_proven_to_be_used_after_its_end_is_a_failure_of_its_own() -> None:
    policy = AlgorithmPolicy(hashes={**AlgorithmPolicy().hashes, "sha1": AT - 2 * DAY})
    signed = detached(digest="sha1", attributes=content_stamp(AT - DAY))
    found = judged(pdf(signed, policy=PathPolicy(algorithms=policy)))
    assert found.sub_indication is S.CRYPTO_CONSTRAINTS_FAILURE


# --- what the clerk reads -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "reason", "criterion"),
    [
        (revoked, "SIGNED_OUT_OF_TIME", "C1.2"),
        (expired, "SIGNED_OUT_OF_TIME", "C1.1"),
        (not_yet_valid, "SIGNED_OUT_OF_TIME", "C1.1"),
        (revoked_no_poe, "CERTIFICATE_REVOKED", "C1.2"),
        (out_of_bounds_no_poe, "NOT_CONFIRMED", "C2.3"),
        (no_certificate_chain_found_no_poe, "CERTIFICATE_NOT_TRUSTED", ""),
        (crypto_constraints_failure, "NOT_CONFIRMED", "C1.3"),
        (chain_constraints_failure, "NOT_CONFIRMED", "C1.4"),
        (hash_failure, "SIGNATURE_FAILED", "C2.4"),
        (sig_crypto_failure, "SIGNATURE_FAILED", "C2.2"),
    ],
)
def test_the_decision_says_why_and_the_criterion_that_failed(
    case: Callable[[], Judged], reason: str, criterion: str
) -> None:
    made = case()
    report = made.report()
    assert not report.accept
    assert reason in report.reasons
    failed = {code for code, state in judged(made).criteria.items() if state == "failed"}
    assert criterion in failed or not criterion, failed


def test_a_chain_that_is_too_weak_fails_the_criterion_of_algorithms() -> None:
    house = other_signer()
    old = root("Gốc cũ", key=key(), validity=(AT - YEAR, AT + YEAR))
    house.issuing = old
    house.signer = old.issue("A", key=key(), sha1=True, validity=(AT - YEAR, AT + YEAR))
    found = judged(Judged(data=house.sign(), anchors=(old.der,)))
    assert found.sub_indication is S.CRYPTO_CONSTRAINTS_FAILURE_NO_POE
    assert found.criteria["C1.3"] == "failed"
