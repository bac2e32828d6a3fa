"""Keys at a signing service: our client and another one against the same strict service."""

import asyncio
import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import fields, signers
from pyhanko.sign.signers import csc_signer

from hsm.algorithms import SignatureAlgorithm
from hsm.errors import KeyUriInvalid, MechanismUnavailable, PinRequired, SignatureMismatch
from hsm.key_uri import KeyURI
from hsm.later_keys import LaterKeys, RemoteKey
from hsm.pins import PinSources
from hsm.provider_settings import ProviderSettings
from hsm.providers import Prompt
from hsm.refusals import Refusal, SignatureRefused
from signing import sign
from signing.models import SignRequestStatus
from signing.models_prompts import PromptState
from tests.ca.house import csr_for
from tests.pdf.signing_kit import blank_pdf, pdfsig
from tests.providers.conftest import Counter, now
from tests.providers.csc_service import CLIENT_SECRET, OTP, PIN, TOKEN, CscStub
from tests.providers.serving import served
from tests.signing.conftest import CALLER, NOW

DOCUMENT = b"\x31\x05the signed attributes"
PROMPT = Prompt(text="Ký số: tờ trình.pdf")


def self_signed(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Người ký từ xa")])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(4711)
        .not_valid_before(now() - timedelta(hours=1))
        .not_valid_after(now() + timedelta(days=9))
        .sign(key, hashes.SHA256())
    )
    return built.public_bytes(Encoding.DER)


@dataclass
class Cloud:
    """The service, and what we are told about it."""

    stub: CscStub
    base: str
    directory: Path

    def settings(self, **more: object) -> dict[str, object]:
        secrets = {"pin": PIN, "token": TOKEN, "secret": CLIENT_SECRET, "otp": OTP}
        for name, value in secrets.items():
            (self.directory / name).write_text(value)
        values: dict[str, object] = {
            "url": f"{self.base}/csc/{more.get('version', 'v1')}",
            "token": f"file:{self.directory / 'token'}",
            **more,
        }
        return {"csc": {"cloud": {name: one for name, one in values.items() if one is not None}}}

    @property
    def address(self) -> str:
        return f"csc:cloud/cred-1?pin-source=file:{self.directory / 'pin'}"


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    key = rsa.generate_private_key(65537, 2048)
    stub = CscStub(key, [self_signed(key)])
    with served(stub.app()) as base:
        yield Cloud(stub, base, tmp_path)


