"""Keys and digests of the world, in CMS over a file: which combinations count, and which do not."""

import io

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from ca.validation import PathPolicy, PathValidator, RevocationRule
from pdf.detached import DetachedQuestion, verify_detached
from pdf.report import SignatureReport
from tests.ca.hierarchy import NOW, Entity, root
from tests.pdf.cms_kit import SHAKE256, Detached

OFF = PathPolicy(revocation=RevocationRule.OFF)
CONTENT = b"content"
ED25519, ED448 = "1.3.101.112", "1.3.101.113"


def judged(
    key: object, digest: str, *, authority: Entity | None = None, **more: str
) -> SignatureReport:
    top = authority or root()
    signer = top.issue("A", key=key)  # type: ignore[arg-type] -- any key that can sign
    made = Detached(content=CONTENT, signer=signer, digest=digest, at=NOW, **more)  # type: ignore[arg-type]
    question = DetachedQuestion(content_name="a", at=NOW, checked_at=NOW)
    validator = PathValidator([top.der], policy=OFF)
    report = verify_detached(made.encoded(), io.BytesIO(CONTENT), question, validator=validator)
    (found,) = report.signatures
    return found


def verdict(found: SignatureReport) -> str:
    return found.sub_indication or found.indication


@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize(
    "curve",
    [
        ec.SECP256R1(),
        ec.SECP384R1(),
        ec.SECP521R1(),
        ec.BrainpoolP256R1(),
        ec.BrainpoolP384R1(),
        ec.BrainpoolP512R1(),
    ],
    ids=lambda curve: curve.name,
)
def test_curves_of_nist_and_brainpool_count(curve: ec.EllipticCurve, digest: str) -> None:
    key = ec.generate_private_key(curve)
    assert verdict(judged(key, digest)) == "TOTAL_PASSED"


def test_an_authority_on_a_brainpool_curve_counts() -> None:
    top = root(key=ec.generate_private_key(ec.BrainpoolP384R1()))
    found = judged(ec.generate_private_key(ec.BrainpoolP256R1()), "sha256", authority=top)
    assert verdict(found) == "TOTAL_PASSED"


def test_a_digest_that_ended_last_year_counts_no_more() -> None:
    key = rsa.generate_private_key(65537, 2048)
    assert verdict(judged(key, "sha224")) == "CRYPTO_CONSTRAINTS_FAILURE_NO_POE"


@pytest.mark.parametrize(
    ("key", "algorithm", "digest", "expected"),
    [
        (ed25519.Ed25519PrivateKey, ED25519, "sha512", "TOTAL_PASSED"),
        (ed25519.Ed25519PrivateKey, ED25519, "sha256", "SIG_CRYPTO_FAILURE"),
        (ed25519.Ed25519PrivateKey, ED25519, SHAKE256[0], "SIG_CRYPTO_FAILURE"),
        (ed448.Ed448PrivateKey, ED448, SHAKE256[0], "TOTAL_PASSED"),
        (ed448.Ed448PrivateKey, ED448, SHAKE256[1], "TOTAL_PASSED"),
        (ed448.Ed448PrivateKey, ED448, "sha512", "SIG_CRYPTO_FAILURE"),
        (ed448.Ed448PrivateKey, ED25519, SHAKE256[0], "CRYPTO_CONSTRAINTS_FAILURE_NO_POE"),
    ],
)
def test_eddsa_counts_with_the_digest_of_its_standard_only(
    key: type[ed25519.Ed25519PrivateKey], algorithm: str, digest: str, expected: str
) -> None:
    """RFC 8419 and ISO/TS 32002: Ed25519 goes with SHA-512, Ed448 with SHAKE256 of 64 bytes."""
    found = judged(key.generate(), digest, algorithm=algorithm)
    assert verdict(found) == expected
    codes = {message.code for message in found.messages}
    assert ("ALGORITHMS_DISAGREE" in codes) is (expected == "SIG_CRYPTO_FAILURE")


@pytest.mark.parametrize(
    ("bits", "expected"),
    [
        (1024, "CRYPTO_CONSTRAINTS_FAILURE_NO_POE"),
        (1536, "CRYPTO_CONSTRAINTS_FAILURE_NO_POE"),
        (2048, "TOTAL_PASSED"),
        (3072, "TOTAL_PASSED"),
    ],
)
def test_the_size_of_a_modulus_counts_by_date(bits: int, expected: str) -> None:
    assert verdict(judged(rsa.generate_private_key(65537, bits), "sha256")) == expected
