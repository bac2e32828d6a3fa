import copy
import hashlib
import pickle
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import NoDigestInfo, Prehashed
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import NameOID

from hsm.algorithms import (
    KeyAlgorithm,
    PrivateKey,
    SignatureAlgorithm,
    default_for,
    sign,
    sign_digest,
    verify,
)
from hsm.errors import MechanismUnavailable, SignatureMismatch
from hsm.providers import KeyStore
from hsm.tokens import generate_key
from tests.hsm.certificates import START, self_signed
from tests.tokens import new_token, store_for

pytestmark = pytest.mark.token

DATA = "Ủy ban nhân dân tỉnh Bình Phước".encode()
KINDS = (KeyAlgorithm.RSA_2048, KeyAlgorithm.P_256, KeyAlgorithm.P_384)


@pytest.fixture(scope="module")
def opened() -> Iterator[tuple[KeyStore, dict[KeyAlgorithm, PrivateKey]]]:
    token = new_token("Khóa")
    with store_for(token) as store:
        yield (
            store,
            {
                kind: store.open(generate_key(store, token.uri, label=kind, algorithm=kind))
                for kind in KINDS
            },
        )


@pytest.fixture(scope="module")
def keys(
    opened: tuple[KeyStore, dict[KeyAlgorithm, PrivateKey]],
) -> dict[KeyAlgorithm, PrivateKey]:
    return opened[1]


def openssl(*arguments: str | Path) -> str:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("algorithm", [a for a in SignatureAlgorithm if a.hash_name])
def test_a_token_key_signs_messages_and_digests_with_every_algorithm_of_its_kind(
    kind: KeyAlgorithm, algorithm: SignatureAlgorithm, keys: dict[KeyAlgorithm, PrivateKey]
) -> None:
    key = keys[kind]
    if algorithm.startswith("rsa") is not isinstance(key, rsa.RSAPrivateKey):
        with pytest.raises(MechanismUnavailable):
            sign(key, algorithm, DATA)
        return
    digest = hashlib.new(str(algorithm.hash_name), DATA).digest()

    verify(key.public_key(), algorithm, sign(key, algorithm, DATA), DATA)
    verify(key.public_key(), algorithm, sign_digest(key, algorithm, digest), DATA)
    verify(key.public_key(), algorithm, sign(key, algorithm, b""), b"")


@pytest.mark.parametrize("kind", KINDS)
def test_openssl_accepts_the_raw_signature_of_a_token_key(
    kind: KeyAlgorithm, keys: dict[KeyAlgorithm, PrivateKey], tmp_path: Path
) -> None:
    key = keys[kind]
    certificate, public = tmp_path / "c.pem", tmp_path / "public.pem"
    certificate.write_bytes(self_signed(key, name="raw").public_bytes(Encoding.PEM))
    public.write_text(openssl("x509", "-in", certificate, "-pubkey", "-noout"))
    algorithm = default_for(key.public_key())
    (tmp_path / "data").write_bytes(DATA)
    (tmp_path / "signature").write_bytes(sign(key, algorithm, DATA))

    said = openssl(
        *("dgst", f"-{algorithm.hash_name}", "-verify", public),
        *("-signature", tmp_path / "signature", tmp_path / "data"),
    )

    assert "Verified OK" in said


def test_openssl_accepts_a_pss_signature_with_salt_of_the_hash_length(
    keys: dict[KeyAlgorithm, PrivateKey], tmp_path: Path
) -> None:
    key = keys[KeyAlgorithm.RSA_2048]
    certificate, public = tmp_path / "c.pem", tmp_path / "public.pem"
    certificate.write_bytes(self_signed(key, name="pss").public_bytes(Encoding.PEM))
    public.write_text(openssl("x509", "-in", certificate, "-pubkey", "-noout"))
    (tmp_path / "data").write_bytes(DATA)
    (tmp_path / "signature").write_bytes(sign(key, SignatureAlgorithm.RSA_PSS_SHA384, DATA))

    said = openssl(
        *("dgst", "-sha384", "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:48"),
        *("-verify", public, "-signature", tmp_path / "signature", tmp_path / "data"),
    )

    assert "Verified OK" in said


