"""The whole walk with every kind of key: enrolled, certified by our CA, and a PDF that is accepted.

Tokens of a server make their key themselves and sign at once. The official's USB token stays on
the official's PC: what is to be signed is carried there, and the signature back. Phones and
services are asked by jobs. Whoever signed, another program says that the signature is valid.
"""

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from ca import issue
from ca.models import Certificate
from hsm.algorithms import KeyAlgorithm, SignatureAlgorithm
from hsm.algorithms import sign as sign_with
from hsm.key_uri import KeyURI
from hsm.providers import KeyStore
from hsm.tokens import certificate_request, generate_key, write_certificate
from pdf.prepared import PreparedSignature
from signing import sign
from signing.models import SignRequestStatus
from tests.api.test_command_line import antin
from tests.ca.house import AT, CHIEF, csr_for
from tests.pdf.signing_kit import blank_pdf, pdfsig
from tests.providers.conftest import Counter
from tests.providers.test_csc import Cloud, cloud
from tests.signing.conftest import CALLER, NOW
from tests.tokens.devices import KINDS, Device, make

__all__ = ["cloud"]
NUMBER = "+84912345678"
RSA = SignatureAlgorithm.RSA_PKCS1_SHA256
TOKENS_OF_SERVERS = ("softhsm", "p11-kit", "opencryptoki")


@dataclass
class Walk:
    """Where a walk takes place, and what it has to put away afterwards."""

    counter: Counter
    cloud: Cloud
    opened: ExitStack = field(default_factory=ExitStack)

    def device(self, kind: str) -> tuple[Device, KeyStore]:
        device = make(kind)
        self.opened.callback(device.stop)
        device.renew()
        return device, self.opened.enter_context(device.store())

    def at_once(self, certificate: Certificate) -> uuid.UUID:
        """Sign with a key that answers now."""
        request_id = self.counter.start(certificate)
        assert self.counter.request(request_id).status is SignRequestStatus.PREPARED
        sign.sign_now(self.counter.desk, request_id, at=NOW, actor=CALLER)
        return request_id

    def by_holder(self, certificate: Certificate, hand: Callable[[bytes], bytes]) -> uuid.UUID:
        """Carry what is to be signed to the holder, and the signature back."""
        request_id = self.counter.start(certificate)
        waiting = self.counter.request(request_id)
        assert waiting.status is SignRequestStatus.WAITING
        prepared = PreparedSignature.from_json(waiting.prepared)
        signature = hand(prepared.to_be_signed)
        sign.complete(self.counter.desk, request_id, signature, at=NOW, actor=CALLER)
        return request_id

    def by_phone(self, provider: str, **overrides: object) -> uuid.UUID:
        """Ask a phone, whose holder enters the PIN."""
        world = self.counter.world
        world.overrides = overrides
        self.counter.with_providers(world.settings())
        number = NUMBER if not overrides else f"{NUMBER[:-4]}0500"  # nobody enters a PIN meanwhile
        request_id = self.counter.start(self.counter.sim_certificate(provider, number))
        self.counter.step(request_id)
        for question in world.operator.waiting(NUMBER):
            world.operator.enter_pin(question.id, "1234")
        self.counter.walk(request_id)
        return request_id


def server_token(kind: str) -> Callable[[Walk], uuid.UUID]:
    def walk(way: Walk) -> uuid.UUID:
        device, store = way.device(kind)
        office = way.counter.office
        way.counter.office = replace(office, desk=replace(office.desk, keys=store))
        certificate = issue.issue(
            office.house.sessions,
            request_id=office.house.approved(
                office.house.person(), key_algorithm=KeyAlgorithm.RSA_2048
            ).id,
            keys=store,
            at=AT,
            actor=CHIEF,
            make_key=lambda label, algorithm: generate_key(
                store, device.uri, label=label, algorithm=algorithm
            ),
        )
        assert KeyURI.parse(certificate.key_uri or "").serial == device.serial
        return way.at_once(certificate)

    return walk


