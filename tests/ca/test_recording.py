"""A recorded validation is repeated from its own bytes; dated policies for old anchors."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from ca.algorithm_policy import AlgorithmPolicy, LegacyAnchor
from ca.algorithm_policy_file import read_policy
from ca.errors import PolicyUnreadable
from ca.parsed_certificates import parse
from ca.recording import Recording
from ca.revocation import EmbeddedSource
from ca.validation import PathPolicy, PathValidator, PathVerdict
from tests.ca import hierarchy
from tests.ca.hierarchy import NOW, Entity

GOVERNMENT = (datetime(2010, 3, 10, tzinfo=UTC), datetime(2030, 3, 5, tzinfo=UTC))


def old_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="module")
def government() -> tuple[Entity, Entity, Entity]:
    """A chain as the government's of 2010 to 2030: SHA-1 throughout, RSA-2048, ten years."""
    top = hierarchy.root("RootCA", key=old_key(), validity=GOVERNMENT)
    middle = top.issue_ca("Co quan chung thuc so", key=old_key(), sha1=True, validity=GOVERNMENT)
    signer = middle.issue("Nguyễn Văn A", sha1=True, validity=GOVERNMENT)
    return top, middle, signer


def judged(
    chain: tuple[Entity, Entity, Entity], policy: AlgorithmPolicy, *, at: datetime = NOW
) -> PathVerdict:
    top, middle, signer = chain
    evidence = EmbeddedSource(crls=(crl_of(top, at), crl_of(middle, at)), name="test")
    validator = PathValidator([top.der], [evidence], policy=PathPolicy(algorithms=policy))
    return validator.validate(signer.der, purpose="signing", at=at, others=[middle.der])


def crl_of(authority: Entity, at: datetime) -> bytes:
    return authority.crl(this_update=at - timedelta(hours=1), next_update=at + timedelta(days=1))


def allowed(anchor: Entity, since: datetime, until: datetime) -> AlgorithmPolicy:
    made = LegacyAnchor(fingerprint_of(anchor), since, until, "quyết định thử nghiệm")
    return AlgorithmPolicy(dated_anchors=(made,))


def fingerprint_of(anchor: Entity) -> bytes:
    return parse(anchor.der).fingerprint


def test_the_old_chain_passes_with_a_warning_where_the_policy_allows_it(
    government: tuple[Entity, Entity, Entity],
) -> None:
    verdict = judged(government, allowed(government[0], *GOVERNMENT))
    assert verdict.trusted, verdict.messages
    assert "sha1_accepted_for_legacy_anchor" in verdict.messages


def test_without_the_policy_or_outside_its_dates_the_old_chain_is_too_weak(
    government: tuple[Entity, Entity, Entity],
) -> None:
    ended = allowed(government[0], GOVERNMENT[0], NOW - timedelta(days=1))
    not_begun = allowed(government[0], NOW + timedelta(days=1), GOVERNMENT[1])
    stranger = allowed(hierarchy.root("Khác"), *GOVERNMENT)
    for policy in (AlgorithmPolicy(), ended, not_begun, stranger):
        verdict = judged(government, policy)
        assert not verdict.trusted
        assert verdict.sub_indication == "CRYPTO_CONSTRAINTS_FAILURE_NO_POE"
        assert "algorithm_too_weak" in verdict.messages


def test_the_exception_of_one_anchor_does_not_help_another(
    government: tuple[Entity, Entity, Entity],
) -> None:
    other_top = hierarchy.root("Root khác", key=old_key(), validity=GOVERNMENT)
    other = other_top.issue_ca("CA", key=old_key(), sha1=True, validity=GOVERNMENT)
    signer = other.issue("B", sha1=True, validity=GOVERNMENT)
    verdict = judged((other_top, other, signer), allowed(government[0], *GOVERNMENT))
    assert not verdict.trusted


POLICY = """
[[legacy_anchor]]
sha256_fingerprint = "{0}"
since = 2010-03-10T00:00:00+07:00
until = 2030-03-05T23:59:59+07:00
source = "quyết định thử nghiệm"

[hashes]
sha224 = false
"""


def test_the_policy_is_a_file_that_an_administration_keeps(
    government: tuple[Entity, Entity, Entity],
) -> None:
    marked = ":".join(f"{byte:02X}" for byte in fingerprint_of(government[0]))
    policy = read_policy(POLICY.format(marked))
    assert judged(government, policy).trusted
    assert "sha224" not in policy.hashes


@pytest.mark.parametrize(
    "text",
    [
        "[",
        "invented = 1",
        "legacy_anchor = 3",
        "[[legacy_anchor]]\nsha256_fingerprint = 'xx'",
        "[[legacy_anchor]]\nsha256_fingerprint = '00'",
        POLICY.format("00" * 32).replace("2030", "2001"),
        POLICY.format("00" * 32).replace("+07:00", ""),
        "[hashes]\nsha1 = 'always'",
    ],
)
def test_a_policy_that_is_not_understood_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(PolicyUnreadable) as caught:
        read_policy(text)
    assert str(caught.value)


def test_a_recorded_validation_is_repeated_without_its_sources(
    government: tuple[Entity, Entity, Entity],
) -> None:
    top, middle, signer = government
    policy = PathPolicy(algorithms=allowed(top, *GOVERNMENT))
    evidence = EmbeddedSource(crls=(crl_of(top, NOW), crl_of(middle, NOW)), name="network")
    recording = Recording((top.der,), (middle.der,), policy)
    first = recording.validator([evidence]).validate(signer.der, purpose="signing", at=NOW)
    assert first.trusted, first.messages

    manifest = json.loads(json.dumps(recording.manifest()))
    again = Recording.of(manifest, recording.blobs).repeating()
    assert again.validate(signer.der, purpose="signing", at=NOW) == first
    assert (
        not PathValidator([top.der], intermediates=[middle.der])
        .validate(signer.der, purpose="signing", at=NOW)
        .trusted
    )


def test_evidence_that_was_tampered_with_does_not_repeat_the_verdict(
    government: tuple[Entity, Entity, Entity],
) -> None:
    top, middle, signer = government
    policy = PathPolicy(algorithms=allowed(top, *GOVERNMENT))
    evidence = EmbeddedSource(crls=(crl_of(top, NOW), crl_of(middle, NOW)), name="network")
    recording = Recording((top.der,), (middle.der,), policy)
    recording.validator([evidence]).validate(signer.der, purpose="signing", at=NOW)
    manifest = json.loads(json.dumps(recording.manifest()))
    blobs = {
        digest: (kind, data[:-1] + bytes([data[-1] ^ 1]) if kind == "crl" else data)
        for digest, (kind, data) in recording.blobs.items()
    }
    verdict = (
        Recording.of(manifest, blobs).repeating().validate(signer.der, purpose="signing", at=NOW)
    )
    assert verdict.revocation.status != "GOOD"