@pytest.mark.parametrize("kind", KINDS)
def test_certificates_requests_and_crls_are_built_with_a_token_key(
    kind: KeyAlgorithm, keys: dict[KeyAlgorithm, PrivateKey], tmp_path: Path
) -> None:
    key = keys[kind]
    root = self_signed(key, name="Gốc")
    request = x509.CertificateSigningRequestBuilder().subject_name(root.subject)
    crl = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(root.subject)
        .last_update(START)
        .next_update(START + timedelta(days=3650))
    )
    files = {name: tmp_path / f"{name}.pem" for name in ("root", "request", "crl")}
    files["root"].write_bytes(root.public_bytes(Encoding.PEM))
    files["request"].write_bytes(request.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    files["crl"].write_bytes(crl.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))

    assert "OK" in openssl("verify", "-CAfile", files["root"], files["root"])
    assert "verify OK" in openssl("req", "-in", files["request"], "-verify", "-noout")
    assert "verify OK" in openssl("crl", "-in", files["crl"], "-CAfile", files["root"], "-noout")


def test_a_certificate_is_signed_with_pss_on_the_token(
    keys: dict[KeyAlgorithm, PrivateKey], tmp_path: Path
) -> None:
    key = keys[KeyAlgorithm.RSA_2048]
    assert isinstance(key, rsa.RSAPrivateKey)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "PSS")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 7, START, START + timedelta(3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(
            key,
            hashes.SHA256(),
            rsa_padding=padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH),
        )
    )
    path = tmp_path / "pss.pem"
    path.write_bytes(certificate.public_bytes(Encoding.PEM))

    assert "OK" in openssl("verify", "-CAfile", path, path)


@pytest.mark.parametrize("kind", KINDS)
def test_ocsp_answers_are_built_with_a_token_key(
    kind: KeyAlgorithm, keys: dict[KeyAlgorithm, PrivateKey], tmp_path: Path
) -> None:
    key = keys[kind]
    root = self_signed(key, name="OCSP")
    answer = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            root,
            root,
            hashes.SHA1(),  # noqa: S303 - RFC 6960 names certificates by SHA-1
            ocsp.OCSPCertStatus.GOOD,
            START,
            None,
            None,
            None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, root)
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "answer").write_bytes(answer.public_bytes(Encoding.DER))
    (tmp_path / "root.pem").write_bytes(root.public_bytes(Encoding.PEM))

    said = openssl(
        *("ocsp", "-respin", tmp_path / "answer", "-CAfile", tmp_path / "root.pem"),
        *("-issuer", tmp_path / "root.pem", "-cert", tmp_path / "root.pem", "-no_nonce"),
    )

    assert "Response verify OK" in said


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_key_gives_nothing_of_its_private_half_away(
    kind: KeyAlgorithm, keys: dict[KeyAlgorithm, PrivateKey]
) -> None:
    key = keys[kind]

    with pytest.raises(MechanismUnavailable):
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert isinstance(key, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey))
    with pytest.raises(MechanismUnavailable):
        key.private_numbers()
    with pytest.raises(TypeError):
        pickle.dumps(key)
    assert copy.copy(key) is key
    assert copy.deepcopy(key) is key


def test_a_token_key_signs_only(keys: dict[KeyAlgorithm, PrivateKey]) -> None:
    rsa_key, ec_key = keys[KeyAlgorithm.RSA_2048], keys[KeyAlgorithm.P_256]
    assert isinstance(rsa_key, rsa.RSAPrivateKey)
    assert isinstance(ec_key, ec.EllipticCurvePrivateKey)
    peer = ec.generate_private_key(ec.SECP256R1()).public_key()

    with pytest.raises(MechanismUnavailable):
        rsa_key.decrypt(b"\0" * 256, padding.PKCS1v15())
    with pytest.raises(MechanismUnavailable):
        ec_key.exchange(ec.ECDH(), peer)
    assert rsa_key.key_size == 2048
    assert (ec_key.key_size, ec_key.curve.name) == (256, "secp256r1")


