import contextlib
import ipaddress
import json
import socket
import threading
import time
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from ca import authorities, revoke, trust
from ca.errors import RevocationDataUnavailable
from ca.guarded_fetch import Fetcher, FetchLimits, FetchRefused
from ca.models import Certificate
from ca.models_trust import CachedRevocationData
from ca.recording import Recording
from ca.revocation import RevocationFact, RevocationStatus
from ca.revocation_reasons import RevocationReason
from ca.revocation_sources import CacheSource, HttpSource, RegistrySource
from ca.validation import PathPolicy, PathValidator, PathVerdict
from db.reads import SessionReads
from tests.ca.hierarchy import NOW, SIGNER_EXTENSIONS, Entity, root
from tests.ca.house import AT, CHIEF, House
from tests.ca.publisher import Publisher

HOUR = timedelta(hours=1)
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


def judge(house: House, certificate: Certificate, *, hours: int) -> PathVerdict:
    with house.sessions() as session:
        validator = PathValidator(
            trust.anchors(session),
            [RegistrySource(SessionReads(house.sessions))],
            intermediates=trust.own_intermediates(session),
        )
    return validator.validate(certificate.der or b"", purpose="signing", at=AT + hours * HOUR)


def change(house: House, certificate: Certificate, what: str, *, hours: int) -> None:
    function = {"suspend": revoke.suspend, "restore": revoke.restore, "revoke": revoke.revoke}[what]
    more = {"reason": RevocationReason.KEY_COMPROMISE} if what == "revoke" else {}
    with house.sessions.begin() as session:
        function(  # type: ignore[operator]
            session,
            certificate_id=certificate.id,
            keys=house.keys,
            at=AT + hours * HOUR,
            actor=CHIEF,
            **more,
        )


def test_the_registry_answers_for_every_certificate_of_the_chain(house: House) -> None:
    verdict = judge(house, house.certificate(), hours=1)
    assert verdict.trusted, verdict
    assert (verdict.revocation.status, verdict.revocation.source) == (
        RevocationStatus.GOOD,
        "registry",
    )
    assert len(verdict.chain) == 3


def test_the_registry_says_revoked_the_moment_it_is_committed(house: House) -> None:
    certificate = house.certificate()
    change(house, certificate, "revoke", hours=5)
    after = judge(house, certificate, hours=6)
    assert after.sub_indication == "REVOKED_NO_POE"
    assert after.revocation.revoked_at == AT + 5 * HOUR
    assert after.revocation.reason == "key_compromise"
    before = judge(house, certificate, hours=4)
    assert before.trusted
    assert before.revocation.status is RevocationStatus.REVOKED


def test_the_registry_remembers_a_suspension_that_was_lifted(house: House) -> None:
    certificate = house.certificate()
    change(house, certificate, "suspend", hours=2)
    change(house, certificate, "restore", hours=4)
    change(house, certificate, "revoke", hours=8)
    seen = {hours: judge(house, certificate, hours=hours) for hours in (1, 3, 5, 9)}
    assert [verdict.sub_indication for verdict in seen.values()] == [
        None,
        "TRY_LATER",
        None,
        "REVOKED_NO_POE",
    ]
    assert seen[3].revocation.status is RevocationStatus.SUSPENDED


def test_rejects_a_certificate_signed_by_our_key_but_not_in_our_books(house: House) -> None:
    certificate = house.certificate()
    with house.sessions.begin() as session:
        issuing = authorities.signer(authorities.issuing(session), keys=house.keys)
    forger = Entity(issuing.certificate.subject, issuing.private_key, issuing.certificate)  # type: ignore[arg-type]
    validity = (AT - HOUR, AT + 1000 * HOUR)
    forged = forger.issue("Không có trong sổ", validity=validity)
    with house.sessions() as session:
        anchors = trust.anchors(session)
        issued = trust.own_intermediates(session)
    validator = PathValidator(
        anchors, [RegistrySource(SessionReads(house.sessions))], intermediates=issued
    )
    verdict = validator.validate(forged.der, purpose="signing", at=AT + HOUR, crls=[forger.crl()])
    assert verdict.sub_indication == "TRY_LATER"
    assert verdict.revocation.status is RevocationStatus.UNKNOWN
    assert judge(house, certificate, hours=1).trusted


def test_the_registry_has_no_opinion_on_strangers(house: House) -> None:
    top = root()
    validator = PathValidator([top.der], [RegistrySource(SessionReads(house.sessions))])
    signer = top.issue("Người ngoài")
    verdict = validator.validate(signer.der, purpose="signing", at=NOW, crls=[top.crl()])
    assert verdict.trusted
    assert verdict.revocation.source == "document"


