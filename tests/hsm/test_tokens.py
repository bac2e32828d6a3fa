import stat
import subprocess

import pkcs11
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from pkcs11.constants import Attribute, ObjectClass

from hsm.algorithms import KeyAlgorithm, default_for, sign, verify
from hsm.errors import (
    CertificateMismatch,
    DeviceFailure,
    KeyNotFound,
    SeveralKeysMatch,
    SeveralTokensMatch,
    TokenNotFound,
)
from hsm.key_uri import KeyURI
from hsm.providers import KeyStore
from hsm.softhsm import SoftHSMHome, SoftHSMToken, create_softhsm_token
from hsm.tokens import destroy_key, generate_key, list_objects, write_certificate
from tests.hsm.certificates import self_signed
from tests.tokens import new_token

pytestmark = pytest.mark.token


def test_a_new_token_has_random_pins_in_files_that_only_the_owner_reads(
    softhsm_home: SoftHSMHome,
) -> None:
    one, other = new_token("Phường Bình Phước"), new_token("Phường Bình Phước")

    assert one.serial != other.serial
    assert one.pin_file.read_text() != other.pin_file.read_text()
    for path in (one.pin_file, one.so_pin_file, one.conf):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for path in (softhsm_home.directory, softhsm_home.tokens_directory):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert {one, other} <= set(softhsm_home.tokens())
    assert softhsm_home.find("Phường Bình Phước") in {one, other}
    assert softhsm_home.find("no such") is None


def test_pkcs11_tool_opens_the_token_with_the_pin_of_its_pin_file() -> None:
    softhsm_token = new_token("cho pkcs11-tool")
    seen = subprocess.run(
        [
            *("pkcs11-tool", "--module", softhsm_token.module, "--list-objects", "--login"),
            *("--token-label", softhsm_token.label),
            *("--pin", softhsm_token.pin_file.read_text().strip()),
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert seen.returncode == 0, seen.stderr


@pytest.mark.parametrize("label", ["", "nhãn dài hơn ba mươi hai byte thì không vừa"])
def test_a_label_that_does_not_fit_is_refused(label: str, softhsm_home: SoftHSMHome) -> None:
    with pytest.raises(DeviceFailure, match="32 bytes"):
        create_softhsm_token(softhsm_home, label=label)


@pytest.mark.parametrize("algorithm", KeyAlgorithm)
def test_a_key_made_on_a_token_cannot_leave_it(
    algorithm: KeyAlgorithm, key_store: KeyStore, softhsm_token: SoftHSMToken
) -> None:
    uri = generate_key(key_store, softhsm_token.uri, label="Khóa", algorithm=algorithm)
    key = key_store.open(uri)
    signing = default_for(key.public_key())

    verify(key.public_key(), signing, sign(key, signing, b"data"), b"data")
    sessions = key_store.token(softhsm_token.uri)
    (raw,) = sessions.run(
        lambda pooled: list(pooled.session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY}))
    )
    wanted = {
        Attribute.SENSITIVE: True,
        Attribute.ALWAYS_SENSITIVE: True,
        Attribute.EXTRACTABLE: False,
        Attribute.NEVER_EXTRACTABLE: True,
        Attribute.PRIVATE: True,
        Attribute.LOCAL: True,
        Attribute.SIGN: True,
        Attribute.DECRYPT: False,
        Attribute.UNWRAP: False,
    }
    assert {name: raw[name] for name in wanted} == wanted
    secret = Attribute.PRIVATE_EXPONENT if algorithm.startswith("rsa-") else Attribute.VALUE
    with pytest.raises(pkcs11.AttributeSensitive):
        raw[secret]


def test_a_generated_key_is_named_by_serial_id_and_label(
    key_store: KeyStore, softhsm_token: SoftHSMToken
) -> None:
    uri = generate_key(key_store, softhsm_token.uri, label="Khóa ký", algorithm=KeyAlgorithm.P_256)

    assert uri.serial == softhsm_token.serial
    assert uri.object == "Khóa ký"
    assert len(uri.id or b"") == 16
    assert uri.pin_source == softhsm_token.uri.pin_source
    assert KeyURI.parse(str(uri)) == uri


def test_keys_open_by_id_by_label_and_alone_on_their_token(
    key_store: KeyStore, softhsm_token: SoftHSMToken
) -> None:
    uri = generate_key(key_store, softhsm_token.uri, label="only", algorithm=KeyAlgorithm.P_256)
    public = key_store.open(uri).public_key()
    token = softhsm_token.uri

    assert key_store.open(token).public_key() == public
    assert key_store.open(token.with_key(label="only")).public_key() == public
    assert key_store.open(token.with_key(key_id=uri.id)).public_key() == public
    assert key_store.open(str(uri)) is key_store.open(uri)


def test_a_missing_or_ambiguous_key_is_said_so(
    key_store: KeyStore, softhsm_token: SoftHSMToken
) -> None:
    token = softhsm_token.uri
    with pytest.raises(KeyNotFound):
        key_store.open(token)
    uris = [
        generate_key(key_store, token, label="same", algorithm=KeyAlgorithm.P_256) for _ in range(2)
    ]

    with pytest.raises(SeveralKeysMatch):
        key_store.open(token.with_key(label="same"))
    with pytest.raises(KeyNotFound, match="id 00"):
        key_store.open(token.with_key(key_id=b"\0"))
    with pytest.raises(KeyNotFound):
        key_store.open(token.with_key(label="other"))
    with pytest.raises(KeyNotFound):
        key_store.open(token.with_key(key_id=uris[0].id, label="other"))
    assert key_store.open(uris[0]).public_key() != key_store.open(uris[1]).public_key()


