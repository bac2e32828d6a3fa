import time
import warnings
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from ca.algorithm_policy import AlgorithmPolicy
from ca.revocation import RevocationStatus
from ca.validation import PathPolicy, PathValidator, PathVerdict, RevocationRule
from tests.ca.hierarchy import (
    CA_EXTENSIONS,
    NOW,
    SIGNER_EXTENSIONS,
    YEAR,
    Entity,
    Extension,
    key_usage,
    name,
    root,
)
from tests.ca.openssl import openssl, write_pem

OFF = PathPolicy(revocation=RevocationRule.OFF)


def judge(
    target: Entity,
    *others: Entity,
    top: Entity,
    policy: PathPolicy = OFF,
    at: datetime = NOW,
    purpose: str = "signing",
) -> PathVerdict:
    return PathValidator([top.der], policy=policy).validate(
        target.der,
        purpose=purpose,  # type: ignore[arg-type]
        at=at,
        others=[other.der for other in others],
    )


def with_extension(
    *more: Extension, base: Sequence[Extension] = SIGNER_EXTENSIONS
) -> list[Extension]:
    """Extensions of `base`, those of a same kind replaced."""
    kinds = {extension.oid for extension, _ in more}
    return [one for one in base if one[0].oid not in kinds] + list(more)


def usage(*purposes: x509.ObjectIdentifier, critical: bool = True) -> Extension:
    return x509.ExtendedKeyUsage(purposes), critical


def ca(**details: object) -> list[Extension]:
    constraints = {"ca": True, "path_length": None} | details
    return with_extension(
        (x509.BasicConstraints(**constraints), True),  # type: ignore[arg-type]
        base=CA_EXTENSIONS,
    )


def test_a_chain_over_an_intermediate_is_trusted_and_given_back_to_its_anchor() -> None:
    top = root()
    middle = top.issue_ca()
    signer = middle.issue("Nguyễn Văn A")
    verdict = judge(signer, middle, top=top)
    assert verdict.trusted
    assert verdict.sub_indication is None
    assert verdict.chain == (signer.der, middle.der, top.der)
    assert verdict.revocation.status is RevocationStatus.NOT_CHECKED
    assert verdict.messages == ()


def test_known_intermediates_need_not_be_in_the_document() -> None:
    top = root()
    middle = top.issue_ca()
    validator = PathValidator([top.der], intermediates=[middle.der], policy=OFF)
    assert validator.validate(middle.issue("A").der, purpose="signing", at=NOW).trusted


def test_an_anchor_may_be_the_signer_itself() -> None:
    own = root("Tự ký", extensions=SIGNER_EXTENSIONS)
    assert judge(own, top=own).trusted


# Chains that must fail: each function makes one mistake in an otherwise good chain.

Mistake = tuple[Entity, tuple[Entity, ...], Entity]


def missing_intermediate() -> Mistake:
    top = root()
    return top.issue_ca().issue("A"), (), top


def another_root_of_the_same_name() -> Mistake:
    middle = root().issue_ca()
    return middle.issue("A"), (middle,), root()


def signed_by_another_key() -> Mistake:
    top = root()
    middle, impostor = top.issue_ca(), Entity(name("Issuing"))
    return impostor.issue("A"), (middle,), top


def expired() -> Mistake:
    top = root()
    return top.issue("A", validity=(NOW - YEAR, NOW - timedelta(seconds=1))), (), top


def not_yet_valid() -> Mistake:
    top = root()
    return top.issue("A", validity=(NOW + timedelta(seconds=1), NOW + YEAR)), (), top


def intermediate_expired() -> Mistake:
    top = root()
    middle = top.issue_ca(validity=(NOW - YEAR, NOW - timedelta(days=1)))
    return middle.issue("A"), (middle,), top


def issuer_is_an_ordinary_subscriber() -> Mistake:
    top = root()
    middle = top.issue("Subscriber")
    return middle.issue("A"), (middle,), top


def issuer_without_basic_constraints() -> Mistake:
    top = root()
    middle = top.issue("Issuing", extensions=[(key_usage("key_cert_sign"), True)])
    return middle.issue("A"), (middle,), top


def issuer_may_sign_only_crls() -> Mistake:
    top = root()
    middle = top.issue_ca(extensions=with_extension((key_usage("crl_sign"), True), base=ca()))
    return middle.issue("A"), (middle,), top


def path_longer_than_allowed() -> Mistake:
    top = root()
    first = top.issue_ca(extensions=ca(path_length=0))
    second = first.issue_ca("Sub")
    return second.issue("A"), (first, second), top


def path_longer_than_the_anchor_allows() -> Mistake:
    top = root(extensions=ca(path_length=0))
    middle = top.issue_ca()
    return middle.issue("A"), (middle,), top