def test_a_registry_that_cannot_be_read_is_an_error_and_not_a_good(house: House) -> None:
    certificate = house.certificate()
    with house.sessions() as session:
        validator = PathValidator(
            trust.anchors(session),
            [RegistrySource(SessionReads(_unreachable()))],
            intermediates=trust.own_intermediates(session),
        )
    with pytest.raises(RevocationDataUnavailable):
        validator.validate(certificate.der or b"", purpose="signing", at=AT + HOUR)


def _unreachable() -> sessionmaker[Session]:
    from db.session import create_engine, session_factory  # noqa: PLC0415 -- one use

    return session_factory(create_engine("postgresql://nobody@127.0.0.1:1/none"))


def published(url: str, *, issuer: Entity | None = None) -> tuple[Entity, Entity]:
    """A root and a signer whose certificate points to that server."""
    top = issuer or root()
    uri = x509.UniformResourceIdentifier
    access = x509.AuthorityInformationAccess(
        [x509.AccessDescription(AuthorityInformationAccessOID.OCSP, uri(f"{url}/ocsp"))]
    )
    points = x509.CRLDistributionPoints(
        [x509.DistributionPoint([uri(f"{url}/ca.crl")], None, None, None)]
    )
    extensions = [*SIGNER_EXTENSIONS, (access, False), (points, False)]
    return top, top.issue("Phạm Văn C", extensions=extensions)


def fetching(top: Entity, *, cache: CacheSource | None = None, **limits: object) -> PathValidator:
    fetcher = Fetcher(FetchLimits(**({"allowed": LOOPBACK} | limits)))  # type: ignore[arg-type]
    sources = [HttpSource(fetcher, cache=cache)]
    return PathValidator([top.der], [cache, *sources] if cache else sources)


def test_the_issuer_is_asked_by_ocsp_first_and_the_crl_is_left_alone(publisher: Publisher) -> None:
    top, signer = published(publisher.url)
    publisher.files = {"/ocsp": top.ocsp(signer), "/ca.crl": top.crl()}
    verdict = fetching(top).validate(signer.der, purpose="signing", at=NOW)
    assert verdict.trusted
    assert verdict.revocation.source == "network"
    assert publisher.asked == ["POST /ocsp"]


def test_the_crl_is_fetched_where_ocsp_fails(publisher: Publisher) -> None:
    top, signer = published(publisher.url)
    publisher.files = {"/ocsp": b"out of order", "/ca.crl": top.crl()}
    assert fetching(top).validate(signer.der, purpose="signing", at=NOW).trusted
    assert publisher.asked == ["POST /ocsp", "GET /ca.crl"]


def test_what_was_fetched_is_kept_for_the_next_time(house: House, publisher: Publisher) -> None:
    top, signer = published(publisher.url)
    publisher.files = {"/ca.crl": top.crl()}
    cache = CacheSource(house.sessions)
    validator = fetching(top, cache=cache)
    sources = [
        validator.validate(signer.der, purpose="signing", at=NOW).revocation.source
        for _ in range(2)
    ]
    assert sources == ["network", "cache"]
    assert publisher.asked == ["POST /ocsp", "GET /ca.crl"]
    with house.sessions() as session:
        row = session.scalars(select(CachedRevocationData)).one()
    assert row.key == f"crl:{publisher.url}/ca.crl"
    assert row.next_update == NOW + timedelta(days=1)


def test_a_stale_cache_is_not_enough(house: House, publisher: Publisher) -> None:
    top, signer = published(publisher.url)
    cache = CacheSource(house.sessions)
    stale = top.crl(this_update=NOW - 9 * HOUR, next_update=NOW - HOUR)
    cache.store(f"crl:{publisher.url}/ca.crl", stale, at=NOW - 9 * HOUR)
    publisher.files = {"/ca.crl": top.crl()}
    verdict = fetching(top, cache=cache).validate(signer.der, purpose="signing", at=NOW)
    assert verdict.revocation.source == "network"


