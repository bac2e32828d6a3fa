"""What status and time cost: CRLs, OCSP answers, time-stamps, and judging a certificate.

Each is measured beside what it cannot do without (the raw signature, the query), or beside a peer
that does the same work.
"""

import hashlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from asn1crypto import tsp
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp as x509_ocsp
from sqlalchemy import select

from ca import authorities, crl, distinguished_names, trust
from ca.authority_profiles import build
from ca.authority_signers import AuthoritySigner
from ca.crl import CrlFacts
from ca.models import AuthorityRole
from ca.models_publication import OcspAnswer
from ca.ocsp import OcspService
from ca.revocation_reasons import RevocationReason
from ca.tsa import TimeStampAuthority
from ca.validation import PathValidator
from db import schema
from db.embedded import EmbeddedPostgres
from db.session import create_engine, session_factory
from hsm.algorithms import default_for
from hsm.providers import KeyStore
from tests.bench.row import Row
from tests.ca.house import AT, House

ENTRIES = 100_000
ROUNDS = 5
SECONDS = 0.4
NOW = datetime(2026, 6, 1, tzinfo=UTC)
LATER = AT + timedelta(hours=1)


def rows() -> Iterable[Row]:
    """Measure the CRL, time-stamps, OCSP answers and path validation."""
    yield _crl()
    yield _time_stamp()
    with _house() as house:
        yield from _ocsp(house)
        yield _path(house)


def _medians(measure: Callable[[], float], limit: Callable[[], float]) -> tuple[float, float]:
    """Measure both in turn, so that a busy moment of the machine falls on both."""
    pairs = [(measure(), limit()) for _ in range(ROUNDS)]
    return statistics.median(one for one, _ in pairs), statistics.median(two for _, two in pairs)


def _cpu_ms(work: Callable[[], object]) -> Callable[[], float]:
    """Return a measurement of CPU milliseconds for one call."""

    def measure() -> float:
        work()
        calls, started = 0, time.process_time()
        while (spent := time.process_time() - started) < SECONDS:
            work()
            calls += 1
        return 1000 * spent / calls

    return measure


def _rate(work: Callable[[], object]) -> Callable[[], float]:
    """Return a measurement of calls per second."""

    def measure() -> float:
        work()
        calls, started = 0, time.perf_counter()
        while (spent := time.perf_counter() - started) < SECONDS:
            work()
            calls += 1
        return calls / spent

    return measure


def _signer(
    role: AuthorityRole, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
) -> AuthoritySigner:
    name = distinguished_names.write([(x509.NameOID.COMMON_NAME, "Bench")])
    certificate = build(
        role,
        subject=name,
        validity=(NOW - timedelta(days=1), NOW + timedelta(days=3650)),
        key=key,
        issuer=None,
        addresses=("http://localhost", "bench"),
    )
    encoded = certificate.public_bytes(Encoding.DER)
    return AuthoritySigner(certificate, encoded, key, default_for(key.public_key()))


def _crl() -> Row:
    key = ec.generate_private_key(ec.SECP256R1())
    signer = _signer(AuthorityRole.ROOT, key)
    reason = RevocationReason.SUPERSEDED
    stored = [crl.entry_der(2**150 + n, NOW, reason) for n in range(ENTRIES)]
    facts = CrlFacts(1, NOW, NOW + timedelta(days=7), NOW)
    builder = _peer_builder(signer.certificate.subject)
    started = time.process_time()
    builder.sign(key, hashes.SHA256())
    peer = 1000 * (time.process_time() - started)
    ours = _cpu_ms(lambda: crl.build(signer, facts=facts, entries=b"".join(stored)))()
    return Row(
        name=f"ca.crl.{ENTRIES // 1000}k-entries",
        value=ours,
        unit="ms_cpu",
        reference_name="cryptography's CRL builder, the same entries",
        reference_value=peer,
        goal=7.5,
    )


def _peer_builder(issuer: x509.Name) -> x509.CertificateRevocationListBuilder:
    reason = x509.CRLReason(x509.ReasonFlags.superseded)
    entries = [
        x509.RevokedCertificateBuilder(2**150 + n, NOW)
        .add_extension(reason, critical=False)
        .build()
        for n in range(ENTRIES)
    ]
    return x509.CertificateRevocationListBuilder(issuer, NOW, NOW + timedelta(days=7), [], entries)


