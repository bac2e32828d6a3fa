"""A simulated operator, the settings that reach it, and the keys of its phones."""

import io
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
from cryptography import x509

from api.simulator.app import REST_PATH, SOAP_PATH, Contracts, create_simulator
from api.simulator.operator import Operator
from ca import key_addresses
from ca.models import Certificate
from hsm.algorithms import KeyAlgorithm, PublicKey, default_for
from hsm.key_uri import KeyURI
from hsm.later_keys import LaterKeys, RemoteKey
from hsm.pins import PinSources
from hsm.provider_settings import ProviderSettings
from pdf.options import Level, SignatureOptions
from signing import collecting, sign
from signing.desk import Desk
from signing.models import SignRequest
from signing.models_prompts import PromptState, SignaturePrompt, SignaturePromptItem
from signing.sign import SignOrder
from tests.pdf.signing_kit import blank_pdf, pdfsig
from tests.providers.serving import served
from tests.signing.conftest import CALLER, NOW, Office, office

__all__ = ["office"]  # a fixture of the signing room

AP_ID = "http://antin.example/binhphuoc"
AP_PASSWORD = "mat-khau-cua-ap-51f3"  # noqa: S105 -- of a simulator
RELYING_PARTY = "00000000-9a1b-4c3d-8e5f-000000000001"
NAME = "Ấn Tín"


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class World:
    """The operator, where it listens, and what our side has been told about it."""

    operator: Operator
    base: str
    directory: Path
    overrides: dict[str, object] = field(default_factory=dict)
    profile: str = "vietnam"
    seconds: int = 60
    opened: list[LaterKeys] = field(default_factory=list)

    def settings(self) -> dict[str, object]:
        (self.directory / "ap").write_text(AP_PASSWORD + "\n")
        (self.directory / "rp").write_text(RELYING_PARTY)
        return {
            "sim": {
                "viettel": {
                    "protocol": "ets102204",
                    "profile": self.profile,
                    "url": self.base + SOAP_PATH,
                    "ap_id": AP_ID,
                    "ap_password": f"file:{self.directory / 'ap'}",
                    "seconds": self.seconds,
                    "overrides": self.overrides,
                },
                "mid": {
                    "protocol": "mobile-id",
                    "url": self.base + REST_PATH,
                    "relying_party_uuid": f"file:{self.directory / 'rp'}",
                    "relying_party_name": NAME,
                    "seconds": self.seconds,
                    "can_cancel": True,
                },
            }
        }

    def keys(self) -> LaterKeys:
        parsed = ProviderSettings.parse(self.settings(), below=self.directory)
        self.opened.append(LaterKeys(parsed, secrets_of=PinSources().read, clock=now))
        return self.opened[-1]

    def close(self) -> None:
        for keys in self.opened:
            keys.close()

    def key(
        self,
        provider: str,
        msisdn: str,
        *,
        algorithm: KeyAlgorithm = KeyAlgorithm.P_256,
        keys: LaterKeys | None = None,
    ) -> RemoteKey:
        """Put a phone there and give our view of its key."""
        phone = self.operator.add_phone(msisdn, algorithm=algorithm).self_certified()
        assert phone.certificate is not None
        self.operator.put_certificate(msisdn, phone.certificate)
        public = cast("PublicKey", x509.load_der_x509_certificate(phone.certificate).public_key())
        return (keys or self.keys()).open(
            KeyURI.parse(f"sim:{provider}/{msisdn}"),
            public_key=public,
            algorithm=default_for(public),
            certificate=phone.certificate,
        )


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    operator = Operator(now)
    contracts = Contracts(partners={AP_ID: AP_PASSWORD}, relying_parties={RELYING_PARTY: NAME})
    with served(create_simulator(operator, contracts)) as base:
        made = World(operator, base, tmp_path)
        yield made
        made.close()


@dataclass
class Counter:
    """An office with a registry, a signing desk, and providers."""

    office: Office
    world: World

    @property
    def desk(self) -> Desk:
        return self.office.desk

    def with_providers(self, settings: dict[str, object]) -> None:
        """Tell the desk about providers."""
        parsed = ProviderSettings.parse(settings, below=self.world.directory)
        keys = LaterKeys(parsed, secrets_of=PinSources().read, clock=now)
        self.world.opened.append(keys)
        self.office = replace(self.office, desk=replace(self.office.desk, remote=keys))

    def certificate(self, csr: bytes, address: str) -> Certificate:
        """Issue a certificate for a key elsewhere, and note where that is."""
        house = self.office.house
        issued = house.issue(house.approved(house.person(), csr=csr))
        with self.desk.sessions.begin() as session:
            return key_addresses.assign(
                session, issued.id, KeyURI.parse(address), at=NOW, actor="registrar"
            )

    def sim_certificate(
        self, provider: str, msisdn: str, algorithm: KeyAlgorithm = KeyAlgorithm.P_256
    ) -> Certificate:
        """Enrol a SIM: its own request, our certificate, both sides have it."""
        phone = self.world.operator.add_phone(msisdn, algorithm=algorithm)
        issued = self.certificate(phone.request(), f"sim:{provider}/{msisdn}")
        self.world.operator.put_certificate(msisdn, issued.der or b"")
        return issued

    def start(
        self,
        certificate: Certificate,
        *,
        hold: bool = False,
        name: str = "a.pdf",
        level: Level = Level.B_B,
    ) -> uuid.UUID:
        order = SignOrder(
            certificate_id=certificate.id,
            file_name=name,
            options=SignatureOptions(signing_time=NOW),
            level=level,
            hold=hold,
        )
        source = io.BytesIO(blank_pdf())
        return sign.start(self.desk, source, order, at=NOW, actor=CALLER).id

    def request(self, request_id: uuid.UUID) -> SignRequest:
        with self.desk.sessions() as session:
            return sign.get(session, request_id, actor=CALLER)

    def prompt(self, request_id: uuid.UUID) -> SignaturePrompt:
        with self.desk.sessions() as session:
            item = session.get_one(SignaturePromptItem, request_id)
            return session.get_one(SignaturePrompt, item.prompt_id)

    def step(self, request_id: uuid.UUID, *, at: datetime = NOW) -> PromptState | None:
        """Do what the worker's next job does."""
        return collecting.collect(self.desk, self.prompt(request_id).id, at=at)

    def walk(self, request_id: uuid.UUID) -> SignRequest:
        """Ask, and look until it is over."""
        for _ in range(4):
            if self.step(request_id) is None:
                break
        return self.request(request_id)

    def accepted_by_pdfsig(self, request_id: uuid.UUID) -> bool:
        _, file = sign.signed_document(self.desk, request_id, at=NOW, actor=CALLER)
        path = self.world.directory / "signed.pdf"
        with file:
            path.write_bytes(file.read())
        return pdfsig(path).valid == 1


@pytest.fixture
def counter(office: Office, world: World) -> Counter:
    made = Counter(office, world)
    made.with_providers(world.settings())
    return made
