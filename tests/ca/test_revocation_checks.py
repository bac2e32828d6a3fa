from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from ca.revocation import RevocationStatus
from ca.validation import PathPolicy, PathValidator, PathVerdict, RevocationRule
from tests.ca.hierarchy import CA_EXTENSIONS, NOW, YEAR, Entity, key_usage, root

HOUR = timedelta(hours=1)
SUPERSEDED = x509.ReasonFlags.superseded
HOLD = x509.ReasonFlags.certificate_hold
OCSP_USAGE = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False)


def judge(
    target: Entity,
    top: Entity,
    *others: Entity,
    at: datetime = NOW,
    rule: RevocationRule = RevocationRule.REQUIRED,
    crls: Sequence[bytes] = (),
    ocsp_responses: Sequence[bytes] = (),
) -> PathVerdict:
    return PathValidator([top.der], policy=PathPolicy(revocation=rule)).validate(
        target.der,
        purpose="signing",
        at=at,
        others=[other.der for other in others],
        crls=crls,
        ocsp_responses=ocsp_responses,
    )


@pytest.fixture(scope="module")
def top() -> Entity:
    return root()


@pytest.fixture(scope="module")
def signer(top: Entity) -> Entity:
    return top.issue("Trần Thị B")


def serial(entity: Entity) -> int:
    return entity.cert.serial_number


def test_a_crl_that_does_not_list_it_says_good(top: Entity, signer: Entity) -> None:
    verdict = judge(signer, top, crls=[top.crl((1, NOW, SUPERSEDED))])
    assert verdict.trusted
    fact = verdict.revocation
    assert (fact.status, fact.source) == (RevocationStatus.GOOD, "document")
    assert fact.this_update == NOW - HOUR


def test_an_ocsp_answer_says_good(top: Entity, signer: Entity) -> None:
    assert judge(signer, top, ocsp_responses=[top.ocsp(signer)]).trusted


def test_without_any_evidence_nothing_is_trusted_unless_the_policy_says_so(
    top: Entity, signer: Entity
) -> None:
    strict = judge(signer, top)
    assert (strict.trusted, strict.sub_indication) == (False, "TRY_LATER")
    assert strict.revocation.status is RevocationStatus.UNKNOWN
    lax = judge(signer, top, rule=RevocationRule.IF_AVAILABLE)
    assert lax.trusted
    assert lax.revocation.status is RevocationStatus.UNKNOWN
    where_offered = judge(signer, top, rule=RevocationRule.WHERE_OFFERED)
    assert where_offered.trusted
    assert "revocation_not_offered" in where_offered.messages
    off = judge(signer, top, rule=RevocationRule.OFF)
    assert off.revocation.status is RevocationStatus.NOT_CHECKED


def test_a_certificate_that_names_where_to_ask_is_not_trusted_while_nobody_answers(
    top: Entity,
) -> None:
    point = x509.DistributionPoint(
        [x509.UniformResourceIdentifier("http://crl.example/ca.crl")], None, None, None
    )
    asked = top.issue("Lê Văn C", extensions=[(x509.CRLDistributionPoints([point]), False)])
    verdict = judge(asked, top, rule=RevocationRule.WHERE_OFFERED)
    assert (verdict.trusted, verdict.sub_indication) == (False, "TRY_LATER")


@pytest.mark.parametrize("rule", [RevocationRule.REQUIRED, RevocationRule.IF_AVAILABLE])
def test_a_revoked_certificate_is_rejected_with_time_and_reason(
    top: Entity, signer: Entity, rule: RevocationRule
) -> None:
    listed = top.crl((serial(signer), NOW - HOUR, SUPERSEDED))
    verdict = judge(signer, top, crls=[listed], rule=rule)
    assert (verdict.trusted, verdict.sub_indication) == (False, "REVOKED_NO_POE")
    fact = verdict.revocation
    assert (fact.status, fact.reason) == (RevocationStatus.REVOKED, "superseded")
    assert fact.revoked_at == NOW - HOUR


def test_before_its_revocation_it_is_trusted_and_the_fact_is_told(
    top: Entity, signer: Entity
) -> None:
    listed = top.crl((serial(signer), NOW - HOUR, SUPERSEDED))
    verdict = judge(signer, top, crls=[listed], at=NOW - 2 * HOUR)
    assert verdict.trusted
    assert verdict.revocation.status is RevocationStatus.REVOKED
    assert verdict.revocation.revoked_at == NOW - HOUR


