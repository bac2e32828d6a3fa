import stat
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, mldsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)

from hsm.algorithms import KeyAlgorithm, SignatureAlgorithm, default_for, sign, verify
from hsm.errors import HsmError, KeyFileUnreadable, MechanismUnavailable, PinIncorrect, PinRequired
from hsm.key_uri import KeyURI
from hsm.providers import KeyStore
from hsm.secret import Secret
from hsm.software import MAX_KEY_FILE, generate_key_file, load_key_file
from tests.hsm.certificates import self_signed

PASSPHRASE = Secret("mật khẩu rất dài")
WRONG = Secret("mật khẩu khác")


@pytest.fixture(scope="module")
def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def bundle(key: ec.EllipticCurvePrivateKey, own: x509.Certificate | None) -> bytes:
    other = self_signed(ec.generate_private_key(ec.SECP256R1()), name="Issuing CA")
    return pkcs12.serialize_key_and_certificates(
        b"key", key, own, [other], BestAvailableEncryption(PASSPHRASE.reveal())
    )


@pytest.mark.parametrize("algorithm", [KeyAlgorithm.P_256, KeyAlgorithm.ED25519])
def test_a_generated_key_file_is_encrypted_private_and_usable(
    algorithm: KeyAlgorithm, tmp_path: Path
) -> None:
    path = tmp_path / "keys" / "một.pem"

    uri = generate_key_file(path, algorithm=algorithm, passphrase=PASSPHRASE)
    with KeyStore() as store:
        key = store.open(uri, pin=PASSPHRASE)
        signing = default_for(key.public_key())
        verify(key.public_key(), signing, sign(key, signing, b"data"), b"data")

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")


def test_openssl_reads_a_generated_key_file(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    generate_key_file(path, algorithm=KeyAlgorithm.RSA_2048, passphrase=PASSPHRASE)

    checked = subprocess.run(
        ["openssl", "rsa", "-in", path, "-check", "-noout", "-passin", "stdin"],
        input=PASSPHRASE.reveal() + b"\n",
        capture_output=True,
        check=False,
    )

    assert checked.returncode == 0, checked.stderr


def test_a_key_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_text("something dear")

    with pytest.raises(KeyFileUnreadable):
        generate_key_file(path, algorithm=KeyAlgorithm.P_256, passphrase=PASSPHRASE)
    with pytest.raises(PinRequired):
        generate_key_file(
            tmp_path / "other.pem", algorithm=KeyAlgorithm.P_256, passphrase=Secret("")
        )

    assert path.read_text() == "something dear"


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_pkcs8_opens_with_its_passphrase_only(
    encoding: Encoding, ec_key: ec.EllipticCurvePrivateKey, tmp_path: Path
) -> None:
    path = tmp_path / "key"
    path.write_bytes(
        ec_key.private_bytes(
            encoding, PrivateFormat.PKCS8, BestAvailableEncryption(PASSPHRASE.reveal())
        )
    )

    assert load_key_file(path, PASSPHRASE).key.public_key() == ec_key.public_key()
    with pytest.raises(PinIncorrect):
        load_key_file(path, WRONG)


def test_pkcs12_gives_the_key_and_its_own_certificate_first(
    ec_key: ec.EllipticCurvePrivateKey, tmp_path: Path
) -> None:
    own = self_signed(ec_key, name="Nguyễn Văn A")
    path = tmp_path / "key.p12"
    path.write_bytes(bundle(ec_key, own))
    uri = KeyURI.for_file(path)

    with KeyStore() as store:
        assert store.open(uri, pin=PASSPHRASE).public_key() == ec_key.public_key()
        ders = store.certificates(uri)

    assert ders[0] == own.public_bytes(Encoding.DER)
    assert len(ders) == 2
    with pytest.raises(PinIncorrect):
        load_key_file(path, WRONG)


def test_certificates_in_a_pem_file_are_found_whatever_their_order(
    ec_key: ec.EllipticCurvePrivateKey, tmp_path: Path
) -> None:
    own = self_signed(ec_key, name="own").public_bytes(Encoding.PEM)
    other = self_signed(ec.generate_private_key(ec.SECP256R1()), name="CA")
    path = tmp_path / "key.pem"
    protection = BestAvailableEncryption(PASSPHRASE.reveal())
    path.write_bytes(
        other.public_bytes(Encoding.PEM)
        + ec_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)
        + own
    )

    found = load_key_file(path, PASSPHRASE)

    assert found.certificates[0] == x509.load_pem_x509_certificate(own).public_bytes(Encoding.DER)
    assert len(found.certificates) == 2


@pytest.mark.parametrize(
    "content",
    [b"", b"\x30", b"junk", b"-----BEGIN PRIVATE KEY-----\n", b"\x30\x03\x02\x01\x03", b"\x30\x82"],
)
def test_a_damaged_file_is_unreadable_not_a_wrong_passphrase(
    content: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)

    with pytest.raises(KeyFileUnreadable):
        load_key_file(path, PASSPHRASE)