def _time_stamp() -> Row:
    key = rsa.generate_private_key(65537, 2048)
    authority = TimeStampAuthority(_signer(AuthorityRole.TSA, key))
    request = tsp.TimeStampReq(
        {
            "version": "v1",
            "message_imprint": {
                "hash_algorithm": {"algorithm": "sha256"},
                "hashed_message": hashlib.sha256(b"bench").digest(),
            },
            "nonce": 2**60,
            "cert_req": True,
        }
    ).dump()
    ours, raw = _medians(
        _cpu_ms(lambda: authority.reply(request, at=NOW)),
        _cpu_ms(lambda: key.sign(bytes(120), padding.PKCS1v15(), hashes.SHA256())),
    )
    return Row(
        name="ca.tsa.reply",
        value=ours,
        unit="ms_cpu",
        reference_name="raw RSA-2048 signature",
        reference_value=raw,
        goal=0.8,
    )


def _ocsp(house: House) -> Iterator[Row]:
    certificate = house.certificate()
    with house.sessions() as session:
        issuer = x509.load_der_x509_certificate(authorities.issuing(session).certificate)
    target = x509.load_der_x509_certificate(certificate.der or b"")
    asked = x509_ocsp.OCSPRequestBuilder().add_certificate(
        target,
        issuer,
        hashes.SHA1(),  # noqa: S303 -- what clients ask with
    )
    plain = asked.build().public_bytes(Encoding.DER)
    nonce = asked.add_extension(x509.OCSPNonce(bytes(16)), critical=False)
    with_nonce = nonce.build().public_bytes(Encoding.DER)
    service = OcspService(house.keys)
    key = ec.generate_private_key(ec.SECP256R1())
    query = select(OcspAnswer.der).where(OcspAnswer.certificate_id == certificate.id)
    with house.sessions() as session:

        def look_up() -> None:
            session.execute(query).scalar_one()

        def look_up_and_sign() -> None:
            look_up()
            key.sign(bytes(300), ec.ECDSA(hashes.SHA256()))

        for name, request, limit_name, limit, goal in (
            ("ca.ocsp.stored", plain, "one look-up by primary key", look_up, 0.6),
            ("ca.ocsp.nonce", with_nonce, "look-up and raw P-256 signature", look_up_and_sign, 0.5),
        ):
            ours, bare = _medians(
                _rate(partial(service.answer, session, request, at=LATER)), _rate(limit)
            )
            yield Row(
                name=name,
                value=ours,
                unit="per_s",
                reference_name=limit_name,
                reference_value=bare,
                goal=goal,
            )


def _path(house: House) -> Row:
    certificate = house.certificate()
    with house.sessions() as session:
        chain = [
            x509.load_der_x509_certificate(one)
            for one in (
                certificate.der or b"",
                *authorities.certificate_chain(session, authorities.issuing(session)),
            )
        ]
        lists = [
            crl.publish(session, authority=one, keys=house.keys, at=LATER).der
            for one in (authorities.issuing(session), authorities.by_slug(session, "root"))
        ]
        anchors = trust.anchors(session)
    validator = PathValidator(anchors)
    others = [chain[1].public_bytes(Encoding.DER)]

    def judge() -> None:
        verdict = validator.validate(
            certificate.der or b"", purpose="signing", at=LATER, others=others, crls=lists
        )
        if not verdict.trusted:
            raise RuntimeError(str(verdict))

    def signatures() -> None:
        chain[0].verify_directly_issued_by(chain[1])
        chain[1].verify_directly_issued_by(chain[2])

    ours, limit = _medians(_cpu_ms(judge), _cpu_ms(signatures))
    return Row(
        name="ca.path.two-crls",
        value=ours,
        unit="ms_cpu",
        reference_name="the two signatures of the chain (P-256 and P-384)",
        reference_value=limit,
        goal=0.5,
    )


@contextmanager
def _house() -> Iterator[House]:
    with (
        tempfile.TemporaryDirectory() as directory,
        EmbeddedPostgres(Path(directory) / "postgres") as server,
        KeyStore() as keys,
    ):
        schema.upgrade(server.url)
        engine = create_engine(server.url)
        made = House(session_factory(engine), keys, Path(directory))
        made.establish()
        try:
            yield made
        finally:
            engine.dispose()
