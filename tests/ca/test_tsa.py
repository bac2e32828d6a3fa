import contextlib
import hashlib
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from asn1crypto import cms, tsp
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from ca import authorities, der, distinguished_names, tsa_messages
from ca.authority_profiles import build
from ca.authority_signers import AuthoritySigner
from ca.certificate_fields import subject_of
from ca.errors import TimestampRequestInvalid
from ca.models import AuthorityRole
from ca.tsa import DEFAULT_POLICY, TimeStampAuthority
from hsm.algorithms import default_for
from tests.ca.hierarchy import Entity, name, root
from tests.ca.house import AT, House
from tests.ca.openssl import openssl, write_pem

CONTENT = "Quyết định số 12/QĐ-UBND".encode()


@pytest.fixture
def time_stamper(house: House) -> TimeStampAuthority:
    with house.sessions() as session:
        found = authorities.time_stamping(session)
        above = authorities.certificate_chain(session, found)[1:2]
        return TimeStampAuthority(authorities.signer(found, keys=house.keys), others=above)


def request(
    digest: str = "sha256",
    *,
    nonce: int | None = 7,
    policy: str | None = None,
    certificate: bool = True,
) -> bytes:
    asked = tsp.TimeStampReq(
        {
            "version": "v1",
            "message_imprint": {
                "hash_algorithm": {"algorithm": digest},
                "hashed_message": hashlib.new(digest, CONTENT).digest(),
            },
            "cert_req": certificate,
        }
    )
    if nonce is not None:
        asked["nonce"] = nonce
    if policy is not None:
        asked["req_policy"] = policy
    return asked.dump()


def status_of(reply: bytes) -> tsp.PKIStatusInfo:
    """Read the status alone: the oracle wants a token even in a refusal."""
    return tsp.PKIStatusInfo.load(der.children(der.whole(reply))[0].encoded)


def failure(reply: bytes) -> set[str]:
    status = status_of(reply)
    assert len(der.children(der.whole(reply))) == 1
    assert status["status"].native == "rejection"
    found: set[str] = status["fail_info"].native
    return found


def info(reply: bytes) -> tsp.TSTInfo:
    token = tsp.TimeStampResp.load(reply)["time_stamp_token"]
    return token["content"]["encap_content_info"]["content"].parsed


@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
def test_openssl_verifies_the_reply_and_refuses_its_twin(
    house: House, time_stamper: TimeStampAuthority, tmp_path: Path, digest: str
) -> None:
    data = tmp_path / "document"
    data.write_bytes(CONTENT)
    asked = tmp_path / "request"
    made = openssl("ts", "-query", "-data", data, f"-{digest}", "-cert", "-out", asked)
    assert made.returncode == 0, made.stderr
    reply = time_stamper.reply(asked.read_bytes(), at=AT)
    answer = tmp_path / "reply"
    answer.write_bytes(reply)
    with house.sessions() as session:
        rows = {slug: authorities.by_slug(session, slug) for slug in ("root", "issuing")}
    trusted = write_pem(tmp_path / "root.pem", rows["root"].certificate)
    above = write_pem(tmp_path / "issuing.pem", rows["issuing"].certificate)
    trust = ("-CAfile", trusted, "-untrusted", above, "-attime", str(int(AT.timestamp())))
    for against in (("-queryfile", asked), ("-data", data)):
        seen = openssl("ts", "-verify", "-in", answer, *against, *trust)
        assert "Verification: OK" in seen.stdout, seen.stderr
    data.write_bytes(CONTENT + b"!")
    assert openssl("ts", "-verify", "-in", answer, "-data", data, *trust).returncode != 0
    twin = bytearray(reply)
    twin[-1] ^= 1
    answer.write_bytes(twin)
    assert openssl("ts", "-verify", "-in", answer, "-queryfile", asked, *trust).returncode != 0


