"""Time-stamps: asked for rightly, believed only when they prove something."""

import contextlib
import hashlib
import io
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from asn1crypto import cms, tsp

from pdf import der_writer
from pdf.embed import embed
from pdf.errors import TimestampRejected, TimestampUnavailable
from pdf.prepare import Level, SignatureAlgorithm, SignatureOptions, prepare
from pdf.timestamps import MAX_RESPONSE, HttpTimestampSource
from pdf.tokens import request_for, token_from
from tests.pdf.signing_kit import (
    NOW,
    blank_pdf,
    pdfsig,
    person,
    qpdf_check,
    raw_signature,
    sign,
)
from tests.pdf.time_stamping import OpensslAuthority, serving

DIGEST = hashlib.sha256(b"signature value").digest()
NONCE = 0x7766554433221100


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> OpensslAuthority:
    return OpensslAuthority(tmp_path_factory.mktemp("tsa"))


@contextlib.contextmanager
def client(*urls: str, timeout: float = 5.0) -> Iterator[HttpTimestampSource]:
    source = HttpTimestampSource(urls, timeout=timeout)
    try:
        yield source
    finally:
        source.close()


def _reply(authority: OpensslAuthority) -> bytes:
    return authority.answer(request_for(DIGEST, "sha256", nonce=NONCE))


@pytest.mark.parametrize(
    "algorithm",
    [SignatureAlgorithm.RSA_PKCS1_SHA256, SignatureAlgorithm.ECDSA_SHA384],
)
def test_a_b_t_signature_carries_a_token_over_its_value(
    algorithm: SignatureAlgorithm, authority: OpensslAuthority, tmp_path: Path
) -> None:
    who = person("rsa" if algorithm.scheme == "rsa-pkcs1" else "ecdsa-384")
    signed = tmp_path / "signed.pdf"
    signed.write_bytes(
        sign(blank_pdf(), who=who, algorithm=algorithm, level=Level.B_T, timestamps=authority)
    )
    assert pdfsig(signed).whole == 1
    assert pdfsig(signed).valid == 1
    assert qpdf_check(signed) == 0
    data = signed.read_bytes()
    start = data.index(b"/Contents <") + len(b"/Contents <")
    container = bytes.fromhex(data[start : data.index(b">", start)].decode())
    signer = cms.ContentInfo.load(container)["content"]["signer_infos"][0]
    unsigned = signer["unsigned_attrs"]
    assert [each["type"].native for each in unsigned] == ["signature_time_stamp_token"]
    token = unsigned[0]["values"][0]
    info = token["content"]["encap_content_info"]["content"].parsed
    stamped = hashlib.new(algorithm.hash_algorithm, signer["signature"].native).digest()
    assert info["message_imprint"]["hashed_message"].native == stamped
    (tmp_path / "token").write_bytes(token.dump())
    (tmp_path / "value").write_bytes(signer["signature"].native)
    told = subprocess.run(
        [
            *("openssl", "ts", "-verify", "-in", "token", "-token_in", "-data", "value"),
            *("-CAfile", str(authority.folder / "root.crt")),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Verification: OK" in told.stdout + told.stderr


@pytest.mark.parametrize("key", ["rsa", "ecdsa"])
@pytest.mark.parametrize("ess", ["sha1", "sha256"])
def test_tokens_of_usual_servers_are_believed(key: str, ess: str, tmp_path: Path) -> None:
    usual = OpensslAuthority(tmp_path, key=key, ess=ess)
    assert usual.timestamp(DIGEST, "sha256")
    assert usual.timestamp(hashlib.sha512(b"x").digest(), "sha512")


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"digest": hashlib.sha256(b"another").digest()}, "another digest"),
        ({"hash_algorithm": "sha512"}, "another digest"),
        ({"nonce": NONCE + 1}, "another request"),
    ],
)
def test_a_token_for_something_else_is_rejected(
    asked: dict[str, object], reason: str, authority: OpensslAuthority
) -> None:
    expected = {"digest": DIGEST, "hash_algorithm": "sha256", "nonce": NONCE} | asked
    with pytest.raises(TimestampRejected, match=reason):
        token_from(_reply(authority), **expected)  # type: ignore[arg-type]


def test_a_certificate_that_is_not_for_time_stamps_is_rejected(tmp_path: Path) -> None:
    plain = OpensslAuthority(tmp_path, timestamping=False)
    with pytest.raises((TimestampRejected, subprocess.CalledProcessError)):
        plain.timestamp(DIGEST, "sha256")


