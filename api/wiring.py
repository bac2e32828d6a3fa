"""The one place where engines, key stores and services are built and put together.

A `Wiring` is what a process works with for its whole life; handlers and jobs get it whole and pass
on the parts that a room asks for.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

from sqlalchemy.exc import SQLAlchemyError

from api import webhooks
from api.callers import Callers
from api.capacity import Capacity
from api.counters import Counters
from api.idempotency import Pulse
from api.own_secrets import own_secret
from api.providers import open_providers
from api.threads import Threads
from api.vault import Vault, open_vault
from ca import authorities, trust, trusted_lists
from ca.algorithm_policy import AlgorithmPolicy
from ca.algorithm_policy_file import load_policy
from ca.authority_signers import certificate_chain, signer, time_stamping
from ca.clock_guard import ClockGuard, database_clock
from ca.errors import CaError
from ca.evidence import EvidenceCollector
from ca.guarded_fetch import Fetcher, FetchLimits
from ca.issue_groups import IssueGroups
from ca.ocsp import Looked, OcspService, service_of
from ca.ocsp_cache import CHANGES, AnswerCache
from ca.own_evidence import OwnEvidence
from ca.recording import Recording
from ca.revocation_sources import CacheSource, HttpSource, RegistrySource
from ca.serial_index import SerialIndexes
from ca.trusted_lists import Trusted
from ca.tsa import DEFAULT_POLICY, TimeStampAuthority
from ca.tsa_messages import refused
from ca.validation import PathPolicy, PathValidator, RevocationRule
from db import revision
from db.direct import Direct
from db.errors import DbError
from db.session import create_engine, session_factory
from db.statement import Statement
from hsm.errors import HsmError
from pdf.timestamps import HttpTimestampSource, TimestampSource
from signing.at_once import AtOnce
from signing.desk import Desk
from signing.disk_space import DiskSpace
from signing.documents import DocumentStore
from signing.extending import IsolatedExtend
from signing.isolation import Isolation
from signing.judging import Judging
from signing.preparing import IsolatedPrepare
from signing.reading import IsolatedReading
from signing.staged_uploads import StagedUploads
from signing.stamp_templates import StampTemplates
from signing.timestamps import InTurn, OwnTimestamps
from signing.together import Together

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable

    from sqlalchemy import Engine
    from sqlalchemy.orm import Session, sessionmaker

    from api.settings import Settings
    from ca.evidence import Carried, Evidence
    from ca.revocation import RevocationSource
    from hsm.algorithms import KeyAlgorithm
    from hsm.key_uri import KeyURI
    from hsm.later_keys import LaterKeys
    from hsm.providers import KeyStore

ANCHORS_KEPT = timedelta(seconds=30)
"""How long a change of the trust anchors may take to reach the evidence of new signatures."""
TSA_KEPT = timedelta(minutes=1)
"""How long a renewed or revoked time-stamp authority may go unnoticed by a process."""
CRL_INDEXES = "crl-indexes"
"""Folder of the home where the serial numbers of large lists lie in order; made anew when gone."""
READERS = 4
"""Worker processes that read documents for this process, started when they are needed."""


def utc_now() -> datetime:
    """Return the time, aware, in UTC."""
    return datetime.now(UTC)


def seconds_since_boot() -> float:
    """Return a clock that nobody can set; where the system can, one that runs during sleep."""
    boot_time = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot_time is None else time.clock_gettime(boot_time)


@dataclass(slots=True, kw_only=True)
class Wiring:
    """Everything that one process works with; close it at the end of the process."""

    settings: Settings
    url: str
    engine: Engine
    sessions: sessionmaker[Session]
    vault: Vault
    keys: KeyStore
    documents: DocumentStore
    pulse: Pulse
    remote: LaterKeys
    direct: Direct
    capacity: Capacity
    counters: Counters
    isolation: Isolation
    isolation_lent: bool = False
    """Whether somebody else made the workers that read documents, and closes them."""
    policy: PathPolicy = field(default_factory=PathPolicy)
    clock: Callable[[], datetime] = utc_now
    monotonic: Callable[[], float] = seconds_since_boot
    ocsp: OcspService = field(init=False)
    answers: AnswerCache = field(init=False)
    issuing: IssueGroups = field(init=False)
    callers: Callers = field(init=False)
    threads: Threads = field(init=False)
    desk: Desk = field(init=False)
    at_once: AtOnce = field(init=False)
    together: Together = field(init=False)
    _tsa: tuple[datetime, uuid.UUID, TimeStampAuthority] | None = None
    _tsa_lock: threading.Lock = field(default_factory=threading.Lock)
    _validator: tuple[tuple[object, ...], PathValidator] | None = None
    _own_evidence: OwnEvidence = field(init=False)
    _cache: CacheSource = field(init=False)
    _collector: tuple[datetime, EvidenceCollector] | None = None

    def __post_init__(self) -> None:
        self.ocsp = service_of(self.keys)
        self.answers = AnswerCache(
            Statement(self.url, CHANGES), authority_changed=self.ocsp.issuers.expire
        )
        self._cache = CacheSource(self.sessions, indexes=self._indexes())
        self.issuing = IssueGroups(self.sessions)
        self.callers = Callers(self.url)
        self.threads = Threads(self.capacity.threads)
        self.desk = Desk(
            sessions=self.sessions,
            keys=self.keys,
            documents=self.documents,
            timestamps=self._timestamps(),
            evidence=_LateEvidence(self),
            prepare=IsolatedPrepare(self.isolation),
            remote=self.remote,
            extend=IsolatedExtend(self.isolation),
            judging=lambda: Judging(self.isolation, self.validator()),
            reading=IsolatedReading(self.isolation),
            allowance=self.settings.allowance,
        )
        self.at_once = AtOnce(self.desk, self.direct)
        self.together = Together(self.at_once, keys=self.capacity.threads)
        self._own_evidence = OwnEvidence(self.sessions, self.ocsp)

    def _indexes(self) -> SerialIndexes:
        key = own_secret(self.settings.secrets / "crl-indexes")
        return SerialIndexes(self.settings.home / CRL_INDEXES, key)

    def _timestamps(self) -> TimestampSource:
        """Return our own authority, with the configured servers to fall back on."""
        own = OwnTimestamps(self.tsa, self.clock)
        if not self.settings.tsa_urls:
            return own
        return InTurn((own, HttpTimestampSource(self.settings.tsa_urls)))

    @property
    def webhook_secrets(self) -> webhooks.Secrets:
        """Return what makes the secrets of webhooks."""
        return webhooks.Secrets(self.settings.secrets / "webhooks")

    def make_key(self, label: str, algorithm: KeyAlgorithm) -> KeyURI:
        """Make a private key where this installation keeps its keys."""
        return self.vault.make_key(self.keys, label=label, algorithm=algorithm)

    def ocsp_look(self, request: bytes, at: datetime) -> Looked:
        """Answer an OCSP request of anybody from the database."""
        with self.sessions() as session:
            return self.ocsp.look(session, request, at=at)

    def timestamp_reply(self, request: bytes) -> bytes:
        """Answer a time-stamp request of anybody."""
        try:
            return self.tsa().reply(request, at=self.clock())
        except CaError:
            return refused("systemFailure", "the time-stamp key cannot be used now")

    def tsa(self) -> TimeStampAuthority:
        """Return the time-stamp authority; now and then it is looked whether it was renewed."""
        with self._tsa_lock:
            at, kept = self.clock(), self._tsa
            if kept is not None and abs(at - kept[0]) < TSA_KEPT:
                return kept[2]
            with self.sessions() as session:
                authority = time_stamping(session)
                if kept is not None and kept[1] == authority.id:
                    self._tsa = (at, *kept[1:])
                    return kept[2]
                opened = signer(authority, keys=self.keys)
                others = certificate_chain(session, authority)
            guard = ClockGuard(self.monotonic, at=at, reference=database_clock(self.sessions))
            policies = self.settings.tsa_policies or (DEFAULT_POLICY,)
            made = TimeStampAuthority(opened, policies=policies, others=others, guard=guard)
            self._tsa = (at, authority.id, made)
            return made

    def validator(self, *, anchors: tuple[bytes, ...] = ()) -> PathValidator:
        """Return the path validator for these DER anchors, or for the installation's own.

        The own one is kept with the certificates it has parsed and the signatures it has checked,
        until the anchors change, for which every call asks.
        """
        mark = None if anchors else trust.trusted_mark(self.direct)
        kept = self._validator
        if kept is not None and kept[0] == mark:
            return kept[1]
        with self.sessions() as session:
            found = Trusted(anchors, {}) if anchors else trusted_lists.trusted(session)
            intermediates = trust.own_intermediates(session)
        built = PathValidator(
            found.anchors,
            self._revocation_sources(),
            intermediates=intermediates,
            policy=self.policy,
            terms=found.terms,
        )
        if mark is not None:
            self._validator = (mark, built)
        return built

    def recording(self, *, anchors: tuple[bytes, ...] = ()) -> tuple[Recording, PathValidator]:
        """Return a validator as `validator` does, and the recording of what it will be told."""
        with self.sessions() as session:
            found = Trusted(anchors, {}) if anchors else trusted_lists.trusted(session)
            intermediates = tuple(trust.own_intermediates(session))
        recording = Recording(found.anchors, intermediates, self.policy, found.terms)
        return recording, recording.validator(self._revocation_sources())

    def _revocation_sources(self) -> tuple[RevocationSource, ...]:
        fetcher = Fetcher(FetchLimits(allowed=self.settings.status_networks))
        fetched = HttpSource(fetcher, cache=self._cache)
        return (RegistrySource(self.direct), self._cache, fetched)

    def evidence(self) -> EvidenceCollector:
        """Return the collector of validation evidence for the installation's anchors.

        It keeps what it found, and is made anew when the anchors may have changed.
        """
        now = self.clock()
        kept = self._collector
        if kept is not None and abs(now - kept[0]) < ANCHORS_KEPT:
            return kept[1]
        with self.sessions() as session:
            found = trusted_lists.trusted(session)
            intermediates = trust.own_intermediates(session)
        cache = self._cache
        fetched = HttpSource(
            Fetcher(FetchLimits(allowed=self.settings.status_networks)), cache=cache
        )

        def sources(present: datetime) -> tuple[RevocationSource, ...]:
            return (self._own_evidence.asked_at(present), cache, fetched)

        built = EvidenceCollector(
            found.anchors, sources, intermediates=intermediates, terms=found.terms
        )
        self._collector = (now, built)
        return built

    @property
    def uploads(self) -> StagedUploads:
        """Documents that wait for their batch, beside those that are being signed."""
        return StagedUploads(self.desk)

    @property
    def spool(self) -> DiskSpace:
        """Where uploads lie while a request works on them."""
        return DiskSpace(self.settings.spool, self.settings.min_free_bytes)

    @property
    def stamp_templates(self) -> StampTemplates:
        """The installation's own looks of visible signatures."""
        return StampTemplates(self.settings.home / "stamp-templates")

    def readiness(self) -> dict[str, str]:
        """Return each part with `ok`, or with what keeps it from working."""
        return {"database": self._database_state(), "keys": self._keys_state()}

    def _database_state(self) -> str:
        try:
            with self.sessions() as session:
                return "ok" if revision.is_newest(session) else "the tables are at another revision"
        except (SQLAlchemyError, DbError):
            return "the database does not answer"

    def _keys_state(self) -> str:
        try:
            with self.sessions() as session:
                signer(authorities.issuing(session), keys=self.keys)
                signer(time_stamping(session), keys=self.keys)
        except SQLAlchemyError:
            return "the database does not answer"
        except (CaError, HsmError) as error:
            return type(error).code
        missing = [health.serial for health in self.keys.health() if not health.present]
        return f"token {missing[0]} is gone" if missing else "ok"

    def close(self) -> None:
        """Log out of tokens and close every connection."""
        self.threads.close()
        self.issuing.close()
        self.together.close()
        self.answers.close()
        self.callers.close()
        self.direct.close()
        self.counters.close()
        if not self.isolation_lent:
            self.isolation.close()
        self.pulse.close()
        self.remote.close()
        self.keys.close()
        self.engine.dispose()