def test_missing_oversized_and_unencrypted_files_are_refused(
    ec_key: ec.EllipticCurvePrivateKey, tmp_path: Path
) -> None:
    plain = tmp_path / "plain.pem"
    plain.write_bytes(ec_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    plain_der = tmp_path / "plain.der"
    plain_der.write_bytes(ec_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
    huge = tmp_path / "huge"
    huge.write_bytes(b"\0" * (MAX_KEY_FILE + 1))

    for path in (plain, plain_der, huge, tmp_path / "absent", tmp_path):
        with pytest.raises(KeyFileUnreadable):
            load_key_file(path, PASSPHRASE)


def test_a_key_file_is_loaded_once_and_the_passphrase_still_asked_of_everyone(
    tmp_path: Path,
) -> None:
    path = tmp_path / "key.pem"
    uri = generate_key_file(path, algorithm=KeyAlgorithm.P_256, passphrase=PASSPHRASE)

    with KeyStore() as store:
        for nothing in (None, Secret("")):
            with pytest.raises(PinRequired):
                store.open(uri, pin=nothing)
        first = store.open(uri, pin=PASSPHRASE)
        assert store.open(uri) is first
        assert store.open(str(uri), pin=PASSPHRASE) is first
        with pytest.raises(PinIncorrect):
            store.open(uri, pin=WRONG)
        store.close()
        with pytest.raises(PinRequired):
            store.open(uri)


def test_a_replaced_key_file_is_read_again(tmp_path: Path) -> None:
    path, other = tmp_path / "key.pem", tmp_path / "other.pem"
    uri = generate_key_file(path, algorithm=KeyAlgorithm.P_256, passphrase=PASSPHRASE)
    generate_key_file(other, algorithm=KeyAlgorithm.P_256, passphrase=PASSPHRASE)

    with KeyStore() as store:
        first = store.open(uri, pin=PASSPHRASE)
        other.replace(path)
        second = store.open(uri, pin=PASSPHRASE)

    assert first.public_key() != second.public_key()


def test_the_passphrase_comes_from_the_pin_source_or_the_prompt(tmp_path: Path) -> None:
    path, pin_file = tmp_path / "key.pem", tmp_path / "mật khẩu.pin"
    generate_key_file(path, algorithm=KeyAlgorithm.P_256, passphrase=PASSPHRASE)
    pin_file.write_bytes(PASSPHRASE.reveal() + b"\r\n")
    asked: list[KeyURI] = []

    def prompt(uri: KeyURI) -> Secret:
        asked.append(uri)
        return PASSPHRASE

    with KeyStore() as store:
        store.open(KeyURI.for_file(path, pin_source=f"file:{pin_file}"))
    with KeyStore(pin_sources={"env": lambda name: Secret({"PIN": "x"}[name])}) as store:
        with pytest.raises(PinIncorrect):
            store.open(KeyURI.for_file(path, pin_source="env:PIN"))
        with pytest.raises(PinRequired, match="vault"):
            store.open(KeyURI.for_file(path, pin_source="vault:PIN"))
    with KeyStore(pin_prompt=prompt) as store:
        store.open(KeyURI.for_file(path))
        store.open(KeyURI.for_file(path))

    assert asked == [KeyURI.for_file(path)]


@pytest.mark.parametrize("content", [b"", b"\n", b"x" * 5000])
def test_an_empty_or_huge_pin_file_is_refused(content: bytes, tmp_path: Path) -> None:
    path, pin_file = tmp_path / "key.pem", tmp_path / "pin"
    generate_key_file(path, algorithm=KeyAlgorithm.P_256, passphrase=PASSPHRASE)
    pin_file.write_bytes(content)

    with KeyStore() as store:
        for source in (pin_file, tmp_path / "absent"):
            with pytest.raises(PinRequired):
                store.open(KeyURI.for_file(path, pin_source=f"file:{source}"))


def test_no_error_of_this_file_names_the_passphrase(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    uri = generate_key_file(path, algorithm=KeyAlgorithm.P_256, passphrase=PASSPHRASE)

    with KeyStore() as store, pytest.raises(HsmError) as caught:
        store.open(uri, pin=WRONG)

    error: BaseException | None = caught.value
    while error is not None:
        assert WRONG.reveal_text() not in repr(error) + str(error)
        error = error.__cause__ or error.__context__


def test_an_experimental_key_signs_documents_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "ml-dsa.pem"
    key = mldsa.MLDSA65PrivateKey.generate()
    file.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"1234"))
    )
    with KeyStore() as store:
        uri = KeyURI.for_file(file)
        with pytest.raises(MechanismUnavailable):
            store.open(uri, pin=Secret("1234"))
        opened = store.open_for_documents(uri, pin=Secret("1234"))
    signature = sign(opened, SignatureAlgorithm.ML_DSA_65, b"document")
    verify(key.public_key(), SignatureAlgorithm.ML_DSA_65, signature, b"document")