def test_any_byte_changed_in_a_token_is_noticed(authority: OpensslAuthority) -> None:
    reply = _reply(authority)
    response = tsp.TimeStampResp.load(reply)
    signed = response["time_stamp_token"]["content"]
    signer = signed["signer_infos"][0].dump()
    content = signed["encap_content_info"].dump()
    for part in (signer, content):
        start = reply.index(part)
        for offset in range(start, start + len(part), 7):
            spoilt = bytearray(reply)
            spoilt[offset] ^= 0x01
            with contextlib.suppress(TimestampUnavailable):
                token = token_from(
                    bytes(spoilt), digest=DIGEST, hash_algorithm="sha256", nonce=NONCE
                )
                # what may change without harm is only how a name or algorithm is spelled
                assert _proves_the_same(token)


def _proves_the_same(token: bytes) -> bool:
    info = cms.ContentInfo.load(token)["content"]["encap_content_info"]["content"].parsed
    return bool(
        info["message_imprint"]["hashed_message"].native == DIGEST and info["nonce"].native == NONCE
    )


@pytest.mark.parametrize(
    "answer",
    [b"", b"not DER", b"<html>", b"0\x80", b"0\x03\x02\x01\x00"],
)
def test_an_answer_that_is_no_time_stamp_is_rejected(answer: bytes) -> None:
    with pytest.raises(TimestampUnavailable):
        token_from(answer, digest=DIGEST, hash_algorithm="sha256", nonce=NONCE)


def test_a_refusal_is_told_with_its_reason() -> None:
    status = tsp.PKIStatusInfo(
        {"status": "rejection", "fail_info": {"bad_alg"}, "status_string": ["quá tải"]}
    )
    refusal = der_writer.sequence(status.dump())
    with pytest.raises(TimestampUnavailable, match="rejection, bad_alg, quá tải"):
        token_from(refusal, digest=DIGEST, hash_algorithm="sha256", nonce=NONCE)


def test_servers_are_asked_in_turn(authority: OpensslAuthority) -> None:
    asked: list[str] = []

    def failing(_: bytes) -> int:
        asked.append("failing")
        return 503

    with (
        serving(failing) as broken,
        serving(authority.answer) as working,
        client(broken, working) as source,
    ):
        assert source.timestamp(DIGEST, "sha256")
        assert source.timestamp(DIGEST, "sha256")
    assert asked == ["failing", "failing"]


def test_when_all_servers_fail_every_one_is_named() -> None:
    with (
        serving(lambda _: 500) as one,
        serving(lambda _: b"nonsense") as other,
        client(one, other) as source,
        pytest.raises(TimestampUnavailable) as failed,
    ):
        source.timestamp(DIGEST, "sha256")
    assert one in str(failed.value)
    assert other in str(failed.value)


@pytest.mark.parametrize(
    "answer",
    [lambda _: bytes(MAX_RESPONSE + 1), lambda _: 302, lambda _: b""],
    ids=["endless", "redirecting", "silent"],
)
def test_a_misbehaving_server_is_an_error(answer: Callable[[bytes], bytes | int]) -> None:
    with (
        serving(answer) as url,
        client(url) as source,
        pytest.raises(TimestampUnavailable),
    ):
        source.timestamp(DIGEST, "sha256")


def test_a_server_that_replays_an_old_answer_is_rejected(authority: OpensslAuthority) -> None:
    old = _reply(authority)
    with (
        serving(lambda _: old) as url,
        client(url) as source,
        pytest.raises(TimestampRejected, match="another request"),
    ):
        source.timestamp(DIGEST, "sha256")


def test_nobody_listening_and_nobody_answering_are_errors_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        mute_url = f"http://127.0.0.1:{port}/"
        with client(mute_url, timeout=0.2) as source, pytest.raises(TimestampUnavailable):
            source.timestamp(DIGEST, "sha256")
    for url in (mute_url, "nonsense", "http://[", "ftp://127.0.0.1/"):
        with client(url, timeout=0.5) as source, pytest.raises(TimestampUnavailable):
            source.timestamp(DIGEST, "sha256")


def test_without_a_time_stamp_the_file_still_waits() -> None:
    who = person()
    staged = io.BytesIO()
    prepared = prepare(
        io.BytesIO(blank_pdf()),
        staged,
        options=SignatureOptions(signing_time=NOW, level=Level.B_T),
        signer=who.chain,
        algorithm=SignatureAlgorithm.RSA_PKCS1_SHA256,
    )
    before = staged.getvalue()
    signature = raw_signature(who.key, prepared.algorithm, prepared.to_be_signed)
    with (
        serving(lambda _: 500) as url,
        client(url) as source,
        pytest.raises(TimestampUnavailable),
    ):
        embed(staged, prepared, signature=signature, signer=who.chain, timestamps=source)
    assert staged.getvalue() == before