def test_a_suspended_certificate_is_to_be_tried_later(top: Entity, signer: Entity) -> None:
    verdict = judge(signer, top, crls=[top.crl((serial(signer), NOW - HOUR, HOLD))])
    assert (verdict.trusted, verdict.sub_indication) == (False, "TRY_LATER")
    assert verdict.revocation.status is RevocationStatus.SUSPENDED


def test_revoked_in_one_piece_of_evidence_outweighs_good_in_another(
    top: Entity, signer: Entity
) -> None:
    answer = top.ocsp(signer, revoked_at=NOW - HOUR)
    verdict = judge(signer, top, crls=[top.crl()], ocsp_responses=[answer])
    assert verdict.sub_indication == "REVOKED_NO_POE"


def test_a_revoked_ca_takes_its_certificates_with_it(top: Entity) -> None:
    middle = top.issue_ca()
    target = middle.issue("C")
    crls = [top.crl((serial(middle), NOW - HOUR, SUPERSEDED)), middle.crl()]
    verdict = judge(target, top, middle, crls=crls)
    assert verdict.sub_indication == "REVOKED_CA_NO_POE"
    assert "ca_revoked" in verdict.messages


def test_a_stale_crl_does_not_say_good_but_its_revocations_stand(
    top: Entity, signer: Entity
) -> None:
    times = {"this_update": NOW - 3 * HOUR, "next_update": NOW - HOUR}
    stale = judge(signer, top, crls=[top.crl(**times)])
    assert stale.sub_indication == "TRY_LATER"
    listed = top.crl((serial(signer), NOW - 4 * HOUR, SUPERSEDED), **times)
    assert judge(signer, top, crls=[listed]).sub_indication == "REVOKED_NO_POE"


def test_a_crl_issued_after_the_asked_time_speaks_for_it(top: Entity, signer: Entity) -> None:
    assert judge(signer, top, crls=[top.crl()], at=NOW - timedelta(days=100)).trusted


def test_rejects_a_crl_by_somebody_else_of_the_same_name(top: Entity, signer: Entity) -> None:
    forged = root().crl()
    assert judge(signer, top, crls=[forged]).sub_indication == "TRY_LATER"


def test_rejects_a_crl_by_an_issuer_that_may_not_sign_crls(top: Entity) -> None:
    extensions = [CA_EXTENSIONS[0], (key_usage("key_cert_sign"), True)]
    middle = top.issue_ca(extensions=extensions)
    target = middle.issue("C")
    verdict = judge(target, top, middle, crls=[middle.crl(), top.crl()])
    assert verdict.sub_indication == "TRY_LATER"


def test_a_delegated_responder_may_answer(top: Entity, signer: Entity) -> None:
    responder = top.issue("OCSP", extensions=[OCSP_USAGE, (x509.OCSPNoCheck(), False)])
    answer = top.ocsp(signer, responder=responder)
    assert judge(signer, top, ocsp_responses=[answer]).trusted


def test_rejects_an_answer_by_an_ordinary_certificate_of_the_issuer(
    top: Entity, signer: Entity
) -> None:
    answer = top.ocsp(signer, responder=top.issue("Kẻ mạo danh"))
    assert judge(signer, top, ocsp_responses=[answer]).sub_indication == "TRY_LATER"


def test_rejects_an_answer_by_a_responder_of_another_issuer(top: Entity, signer: Entity) -> None:
    responder = root().issue("OCSP", extensions=[OCSP_USAGE])
    answer = top.ocsp(signer, responder=responder)
    assert judge(signer, top, ocsp_responses=[answer]).sub_indication == "TRY_LATER"


def test_rejects_an_answer_by_a_responder_that_had_expired(top: Entity, signer: Entity) -> None:
    responder = top.issue("OCSP", extensions=[OCSP_USAGE], validity=(NOW - 2 * YEAR, NOW - YEAR))
    answer = top.ocsp(signer, responder=responder)
    assert judge(signer, top, ocsp_responses=[answer]).sub_indication == "TRY_LATER"


def test_rejects_an_answer_about_another_certificate(top: Entity, signer: Entity) -> None:
    answer = top.ocsp(top.issue("Người khác"))
    assert judge(signer, top, ocsp_responses=[answer]).sub_indication == "TRY_LATER"


def test_a_stale_answer_does_not_say_good(top: Entity, signer: Entity) -> None:
    answer = top.ocsp(signer, this_update=NOW - 3 * HOUR, next_update=NOW - HOUR)
    assert judge(signer, top, ocsp_responses=[answer]).sub_indication == "TRY_LATER"


