"""Two processes revoke and publish and are killed at random moments; nothing acknowledged is lost.

ANTIN_KILLS sets how many times; a few in every run, hundreds where there is time.
"""

import os
import random
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509 import ocsp as x509_ocsp
from sqlalchemy import select

from ca import authorities, crl, incidents, issue_batch, ocsp
from ca.crl import Scope
from ca.incidents import Decision
from ca.issue_intents import Asked, Context
from ca.models import Certificate, CertificateStatus, CertificateStatusChange
from ca.models_publication import IncidentState, IncidentTarget, OcspAnswer
from ca.revocation_reasons import RevocationReason
from db import audit_verification
from db.models import AuditEntry
from tests.ca.house import AT, CHIEF, House
from tests.ca.test_ocsp import issuing_certificate, load, request_for

KILLS = int(os.environ.get("ANTIN_KILLS", "4"))
CERTIFICATES = 120
LATER = AT + timedelta(hours=1)

WORKER = """
import os, sys, uuid
from datetime import datetime
from ca import crl, incidents, revoke
from ca.authority_signers import by_slug
from ca.errors import TransitionNotAllowed
from ca.models import Certificate, CertificateStatus
from ca.revocation_reasons import RevocationReason
from db.session import create_engine, session_factory
from hsm.providers import KeyStore
from sqlalchemy import func, select
from tests.ca.test_publication_killed import LATER

incidents.CHUNK = 4
log = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
incident_id = uuid.UUID(sys.argv[3])
sessions = session_factory(create_engine(sys.argv[1]))
os.write(log, b"ready\\n")
with KeyStore() as keys:
    for turn in range(10_000):
        with sessions() as session:
            serial = session.execute(select(Certificate.id, Certificate.serial_number).where(
                Certificate.status == CertificateStatus.ACTIVE)
                .order_by(func.random()).limit(1)).one_or_none()
        if serial is None:
            break
        try:
            with sessions.begin() as session:
                revoke.revoke(session, certificate_id=serial.id, keys=keys, at=LATER, actor="w",
                              reason=RevocationReason.SUPERSEDED)
            os.write(log, serial.serial_number.encode() + b"\\n")
        except TransitionNotAllowed:
            pass
        if turn % 5 == 2:
            with sessions.begin() as session:
                made = crl.publish(session, authority=by_slug(session, "issuing"), keys=keys,
                                   at=LATER)
        if turn % 7 == 3:
            with sessions.begin() as session:
                incident = incidents.get(session, incident_id)
                if incident.state.value == "running":
                    incidents._revoke_some(session, incident, keys=keys, at=LATER)
        if turn == 0:
            incidents._begin(sessions, incident_id, LATER)
"""


def issued(house: House) -> list[Certificate]:
    unit = house.organization()
    asked = [
        Asked(
            request_id=house.received(house.person(organization=unit)).id,
            actor=CHIEF,
            approve=True,
        )
        for _ in range(CERTIFICATES)
    ]
    context = Context(house.keys, AT)
    outcomes = issue_batch.issue_batch(house.sessions, asked, context=context)
    return [outcome.certificate for outcome in outcomes]


@pytest.mark.slow
def test_no_acknowledged_revocation_is_lost_whenever_it_is_killed(
    house: House, database_url: str, tmp_path: Path
) -> None:
    there = issued(house)
    what = Decision(
        target=IncidentTarget.LIST,
        certificate_ids=tuple(one.id for one in there[: CERTIFICATES // 3]),
        reason=RevocationReason.CESSATION_OF_OPERATION,
        note="sáp nhập",
    )
    with house.sessions.begin() as session:
        incident = incidents.decide(session, what, at=AT, actor=CHIEF)
    script, log = tmp_path / "worker.py", tmp_path / "log"
    script.write_text(WORKER)
    moments = random.Random(20260304)  # noqa: S311 -- moments of a test
    for _ in range(KILLS):
        kill_two(script, database_url, log, str(incident.id), after=moments.uniform(0.05, 0.8))
    acknowledged = set(log.read_text().split()) - {"ready"}
    assert acknowledged
    everything_belongs_together(house, acknowledged)
    done = incidents.carry_out(house.sessions, incident.id, keys=house.keys, at=LATER)
    assert done.waiting == 0
    with house.sessions() as session:
        assert incidents.get(session, incident.id).state is IncidentState.DONE
    everything_belongs_together(house, acknowledged)


def kill_two(script: Path, url: str, log: Path, incident: str, *, after: float) -> None:
    root = Path(__file__).parents[2]
    before = log.read_text().count("ready") if log.exists() else 0
    workers = [
        subprocess.Popen(
            [sys.executable, str(script), url, str(log), incident],
            env=os.environ | {"PYTHONPATH": str(root)},
            cwd=root,
        )
        for _ in range(2)
    ]
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and (
        not log.exists() or log.read_text().count("ready") < before + 2
    ):
        time.sleep(0.01)
    time.sleep(after)
    for worker in workers:
        worker.send_signal(signal.SIGKILL)
        worker.wait()


def everything_belongs_together(house: House, acknowledged: set[str]) -> None:
    """Status, history, audit, CRL entry and OCSP answer tell one story, and all is in it."""
    issuer = issuing_certificate(house)
    with house.sessions.begin() as session:
        issuing = authorities.by_slug(session, "issuing")
        delta = crl.publish_scope(
            session, authority=issuing, scope=Scope(delta=True), keys=house.keys, at=LATER
        )
        made = crl.publish(session, authority=issuing, keys=house.keys, at=LATER)
        base = session.scalars(select(crl.List).where(crl.List.number == delta.base_number)).one()
    listed = {f"{entry.serial_number:040x}" for entry in x509.load_der_x509_crl(made.der)}
    by_delta = {
        f"{entry.serial_number:040x}"
        for one in (base, delta)
        for entry in x509.load_der_x509_crl(one.der)
    }
    with house.sessions() as session:
        rows = session.scalars(select(Certificate)).all()
        revoked = {row.serial_number: row for row in rows if row.status.value == "revoked"}
        assert acknowledged <= set(revoked) == listed == by_delta
        ends = select(CertificateStatusChange.certificate_id).where(
            CertificateStatusChange.status == CertificateStatus.REVOKED
        )
        assert sorted(session.scalars(ends)) == sorted(row.id for row in revoked.values())
        told = select(AuditEntry.object_id).where(AuditEntry.action == "certificate.revoke")
        assert sorted(session.scalars(told)) == sorted(str(row.id) for row in revoked.values())
        answers = {one.certificate_id: one.der for one in session.scalars(select(OcspAnswer))}
        service = ocsp.OcspService(house.keys)
        for row in rows:
            stored = x509_ocsp.load_der_ocsp_response(answers[row.id])
            request = request_for(load(row.der), issuer)
            asked = service.answer(session, request, at=LATER + timedelta(minutes=1))
            answer = x509_ocsp.load_der_ocsp_response(asked)
            expected = "REVOKED" if row.serial_number in revoked else "GOOD"
            assert stored.certificate_status.name == answer.certificate_status.name == expected
        assert audit_verification.verify(session).first_broken is None