class Opener:
    """Opens keys, and closes what they were opened with."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.opened: list[LaterKeys] = []

    def __call__(
        self,
        algorithm: SignatureAlgorithm = SignatureAlgorithm.RSA_PKCS1_SHA256,
        *,
        address: str | None = None,
        **settings: object,
    ) -> RemoteKey:
        parsed = ProviderSettings.parse(self.cloud.settings(**settings), below=self.cloud.directory)
        self.opened.append(LaterKeys(parsed, secrets_of=PinSources().read, clock=now))
        certificate = self.cloud.stub.chain[0]
        return self.opened[-1].open(
            KeyURI.parse(address or self.cloud.address),
            public_key=self.cloud.stub.key.public_key(),
            algorithm=algorithm,
            certificate=certificate,
        )


@pytest.fixture
def opened(cloud: Cloud) -> Iterator[Opener]:
    opener = Opener(cloud)
    yield opener
    for keys in opener.opened:
        keys.close()


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("scal", ["1", "2"])
@pytest.mark.parametrize(
    "algorithm", [SignatureAlgorithm.RSA_PKCS1_SHA256, SignatureAlgorithm.RSA_PSS_SHA512]
)
def test_a_service_signs_at_once(
    cloud: Cloud, opened: Opener, version: str, scal: str, algorithm: SignatureAlgorithm
) -> None:
    cloud.stub.scal = scal
    key = opened(algorithm, version=version)
    assert key.answers_now
    pending = key.start(DOCUMENT, PROMPT)
    assert cloud.stub.calls == [], "nothing is sent before it is collected"
    assert key.collect(pending)


def test_ecdsa_keys_sign_too(cloud: Cloud, opened: Opener) -> None:
    cloud.stub.key = ec.generate_private_key(ec.SECP256R1())
    cloud.stub.chain = [self_signed(cloud.stub.key)]
    key = opened(SignatureAlgorithm.ECDSA_SHA256)
    assert key.collect(key.start(DOCUMENT, PROMPT))


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_batch_has_one_authorisation(cloud: Cloud, opened: Opener, version: str) -> None:
    key = opened(version=version)
    pending = key.start_together([DOCUMENT + bytes([n]) for n in range(4)], PROMPT)
    found = key.collect_together(pending)
    assert found is not None
    assert len(set(found)) == 4
    assert cloud.stub.calls.count("credentials/authorize") == 1
    assert cloud.stub.calls.count("signatures/signHash") == 1


def test_more_than_the_credential_allows_is_refused(cloud: Cloud, opened: Opener) -> None:
    cloud.stub.multisign = 2
    key = opened()
    pending = key.start_together([DOCUMENT + bytes([n]) for n in range(3)], PROMPT)
    with pytest.raises(MechanismUnavailable):
        key.collect_together(pending)


@pytest.mark.parametrize("mode", ["confirm", "asynchronous"])
def test_a_person_confirms_elsewhere_and_another_process_collects(
    cloud: Cloud, opened: Opener, mode: str
) -> None:
    cloud.stub.confirming = mode == "confirm"
    key = opened(version="v2", mode=mode)
    assert not key.answers_now
    pending = key.start_together([DOCUMENT, DOCUMENT + b"2"], PROMPT)
    assert key.collect_together(pending) is None
    cloud.stub.confirm()
    another = opened(version="v2", mode=mode)
    found = another.collect_together(pending)
    assert found is not None
    assert len(found) == 2
    assert not any(sad in pending[0].reference for sad in cloud.stub._sads)


def test_client_credentials_are_fetched_once_and_again_when_they_are_forgotten(
    cloud: Cloud, opened: Opener
) -> None:
    key = opened(
        token=None,
        token_url=f"{cloud.base}/oauth2/token",
        client_id="antin",
        client_secret=f"file:{cloud.directory / 'secret'}",
    )
    assert key.collect(key.start(DOCUMENT, PROMPT))
    assert cloud.stub.fetched_tokens == 1
    cloud.stub.tokens.clear()
    assert key.collect(key.start(DOCUMENT, PROMPT))
    assert cloud.stub.fetched_tokens == 2


def test_an_otp_comes_by_reference(cloud: Cloud, opened: Opener) -> None:
    cloud.stub.needs_otp = True
    key = opened(otp=f"file:{cloud.directory / 'otp'}")
    assert key.collect(key.start(DOCUMENT, PROMPT))
    without = opened()
    with pytest.raises(PinRequired, match="OTP"):
        without.collect(without.start(DOCUMENT, PROMPT))


def test_what_the_service_refuses_has_its_reason_and_quotes_no_secret(
    cloud: Cloud, opened: Opener, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    key = opened()
    (cloud.directory / "pin").write_text("00000000-wrong")
    with pytest.raises(SignatureRefused) as caught:
        key.collect(key.start(DOCUMENT, PROMPT))
    assert caught.value.refusal is Refusal.UNAUTHORISED
    assert "00000000-wrong" not in str(caught.value)
    assert "invalid_pin" in str(caught.value)
    for secret in ("00000000-wrong", TOKEN):
        assert secret not in caplog.text


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"key_status": "disabled"}, Refusal.NO_KEY),
        ({"chain": []}, Refusal.CERT_INVALID),
        ({"tokens": set()}, Refusal.UNAUTHORISED),
    ],
    ids=["disabled", "no-certificate", "no-access"],
)
def test_a_service_that_cannot_sign_says_why(
    cloud: Cloud, opened: Opener, change: dict[str, object], reason: Refusal
) -> None:
    key = opened()
    for name, value in change.items():
        setattr(cloud.stub, name, value)
    with pytest.raises(SignatureRefused) as caught:
        key.collect(key.start(DOCUMENT, PROMPT))
    assert caught.value.refusal is reason


def test_another_certificate_than_ours_is_refused(cloud: Cloud, opened: Opener) -> None:
    key = opened()
    other = rsa.generate_private_key(65537, 2048)
    cloud.stub.chain = [self_signed(other)]
    with pytest.raises(SignatureRefused) as caught:
        key.collect(key.start(DOCUMENT, PROMPT))
    assert caught.value.refusal is Refusal.CERT_INVALID


def test_an_unknown_credential_is_an_unknown_user(opened: Opener) -> None:
    key = opened(address="csc:cloud/cred-9")
    with pytest.raises(SignatureRefused) as caught:
        key.collect(key.start(DOCUMENT, PROMPT))
    assert caught.value.refusal is Refusal.UNKNOWN_USER


def test_a_wrong_signature_of_a_service_is_never_released(cloud: Cloud, opened: Opener) -> None:
    cloud.stub.wrong = True
    key = opened()
    with pytest.raises(SignatureMismatch):
        key.collect(key.start(DOCUMENT, PROMPT))


def test_an_address_without_a_credential_is_refused(opened: Opener) -> None:
    with pytest.raises(KeyUriInvalid):
        opened(address="csc:cloud")


@pytest.mark.parametrize("mode", ["now", "confirm"])
def test_the_walk_over_a_service_ends_in_a_document_that_is_accepted_elsewhere(
    counter: Counter, cloud: Cloud, mode: str
) -> None:
    counter.with_providers(cloud.settings(version="v2", mode=mode))
    cloud.stub.confirming = mode == "confirm"
    issued = counter.certificate(csr_for(cloud.stub.key), cloud.address)
    cloud.stub.chain = [issued.der or b""]
    request_id = counter.start(issued)
    if mode == "now":
        assert counter.request(request_id).status is SignRequestStatus.PREPARED
        sign.sign_now(counter.desk, request_id, at=NOW, actor=CALLER)
    else:
        assert counter.step(request_id) is PromptState.ASKED
        assert counter.step(request_id) is PromptState.ASKED
        cloud.stub.confirm()
        assert counter.step(request_id) is PromptState.CLOSED
    assert counter.accepted_by_pdfsig(request_id)


class OtherClient(csc_signer.CSCAuthorizationManager):
    """An authorisation by PIN for the other client."""

    session: aiohttp.ClientSession

    async def authorize_signature(self, hash_b64s: list[str]) -> csc_signer.CSCAuthorizationInfo:
        body = self.format_csc_auth_request(pin=PIN, hash_b64s=hash_b64s)
        url = self.csc_session_info.endpoint_url("credentials/authorize")
        async with self.session.post(
            url, headers=self.auth_headers, json=body, raise_for_status=True
        ) as answer:
            return self.parse_csc_auth_response(await answer.json())


@pytest.mark.parametrize("pss", [False, True], ids=["pkcs1", "pss"])
def test_another_client_signs_at_the_same_service(
    cloud: Cloud, tmp_path: Path, *, pss: bool
) -> None:
    async def signed() -> list[bytes]:
        about = csc_signer.CSCServiceSessionInfo(cloud.base, "cred-1", oauth_token=TOKEN)
        async with aiohttp.ClientSession() as session:
            credential = await csc_signer.fetch_certs_in_csc_credential(session, about)
            manager = OtherClient(about, credential)
            manager.session = session
            signer = csc_signer.CSCSigner(session, manager, prefer_pss=pss, batch_size=3)

            async def one() -> bytes:
                writer = IncrementalPdfFileWriter(io.BytesIO(blank_pdf()))
                wishes = signers.PdfSignatureMetadata(
                    field_name="S",
                    md_algorithm="sha256",
                    subfilter=fields.SigSeedSubFilter.PADES,
                )
                made = await signers.async_sign_pdf(writer, wishes, signer=signer)
                return bytes(made.getvalue())

            return list(await asyncio.gather(*[one() for _ in range(3)]))

    for document in asyncio.run(signed()):
        (tmp_path / "signed.pdf").write_bytes(document)
        assert pdfsig(tmp_path / "signed.pdf").valid == 1
    assert cloud.stub.calls.count("signatures/signHash") == 1