@dataclass(frozen=True, slots=True)
class _LateEvidence:
    """Evidence under the installation's anchors of the moment."""

    wiring: Wiring

    def collect(
        self,
        certificate: bytes,
        *,
        purpose: Literal["signing", "timestamping"],
        at: datetime,
        asked_at: datetime | None,
        carried: Carried,
    ) -> Evidence:
        collector = self.wiring.evidence()
        return collector.collect(
            certificate, purpose=purpose, at=at, asked_at=asked_at, carried=carried
        )


def build(
    settings: Settings,
    url: str,
    *,
    clock: Callable[[], datetime] = utc_now,
    isolation: Isolation | None = None,
) -> Wiring:
    """Put the parts of one process together; nothing is migrated or made here but the home."""
    make_home(settings)
    capacity = Capacity.of(settings.workers)
    engine = create_engine(url, pool_size=capacity.threads)
    vault = open_vault(settings)
    return Wiring(
        settings=settings,
        url=url,
        engine=engine,
        sessions=session_factory(engine),
        vault=vault,
        keys=vault.key_store(),
        documents=DocumentStore(settings.home / "documents", floor=settings.min_free_bytes),
        pulse=Pulse(engine),
        remote=open_providers(settings, clock=clock),
        direct=Direct(url, connections=capacity.direct),
        capacity=capacity,
        counters=Counters(settings.counters),
        clock=clock,
        isolation=isolation or Isolation(size=READERS),
        isolation_lent=isolation is not None,
        policy=_policy(settings),
    )


def _policy(settings: Settings) -> PathPolicy:
    file = settings.algorithm_policy
    algorithms = AlgorithmPolicy() if file is None else load_policy(file)
    return PathPolicy(algorithms=algorithms, revocation=RevocationRule.WHERE_OFFERED)


def make_home(settings: Settings) -> None:
    """Make the folders of the installation, readable by this account only."""
    for folder in (settings.home, settings.spool, settings.secrets):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
