"""Collecting what proves a certificate for good: its path, and the OCSP answers and CRLs used.

The same path validation that gives verdicts is run with a source that remembers which evidence
settled each status. What comes out can be put into a document, where it proves the certificate to
whoever has the root, without asking anybody.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal, Protocol

from ca import crl_checks, ocsp_checks
from ca.parsed_certificates import CertificateUnreadable, parse
from ca.revocation import EmbeddedSource, RevocationEvidence
from ca.validation import PathPolicy, PathValidator, RevocationRule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from ca.anchor_terms import AnchorTerms
    from ca.revocation import RevocationFact, RevocationQuery, RevocationSource
    from ca.validation import PathVerdict

KEPT_FOR: Final = timedelta(minutes=5)
"""How long evidence is given out again: a batch of documents asks once for its authorities."""
MAX_KEPT: Final = 1024


class Carried(Protocol):
    """What a document holds already, DER each."""

    @property
    def certificates(self) -> Sequence[bytes]:
        """Certificates, for path building."""

    @property
    def crls(self) -> Sequence[bytes]:
        """CRLs."""

    @property
    def ocsp_responses(self) -> Sequence[bytes]:
        """OCSP answers."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was found; the bytes are complete only where the certificate is `trusted`."""

    trusted: bool
    sub_indication: str | None = None
    certificates: tuple[bytes, ...] = ()
    crls: tuple[bytes, ...] = ()
    ocsp_responses: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class _Kept:
    evidence: Evidence
    since: datetime
    until: datetime


class EvidenceCollector:
    """Collects evidence under some anchors; threads may share one."""

    def __init__(
        self,
        anchors: Iterable[bytes],
        sources: Callable[[datetime], Sequence[RevocationSource]],
        *,
        intermediates: Iterable[bytes] = (),
        terms: Mapping[bytes, AnchorTerms] | None = None,
    ) -> None:
        """Take DER anchors and the sources that may be asked at a given present, in order.

        Sources that vouch for a status without evidence are of no use here. The document's own
        evidence is asked after the first of them.
        """
        policy = PathPolicy(revocation=RevocationRule.REQUIRED)
        self._validator = PathValidator(
            anchors, (), intermediates=intermediates, policy=policy, terms=terms
        )
        self._sources = sources
        self._kept: dict[tuple[bytes, str], _Kept] = {}
        self._of_authorities: dict[bytes, tuple[datetime, RevocationEvidence]] = {}
        self._lock = threading.Lock()

    def collect(
        self,
        certificate: bytes,
        *,
        purpose: Literal["signing", "timestamping"],
        at: datetime,
        asked_at: datetime | None,
        carried: Carried,
    ) -> Evidence:
        """Find the evidence that a certificate was to be trusted at the time `at`.

        `asked_at` is the present; None: only what is carried may be used. Whatever the bytes, the
        answer is an Evidence; only a registry that cannot be read raises.
        """
        present = asked_at is not None and at == asked_at
        key = (certificate, purpose)
        if present:
            kept = self._kept.get(key)
            if kept is not None and kept.since <= at < kept.until:
                return kept.evidence
        embedded = EmbeddedSource(tuple(carried.crls), tuple(carried.ocsp_responses))
        asked = list(self._sources(asked_at)) if asked_at is not None else []
        recorder = _Recorder((*asked[:1], embedded, *asked[1:]), self._remembered(asked_at))
        verdict = self._validator.judge(
            certificate, purpose=purpose, at=at, others=carried.certificates, sources=(recorder,)
        )
        found = recorder.evidence(verdict, carried.certificates)
        if present and found.trusted:
            self._keep(key, found, at)
            self._remember(recorder, verdict, at)
        return found

    def _remembered(self, asked_at: datetime | None) -> dict[bytes, RevocationEvidence]:
        """Give what settled the status of CAs a moment ago: one answer serves all below them."""
        if asked_at is None:
            return {}
        return {
            mark: piece
            for mark, (since, piece) in self._of_authorities.items()
            if since <= asked_at < since + KEPT_FOR
        }

    def _remember(self, recorder: _Recorder, verdict: PathVerdict, at: datetime) -> None:
        found = {
            mark: (at, recorder.used[mark])
            for link in verdict.chain[1:]
            if (mark := parse(link).fingerprint) in recorder.used
        }
        with self._lock:
            kept = self._of_authorities if len(self._of_authorities) < MAX_KEPT else {}
            self._of_authorities = {**kept, **found}

    def _keep(self, key: tuple[bytes, str], found: Evidence, at: datetime) -> None:
        ends = [end for data in found.crls if (end := _crl_end(data)) is not None]
        ends += [
            end
            for data in found.ocsp_responses
            if (end := ocsp_checks.next_update(data)[1]) is not None
        ]
        with self._lock:
            if len(self._kept) >= MAX_KEPT:
                self._kept.clear()
            self._kept[key] = _Kept(found, at, min((*ends, at + KEPT_FOR)))