def test_a_missing_or_ambiguous_token_is_said_so(softhsm_home: SoftHSMHome) -> None:
    for _ in range(2):
        new_token("đôi")

    with KeyStore(modules=[softhsm_home.module]) as store:
        with pytest.raises(SeveralTokensMatch):
            store.open("pkcs11:token=%C4%91%C3%B4i")
        with pytest.raises(TokenNotFound):
            store.open("pkcs11:serial=0000")
        with pytest.raises(TokenNotFound):
            store.open("pkcs11:token=nobody")


def test_every_attribute_of_a_token_uri_must_agree(
    key_store: KeyStore, softhsm_token: SoftHSMToken
) -> None:
    serial = softhsm_token.serial
    generate_key(key_store, softhsm_token.uri, label="k", algorithm=KeyAlgorithm.P_256)

    key_store.open(f"pkcs11:serial={serial};model=SoftHSM%20v2;manufacturer=SoftHSM%20project")
    for wrong in ("model=other", "token=other", "manufacturer=x", "library-version=0.0"):
        with pytest.raises(TokenNotFound):
            key_store.open(f"pkcs11:serial={serial};{wrong}")


def test_a_certificate_is_written_beside_its_key_once(
    key_store: KeyStore, softhsm_token: SoftHSMToken
) -> None:
    uri = generate_key(key_store, softhsm_token.uri, label="Khóa", algorithm=KeyAlgorithm.P_256)
    der = self_signed(key_store.open(uri), name="Nguyễn Văn A").public_bytes(Encoding.DER)

    for _ in range(2):
        write_certificate(key_store, uri, certificate=der)

    assert key_store.certificates(uri) == [der]
    assert key_store.certificates(softhsm_token.uri.with_key(label="Khóa")) == [der]
    assert key_store.certificates(softhsm_token.uri.with_key(label="other")) == []
    assert [line.kind for line in list_objects(key_store, softhsm_token.uri)] == [
        "cert",
        "private",
        "public",
    ]
    assert {line.label for line in list_objects(key_store, softhsm_token.uri)} == {"Khóa"}


def test_a_certificate_with_a_label_of_its_own_is_found_by_the_keys_id(
    key_store: KeyStore, softhsm_token: SoftHSMToken
) -> None:
    uri = generate_key(key_store, softhsm_token.uri, label="Khóa", algorithm=KeyAlgorithm.P_256)
    der = self_signed(key_store.open(uri), name="A").public_bytes(Encoding.DER)

    write_certificate(key_store, uri.with_key(key_id=uri.id), certificate=der)

    (line,) = [x for x in list_objects(key_store, softhsm_token.uri) if x.kind == "cert"]
    assert line.label != "Khóa"
    assert key_store.certificates(uri) == [der]


def test_certificates_are_read_without_a_pin(softhsm_token: SoftHSMToken) -> None:
    with KeyStore(modules=[softhsm_token.module]) as store:
        uri = generate_key(store, softhsm_token.uri, label="k", algorithm=KeyAlgorithm.P_256)
        der = self_signed(store.open(uri), name="A").public_bytes(Encoding.DER)
        write_certificate(store, uri, certificate=der)

    with KeyStore(modules=[softhsm_token.module]) as store:
        assert store.certificates(f"pkcs11:serial={softhsm_token.serial};object=k") == [der]


def test_a_certificate_of_another_key_is_refused(
    key_store: KeyStore, softhsm_token: SoftHSMToken
) -> None:
    uri = generate_key(key_store, softhsm_token.uri, label="k", algorithm=KeyAlgorithm.P_256)
    stranger = self_signed(ec.generate_private_key(ec.SECP256R1()), name="B")

    for wrong in (stranger.public_bytes(Encoding.DER), b"not a certificate", b""):
        with pytest.raises(CertificateMismatch):
            write_certificate(key_store, uri, certificate=wrong)
    assert key_store.certificates(uri) == []


def test_the_public_half_is_found_in_the_certificate_when_its_object_is_gone(
    key_store: KeyStore, softhsm_token: SoftHSMToken
) -> None:
    uri = generate_key(key_store, softhsm_token.uri, label="k", algorithm=KeyAlgorithm.P_256)
    key = key_store.open(uri)
    der = self_signed(key, name="A").public_bytes(Encoding.DER)
    write_certificate(key_store, uri, certificate=der)

    def remove_public(session: pkcs11.Session) -> None:
        for item in list(session.get_objects({Attribute.CLASS: ObjectClass.PUBLIC_KEY})):
            item.destroy()

    key_store.token(softhsm_token.uri).run_writable(remove_public)
    with KeyStore(modules=[softhsm_token.module]) as other:
        assert other.open(uri).public_key() == key.public_key()


def test_a_destroyed_key_is_gone(key_store: KeyStore, softhsm_token: SoftHSMToken) -> None:
    uri = generate_key(key_store, softhsm_token.uri, label="k", algorithm=KeyAlgorithm.P_256)

    with pytest.raises(KeyNotFound, match="by its id only"):
        destroy_key(key_store, softhsm_token.uri.with_key(label="k"))
    destroy_key(key_store, uri)

    assert list_objects(key_store, softhsm_token.uri) == []
    with pytest.raises(KeyNotFound):
        destroy_key(key_store, uri)