@pytest.mark.parametrize("later", [HOUR, 0 * HOUR], ids=["later", "about the same time"])
def test_a_list_that_another_process_renewed_is_read_again(house: House, later: timedelta) -> None:
    top, signer = published("http://lists.test")
    ours, theirs = CacheSource(house.sessions), CacheSource(house.sessions)
    validator = PathValidator([top.der], [ours])
    theirs.store("crl:http://lists.test/ca.crl", top.crl(), at=NOW - later)
    assert validator.validate(signer.der, purpose="signing", at=NOW).trusted
    revoked = (signer.cert.serial_number, NOW - HOUR, x509.ReasonFlags.key_compromise)
    theirs.store("crl:http://lists.test/ca.crl", top.crl(revoked), at=NOW)
    verdict = validator.validate(signer.der, purpose="signing", at=NOW)
    assert verdict.sub_indication == "REVOKED_NO_POE"


def test_nothing_is_fetched_unless_a_source_is_given(publisher: Publisher) -> None:
    top, signer = published(publisher.url)
    publisher.files = {"/ca.crl": top.crl()}
    verdict = PathValidator([top.der]).validate(signer.der, purpose="signing", at=NOW)
    assert not verdict.trusted
    assert publisher.asked == []


def test_a_subscriber_who_plays_ca_cannot_make_us_ask_his_address(publisher: Publisher) -> None:
    top = root()
    subscriber = top.issue("Kẻ tấn công")
    _, signer = published(publisher.url, issuer=subscriber)
    verdict = fetching(top).validate(signer.der, purpose="signing", at=NOW, others=[subscriber.der])
    assert verdict.sub_indication == "CHAIN_CONSTRAINTS_FAILURE"
    assert publisher.asked == []


def test_private_addresses_are_not_reached_unless_allowed(publisher: Publisher) -> None:
    top, signer = published(publisher.url)
    publisher.files = {"/ca.crl": top.crl()}
    verdict = fetching(top, allowed=()).validate(signer.der, purpose="signing", at=NOW)
    assert verdict.sub_indication == "TRY_LATER"
    assert publisher.asked == []


def test_a_redirect_to_a_private_address_is_not_followed(publisher: Publisher) -> None:
    publisher.redirects = {"/a": "http://169.254.169.254/latest/meta-data"}
    with pytest.raises(FetchRefused, match="address not allowed"):
        Fetcher(FetchLimits(allowed=LOOPBACK)).get(f"{publisher.url}/a")


def test_redirects_are_followed_a_few_times_only(publisher: Publisher) -> None:
    fetcher = Fetcher(FetchLimits(allowed=LOOPBACK))
    publisher.redirects = {"/a": "/b", "/loop": "/loop"}
    publisher.files = {"/b": b"here"}
    assert fetcher.get(f"{publisher.url}/a") == b"here"
    with pytest.raises(FetchRefused, match="redirects"):
        fetcher.get(f"{publisher.url}/loop")


def test_a_file_over_the_limit_is_given_up(publisher: Publisher) -> None:
    publisher.files = {"/large": bytes(200_000)}
    with pytest.raises(FetchRefused, match="too large"):
        Fetcher(FetchLimits(allowed=LOOPBACK, max_bytes=100_000)).get(f"{publisher.url}/large")


def test_a_slow_server_costs_no_more_than_the_limit(publisher: Publisher) -> None:
    publisher.delay = 3
    started = time.monotonic()
    with pytest.raises(FetchRefused):
        Fetcher(FetchLimits(allowed=LOOPBACK, seconds=0.2)).get(f"{publisher.url}/slow")
    assert time.monotonic() - started < 2.8


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\nX-Long: ", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_a_server_that_sends_an_octet_now_and_then_gains_no_time(start: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            with listener.accept()[0] as client, contextlib.suppress(OSError):
                client.sendall(start)
                for _ in range(30):
                    time.sleep(0.1)
                    client.sendall(b"x")

        thread = threading.Thread(target=drip)
        thread.start()
        fetcher = Fetcher(FetchLimits(allowed=LOOPBACK, seconds=0.3))
        started = time.monotonic()
        with pytest.raises(FetchRefused):
            fetcher.get(f"http://127.0.0.1:{listener.getsockname()[1]}/")
        assert time.monotonic() - started < 2.8
        thread.join()


