import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from hsm.algorithms import SignatureAlgorithm, sign
from hsm.errors import KeyAnswersLater, KeyUriInvalid, SignatureMismatch
from hsm.holder import HolderKey
from hsm.key_uri import KeyURI
from hsm.providers import DeferredKey, KeyStore, Prompt

URI = KeyURI.parse("holder:nguyen.van.a")
ALGORITHM = SignatureAlgorithm.ECDSA_SHA256
PROMPT = Prompt(text="Ký Quyết định số 12?", code="4711")


@pytest.fixture
def on_the_pc() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def holder(key: ec.EllipticCurvePrivateKey, posted: dict[str, bytes]) -> DeferredKey:
    return HolderKey(uri=URI, public_key=key.public_key(), algorithm=ALGORITHM, posted=posted.get)


def test_a_holder_key_waits_until_the_signature_is_posted(
    on_the_pc: ec.EllipticCurvePrivateKey,
) -> None:
    posted: dict[str, bytes] = {}
    key = holder(on_the_pc, posted)

    pending = key.start(b"signed attributes", PROMPT)
    assert key.collect(pending) is None

    posted[pending.reference] = sign(on_the_pc, ALGORITHM, pending.to_be_signed)
    assert key.collect(pending) == posted[pending.reference]
    assert pending.to_be_signed == b"signed attributes"
    assert pending.prompt.code == "4711"
    assert pending.uri == URI


def test_a_posted_signature_of_another_key_or_document_is_refused(
    on_the_pc: ec.EllipticCurvePrivateKey,
) -> None:
    posted: dict[str, bytes] = {}
    key = holder(on_the_pc, posted)
    pending = key.start(b"document", PROMPT)
    stranger = ec.generate_private_key(ec.SECP256R1())

    for wrong in (sign(stranger, ALGORITHM, b"document"), sign(on_the_pc, ALGORITHM, b"x"), b"0"):
        posted[pending.reference] = wrong
        with pytest.raises(SignatureMismatch):
            key.collect(pending)


def test_two_requests_have_references_of_their_own(on_the_pc: ec.EllipticCurvePrivateKey) -> None:
    key = holder(on_the_pc, {})

    assert key.start(b"a", PROMPT).reference != key.start(b"a", PROMPT).reference


@pytest.mark.parametrize("text", ["holder:a", "csc:a", "sim:+8491"])
def test_a_key_store_does_not_open_a_key_that_answers_later(text: str) -> None:
    with KeyStore() as store, pytest.raises(KeyAnswersLater):
        store.open(text)


def test_a_holder_key_has_a_holder_uri(on_the_pc: ec.EllipticCurvePrivateKey) -> None:
    with pytest.raises(KeyUriInvalid):
        HolderKey(
            uri=KeyURI.parse("sim:+8491"),
            public_key=on_the_pc.public_key(),
            algorithm=ALGORITHM,
            posted={}.get,
        )