def test_the_token_says_what_rfc_3161_asks_for(time_stamper: TimeStampAuthority) -> None:
    read = info(time_stamper.reply(request(nonce=2**127), at=AT))
    assert read["policy"].native == DEFAULT_POLICY
    assert read["gen_time"].native == AT
    assert read["nonce"].native == 2**127
    assert read["accuracy"]["seconds"].native == 1
    assert read["ordering"].native is False
    assert read["message_imprint"]["hashed_message"].native == hashlib.sha256(CONTENT).digest()


def test_the_signing_certificate_is_named_by_its_sha256(
    house: House, time_stamper: TimeStampAuthority
) -> None:
    token = tsp.TimeStampResp.load(time_stamper.reply(request(), at=AT))["time_stamp_token"]
    (signer,) = token["content"]["signer_infos"]
    attributes = {one["type"].native: one["values"] for one in signer["signed_attrs"]}
    assert attributes["content_type"][0].native == "tst_info"
    named = attributes["signing_certificate_v2"][0]["certs"][0]
    with house.sessions() as session:
        certificate = authorities.time_stamping(session).certificate
    assert named["cert_hash"].native == hashlib.sha256(certificate).digest()
    assert named["hash_algorithm"]["algorithm"].native == "sha256"
    assert token.dump(force=True) == token.dump()  # the oracle would encode it the same way


def test_certificates_come_only_when_they_are_asked_for(time_stamper: TimeStampAuthority) -> None:
    def certificates(reply: bytes) -> int:
        token = tsp.TimeStampResp.load(reply)["time_stamp_token"]
        return len(token["content"]["certificates"])

    assert certificates(time_stamper.reply(request(), at=AT)) == 2
    without = time_stamper.reply(request(certificate=False), at=AT)
    assert certificates(without) == 0


def test_serial_numbers_do_not_repeat(time_stamper: TimeStampAuthority) -> None:
    asked = request()
    found = {info(time_stamper.reply(asked, at=AT))["serial_number"].native for _ in range(200)}
    assert len(found) == 200
    assert all(0 < serial < 2**159 for serial in found)


def test_rejects_hashes_that_must_not_be_time_stamped(time_stamper: TimeStampAuthority) -> None:
    assert failure(time_stamper.reply(request("sha1"), at=AT)) == {"bad_alg"}
    assert failure(time_stamper.reply(request("md5"), at=AT)) == {"bad_alg"}


def test_rejects_a_policy_of_somebody_else(time_stamper: TimeStampAuthority) -> None:
    assert failure(time_stamper.reply(request(policy="1.2.3.4"), at=AT)) == {"unaccepted_policy"}
    granted = time_stamper.reply(request(policy=DEFAULT_POLICY), at=AT)
    assert tsp.TimeStampResp.load(granted)["status"]["status"].native == "granted"


def test_of_several_policies_the_first_is_used_unless_another_is_named(house: House) -> None:
    with house.sessions() as session:
        opened = authorities.signer(authorities.time_stamping(session), keys=house.keys)
    offering = TimeStampAuthority(opened, policies=("1.2.3.4", DEFAULT_POLICY))
    for asked, used in ((None, "1.2.3.4"), ("1.2.3.4",) * 2, (DEFAULT_POLICY,) * 2):
        granted = offering.reply(request(policy=asked), at=AT)
        assert info(granted)["policy"].native == used
    assert failure(offering.reply(request(policy="1.2.3.5"), at=AT)) == {"unaccepted_policy"}


def test_rejects_extensions(time_stamper: TimeStampAuthority) -> None:
    asked = tsp.TimeStampReq.load(request())
    asked["extensions"] = [{"extn_id": "1.2.3", "critical": False, "extn_value": b"\x05\x00"}]
    reply = time_stamper.reply(asked.dump(force=True), at=AT)
    assert failure(reply) == {"unaccepted_extensions"}


@pytest.mark.parametrize("data", [b"", b"\x30\x00", b"%PDF-1.7", bytes(3000)])
def test_rejects_bytes_that_are_no_request(time_stamper: TimeStampAuthority, data: bytes) -> None:
    assert failure(time_stamper.reply(data, at=AT)) == {"bad_data_format"}