@pytest.mark.parametrize(
    ("scheme", "algorithm"),
    [
        (padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.MAX_LENGTH), hashes.SHA256()),
        (padding.PSS(padding.MGF1(hashes.SHA256()), 20), hashes.SHA256()),
        (padding.PSS(padding.MGF1(hashes.SHA512()), 32), hashes.SHA256()),
        (padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None), hashes.SHA256()),
        (padding.PKCS1v15(), hashes.SHA1()),  # noqa: S303 - refused here
        (padding.PKCS1v15(), hashes.SHA3_256()),
        (padding.PKCS1v15(), NoDigestInfo()),
    ],
)
def test_weak_or_unusual_rsa_signatures_are_refused(
    scheme: padding.AsymmetricPadding,
    algorithm: hashes.HashAlgorithm | NoDigestInfo,
    keys: dict[KeyAlgorithm, PrivateKey],
) -> None:
    key = keys[KeyAlgorithm.RSA_2048]
    assert isinstance(key, rsa.RSAPrivateKey)

    with pytest.raises(MechanismUnavailable):
        key.sign(DATA, scheme, algorithm)


def test_a_digest_of_the_wrong_length_is_refused(keys: dict[KeyAlgorithm, PrivateKey]) -> None:
    rsa_key, ec_key = keys[KeyAlgorithm.RSA_2048], keys[KeyAlgorithm.P_256]
    assert isinstance(rsa_key, rsa.RSAPrivateKey)
    assert isinstance(ec_key, ec.EllipticCurvePrivateKey)
    prehashed = Prehashed(hashes.SHA256())

    with pytest.raises(ValueError, match="digest"):
        rsa_key.sign(b"short", padding.PKCS1v15(), prehashed)
    with pytest.raises(ValueError, match="digest"):
        ec_key.sign(b"short", ec.ECDSA(prehashed))


@pytest.mark.parametrize("kind", [KeyAlgorithm.RSA_2048, KeyAlgorithm.P_256])
def test_attack_a_signature_of_another_key_does_not_leave_the_room(kind: KeyAlgorithm) -> None:
    token = new_token("nhầm")
    with store_for(token) as store:
        mine = store.open(generate_key(store, token.uri, label="mine", algorithm=kind))
        theirs = store.open(generate_key(store, token.uri, label="theirs", algorithm=kind))
        algorithm = default_for(mine.public_key())
        # As if the module answered one thread with what another one asked for.
        mine._signer = theirs._signer  # type: ignore[union-attr]

        with pytest.raises(SignatureMismatch, match="not of its key"):
            sign(mine, algorithm, DATA)

        (health,) = store.health()
        assert health.wrong_signatures == 1
        verify(theirs.public_key(), algorithm, sign(theirs, algorithm, DATA), DATA)


def test_a_key_that_wants_its_pin_every_time_gets_it(
    opened: tuple[KeyStore, dict[KeyAlgorithm, PrivateKey]],
) -> None:
    token = new_token("PIN mỗi lần")
    with store_for(token) as store:
        uri = generate_key(
            store,
            token.uri,
            label="qualified",
            algorithm=KeyAlgorithm.P_256,
            always_authenticate=True,
        )
        key = store.open(uri)
        for number in range(5):
            data = bytes([number])
            verify(
                key.public_key(),
                SignatureAlgorithm.ECDSA_SHA256,
                sign(key, SignatureAlgorithm.ECDSA_SHA256, data),
                data,
            )
        (health,) = store.health()
        assert health.failures == 0
    assert opened[1]