def unknown_critical_extension() -> Mistake:
    top = root()
    strange = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    return top.issue("A", extensions=with_extension((strange, True))), (), top


def name_outside_the_permitted_tree() -> Mistake:
    top = root()
    permitted = x509.DirectoryName(
        x509.Name(
            [
                x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "UBND"),
            ]
        )
    )
    constraints = x509.NameConstraints([permitted], None)
    middle = top.issue_ca(extensions=with_extension((constraints, True), base=ca()))
    return middle.issue("A"), (middle,), top


def name_outside_what_the_anchor_permits() -> Mistake:
    excluded = x509.NameConstraints(None, [x509.DirectoryName(name("A"))])
    top = root(extensions=with_extension((excluded, True), base=ca()))
    return top.issue("A"), (), top


def key_usage_only_for_encryption() -> Mistake:
    top = root()
    return top.issue("A", extensions=[(key_usage("key_encipherment"), True)]), (), top


def certificate_of_a_web_server() -> Mistake:
    top = root()
    return (
        top.issue("A", extensions=with_extension(usage(ExtendedKeyUsageOID.SERVER_AUTH))),
        (),
        top,
    )


def certificate_of_a_time_stamp_authority() -> Mistake:
    top = root()
    stamp = with_extension(usage(ExtendedKeyUsageOID.TIME_STAMPING))
    return top.issue("A", extensions=stamp), (), top


def sha1_signature() -> Mistake:
    top = root(key=rsa.generate_private_key(65537, 2048))
    return top.issue("A", sha1=True), (), top


def rsa_1024() -> Mistake:
    top = root()
    weak = rsa.generate_private_key(65537, 1024)  # noqa: S505 -- the mistake
    return top.issue("A", key=weak), (), top


def subject_matches_by_chance_only() -> Mistake:
    top = root()
    return Entity(name("Root"), key=top.issue_ca().key).issue("A"), (), top


