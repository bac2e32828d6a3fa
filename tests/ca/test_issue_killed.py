"""A process that issues and revokes is killed at random moments; the registry tells the truth."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import select

from ca import issue
from ca.models import Certificate, CertificateStatus, CertificateStatusChange
from ca.models_publication import OcspAnswer
from ca.tbs import tbs_of
from db import audit_verification
from db.models import AuditEntry
from tests.ca.house import AT, House

ROUNDS = 5

WORKER = """
import os, sys, uuid
from pathlib import Path
from cryptography import x509
from ca import authority_signers, issue, revoke
from ca.errors import CaError
from ca.models import CertificateRequest, RequestState
from ca.revocation_reasons import RevocationReason
from db.session import create_engine, session_factory
from hsm.providers import KeyStore
from sqlalchemy import select
from tests.ca.house import AT, CHIEF
import hashlib

log = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
sign = authority_signers.AuthoritySigner.sign
def noted(self, data):
    # What the authority's key has signed is on record before the signature exists.
    if self.certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign:
        os.write(log, hashlib.sha256(data).hexdigest().encode() + b"\\n")
    return sign(self, data)
authority_signers.AuthoritySigner.sign = noted

sessions = session_factory(create_engine(sys.argv[1]))
with KeyStore() as keys:
    while True:
        with sessions() as session:
            request_id = session.scalar(
                select(CertificateRequest.id)
                .where(CertificateRequest.state == RequestState.APPROVED)
                .order_by(CertificateRequest.id).limit(1))
        if request_id is None:
            break
        made = issue.issue(sessions, request_id=request_id, keys=keys, at=AT, actor=CHIEF)
        with sessions.begin() as session:
            revoke.revoke(session, certificate_id=made.id, keys=keys, at=AT, actor=CHIEF,
                          reason=RevocationReason.SUPERSEDED)
"""


@pytest.mark.slow
def test_whatever_moment_it_is_killed_nothing_is_signed_without_or_beyond_its_intent(
    house: House, database_url: str, tmp_path: Path
) -> None:
    unit = house.organization()
    for _ in range(60):
        house.approved(house.person(organization=unit))
    log = tmp_path / "signed"
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    moments = random.Random(20260302)  # noqa: S311 -- moments of a test
    for _ in range(ROUNDS):
        run_and_kill(script, database_url, log, after=moments.uniform(0.02, 0.5))
    signed = log.read_text().split()
    with house.sessions() as session:
        rows = list(session.scalars(select(Certificate)))
        meant = {hashlib.sha256(row.tbs or tbs_of(row.der or b"")).hexdigest() for row in rows}
        assert set(signed) <= meant
        assert len(signed) == len(set(signed))
        done = [row for row in rows if row.status is not CertificateStatus.ISSUING]
        assert done
        assert {hashlib.sha256(tbs_of(row.der or b"")).hexdigest() for row in done} <= set(signed)
        intended = select(AuditEntry.object_id).where(AuditEntry.action == "certificate.intend")
        assert set(session.scalars(intended)) == {str(row.id) for row in rows}
        assert {row.id for row in issue.open_intents(session)} == {
            row.id for row in rows if row.status is CertificateStatus.ISSUING
        }
        assert len(issue.open_intents(session)) <= ROUNDS
        last = {
            change.certificate_id: change.status
            for change in session.scalars(
                select(CertificateStatusChange).order_by(CertificateStatusChange.at)
            )
        }
        assert {row.id: row.status for row in done} == last
        answered = set(session.scalars(select(OcspAnswer.certificate_id)))
        assert answered == {row.id for row in done}
        assert audit_verification.verify(session).first_broken is None
    house.certificate(at=AT)


def run_and_kill(script: Path, url: str, log: Path, *, after: float) -> None:
    """Start a worker, wait for its first signature, and kill it some time later."""
    before = log.stat().st_size if log.exists() else 0
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, str(script), url, str(log)],
        env=os.environ | {"PYTHONPATH": str(root)},
        cwd=root,
    )
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if log.exists() and log.stat().st_size > before:
            break
        time.sleep(0.005)
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    process.wait()
