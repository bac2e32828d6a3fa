"""What the victims of `registry_kills` do until they are killed: issue, revoke, pause, publish.

Each writes what only it can know to a journal that all share, in lines that are whole or not there:
`s <hash>` before the authority's key signs a certificate, `r <serial>` once a revocation is
committed. `stage` tells the parent what a victim was at when it was hit.
"""

import hashlib
import importlib
import os
import random
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from mmap import mmap
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import CertificateSigningRequestBuilder, Name
from sqlalchemy import func, select

from api.settings import Settings
from api.wiring import Wiring, build
from ca import (
    authorities,
    authority_signers,
    crl,
    incidents,
    issue,
    issue_batch,
    organizations,
    requests,
    revoke,
    subscribers,
)
from ca.authority_signers import AuthoritySigner
from ca.crl import Scope
from ca.errors import TransitionNotAllowed
from ca.incidents import Decision
from ca.issue_intents import Asked, Context
from ca.models import Certificate, CertificateStatus, RequestKind, SubscriberKind
from ca.models_publication import IncidentTarget, ItemState
from ca.organizations import OrganizationDetails
from ca.requests import RequestDetails
from ca.revocation_reasons import RevocationReason
from ca.subscribers import SubscriberDetails
from hsm.errors import HsmError

CLERK, CHIEF = "token:clerk", "token:chief"
SHARDS: Final = 3
SEEDED: Final = 40
STAGES: Final = ("starting", "asking", "issue", "revoke", "pause", "publish", "incident")
_VERSION_TAG: Final = 0xA0
"""A TBSCertificate begins with its version; what else the authority signs does not."""


@dataclass
class Victim:
    """One process at work, and where it leaves its traces."""

    wiring: Wiring
    unit: uuid.UUID
    journal: int
    stage: Callable[[str], None]
    chance: random.Random

    def tell(self, kind: str, what: str) -> None:
        os.write(self.journal, f"{kind} {what}\n".encode())

    def issue(self) -> None:
        """Issue one, or several with the same two commits."""
        self.stage("asking")
        asked = [
            Asked(request_id=self.request(), actor=CHIEF, approve=True)
            for _ in range(self.chance.choice((1, 1, 4)))
        ]
        self.stage("issue")
        context = Context(self.wiring.keys, self.now())
        if len(asked) == 1:
            (request_id,) = (item.request_id for item in asked)
            with self.wiring.sessions.begin() as session:
                requests.approve(session, request_id, at=self.now(), actor=CHIEF)
            issue.issue(
                self.wiring.sessions,
                request_id=request_id,
                keys=self.wiring.keys,
                at=self.now(),
                actor=CHIEF,
            )
            return
        for outcome in issue_batch.issue_together(self.wiring.sessions, asked, context=context):
            outcome.certificate  # noqa: B018 -- raises what went wrong

    def request(self) -> uuid.UUID:
        key = ec.generate_private_key(ec.SECP256R1())
        csr = CertificateSigningRequestBuilder().subject_name(Name([])).sign(key, hashes.SHA256())
        with self.wiring.sessions.begin() as session:
            person = subscribers.create(
                session,
                details=SubscriberDetails(
                    kind=SubscriberKind.PERSON, organization_id=self.unit, full_name="Lê Văn Bền"
                ),
                at=self.now(),
                actor=CLERK,
            )
            details = RequestDetails(
                kind=RequestKind.NEW,
                subscriber_id=person.id,
                profile="personal",
                csr=csr.public_bytes(Encoding.DER),
            )
            return requests.submit(session, details=details, at=self.now(), actor=CLERK).id

    def revoke(self) -> None:
        found = self.some(CertificateStatus.ACTIVE, CertificateStatus.SUSPENDED)
        self.stage("revoke")
        for certificate_id, serial in found:
            try:
                with self.wiring.sessions.begin() as session:
                    revoke.revoke(
                        session,
                        certificate_id=certificate_id,
                        reason=self.chance.choice(
                            (RevocationReason.SUPERSEDED, RevocationReason.KEY_COMPROMISE)
                        ),
                        keys=self.wiring.keys,
                        at=self.now(),
                        actor=CHIEF,
                    )
            except TransitionNotAllowed:
                continue  # another process was first
            self.tell("r", serial)

    def pause(self) -> None:
        on = self.chance.random() < 0.6
        found = self.some(CertificateStatus.ACTIVE if on else CertificateStatus.SUSPENDED)
        self.stage("pause")
        change = revoke.suspend if on else revoke.restore
        for certificate_id, _ in found:
            try:
                with self.wiring.sessions.begin() as session:
                    change(
                        session,
                        certificate_id=certificate_id,
                        keys=self.wiring.keys,
                        at=self.now(),
                        actor=CHIEF,
                    )
            except TransitionNotAllowed:
                continue

    def publish(self) -> None:
        self.stage("publish")
        scope = Scope(self.chance.choice((None, *range(SHARDS))), self.chance.random() < 0.4)
        with self.wiring.sessions.begin() as session:
            issuing = authorities.issuing(session)
            crl.publish_scope(
                session, authority=issuing, scope=scope, keys=self.wiring.keys, at=self.now()
            )

    def incident(self) -> None:
        """Decide on a list and carry it out, while the server's own worker does the same."""
        found = self.some(CertificateStatus.ACTIVE, limit=5)
        if not found:
            return
        self.stage("incident")
        what = Decision(
            target=IncidentTarget.LIST,
            certificate_ids=tuple(one for one, _ in found),
            reason=RevocationReason.CESSATION_OF_OPERATION,
            note="sáp nhập",
        )
        sessions = self.wiring.sessions
        with sessions.begin() as session:
            try:
                made = incidents.decide(session, what, at=self.now(), actor=CHIEF)
            except incidents.IncidentInvalid:
                return  # all of them were revoked meanwhile
        incidents.carry_out(sessions, made.id, keys=self.wiring.keys, at=self.now())
        with sessions() as session:
            done = incidents.items(session, made.id, limit=5)
            ended = {item.certificate_id for item in done if item.state is ItemState.REVOKED}
        for certificate_id, serial in found:
            if certificate_id in ended:
                self.tell("r", serial)

    def some(self, *statuses: CertificateStatus, limit: int = 1) -> list[tuple[uuid.UUID, str]]:
        query = select(Certificate.id, Certificate.serial_number)
        query = query.where(Certificate.status.in_(statuses)).order_by(func.random()).limit(limit)
        with self.wiring.sessions() as session:
            return [(row.id, row.serial_number) for row in session.execute(query)]

    def now(self) -> datetime:
        return datetime.now(UTC)

    def work(self) -> None:
        deeds = (self.issue, self.revoke, self.pause, self.publish, self.incident)
        while True:
            (deed,) = self.chance.choices(deeds, weights=(45, 24, 8, 15, 8))
            deed()


