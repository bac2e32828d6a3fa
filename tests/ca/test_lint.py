from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from ca import lint, names, profiles, tbs
from ca.algorithm_identifiers import SIGNATURE_IDENTIFIERS
from ca.errors import LintFailed
from ca.models import RequestKind
from ca.names import Subject
from ca.profiles import Profile
from ca.tbs import CertificateFacts
from hsm.algorithms import SignatureAlgorithm
from tests.ca.house import AT, PUBLIC_URL, ec_key

PERSON = Subject(
    common_name="Đỗ Thị Hồng Đức",
    given_name="Thị Hồng Đức",
    surname="Đỗ",
    serial_number="0190b0c0",
    organization="Ủy ban nhân dân xã Bù Gia Mập",
    title="Chủ tịch",
)
AGENCY = Subject(
    common_name="UBND tỉnh Bình Phước",
    organization="Ủy ban nhân dân tỉnh Bình Phước" * 3,
    organization_identifier="MD:VN-000.00.14.H10",
)
SUBJECTS = {"personal": PERSON, "sim": PERSON, "organizational": AGENCY}
ALGORITHMS = [
    SignatureAlgorithm.ECDSA_SHA256,
    SignatureAlgorithm.ECDSA_SHA384,
    SignatureAlgorithm.RSA_PKCS1_SHA256,
    SignatureAlgorithm.RSA_PKCS1_SHA512,
    SignatureAlgorithm.RSA_PSS_SHA256,
]


@pytest.fixture(scope="module")
def issuer() -> x509.Certificate:
    key = ec_key()
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Ủy ban nhân dân tỉnh Bình Phước"),
            x509.NameAttribute(NameOID.COMMON_NAME, "CA Ấn Tín"),
        ]
    )
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    builder = builder.public_key(key.public_key()).serial_number(7)
    builder = builder.not_valid_before(AT - timedelta(days=1))
    builder = builder.not_valid_after(AT + timedelta(days=4000))
    ski = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return builder.add_extension(ski, critical=False).sign(key, hashes.SHA256())


def facts_of(issuer: x509.Certificate, profile: Profile = profiles.PERSONAL) -> CertificateFacts:
    not_before, not_after = profiles.validity(
        profile, request=RequestKind.NEW, at=AT, issuer_not_after=issuer.not_valid_after_utc
    )
    return CertificateFacts(
        profile=profile,
        serial_number=tbs.new_serial_number(),
        subject=names.build(SUBJECTS[profile.name]),
        public_key=ec_key().public_key(),
        not_before=not_before,
        not_after=not_after,
        issuer=issuer,
        issuer_slug="issuing",
        public_url=PUBLIC_URL,
    )


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("profile", profiles.BUILT_IN, ids=lambda p: p.identifier)
def test_every_profile_and_algorithm_is_without_findings_in_both_linters(
    issuer: x509.Certificate, profile: Profile, algorithm: SignatureAlgorithm
) -> None:
    facts = facts_of(issuer, profile)
    twin = tbs.twin(facts, algorithm=algorithm)
    assert lint.fast_findings(twin, facts=facts) == ()
    findings = lint.full(twin, profile.etsi_type)
    assert [str(f) for f in findings if f.severity >= lint.Severity.NOTICE] == []


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP384R1()),
        rsa.generate_private_key(public_exponent=65537, key_size=2048),
    ],
    ids=["p-384", "rsa-2048"],
)
def test_every_kind_of_subscribers_key_is_without_findings(
    issuer: x509.Certificate, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
) -> None:
    facts = replace(facts_of(issuer), public_key=key.public_key())
    twin = tbs.twin(facts, algorithm=SignatureAlgorithm.ECDSA_SHA256)
    lint.check(twin, facts=facts)
    assert max(f.severity for f in lint.full(twin, facts.profile.etsi_type)) < lint.Severity.NOTICE


Change = Callable[[CertificateFacts], CertificateFacts]

CHANGES: dict[str, Change] = {
    "serial_number": lambda f: replace(f, serial_number=f.serial_number ^ 1),
    "subject": lambda f: replace(f, subject=names.build(replace(PERSON, title="Phó Chủ tịch"))),
    "public_key": lambda f: replace(f, public_key=ec_key().public_key()),
    "validity": lambda f: replace(f, not_after=f.not_after + timedelta(seconds=1)),
    "extensions": lambda f: replace(f, issuer_slug="other"),
    "addresses": lambda f: replace(f, public_url="ftp://pki.example"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_twin_that_differs_from_what_was_meant_is_found_out(
    issuer: x509.Certificate, name: str
) -> None:
    meant = facts_of(issuer)
    twin = tbs.twin(CHANGES[name](meant), algorithm=SignatureAlgorithm.ECDSA_SHA256)
    checked = CHANGES[name](meant) if name == "addresses" else meant
    with pytest.raises(LintFailed) as caught:
        lint.check(twin, facts=checked)
    assert f"{name} is not as meant" in caught.value.findings


def test_a_twin_that_outlives_its_issuer_is_found_out(issuer: x509.Certificate) -> None:
    end = issuer.not_valid_after_utc + timedelta(seconds=1)
    facts = replace(facts_of(issuer), not_after=end)
    twin = tbs.twin(facts, algorithm=SignatureAlgorithm.ECDSA_SHA256)
    assert lint.fast_findings(twin, facts=facts) == ("validity is not as meant",)


def test_a_serial_number_of_fewer_octets_is_found_out(issuer: x509.Certificate) -> None:
    facts = replace(facts_of(issuer), serial_number=12345)
    twin = tbs.twin(facts, algorithm=SignatureAlgorithm.ECDSA_SHA256)
    assert lint.fast_findings(twin, facts=facts) == ("serial_number is not as meant",)


def test_a_new_version_of_a_profile_is_judged_in_full_before_its_first_use(
    issuer: x509.Certificate,
) -> None:
    broken = replace(profiles.PERSONAL, version=999, etsi_type=profiles.EtsiType.LEGAL_PERSON)
    facts = replace(facts_of(issuer), profile=broken)
    twin = tbs.twin(facts, algorithm=SignatureAlgorithm.ECDSA_SHA256)
    for _ in range(2):
        with pytest.raises(LintFailed, match="ERROR"):
            lint.check(twin, facts=facts)


def test_addresses_inside_a_closed_network_are_no_finding(issuer: x509.Certificate) -> None:
    facts = replace(facts_of(issuer), public_url="http://127.0.0.1:8000")
    lint.check(tbs.twin(facts, algorithm=SignatureAlgorithm.ECDSA_SHA512), facts=facts)


@pytest.mark.parametrize("algorithm", [*ALGORITHMS, SignatureAlgorithm.ED25519])
def test_taken_apart_and_put_together_again_a_certificate_is_the_same(
    issuer: x509.Certificate, algorithm: SignatureAlgorithm
) -> None:
    twin = tbs.twin(facts_of(issuer), algorithm=algorithm)
    parsed = x509.load_der_x509_certificate(twin)
    inner = tbs.tbs_of(twin)
    assert inner == parsed.tbs_certificate_bytes
    again = tbs.assemble(
        inner,
        algorithm_identifier=SIGNATURE_IDENTIFIERS[algorithm.value],
        signature=parsed.signature,
    )
    assert again == twin == parsed.public_bytes(Encoding.DER)