def test_rejects_a_hash_of_a_wrong_length(time_stamper: TimeStampAuthority) -> None:
    asked = tsp.TimeStampReq.load(request())
    asked["message_imprint"]["hashed_message"] = b"short"
    reply = time_stamper.reply(asked.dump(force=True), at=AT)
    assert failure(reply) == {"bad_data_format"}


def test_rejects_what_is_too_long(time_stamper: TimeStampAuthority) -> None:
    assert failure(time_stamper.reply(bytes(5000), at=AT)) == {"bad_request"}
    assert failure(time_stamper.reply(request(nonce=2**700), at=AT)) == {"bad_request"}


@given(st.data())
def test_a_damaged_request_is_granted_or_refused_and_never_raises(data: st.DataObject) -> None:
    whole = bytearray(request())
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(TimestampRequestInvalid):
        tsa_messages.parse_request(bytes(whole))


def test_there_is_no_time_stamp_outside_the_certificates_life(
    time_stamper: TimeStampAuthority,
) -> None:
    late = AT + timedelta(days=40 * 365)
    assert failure(time_stamper.reply(request(), at=late)) == {"system_failure"}


def test_a_token_made_within_the_process_is_the_same_kind(
    time_stamper: TimeStampAuthority,
) -> None:
    digest = hashlib.sha384(CONTENT).digest()
    token = cms.ContentInfo.load(time_stamper.token(digest, "sha384", at=AT))
    read = token["content"]["encap_content_info"]["content"].parsed
    assert read["message_imprint"]["hashed_message"].native == digest
    with pytest.raises(TimestampRequestInvalid):
        time_stamper.token(bytes(20), "sha1", at=AT)
    with pytest.raises(TimestampRequestInvalid):
        time_stamper.token(bytes(20), "sha256", at=AT)


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(65537, 2048),
        ec.generate_private_key(ec.SECP384R1()),
    ],
    ids=["rsa-2048", "p-384"],
)
def test_openssl_verifies_tokens_of_other_kinds_of_key(
    tmp_path: Path, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
) -> None:
    top = root()
    issuer = AuthoritySigner(top.cert, top.der, top.key, default_for(top.key.public_key()))  # type: ignore[arg-type]
    made = Entity(name("TSA"), key)
    made.certificate = build(
        AuthorityRole.TSA,
        subject=distinguished_names.read(made.subject.public_bytes()),
        validity=(AT - timedelta(days=1), AT + timedelta(days=300)),
        key=key,
        issuer=with_identifier(issuer),
        addresses=("http://localhost", "root"),
    )
    signer = AuthoritySigner(made.cert, made.der, key, default_for(key.public_key()))
    (tmp_path / "request").write_bytes(request("sha512"))
    (tmp_path / "reply").write_bytes(TimeStampAuthority(signer).reply(request("sha512"), at=AT))
    seen = openssl(
        *("ts", "-verify", "-in", tmp_path / "reply", "-queryfile", tmp_path / "request"),
        *("-CAfile", write_pem(tmp_path / "root.pem", issuer.certificate_der)),
        *("-attime", str(int(AT.timestamp()))),
    )
    assert "Verification: OK" in seen.stdout, seen.stderr


def with_identifier(issuer: AuthoritySigner) -> AuthoritySigner:
    """Give a root that has a subject key identifier, as all of ours have."""
    certificate = build(
        AuthorityRole.ROOT,
        subject=subject_of(issuer.certificate),
        validity=validity(),
        key=issuer.private_key,
        issuer=None,
        addresses=("", ""),
    )
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415 -- one use

    encoded = certificate.public_bytes(Encoding.DER)
    return AuthoritySigner(certificate, encoded, issuer.private_key, issuer.algorithm)


def validity() -> tuple[datetime, datetime]:
    return AT - timedelta(days=10), AT + timedelta(days=3650)


def test_every_failure_is_a_named_bit() -> None:
    for word in ("badAlg", "badRequest", "badDataFormat", "unacceptedPolicy", "systemFailure"):
        read = status_of(tsa_messages.refused(word, "lý do"))
        assert len(read["fail_info"].native) == 1
        assert read["status_string"][0].native == "lý do"