# A responder that fell, and answers that are not what they seem ----------------------------------


@pytest.mark.parametrize("more", [(), ((x509.OCSPNoCheck(), False),)], ids=["check", "nocheck"])
def test_attack_a_revoked_responder_is_believed_no_more(
    top: Entity, signer: Entity, more: tuple[tuple[x509.ExtensionType, bool], ...]
) -> None:
    """Whoever stole its key says "good", and leaves out nothing but the list that names both."""
    responder = top.issue("OCSP", extensions=[OCSP_USAGE, *more])
    answer = top.ocsp(signer, responder=responder)
    stolen = (serial(responder), NOW - HOUR, x509.ReasonFlags.key_compromise)
    stale = {"this_update": NOW - 9 * HOUR, "next_update": NOW - HOUR}
    assert judge(signer, top, ocsp_responses=[answer], crls=[top.crl(**stale)]).trusted
    told = top.crl((stolen[0], NOW - 10 * HOUR, stolen[2]), **stale)
    verdict = judge(signer, top, ocsp_responses=[answer], crls=[told])
    assert verdict.sub_indication == "TRY_LATER"


def test_attack_a_responder_whose_certificate_is_signed_with_sha1() -> None:
    top = root(key=rsa.generate_private_key(65537, 2048))
    target = top.issue("Người ký")
    strong, weak = (top.issue("OCSP", extensions=[OCSP_USAGE], sha1=sha1) for sha1 in (False, True))
    assert judge(target, top, ocsp_responses=[top.ocsp(target, responder=strong)]).trusted
    verdict = judge(target, top, ocsp_responses=[top.ocsp(target, responder=weak)])
    assert verdict.sub_indication == "TRY_LATER"


def test_attack_a_responder_with_a_critical_extension_that_nobody_knows(
    top: Entity, signer: Entity
) -> None:
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\x00")
    for critical, trusted in ((False, True), (True, False)):
        responder = top.issue("OCSP", extensions=[OCSP_USAGE, (unknown, critical)])
        answer = top.ocsp(signer, responder=responder)
        assert judge(signer, top, ocsp_responses=[answer]).trusted is trusted


def answered(top: Entity, signer: Entity, *extensions: tuple[x509.ExtensionType, bool]) -> bytes:
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=signer.cert,
            issuer=top.cert,
            algorithm=hashes.SHA256(),
            cert_status=ocsp.OCSPCertStatus.GOOD,
            this_update=NOW - HOUR,
            next_update=NOW + HOUR,
            revocation_time=None,
            revocation_reason=None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, top.cert)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(top.key, hashes.SHA256()).public_bytes(Encoding.DER)


def test_an_answer_with_a_critical_extension_that_nobody_knows_says_nothing(
    top: Entity, signer: Entity
) -> None:
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\x00")
    for extension, critical, trusted in (
        (unknown, False, True),
        (unknown, True, False),
        (x509.OCSPNonce(b"12345678"), True, True),
    ):
        answer = answered(top, signer, (extension, critical))
        assert judge(signer, top, ocsp_responses=[answer]).trusted is trusted


def delta(top: Entity, *revoked: int) -> bytes:
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(top.subject)
        .last_update(NOW - HOUR)
        .next_update(NOW + HOUR)
        .add_extension(x509.CRLNumber(2), critical=False)
        .add_extension(x509.DeltaCRLIndicator(1), critical=True)
    )
    for number in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(number)
        builder = builder.add_revoked_certificate(entry.revocation_date(NOW - HOUR).build())
    return builder.sign(top.key, hashes.SHA256()).public_bytes(Encoding.DER)


def test_attack_a_delta_without_its_base_says_good_of_nobody(top: Entity, signer: Entity) -> None:
    assert judge(signer, top, crls=[delta(top)]).sub_indication == "TRY_LATER"
    assert judge(signer, top, crls=[delta(top), top.crl()]).trusted
    told = judge(signer, top, crls=[delta(top, serial(signer)), top.crl()])
    assert told.sub_indication == "REVOKED_NO_POE"


def test_attack_a_stale_base_is_not_mended_by_a_delta_of_another_issuer(
    top: Entity, signer: Entity
) -> None:
    stale = top.crl(this_update=NOW - 9 * HOUR, next_update=NOW - 8 * HOUR)
    assert judge(signer, top, crls=[stale, delta(top)]).trusted
    other = Entity(top.subject)
    other.certificate = top.certificate
    assert judge(signer, top, crls=[stale, delta(other)]).sub_indication == "TRY_LATER"
