"""A key that lies on two tokens, as a pair of HSMs holds it."""

from collections.abc import Iterator
from dataclasses import dataclass

import pkcs11
import pytest
from asn1crypto import core as asn1
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from pkcs11.constants import Attribute, ObjectClass
from pkcs11.mechanisms import KeyType

from hsm import raw_signing
from hsm.algorithms import KeyAlgorithm, PrivateKey, default_for, sign, sign_all, verify
from hsm.errors import (
    DeviceFailure,
    KeyCopiesDiffer,
    KeyUriInvalid,
    MechanismUnavailable,
    PinRequired,
    TokenNotFound,
    TokenRemoved,
)
from hsm.key_uri import KeyURI
from hsm.providers import KeyStore
from hsm.secret import Secret
from hsm.softhsm import SoftHSMToken
from hsm.tokens import generate_key, write_certificate
from tests.hsm.certificates import self_signed
from tests.tokens import new_token

pytestmark = pytest.mark.token
KEY_ID = b"\x17"


@dataclass(frozen=True)
class Pair:
    """Two tokens with the same key, in a store that has both."""

    one: SoftHSMToken
    other: SoftHSMToken
    store: KeyStore

    @property
    def uri(self) -> KeyURI:
        return KeyURI.of_copies([t.uri.with_key(key_id=KEY_ID) for t in (self.one, self.other)])

    def fail(self, token: SoftHSMToken, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let every operation on that token end as if it had been pulled out."""
        sessions = self.store.token(token.uri)

        def gone(_: object) -> None:
            raise TokenRemoved("not there any more")

        monkeypatch.setattr(sessions, "run", gone)

    def operations(self, token: SoftHSMToken) -> int:
        return self.store.token(token.uri).figures.operations


def put_key(store: KeyStore, token: SoftHSMToken, key: ec.EllipticCurvePrivateKey) -> None:
    """Import a key, as the tool of an HSM's maker copies one."""
    common = {Attribute.TOKEN: True, Attribute.ID: KEY_ID, Attribute.KEY_TYPE: KeyType.EC}
    curve = asn1.ObjectIdentifier("1.2.840.10045.3.1.7").dump()
    numbers = key.private_numbers()
    point = b"\x04" + numbers.public_numbers.x.to_bytes(32) + numbers.public_numbers.y.to_bytes(32)

    def write(session: pkcs11.Session) -> None:
        session.create_object(
            {
                **common,
                Attribute.CLASS: ObjectClass.PRIVATE_KEY,
                Attribute.EC_PARAMS: curve,
                Attribute.VALUE: numbers.private_value.to_bytes(32),
                Attribute.SIGN: True,
            }
        )
        session.create_object(
            {
                **common,
                Attribute.CLASS: ObjectClass.PUBLIC_KEY,
                Attribute.EC_PARAMS: curve,
                Attribute.EC_POINT: asn1.OctetString(point).dump(),
            }
        )

    store.token(token.uri).run_writable(write)


@pytest.fixture
def pair() -> Iterator[Pair]:
    one, other = new_token("một"), new_token("hai")
    key = ec.generate_private_key(ec.SECP256R1())
    with KeyStore(modules=[one.module]) as store:
        put_key(store, one, key)
        put_key(store, other, key)
        yield Pair(one, other, store)


def check(key: PrivateKey, data: bytes = b"data") -> None:
    algorithm = default_for(key.public_key())
    verify(key.public_key(), algorithm, sign(key, algorithm, data), data)


def test_the_preferred_token_signs_and_the_other_when_it_is_gone(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = pair.store.open(str(pair.uri))
    before = pair.operations(pair.other)
    check(key)
    assert pair.operations(pair.other) == before

    with monkeypatch.context() as away:
        pair.fail(pair.one, away)
        check(key)
        check(key)
    assert pair.operations(pair.other) == before + 2
    by_serial = {health.serial: health.failovers for health in pair.store.health()}
    assert by_serial == {pair.one.serial: 0, pair.other.serial: 2}

    monkeypatch.setattr(raw_signing, "REST_SECONDS", 0.0)
    with monkeypatch.context() as away:
        pair.fail(pair.other, away)
        check(key)


def test_a_token_that_came_back_is_preferred_again_after_a_rest(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raw_signing, "REST_SECONDS", 0.0)
    key = pair.store.open(pair.uri)
    with monkeypatch.context() as away:
        pair.fail(pair.one, away)
        check(key)
    before = pair.operations(pair.one)
    check(key)
    assert pair.operations(pair.one) == before + 1


def test_a_key_opens_when_one_of_its_tokens_is_there(pair: Pair) -> None:
    absent = KeyURI.for_token(serial="0000").with_key(key_id=KEY_ID)
    for uris in ([absent, pair.uri.copies[1]], [pair.uri.copies[0], absent]):
        check(pair.store.open(KeyURI.of_copies(uris)))
    with pytest.raises(TokenNotFound):
        pair.store.open(KeyURI.of_copies([absent, absent.with_key(key_id=b"2")]))


def test_when_every_token_fails_the_preferred_ones_error_is_told(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = pair.store.open(pair.uri)
    pair.fail(pair.one, monkeypatch)

    def broken(_: object) -> None:
        raise DeviceFailure("broken")

    monkeypatch.setattr(pair.store.token(pair.other.uri), "run", broken)
    with pytest.raises(TokenRemoved):
        check(key)


def test_many_signatures_go_on_at_the_other_token_where_one_fails(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raw_signing, "SHARE_SECONDS", 0)  # a session for each
    key = pair.store.open(pair.uri)
    algorithm, messages = default_for(key.public_key()), [b"1", b"2", b"3"]
    sessions = pair.store.token(pair.one.uri)
    run, asked = sessions.run, 0

    def fails_at_the_second(operation: object) -> object:
        nonlocal asked
        asked += 1
        if asked > 1:
            raise TokenRemoved("not there any more")
        return run(operation)  # type: ignore[arg-type]

    monkeypatch.setattr(sessions, "run", fails_at_the_second)
    before = pair.operations(pair.other)
    for message, made in zip(messages, sign_all(key, algorithm, messages), strict=True):
        assert isinstance(made, bytes)
        verify(key.public_key(), algorithm, made, message)
    assert (asked, pair.operations(pair.other) - before) == (2, 2)
    assert sign_all(key, algorithm, []) == []


def test_a_pair_that_is_gone_is_found_out_once_and_not_for_every_block(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = pair.store.open(pair.uri)
    asked: list[SoftHSMToken] = []
    for token in (pair.one, pair.other):

        def gone(_: object, token: SoftHSMToken = token) -> None:
            asked.append(token)
            raise TokenRemoved(token.uri.token or "")

        monkeypatch.setattr(pair.store.token(token.uri), "run", gone)
    made = sign_all(key, default_for(key.public_key()), [b"1", b"2", b"3"])
    assert [str(one) for one in made] == [pair.one.uri.token or ""] * 3
    assert asked == [pair.one, pair.other]


def test_attack_another_key_under_the_same_name_is_no_copy(pair: Pair) -> None:
    third = new_token("ba")
    put_key(pair.store, third, ec.generate_private_key(ec.SECP256R1()))

    with pytest.raises(KeyCopiesDiffer):
        pair.store.open(KeyURI.of_copies([pair.uri.copies[0], third.uri.with_key(key_id=KEY_ID)]))


def test_the_certificate_beside_either_copy_is_found(pair: Pair) -> None:
    key = pair.store.open(pair.uri)
    der = self_signed(key, name="A").public_bytes(Encoding.DER)
    write_certificate(pair.store, pair.uri.copies[0], certificate=der)
    absent = KeyURI.for_token(serial="0000").with_key(key_id=KEY_ID)

    assert pair.store.certificates(pair.uri) == [der]
    assert pair.store.certificates(KeyURI.of_copies([absent, pair.uri.copies[0]])) == [der]


def test_a_given_pin_goes_only_to_tokens_without_a_source_of_their_own(pair: Pair) -> None:
    bare = KeyURI.for_token(serial=pair.other.serial).with_key(key_id=KEY_ID)
    uri = KeyURI.of_copies([pair.uri.copies[0], bare])
    with KeyStore(modules=[pair.one.module]) as other:
        other.open(uri, pin=Secret(pair.other.pin_file.read_text().strip()))
        check(other.open(uri))
    pair.store.close()
    with pytest.raises(PinRequired):
        pair.store.open(bare)


def test_copies_are_written_one_after_the_other_and_read_again(pair: Pair) -> None:
    uri = pair.uri
    assert KeyURI.parse(str(uri)) == uri
    assert len(KeyURI.parse(f"{uri.copies[0]}   {uri.copies[1]}").copies) == 2
    assert uri.token_only().copies == (uri.copies[0].token_only(),)
    for wrong in (
        f"{uri.copies[0]} {uri.copies[0]}",
        f"soft:/a.p12 {uri.copies[0]}",
        " ".join(f"pkcs11:serial={n}" for n in range(20)),
    ):
        with pytest.raises(KeyUriInvalid):
            KeyURI.parse(wrong)


def test_a_mechanism_that_one_token_refuses_is_not_asked_of_the_next(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = pair.store.open(pair.uri)

    def refuse(_: object) -> None:
        raise MechanismUnavailable("no")

    monkeypatch.setattr(pair.store.token(pair.one.uri), "run", refuse)
    before = pair.operations(pair.other)
    with pytest.raises(MechanismUnavailable):
        check(key)
    assert pair.operations(pair.other) == before


def test_an_ed25519_key_on_a_token_signs_requests(
    key_store: KeyStore, softhsm_token: SoftHSMToken
) -> None:
    uri = generate_key(key_store, softhsm_token.uri, label="ed", algorithm=KeyAlgorithm.ED25519)
    key = key_store.open(uri)
    check(key)
    assert self_signed(key, name="Ed").public_key() == key.public_key()
