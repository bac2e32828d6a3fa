"""Several at once: one request, one key, one certificate in many hands; and the token itself."""

import contextlib
import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from ca import authorities, revoke
from ca.authorities import AuthorityPlan, AuthoritySpec
from ca.errors import AlreadyRevoked, CaError, KeyUnacceptable, TransitionNotAllowed
from ca.models import Certificate, CertificateStatus, CertificateStatusChange
from ca.revocation_reasons import RevocationReason
from db import audit_verification
from hsm.algorithms import KeyAlgorithm
from hsm.key_uri import KeyURI
from hsm.providers import KeyStore
from hsm.softhsm import SoftHSMToken
from hsm.tokens import generate_key
from tests.ca.house import AT, CHIEF, PUBLIC_URL, House, csr_for, ec_key

THREADS = 6


def at_once(act: Callable[[int], object]) -> list[CaError | None]:
    """Run `act(0)` to `act(5)` together, and return what each raised of our own errors."""
    start = threading.Barrier(THREADS)

    def run(number: int) -> CaError | None:
        start.wait()
        try:
            act(number)
        except CaError as error:
            return error
        return None

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(THREADS)))


def test_one_request_issued_by_many_at_once_ends_in_one_certificate(house: House) -> None:
    request = house.approved(house.person())
    outcomes = at_once(lambda _: house.issue(request))
    assert outcomes.count(None) == 1
    assert {type(o) for o in outcomes} == {type(None), TransitionNotAllowed}
    with house.sessions() as session:
        assert session.scalar(select(func.count()).select_from(Certificate)) == 1


def test_one_key_claimed_for_many_subscribers_at_once_has_one_owner(house: House) -> None:
    csr = csr_for(ec_key())
    found = [house.approved(house.person(), csr=csr) for _ in range(THREADS)]
    outcomes = at_once(lambda number: house.issue(found[number]))
    assert outcomes.count(None) == 1
    assert {type(o) for o in outcomes} == {type(None), KeyUnacceptable}


def test_one_certificate_revoked_by_many_at_once_is_revoked_once(house: House) -> None:
    certificate = house.certificate()

    def end(_: int) -> None:
        with house.sessions.begin() as session:
            revoke.revoke(
                session,
                certificate_id=certificate.id,
                reason=RevocationReason.SUPERSEDED,
                keys=house.keys,
                at=AT,
                actor=CHIEF,
            )

    outcomes = at_once(end)
    assert outcomes.count(None) == 1
    assert {type(o) for o in outcomes} == {type(None), AlreadyRevoked}
    with house.sessions() as session:
        changes = select(CertificateStatusChange.status).order_by(CertificateStatusChange.at)
        assert session.scalars(changes).all() == [
            CertificateStatus.ACTIVE,
            CertificateStatus.REVOKED,
        ]
        assert audit_verification.verify(session).first_broken is None


def test_suspending_and_restoring_by_many_leaves_a_history_that_alternates(house: House) -> None:
    certificate = house.certificate()

    def act(number: int) -> None:
        step = revoke.suspend if number % 2 else revoke.restore
        for _ in range(4):
            with contextlib.suppress(TransitionNotAllowed), house.sessions.begin() as session:
                step(
                    session,
                    certificate_id=certificate.id,
                    keys=house.keys,
                    at=AT,
                    actor=CHIEF,
                )

    assert at_once(act) == [None] * THREADS
    with house.sessions() as session:
        order = CertificateStatusChange.at, CertificateStatusChange.id
        statuses = session.scalars(select(CertificateStatusChange.status).order_by(*order)).all()
        assert len(statuses) > 1
        assert all(one is not other for one, other in itertools.pairwise(statuses))
        assert session.get_one(Certificate, certificate.id).status is statuses[-1]


@pytest.mark.token
@pytest.mark.parametrize("algorithm", [KeyAlgorithm.P_256, KeyAlgorithm.RSA_2048])
def test_authority_and_subscriber_have_their_keys_on_a_token(
    sessions: sessionmaker[Session],
    softhsm_token: SoftHSMToken,
    tmp_path: Path,
    algorithm: KeyAlgorithm,
) -> None:
    with KeyStore(modules=[softhsm_token.module]) as keys:

        class TokenHouse(House):
            def make_key(self, label: str, algorithm: KeyAlgorithm) -> KeyURI:
                return generate_key(keys, softhsm_token.uri, label=label, algorithm=algorithm)

        house = TokenHouse(sessions, keys, tmp_path)
        plan = AuthorityPlan(
            public_url=PUBLIC_URL,
            make_key=house.make_key,
            issuing=AuthoritySpec("issuing", "CA Ấn Tín", algorithm, timedelta(days=3650)),
        )
        with sessions.begin() as session:
            authorities.establish(session, keys=keys, plan=plan, at=AT, actor="setup")
        request = house.approved(house.person(), key_algorithm=algorithm)
        certificate = house.issue(request)
        parsed = x509.load_der_x509_certificate(certificate.der or b"")
        with sessions() as session:
            issuer = authorities.issuing(session)
        parsed.verify_directly_issued_by(x509.load_der_x509_certificate(issuer.certificate))
        assert certificate.key_uri is not None
        assert certificate.key_uri.startswith("pkcs11:")
        assert "pin-value" not in certificate.key_uri
        assert keys.open(certificate.key_uri).public_key().public_numbers() == (
            parsed.public_key().public_numbers()  # type: ignore[union-attr]
        )
        assert isinstance(parsed.public_key(), rsa.RSAPublicKey) is algorithm.startswith("rsa")
        assert parsed.public_bytes(Encoding.DER) == certificate.der
