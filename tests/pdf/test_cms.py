"""The container from templates means what an independent parser reads, and openssl accepts it."""

import hashlib
import subprocess
from pathlib import Path

import pytest
from asn1crypto import cms
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from pdf import der_writer
from pdf.algorithms import SignatureAlgorithm, check_signature, largest_signature
from pdf.cms import CmsTemplate
from pdf.errors import CertificateUnsuitable, SignatureRejected
from pdf.signer import SignerChain
from tests.pdf.signing_kit import Person, certificate, person, person_for, raw_signature, root

DOCUMENT = b"Quy\xe1\xba\xbft \xc4\x91\xe1\xbb\x8bnh"


def _container(algorithm: SignatureAlgorithm, who: Person | None = None) -> tuple[bytes, bytes]:
    who = who or person_for(algorithm)
    template = CmsTemplate(who.chain, algorithm)
    attributes = template.signed_attributes(
        hashlib.new(algorithm.hash_algorithm, DOCUMENT).digest()
    )
    return attributes, template.container(attributes, raw_signature(who.key, algorithm, attributes))


@pytest.mark.parametrize("algorithm", SignatureAlgorithm)
def test_the_parsed_container_says_what_was_meant(algorithm: SignatureAlgorithm) -> None:
    who = person_for(algorithm)
    attributes, container = _container(algorithm)
    parsed = cms.ContentInfo.load(container, strict=True)
    signed = parsed["content"]
    signer = signed["signer_infos"][0]
    assert parsed["content_type"].native == "signed_data"
    assert signed["version"].native == "v1"
    assert signed["encap_content_info"]["content_type"].native == "data"
    assert signed["encap_content_info"]["content"].native is None
    assert [a["algorithm"].native for a in signed["digest_algorithms"]] == [
        algorithm.hash_algorithm
    ]
    assert {bytes(c.chosen.dump()) for c in signed["certificates"]} == {
        who.chain.certificate,
        *who.chain.others,
    }
    assert signer["digest_algorithm"]["algorithm"].native == algorithm.hash_algorithm
    named = signer["sid"].chosen
    assert named["serial_number"].native == who.certificate.serial_number
    assert named["issuer"].dump() == who.certificate.issuer.public_bytes()
    found = {a["type"].native: a["values"] for a in signer["signed_attrs"]}
    assert set(found) == {"content_type", "message_digest", "signing_certificate_v2"}
    assert found["content_type"][0].native == "data"
    digest = hashlib.new(algorithm.hash_algorithm, DOCUMENT).digest()
    assert found["message_digest"][0].native == digest
    named_certificate = found["signing_certificate_v2"][0]["certs"][0]
    assert named_certificate["hash_algorithm"]["algorithm"].native == "sha256"
    assert named_certificate["cert_hash"].native == hashlib.sha256(who.chain.certificate).digest()
    serial = named_certificate["issuer_serial"]["serial_number"].native
    assert serial == who.certificate.serial_number
    assert signer["signed_attrs"].untag().dump() == attributes


@pytest.mark.parametrize("algorithm", SignatureAlgorithm)
def test_an_independent_writer_gives_the_same_bytes(algorithm: SignatureAlgorithm) -> None:
    _, container = _container(algorithm)
    signed = cms.ContentInfo.load(container)["content"]
    # all but the certificates: their octets are copied, and not every kind of key is known there
    for name in ("version", "digest_algorithms", "encap_content_info", "signer_infos"):
        part = signed[name]
        written = part.dump()
        assert part.native is not None
        assert part.dump(force=True) == written
        assert written in container


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        (SignatureAlgorithm.RSA_PKCS1_SHA256, ("rsassa_pkcs1v15", "sha256")),
        (SignatureAlgorithm.RSA_PKCS1_SHA512, ("rsassa_pkcs1v15", "sha512")),
        (SignatureAlgorithm.RSA_PSS_SHA256, ("rsassa_pss", "sha256")),
        (SignatureAlgorithm.RSA_PSS_SHA384, ("rsassa_pss", "sha384")),
        (SignatureAlgorithm.ECDSA_SHA384, ("ecdsa", "sha384")),
    ],
)
def test_the_signature_algorithm_is_named_rightly(
    algorithm: SignatureAlgorithm, expected: tuple[str, str]
) -> None:
    _, container = _container(algorithm)
    signer = cms.ContentInfo.load(container)["content"]["signer_infos"][0]
    named = signer["signature_algorithm"]
    assert (named.signature_algo, named.hash_algo) == expected
    if algorithm.scheme == "rsa-pss":
        parameters = named["parameters"]
        size = hashlib.new(algorithm.hash_algorithm).digest_size
        assert parameters["salt_length"].native == size
        mask = parameters["mask_gen_algorithm"]["parameters"]["algorithm"].native
        assert mask == algorithm.hash_algorithm


def _openssl(folder: Path, *arguments: str, **files: bytes) -> int:
    for name, content in files.items():
        (folder / name).write_bytes(content)
    told = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, check=False)
    return told.returncode


