"""Mutual TLS with a provider: both sides show a certificate, and neither talks without."""

import ipaddress
import ssl
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from api.simulator.app import SOAP_PATH, Contracts, create_simulator
from hsm.key_uri import KeyURI
from hsm.later_keys import LaterKeys
from hsm.pins import PinSources
from hsm.provider_settings import ProviderSettings
from hsm.refusals import ProviderSettingsInvalid, ProviderUnreachable
from hsm.sim import SimAddress
from tests.providers.conftest import AP_ID, AP_PASSWORD, World, now
from tests.providers.serving import served

NUMBER = "+84912345678"
PASSPHRASE = "khoa-tls-61c0"  # noqa: S105 -- of a key made here


def certified(directory: Path, name: str, *, passphrase: bytes | None = None) -> None:
    """Write a key and a self-signed certificate for it, good for loopback."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() - timedelta(hours=1))
        .not_valid_after(now() + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([loopback]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (directory / f"{name}.pem").write_bytes(built.public_bytes(Encoding.PEM))
    protection = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)
    (directory / f"{name}.key").write_bytes(private)


def fetched(world: World, base: str, **more: object) -> bytes:
    """Ask the operator for a certificate, with these settings of the connection."""
    (world.directory / "ap").write_text(AP_PASSWORD)
    section = {
        "protocol": "ets102204",
        "url": base + SOAP_PATH,
        "ap_id": AP_ID,
        "ap_password": f"file:{world.directory / 'ap'}",
        **more,
    }
    parsed = ProviderSettings.parse({"sim": {"viettel": section}}, below=world.directory)
    keys = LaterKeys(parsed, secrets_of=PinSources().read, clock=now)
    try:
        address = SimAddress.of(KeyURI.parse(f"sim:viettel/{NUMBER}"))
        return keys.phones(KeyURI.parse(f"sim:viettel/{NUMBER}")).certificate(address)
    finally:
        keys.close()


def test_both_sides_show_a_certificate(world: World) -> None:
    world.key("viettel", NUMBER)
    certified(world.directory, "operator")
    certified(world.directory, "us", passphrase=PASSPHRASE.encode())
    (world.directory / "tls").write_text(PASSPHRASE)
    app = create_simulator(world.operator, Contracts(partners={AP_ID: AP_PASSWORD}))
    ours = {
        "client_certificate": "us.pem",
        "client_key": "us.key",
        "client_key_password": f"file:{world.directory / 'tls'}",
    }
    with served(
        app,
        ssl_certfile=str(world.directory / "operator.pem"),
        ssl_keyfile=str(world.directory / "operator.key"),
        ssl_ca_certs=str(world.directory / "us.pem"),
        ssl_cert_reqs=ssl.CERT_REQUIRED,
    ) as base:
        assert fetched(world, base, ca_file="operator.pem", **ours)
        with pytest.raises(ProviderUnreachable):
            fetched(world, base, ca_file="operator.pem")
        with pytest.raises(ProviderUnreachable):
            fetched(world, base, **ours)
    (world.directory / "tls").write_text("another")
    with pytest.raises(ProviderSettingsInvalid) as caught:
        fetched(world, base, ca_file="operator.pem", **ours)
    assert "another" not in str(caught.value)