def test_a_name_is_resolved_once_and_the_address_that_was_checked_is_the_one_asked(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: the second answer for the name would be another one."""
    port = int(publisher.url.rpartition(":")[2])
    answers = ["127.0.0.1", "127.0.0.2"]
    resolved: list[str] = []

    def resolve(host: str, asked: int, **_: object) -> list[tuple[object, ...]]:
        resolved.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answers.pop(0), asked))]

    publisher.files = {"/ca.crl": b"list"}
    honest = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, asked, *rest, **more: (
            resolve(host, asked, **more)
            if host == "lists.test"
            else honest(host, asked, *rest, **more)
        ),
    )
    only_first = (ipaddress.ip_network("127.0.0.1/32"),)
    assert (
        Fetcher(FetchLimits(allowed=only_first)).get(f"http://lists.test:{port}/ca.crl") == b"list"
    )
    assert resolved == ["lists.test"]


def test_a_name_with_one_private_address_among_public_ones_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80))
        for address in ("8.8.8.8", "10.0.0.1")
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(FetchRefused, match="address not allowed"):
        Fetcher().get("http://both.test/")


def test_the_address_of_the_issuers_certificate_is_never_asked(publisher: Publisher) -> None:
    """Certificates come with the document or are known; nobody fetches them (no AIA)."""
    top = root()
    issuing = top.issue_ca()
    place = x509.AccessDescription(
        AuthorityInformationAccessOID.CA_ISSUERS,
        x509.UniformResourceIdentifier(f"{publisher.url}/issuing.cer"),
    )
    pointing = (x509.AuthorityInformationAccess([place]), False)
    signer = issuing.issue("Phạm Văn C", extensions=[*SIGNER_EXTENSIONS, pointing])
    publisher.files = {"/issuing.cer": issuing.der}
    verdict = fetching(top).validate(signer.der, purpose="signing", at=NOW)
    assert verdict.sub_indication == "NO_CERTIFICATE_CHAIN_FOUND"
    assert publisher.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "ldap://127.0.0.1/cn=x",
        "gopher://127.0.0.1:25/x",
        "http://user:secret@127.0.0.1/",
        "http:///nowhere",
        "http://127.0.0.1:0/",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1/a b",
        "http://127.0.0.1/a\r\nHost: b",
        "http://[::1/",
        "not an address",
        "",
    ],
)
def test_rejects_addresses_that_are_not_plain_http(url: str) -> None:
    with pytest.raises(FetchRefused):
        Fetcher(FetchLimits(allowed=LOOPBACK)).get(url)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.1.1",
        "169.254.169.254",
        "0.0.0.0",  # noqa: S104 -- an address to be refused
        "100.64.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[fe80::1]",
        "[fc00::1]",
        "[fec0::1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b::a00:1]",
        "[::127.0.0.1]",
        "[2002:a00:1::]",
        "[ff02::1]",
        "[::]",
        "2130706433",
        "0x7f.1",
        "localhost",
    ],
)
def test_rejects_every_spelling_of_a_private_address(host: str) -> None:
    with pytest.raises(FetchRefused):
        Fetcher().get(f"http://{host}:9/")


def test_a_fact_is_plain_data() -> None:
    fact = RevocationFact(RevocationStatus.REVOKED, "registry", revoked_at=NOW)
    assert fact.stands_against(NOW)
    assert not fact.stands_against(NOW - HOUR)


@pytest.mark.parametrize(
    ("reason", "kept_at", "expected"),
    [
        (x509.ReasonFlags.key_compromise, NOW - HOUR, "REVOKED_NO_POE"),
        (x509.ReasonFlags.key_compromise, NOW - 9 * HOUR, "REVOKED_NO_POE"),
        (x509.ReasonFlags.certificate_hold, NOW - HOUR, "TRY_LATER"),
        (x509.ReasonFlags.certificate_hold, NOW - 9 * HOUR, None),
    ],
)
def test_attack_a_document_brings_an_answer_from_before_the_theft_and_the_cache_knows_better(
    house: House, reason: x509.ReasonFlags, kept_at: datetime, expected: str | None
) -> None:
    """The list in the document is good for a day yet; a newer one says otherwise."""
    top, signer = published("http://lists.test")
    cache = CacheSource(house.sessions)
    stolen = (signer.cert.serial_number, NOW - 10 * HOUR, reason)
    cache.store("crl:http://lists.test/ca.crl", top.crl(stolen, this_update=kept_at), at=kept_at)
    brought = top.crl(this_update=NOW - 5 * HOUR)
    recording = Recording((top.der,), (), PathPolicy(), {})
    for validator in (PathValidator([top.der], [cache]), recording.validator([cache])):
        verdict = validator.validate(signer.der, purpose="signing", at=NOW, crls=[brought])
        assert verdict.sub_indication == expected
        assert verdict.trusted is (expected is None)
    recording.keep_judged(verdict, [brought], [])
    again = Recording.of(json.loads(json.dumps(recording.manifest())), recording.blobs)
    repeated = again.repeating()
    assert repeated.validate(signer.der, purpose="signing", at=NOW, crls=[brought]) == verdict