def _openssl_verifies(folder: Path, *, container: bytes, document: bytes) -> bool:
    status = _openssl(
        folder,
        *("cms", "-verify", "-binary", "-cades", "-inform", "DER", "-in", "container"),
        *("-content", "document", "-CAfile", "root", "-purpose", "any", "-out", "result"),
        container=container,
        document=document,
        root=root()[0].public_bytes(Encoding.PEM),
    )
    return status == 0


@pytest.mark.parametrize(
    "algorithm",
    [
        each
        for each in SignatureAlgorithm
        if each not in {SignatureAlgorithm.ED25519, SignatureAlgorithm.ML_DSA_65}
    ],
)
def test_openssl_accepts_the_container_for_its_document_only(
    algorithm: SignatureAlgorithm, tmp_path: Path
) -> None:
    _, container = _container(algorithm)
    assert _openssl_verifies(tmp_path, container=container, document=DOCUMENT)
    assert not _openssl_verifies(tmp_path, container=container, document=DOCUMENT + b".")


def test_openssl_accepts_the_raw_ed25519_signature_over_the_attributes(tmp_path: Path) -> None:
    # the openssl command of current distributions has no EdDSA in CMS, but in pkeyutl
    attributes, container = _container(SignatureAlgorithm.ED25519)
    signer = cms.ContentInfo.load(container)["content"]["signer_infos"][0]
    key = person("ed25519").certificate.public_key()
    status = _openssl(
        tmp_path,
        *("pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", "key"),
        *("-sigfile", "signature", "-in", "signed"),
        signed=attributes,
        signature=signer["signature"].native,
        key=key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    )
    assert status == 0


@pytest.mark.parametrize("algorithm", SignatureAlgorithm)
def test_the_room_reserved_is_never_too_small_and_hardly_too_large(
    algorithm: SignatureAlgorithm,
) -> None:
    room = CmsTemplate(person_for(algorithm).chain, algorithm).room_needed()
    for _ in range(20):
        assert room - 12 <= len(_container(algorithm)[1]) <= room


def test_a_certificate_named_twice_is_carried_once() -> None:
    who = person()
    doubled = SignerChain(who.chain.certificate, (*who.chain.others * 2, who.chain.certificate))
    template = CmsTemplate(doubled, SignatureAlgorithm.RSA_PKCS1_SHA256)
    parsed = cms.ContentInfo.load(template.container(template.signed_attributes(bytes(32)), b"x"))
    assert len(parsed["content"]["certificates"]) == 2


@pytest.mark.parametrize(
    ("kind", "algorithm"),
    [
        ("rsa", SignatureAlgorithm.ECDSA_SHA256),
        ("ecdsa", SignatureAlgorithm.RSA_PSS_SHA256),
        ("ed25519", SignatureAlgorithm.ECDSA_SHA256),
        ("rsa", SignatureAlgorithm.ED25519),
    ],
)
def test_a_key_of_another_kind_is_refused(kind: str, algorithm: SignatureAlgorithm) -> None:
    with pytest.raises(CertificateUnsuitable):
        CmsTemplate(person(kind).chain, algorithm)


def test_a_short_rsa_key_is_refused() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - refused
    weak = Person(key, certificate("Khóa ngắn", key, issuer=root()), ())
    with pytest.raises(CertificateUnsuitable, match="1024"):
        CmsTemplate(weak.chain, SignatureAlgorithm.RSA_PKCS1_SHA256)


def test_bytes_that_are_no_certificate_are_refused() -> None:
    with pytest.raises(CertificateUnsuitable):
        CmsTemplate(SignerChain(b"0\x03abc"), SignatureAlgorithm.RSA_PKCS1_SHA256)


@pytest.mark.parametrize("algorithm", SignatureAlgorithm)
def test_a_signature_by_anybody_else_is_refused(algorithm: SignatureAlgorithm) -> None:
    who = person_for(algorithm)
    signature = raw_signature(who.key, algorithm, b"this")
    key = who.certificate.public_key()
    check_signature(key, algorithm, signature=signature, signed=b"this")
    for wrong in (signature[:-1], signature[:-1] + bytes((signature[-1] ^ 1,)), b""):
        with pytest.raises(SignatureRejected):
            check_signature(key, algorithm, signature=wrong, signed=b"this")
    with pytest.raises(SignatureRejected):
        check_signature(key, algorithm, signature=signature, signed=b"that")
    assert len(signature) <= largest_signature(key)


@given(st.integers(min_value=0, max_value=2**200))
def test_integers_read_back(value: int) -> None:
    tag, start, end = der_writer.cut(der_writer.integer(value))
    assert tag == der_writer.INTEGER
    assert int.from_bytes(der_writer.integer(value)[start:end], "big", signed=True) == value


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_elements_are_cut_as_they_were_joined(parts: list[bytes]) -> None:
    elements = [der_writer.octets(part) for part in parts]
    assert der_writer.children(der_writer.sequence(*elements)) == elements