def warm_up() -> None:
    """Load, before any fork, what is slow to load and holds no key and no connection."""
    for name in ("pkilint.etsi", "pkilint.loader", "pkilint.pkix.certificate"):
        importlib.import_module(name)


def prepare(settings: Settings, url: str, journal: Path) -> None:
    """Have certificates from the start, whose distribution points name partitions."""
    wiring = build(settings, url)
    with wiring.sessions.begin() as session:
        at = wiring.clock()
        details = OrganizationDetails(code="000.00.01.H10", name="Sở Nội vụ", level="department")
        organizations.create(session, details=details, at=at, actor=CLERK)
        issuing = authorities.issuing(session)
        crl.set_shards(
            session, authority=issuing, shards=SHARDS, keys=wiring.keys, at=at, actor=CHIEF
        )
    victim = at_work(wiring, journal, lambda _: None, seed=0)
    for _ in range(SEEDED):
        victim.issue()
    for _ in range(3):
        victim.revoke()
    wiring.close()


def work(settings: Settings, url: str, journal: Path, shared: mmap, slot: int, seed: int) -> None:
    """Be a victim; descriptor 3 hears when the work begins."""

    def stage(name: str) -> None:
        shared[slot] = STAGES.index(name)

    stage("starting")
    incidents.CHUNK = 2  # type: ignore[misc] -- so that carrying out has many moments
    victim = at_work(build(settings, url), journal, stage, seed=seed)
    victim.issue()  # opens keys and connections: only what comes now is quick and often hit
    os.write(3, b"!")
    victim.work()


def at_work(wiring: Wiring, journal: Path, stage: Callable[[str], None], *, seed: int) -> Victim:
    """Return who does it, with an eye on the authority's key."""
    descriptor = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with wiring.sessions() as session:
        unit = organizations.by_code(session, "000.00.01.H10").id
    chance = random.Random(seed)  # noqa: S311 -- what to do next, not a secret
    victim = Victim(wiring, unit, descriptor, stage, chance)
    sign, sign_all = AuthoritySigner.sign, AuthoritySigner.sign_all

    def noted(signer: AuthoritySigner, data: bytes) -> bytes:
        if _begins_a_certificate(data):
            victim.tell("s", hashlib.sha256(data).hexdigest())
        return sign(signer, data)

    def noted_all(signer: AuthoritySigner, messages: Sequence[bytes]) -> list[bytes | HsmError]:
        for data in filter(_begins_a_certificate, messages):
            victim.tell("s", hashlib.sha256(data).hexdigest())
        return sign_all(signer, messages)

    authority_signers.AuthoritySigner.sign = noted  # type: ignore[method-assign]
    authority_signers.AuthoritySigner.sign_all = noted_all  # type: ignore[method-assign]
    return victim


def _begins_a_certificate(data: bytes) -> bool:
    length_octets = data[1] & 0x7F if data[1] & 0x80 else 0
    return data[2 + length_octets] == _VERSION_TAG