def usb_token(way: Walk) -> uuid.UUID:
    device, store = way.device("opensc")
    uri = device.keys(store)[KeyAlgorithm.RSA_2048]
    house = way.counter.office.house
    request = certificate_request(store, uri, common_name="Nguyễn Thị Đức")
    csr = request.public_bytes(Encoding.PEM)
    certificate = house.issue(house.approved(house.person(), csr=csr))
    key = store.open(uri)
    return way.by_holder(certificate, lambda message: sign_with(key, RSA, message))


def holder(way: Walk) -> uuid.UUID:
    key = rsa.generate_private_key(65537, 2048)
    certificate = way.counter.office.holder_certificate(key)
    return way.by_holder(certificate, lambda message: sign_with(key, RSA, message))


def service(version: str, *, confirmed: bool = False) -> Callable[[Walk], uuid.UUID]:
    def walk(way: Walk) -> uuid.UUID:
        mode = "confirm" if confirmed else "now"
        way.counter.with_providers(way.cloud.settings(version=version, mode=mode))
        stub = way.cloud.stub
        issued = way.counter.certificate(csr_for(stub.key), way.cloud.address)
        stub.chain = [issued.der or b""]
        stub.confirming = confirmed
        if not confirmed:
            return way.at_once(issued)
        request_id = way.counter.start(issued)
        way.counter.step(request_id)
        stub.confirm()
        way.counter.walk(request_id)
        return request_id

    return walk


WALKS: dict[str, Callable[[Walk], uuid.UUID]] = {
    **{kind: server_token(kind) for kind in TOKENS_OF_SERVERS},
    "opensc": usb_token,
    "soft": lambda way: way.at_once(way.counter.office.server_certificate()),
    "holder": holder,
    "csc-v1": service("v1"),
    "csc-v2": service("v2"),
    "csc-v2-confirmed": service("v2", confirmed=True),
    "sim-ets102204-asynch": lambda way: way.by_phone("viettel"),
    "sim-ets102204-synch": lambda way: way.by_phone("viettel", messaging="synch"),
    "sim-mobile-id": lambda way: way.by_phone("mid"),
}


def grouped(kinds: Iterator[str]) -> list[object]:
    """Keep what uses one daemon in one process of the tests."""
    return [
        pytest.param(kind, marks=[pytest.mark.token, pytest.mark.xdist_group(kind)])
        if kind in KINDS
        else pytest.param(kind)
        for kind in kinds
    ]


@pytest.mark.parametrize("kind", grouped(iter(WALKS)))
def test_the_walk_with_each_kind_of_key_ends_in_a_pdf_that_is_accepted_elsewhere(
    counter: Counter, cloud: Cloud, kind: str
) -> None:
    with ExitStack() as opened:
        way = Walk(counter, cloud, opened)
        request_id = WALKS[kind](way)
        assert counter.request(request_id).status is SignRequestStatus.SIGNED
        assert counter.accepted_by_pdfsig(request_id)


@pytest.mark.parametrize("kind", grouped(iter(KINDS)))
def test_each_kind_of_token_signs_at_the_command_line(
    counter: Counter, cloud: Cloud, kind: str, tmp_path: Path
) -> None:
    with ExitStack() as opened:
        device, store = Walk(counter, cloud, opened).device(kind)
        uri = device.keys(store)[KeyAlgorithm.RSA_2048]
        if device.makes:
            house = counter.office.house
            request = certificate_request(store, uri, common_name="Nguyễn Thị Đức")
            csr = request.public_bytes(Encoding.PEM)
            issued = house.issue(house.approved(house.person(), csr=csr))
            write_certificate(store, uri, certificate=issued.der or b"")
        store.close()
        (tmp_path / "pin").write_bytes(device.pin.reveal())
        (tmp_path / "a.pdf").write_bytes(blank_pdf())
        key = replace(device.uri.with_key(key_id=uri.id), pin_source=f"file:{tmp_path / 'pin'}")
        done = antin(
            *("sign", "a.pdf", "out.pdf", "--key", str(key), "--module", device.module),
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stderr
    assert pdfsig(tmp_path / "out.pdf").valid == 1