@dataclass(slots=True)
class _Recorder:
    """Asks sources one after the other, and remembers what each status was settled with."""

    sources: Sequence[RevocationSource]
    known: Mapping[bytes, RevocationEvidence]
    name: str = "evidence"
    authoritative: bool = False
    used: dict[bytes, RevocationEvidence] = field(default_factory=dict)

    def look_up(self, query: RevocationQuery) -> Iterator[RevocationFact | RevocationEvidence]:
        """Give evidence in the smallest pieces: the last one asked for is what settled it."""
        subject = query.certificate.fingerprint
        if subject in self.known:
            self.used[subject] = self.known[subject]
            yield self.known[subject]
        for source in self.sources:
            for said in source.look_up(query):
                if isinstance(said, RevocationEvidence):
                    for piece in _pieces(said):
                        self.used[subject] = piece
                        yield piece
        self.used.pop(subject, None)

    def evidence(self, verdict: PathVerdict, others: Sequence[bytes]) -> Evidence:
        """Put together what the verdict rests on."""
        links = {parse(link).fingerprint: link for link in verdict.chain}
        used = [self.used[mark] for mark in links if mark in self.used]
        crls = tuple(dict.fromkeys(data for one in used for data in one.crls))
        signers = _other_crl_signers(crls, verdict.chain, others)
        if signers:
            # whoever signs for others has a status of its own
            used = list(self.used.values())
            crls = tuple(dict.fromkeys(data for one in used for data in one.crls))
        answers = dict.fromkeys(data for one in used for data in one.ocsp_responses)
        return Evidence(
            verdict.trusted,
            verdict.sub_indication,
            tuple(dict.fromkeys((*verdict.chain, *signers))),
            crls,
            tuple(answers),
        )


def _pieces(said: RevocationEvidence) -> Iterator[RevocationEvidence]:
    for data in said.ocsp_responses:
        yield RevocationEvidence((), (data,))
    for data in said.crls:
        yield RevocationEvidence((data,))
    if len(said.crls) > 1:
        # partitioned and delta CRLs settle a status only together
        yield RevocationEvidence(said.crls)


def _other_crl_signers(
    crls: Sequence[bytes], chain: Sequence[bytes], others: Sequence[bytes]
) -> list[bytes]:
    """Find the certificates of CRL signers that stand outside the path."""
    issuers = {loaded.issuer for data in crls if (loaded := crl_checks.load(data)) is not None}
    issuers -= {parse(link).subject for link in chain}
    if not issuers:
        return []
    return [data for data in others if _subject_in(data, issuers)]


def _subject_in(data: bytes, names: AbstractSet[object]) -> bool:
    try:
        return parse(data).subject in names
    except CertificateUnreadable:
        return False


def _crl_end(data: bytes) -> datetime | None:
    loaded = crl_checks.load(data)
    return loaded.crl.next_update_utc if loaded is not None else None
