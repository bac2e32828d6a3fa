"""Many signatures in one go, as issuing in groups asks for them."""

from collections.abc import Iterator
from functools import partial

import pytest
from pkcs11.mechanisms import Mechanism

from hsm import raw_signing
from hsm.algorithms import (
    KeyAlgorithm,
    PrivateKey,
    SignatureAlgorithm,
    default_for,
    sign_all,
    verify,
)
from hsm.errors import HsmError, PinRequired, SignatureMismatch
from hsm.raw_signing import RawSignature, TokenSigner
from hsm.sessions import TokenSessions
from hsm.tokens import generate_key
from tests.tokens import new_token, store_for

pytestmark = pytest.mark.token

ALGORITHMS = [one for one in SignatureAlgorithm if one.startswith(("rsa-", "ecdsa-"))]


@pytest.fixture(scope="module")
def keys() -> Iterator[dict[KeyAlgorithm, PrivateKey]]:
    token = new_token("Nhiều")
    with store_for(token) as store:
        yield {
            kind: store.open(generate_key(store, token.uri, label=kind, algorithm=kind))
            for kind in (KeyAlgorithm.RSA_2048, KeyAlgorithm.P_256)
        }


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_many_signatures_in_one_go_are_those_of_their_messages(
    keys: dict[KeyAlgorithm, PrivateKey], algorithm: SignatureAlgorithm
) -> None:
    kind = KeyAlgorithm.P_256 if algorithm.startswith("ecdsa-") else KeyAlgorithm.RSA_2048
    key, messages = keys[kind], [bytes([number]) * number for number in range(9)]
    made = sign_all(key, algorithm, messages)
    assert sign_all(key, algorithm, []) == []
    for signature, message in zip(made, messages, strict=True):
        assert isinstance(signature, bytes)
        verify(key.public_key(), algorithm, signature, message)


def test_many_signatures_leave_the_session_to_others_now_and_then(
    monkeypatch: pytest.MonkeyPatch, keys: dict[KeyAlgorithm, PrivateKey]
) -> None:
    monkeypatch.setattr(raw_signing, "SHARE_SECONDS", 0)
    runs: list[object] = []
    run = TokenSessions.run

    def counted(sessions: TokenSessions, operation: object) -> object:
        runs.append(operation)
        return run(sessions, operation)  # type: ignore[arg-type]

    monkeypatch.setattr(TokenSessions, "run", counted)
    key = keys[KeyAlgorithm.P_256]
    made = sign_all(key, SignatureAlgorithm.ECDSA_SHA256, [b"1", b"2", b"3"])
    assert [type(one) for one in made] == [bytes] * 3
    assert len(runs) == 3


@pytest.mark.parametrize("kind", [KeyAlgorithm.RSA_2048, KeyAlgorithm.P_256])
def test_attack_one_wrong_signature_among_many_does_not_leave_the_room(
    kind: KeyAlgorithm, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = new_token("nhầm một")
    with store_for(token) as store:
        mine = store.open(generate_key(store, token.uri, label="mine", algorithm=kind))
        theirs = store.open(generate_key(store, token.uri, label="theirs", algorithm=kind))
        raw_all = TokenSigner.raw_all

        def second_of_another(
            signer: TokenSigner, mechanism: Mechanism, blocks: list[bytes]
        ) -> list[RawSignature | HsmError]:
            other = theirs._signer.raw_all(mechanism, blocks[1:2])  # type: ignore[union-attr]
            monkeypatch.undo()
            first, _, third = raw_all(signer, mechanism, blocks)
            return [first, *other, third]

        monkeypatch.setattr(mine._signer, "raw_all", partial(second_of_another, mine._signer))  # type: ignore[union-attr]
        algorithm = default_for(mine.public_key())
        first, second, third = sign_all(mine, algorithm, [b"1", b"2", b"3"])
        assert isinstance(second, SignatureMismatch)
        for signature, message in ((first, b"1"), (third, b"3")):
            assert isinstance(signature, bytes)
            verify(mine.public_key(), algorithm, signature, message)
        assert store.health()[0].wrong_signatures == 1


def test_many_signatures_of_a_token_that_is_gone_say_so_each() -> None:
    token = new_token("mất")
    with store_for(token) as store:
        key = store.open(generate_key(store, token.uri, label="k", algorithm=KeyAlgorithm.P_256))
    made = sign_all(key, SignatureAlgorithm.ECDSA_SHA256, [b"1", b"2"])
    assert [type(one) for one in made] == [PinRequired] * 2
