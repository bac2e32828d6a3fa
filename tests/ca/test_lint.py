from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from ca import lint, names, profiles, tbs, tbs_octets
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
LONG_PERSON = replace(PERSON, common_name="Công Tằng Tôn Nữ Nguyễn Thị Thủy Tiên Phương Thảo")
LONG_AGENCY = replace(
    AGENCY, common_name="Ban Quản lý dự án đầu tư xây dựng các công trình tỉnh Bình Phước"
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


def fast(
    twin: bytes,
    facts: CertificateFacts,
    algorithm: SignatureAlgorithm = SignatureAlgorithm.ECDSA_SHA256,
) -> tuple[str, ...]:
    return lint.fast_findings(tbs.tbs_of(twin), facts=facts, algorithm=algorithm)


def check(twin: bytes, facts: CertificateFacts) -> None:
    lint.check(tbs.tbs_of(twin), facts=facts, algorithm=SignatureAlgorithm.ECDSA_SHA256)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("profile", profiles.BUILT_IN, ids=lambda p: p.identifier)
def test_every_profile_and_algorithm_is_without_findings_in_both_linters(
    issuer: x509.Certificate, profile: Profile, algorithm: SignatureAlgorithm
) -> None:
    facts = facts_of(issuer, profile)
    twin = tbs.twin(facts, algorithm=algorithm)
    assert fast(twin, facts, algorithm) == ()
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
    check(twin, facts)
    assert max(f.severity for f in lint.full(twin, facts.profile.etsi_type)) < lint.Severity.NOTICE


@pytest.mark.parametrize(
    ("profile", "subject"),
    [(profiles.PERSONAL, LONG_PERSON), (profiles.ORGANIZATIONAL, LONG_AGENCY)],
    ids=["person", "agency"],
)
def test_a_vietnamese_name_of_more_octets_than_characters_is_without_findings(
    issuer: x509.Certificate, profile: Profile, subject: Subject
) -> None:
    assert len(subject.common_name) <= names.MAX_COMMON_NAME < len(subject.common_name.encode())
    facts = replace(facts_of(issuer, profile), subject=names.build(subject))
    twin = tbs.twin(facts, algorithm=SignatureAlgorithm.ECDSA_SHA256)
    check(twin, facts)
    findings = lint.full(twin, profile.etsi_type)
    assert [str(f) for f in findings if f.severity >= lint.Severity.NOTICE] == []


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
        check(twin, checked)
    assert f"{name} is not as meant" in caught.value.findings


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_attack_one_changed_bit_or_octet_anywhere_is_found_out(issuer: x509.Certificate) -> None:
    facts = replace(facts_of(issuer), crl_shard=3)
    algorithm = SignatureAlgorithm.ECDSA_SHA256
    octets = tbs_octets.write(facts, algorithm=algorithm)
    assert lint.fast_findings(octets, facts=facts, algorithm=algorithm) == ()
    changed = [
        octets[:place] + bytes([octets[place] ^ 1 << bit]) + octets[place + 1 :]
        for place in range(len(octets))
        for bit in range(8)
    ]
    for place in range(len(octets)):
        changed += [octets[:place], octets[:place] + octets[place + 1 :]]
        changed.append(octets[:place] + b"\0" + octets[place:])
    for one in changed:
        assert lint.fast_findings(one, facts=facts, algorithm=algorithm) != ()


def test_a_twin_that_outlives_its_issuer_is_found_out(issuer: x509.Certificate) -> None:
    end = issuer.not_valid_after_utc + timedelta(seconds=1)
    facts = replace(facts_of(issuer), not_after=end)
    twin = tbs.twin(facts, algorithm=SignatureAlgorithm.ECDSA_SHA256)
    assert fast(twin, facts) == ("validity is not as meant",)


def test_a_serial_number_of_fewer_octets_is_found_out(issuer: x509.Certificate) -> None:
    facts = replace(facts_of(issuer), serial_number=12345)
    twin = tbs.twin(facts, algorithm=SignatureAlgorithm.ECDSA_SHA256)
    assert fast(twin, facts) == ("serial_number is not as meant",)


def test_a_new_version_of_a_profile_is_judged_in_full_before_its_first_use(
    issuer: x509.Certificate,
) -> None:
    broken = replace(profiles.PERSONAL, version=999, etsi_type=profiles.EtsiType.LEGAL_PERSON)
    facts = replace(facts_of(issuer), profile=broken)
    twin = tbs.twin(facts, algorithm=SignatureAlgorithm.ECDSA_SHA256)
    for _ in range(2):
        with pytest.raises(LintFailed, match="ERROR"):
            check(twin, facts)


def test_addresses_inside_a_closed_network_are_no_finding(issuer: x509.Certificate) -> None:
    facts = replace(facts_of(issuer), public_url="http://127.0.0.1:8000")
    algorithm = SignatureAlgorithm.ECDSA_SHA512
    octets = tbs_octets.write(facts, algorithm=algorithm)
    lint.check(octets, facts=facts, algorithm=algorithm)


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


KEYS = [
    ec_key().public_key(),
    ec.generate_private_key(ec.SECP384R1()).public_key(),
    rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key(),
]


@dataclass(frozen=True)
class Drawn:
    """What differs from certificate to certificate."""

    profile: Profile
    algorithm: SignatureAlgorithm
    key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey
    serial: int
    not_before: datetime
    days: int
    name: str
    shard: int | None


DRAWN = st.builds(
    Drawn,
    profile=st.sampled_from(profiles.BUILT_IN),
    algorithm=st.sampled_from([SignatureAlgorithm(name) for name in SIGNATURE_IDENTIFIERS]),
    key=st.sampled_from(KEYS),
    serial=st.integers(min_value=1, max_value=2**159 - 1),
    not_before=st.datetimes(
        datetime(1950, 1, 1),  # noqa: DTZ001 -- the zone comes from `timezones`
        datetime(2090, 1, 1),  # noqa: DTZ001
        timezones=st.just(UTC),
    ),
    days=st.integers(min_value=1, max_value=4000),
    name=st.text(st.characters(categories=["Lu", "Ll", "Nd"]), min_size=1, max_size=16),
    shard=st.none() | st.integers(min_value=0, max_value=1023),
)


@settings(max_examples=200, deadline=None)
@given(drawn=DRAWN)
def test_octets_that_were_joined_are_those_of_a_builder(
    issuer: x509.Certificate, drawn: Drawn
) -> None:
    begin = drawn.not_before.replace(microsecond=0)
    facts = replace(
        facts_of(issuer, drawn.profile),
        serial_number=drawn.serial,
        subject=names.build(replace(SUBJECTS[drawn.profile.name], common_name=drawn.name)),
        public_key=drawn.key,
        not_before=begin,
        not_after=begin + timedelta(days=drawn.days),
        crl_shard=drawn.shard,
    )
    joined = tbs_octets.write(facts, algorithm=drawn.algorithm)
    assert joined == tbs.tbs_of(tbs.twin(facts, algorithm=drawn.algorithm))


def test_octets_that_no_builder_makes_are_refused_where_they_are_judged_in_full(
    issuer: x509.Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = replace(facts_of(issuer), public_url="http://another.example")
    monkeypatch.setattr(lint, "_judged", set())
    monkeypatch.setattr(lint, "fast_findings", lambda *_, **__: ())
    other = tbs.twin(replace(facts, serial_number=5), algorithm=SignatureAlgorithm.ECDSA_SHA256)
    with pytest.raises(LintFailed, match="a builder"):
        check(other, facts)
