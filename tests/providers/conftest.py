"""A simulated operator, the settings that reach it, and the keys of its phones."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
from cryptography import x509

from api.simulator.app import REST_PATH, SOAP_PATH, Contracts, create_simulator
from api.simulator.operator import Operator
from hsm.algorithms import KeyAlgorithm, PublicKey, default_for
from hsm.key_uri import KeyURI
from hsm.later_keys import LaterKeys, RemoteKey
from hsm.pins import PinSources
from hsm.provider_settings import ProviderSettings
from tests.providers.serving import served

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
    _opened: list[LaterKeys] = field(default_factory=list)

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
        self._opened.append(LaterKeys(parsed, secrets_of=PinSources().read, clock=now))
        return self._opened[-1]

    def close(self) -> None:
        for keys in self._opened:
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