@pytest.mark.parametrize(
    ("mistake", "sub_indication", "code"),
    [
        (missing_intermediate, "NO_CERTIFICATE_CHAIN_FOUND", "no_chain_to_anchor"),
        (another_root_of_the_same_name, "NO_CERTIFICATE_CHAIN_FOUND", "no_chain_to_anchor"),
        (signed_by_another_key, "NO_CERTIFICATE_CHAIN_FOUND", "no_chain_to_anchor"),
        (subject_matches_by_chance_only, "NO_CERTIFICATE_CHAIN_FOUND", "no_chain_to_anchor"),
        (expired, "OUT_OF_BOUNDS_NO_POE", "certificate_expired"),
        (not_yet_valid, "OUT_OF_BOUNDS_NO_POE", "certificate_not_yet_valid"),
        (intermediate_expired, "OUT_OF_BOUNDS_NO_POE", "ca_expired"),
        (issuer_is_an_ordinary_subscriber, "CHAIN_CONSTRAINTS_FAILURE", "issuer_is_no_ca"),
        (issuer_without_basic_constraints, "CHAIN_CONSTRAINTS_FAILURE", "issuer_is_no_ca"),
        (issuer_may_sign_only_crls, "CHAIN_CONSTRAINTS_FAILURE", "issuer_may_not_certify"),
        (path_longer_than_allowed, "CHAIN_CONSTRAINTS_FAILURE", "path_too_long"),
        (path_longer_than_the_anchor_allows, "CHAIN_CONSTRAINTS_FAILURE", "path_too_long"),
        (unknown_critical_extension, "CHAIN_CONSTRAINTS_FAILURE", "critical_extension_unknown"),
        (name_outside_the_permitted_tree, "CHAIN_CONSTRAINTS_FAILURE", "name_not_permitted"),
        (name_outside_what_the_anchor_permits, "CHAIN_CONSTRAINTS_FAILURE", "name_not_permitted"),
        (key_usage_only_for_encryption, "CHAIN_CONSTRAINTS_FAILURE", "key_usage_not_for_signing"),
        (
            certificate_of_a_web_server,
            "CHAIN_CONSTRAINTS_FAILURE",
            "extended_key_usage_not_for_signing",
        ),
        (
            certificate_of_a_time_stamp_authority,
            "CHAIN_CONSTRAINTS_FAILURE",
            "extended_key_usage_not_for_signing",
        ),
        (sha1_signature, "CRYPTO_CONSTRAINTS_FAILURE_NO_POE", "algorithm_too_weak"),
        (rsa_1024, "CRYPTO_CONSTRAINTS_FAILURE_NO_POE", "algorithm_too_weak"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_rejects_a_chain_with_one_mistake(
    mistake: object, sub_indication: str, code: str, tmp_path: Path
) -> None:
    target, others, top = mistake()  # type: ignore[operator]
    verdict = judge(target, *others, top=top)
    assert not verdict.trusted
    assert verdict.sub_indication == sub_indication
    assert code in verdict.messages
    if code.startswith(("extended_key_usage", "key_usage", "algorithm")):
        return  # openssl has no purpose for documents, and another opinion on strength
    seen = openssl(
        *("verify", "-x509_strict", "-attime", str(int(NOW.timestamp()))),
        *("-CAfile", write_pem(tmp_path / "root.pem", top.der)),
        *(
            ("-untrusted", write_pem(tmp_path / "others.pem", *(one.der for one in others)))
            if others
            else ()
        ),
        write_pem(tmp_path / "target.pem", target.der),
    )
    assert seen.returncode != 0


def test_openssl_trusts_what_we_trust(tmp_path: Path) -> None:
    top = root()
    middle = top.issue_ca(extensions=ca(path_length=0))
    signer = middle.issue("A")
    assert judge(signer, middle, top=top).trusted
    seen = openssl(
        *("verify", "-attime", str(int(NOW.timestamp()))),
        *("-CAfile", write_pem(tmp_path / "root.pem", top.der)),
        *("-untrusted", write_pem(tmp_path / "others.pem", middle.der)),
        write_pem(tmp_path / "target.pem", signer.der),
    )
    assert seen.returncode == 0, seen.stderr


def test_validity_is_judged_at_the_asked_time() -> None:
    top = root(validity=(NOW - 5 * YEAR, NOW + 5 * YEAR))
    signer = top.issue("A", validity=(NOW - 3 * YEAR, NOW - YEAR))
    verdicts = [judge(signer, top=top, at=NOW - years * YEAR).trusted for years in (4, 2, 0)]
    assert verdicts == [False, True, False]


def test_an_expired_anchor_is_still_an_anchor_and_says_so() -> None:
    top = root(validity=(NOW - 5 * YEAR, NOW - YEAR))
    verdict = judge(top.issue("A"), top=top)
    assert verdict.trusted
    assert "anchor_outside_validity" in verdict.messages


def test_sha1_is_accepted_with_a_warning_below_a_legacy_anchor_only() -> None:
    key = rsa.generate_private_key(65537, 2048)
    top = root("Ban Cơ yếu Chính phủ", key=key)
    middle = top.issue_ca("CP", key=rsa.generate_private_key(65537, 2048), sha1=True)
    signer = middle.issue("A", sha1=True)
    assert not judge(signer, middle, top=top).trusted
    fingerprint = top.cert.fingerprint(hashes.SHA256())
    algorithms = AlgorithmPolicy(legacy_anchors=frozenset({fingerprint}))
    verdict = judge(
        signer, middle, top=top, policy=PathPolicy(algorithms, revocation=RevocationRule.OFF)
    )
    assert verdict.trusted
    assert "sha1_accepted_for_legacy_anchor" in verdict.messages
    elsewhere = root("Khác", key=key)
    other = elsewhere.issue("B", sha1=True)
    assert not judge(
        other, top=elsewhere, policy=PathPolicy(algorithms, revocation=RevocationRule.OFF)
    ).trusted


def test_sha1_was_good_enough_while_it_was() -> None:
    top = root(key=rsa.generate_private_key(65537, 2048), validity=(NOW - 18 * YEAR, NOW))
    signer = top.issue(
        "A",
        sha1=True,
        validity=(NOW - 18 * YEAR, NOW),
    )
    verdicts = [judge(signer, top=top, at=NOW - years * YEAR).trusted for years in (17, 1)]
    assert verdicts == [True, False]


def test_a_government_certificate_with_many_purposes_may_sign() -> None:
    top = root()
    purposes = usage(
        ExtendedKeyUsageOID.CLIENT_AUTH,
        ExtendedKeyUsageOID.EMAIL_PROTECTION,
        ExtendedKeyUsageOID.SMARTCARD_LOGON,
        critical=False,
    )
    assert judge(top.issue("A", extensions=with_extension(purposes)), top=top).trusted


def test_time_stamping_needs_its_own_usage() -> None:
    top = root()
    stamp = top.issue("TSA", extensions=with_extension(usage(ExtendedKeyUsageOID.TIME_STAMPING)))
    assert judge(stamp, top=top, purpose="timestamping").trusted
    lax = with_extension(usage(ExtendedKeyUsageOID.TIME_STAMPING, critical=False))
    verdict = judge(top.issue("TSA", extensions=lax), top=top, purpose="timestamping")
    assert verdict.trusted
    assert "timestamping_usage_not_critical" in verdict.messages
    signer = judge(top.issue("A"), top=top, purpose="timestamping")
    assert signer.sub_indication == "CHAIN_CONSTRAINTS_FAILURE"


def test_names_match_whatever_their_case_width_and_spaces() -> None:
    top = root("Tổ chức  chứng thực")
    twin = Entity(name("TỔ CHỨC CHỨNG THỰC"), top.key)
    assert judge(twin.issue("A"), top=top).trusted


def test_a_path_is_found_although_the_first_one_fails() -> None:
    top = root()
    key = Entity(name("Issuing")).key
    gone = top.issue_ca(key=key, validity=(NOW - 2 * YEAR, NOW - YEAR))
    renewed = top.issue_ca(key=key)
    assert judge(renewed.issue("A"), gone, renewed, top=top).trusted
    assert judge(renewed.issue("A"), renewed, gone, top=top).trusted


def test_cross_certificates_that_go_in_circles_end() -> None:
    left, right = root("Left"), root("Right")
    others = [
        left.issue_ca("Right", key=right.key),
        right.issue_ca("Left", key=left.key),
        left.issue_ca("Left", key=left.key),
    ]
    assert not judge(left.issue("A"), *others, top=root("Elsewhere")).trusted


def test_no_tangle_of_certificates_takes_much_more_than_two_seconds() -> None:
    """Fourteen CAs of one name that all sign each other: more paths than anybody can walk."""
    keys = [Entity(name("CA")).key for _ in range(14)]
    entities = [Entity(name("CA"), key) for key in keys]
    others = [one.issue_ca("CA", key=other) for one in entities for other in keys]
    target = entities[0].issue("A")
    started = time.monotonic()
    verdict = judge(target, *others, top=root("Elsewhere"), policy=OFF)
    assert time.monotonic() - started < 6
    assert not verdict.trusted
    assert verdict.sub_indication in {
        "NO_CERTIFICATE_CHAIN_FOUND",
        "CERTIFICATE_CHAIN_GENERAL_FAILURE",
    }


@pytest.mark.parametrize("data", [b"", b"\x30\x00", b"no certificate", bytes(70000)])
def test_bytes_that_are_no_certificate_give_a_verdict(data: bytes) -> None:
    top = root()
    validator = PathValidator([top.der, data], intermediates=[data], policy=OFF)
    verdict = validator.validate(data, purpose="signing", at=NOW)
    assert verdict.messages == ("certificate_unreadable",)
    good = validator.validate(
        top.issue("A").der,
        purpose="signing",
        at=NOW,
        others=[data],
        crls=[data],
        ocsp_responses=[data],
    )
    assert good.trusted


_ANY = root("Mutated")
_MIDDLE = _ANY.issue_ca()
_SIGNER = _MIDDLE.issue("A")
_CRL = _MIDDLE.crl()
_OCSP = _MIDDLE.ocsp(_SIGNER)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_flipped_byte_anywhere_never_makes_trust_and_never_raises(data: st.DataObject) -> None:
    parts = [_SIGNER.der, _MIDDLE.der]
    which = data.draw(st.integers(0, 1))
    damaged = bytearray(parts[which])
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    parts[which] = bytes(damaged)
    verdict = PathValidator([_ANY.der], policy=OFF).validate(
        parts[0], purpose="signing", at=NOW, others=[parts[1]]
    )
    assert not verdict.trusted


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_evidence_never_says_good_and_never_raises(data: st.DataObject) -> None:
    damaged = bytearray(data.draw(st.sampled_from([_CRL, _OCSP])))
    is_crl = bytes(damaged) == _CRL
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    verdict = PathValidator([_MIDDLE.der]).validate(
        _SIGNER.der,
        purpose="signing",
        at=NOW,
        crls=[bytes(damaged)] if is_crl else [],
        ocsp_responses=[] if is_crl else [bytes(damaged)],
    )
    # What lies outside the signed part (a responder's own certificate) may change unnoticed.
    assert not is_crl or verdict.revocation.status is not RevocationStatus.GOOD


def test_a_country_code_of_three_letters_is_no_reason_to_complain() -> None:
    top = root()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        odd = x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "VNM", _validate=False)])
    middle = top.issue(odd, extensions=CA_EXTENSIONS)
    assert judge(middle.issue("A"), middle, top=top).trusted


def test_attack_the_same_signature_written_with_unused_bits_is_no_certificate() -> None:
    top = root()
    middle = top.issue_ca()
    encoded = bytearray(middle.der)
    while encoded[-1] & 1:  # an even last octet is what makes one unused bit well-formed
        middle = top.issue_ca()
        encoded = bytearray(middle.der)
    signature = middle.cert.signature
    encoded[len(encoded) - len(signature) - 1] = 1
    verdict = PathValidator([top.der], policy=OFF).validate(
        middle.issue("A").der, purpose="signing", at=NOW, others=[bytes(encoded)]
    )
    assert not verdict.trusted
