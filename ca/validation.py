"""Is this certificate to be trusted for this purpose at this time, and if not, why not.

RFC 5280 path validation with the words of ETSI EN 319 102-1, for signers and time-stamp
authorities alike; it needs neither a database nor a network. Documents, proofs of existence and
the final verdict on a signature are not for this file: it answers about one certificate.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Literal

from ca.algorithm_policy import AlgorithmPolicy
from ca.inherited_parameters import completed
from ca.parsed_certificates import CertificateUnreadable, ParsedCertificate, parse
from ca.path_building import (
    MAX_PATH_SECONDS,
    CertificatePool,
    Checked,
    Effort,
    EffortExceeded,
    Path,
    PathBuilder,
)
from ca.path_rules import Finding, PathInputs, SubIndication, findings, rank, warnings
from ca.policy_graph import PolicyInputs
from ca.revocation import NOT_CHECKED, EmbeddedSource, RevocationFact, RevocationStatus
from ca.revocation_checks import RevocationChecker

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from ca.anchor_terms import AnchorTerms
    from ca.revocation import RevocationSource

__all__ = [
    "PathPolicy",
    "PathValidator",
    "PathVerdict",
    "RevocationRule",
    "SubIndication",
]

MAX_OTHERS: Final = 200
"""Certificates taken from one document; the largest honest ones carry some thirty."""
MAX_PATHS: Final = 64
"""Paths that are judged before the best failure is reported."""
_PARSED: Final = 1024
"""Certificates kept parsed, so that twenty signatures cost little more than one."""


_MENDABLE: Final = frozenset(
    {
        SubIndication.OUT_OF_BOUNDS_NO_POE,
        SubIndication.CRYPTO_CONSTRAINTS_FAILURE_NO_POE,
        SubIndication.NO_CERTIFICATE_CHAIN_FOUND_NO_POE,
    }
)
"""What a proof of existence may heal; with it, the status is still worth knowing."""


_UNKNOWN: Final = frozenset({RevocationStatus.UNKNOWN, RevocationStatus.NOT_CHECKED})


class RevocationRule(StrEnum):
    """What to do where a status cannot be learned."""

    REQUIRED = "required"
    """Without a fresh status nothing is trusted (TRY_LATER)."""
    WHERE_OFFERED = "where_offered"
    """As REQUIRED, but a certificate that names no CRL and no OCSP server, and that no source
    speaks of, gets a warning only."""
    IF_AVAILABLE = "if_available"
    """A revocation counts, silence does not."""
    OFF = "off"
    """Nobody is asked."""


@dataclass(frozen=True, slots=True)
class PathPolicy:
    """How strict to be, as data."""

    algorithms: AlgorithmPolicy = field(default_factory=AlgorithmPolicy)
    revocation: RevocationRule = RevocationRule.WHERE_OFFERED
    policies: PolicyInputs = field(default_factory=PolicyInputs)
    seconds: float = MAX_PATH_SECONDS


@dataclass(frozen=True, slots=True)
class PathVerdict:
    """The answer about one certificate.

    `chain` is DER from the certificate up to its anchor, as far as it was found. `revocation` is
    about the certificate itself; `messages` are stable codes, errors first.
    """

    trusted: bool
    sub_indication: str | None
    chain: tuple[bytes, ...]
    revocation: RevocationFact
    messages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Judged:
    path: Path
    worst: Finding | None
    messages: tuple[str, ...]
    revocation: RevocationFact


@dataclass(frozen=True, slots=True)
class _Ground:
    """What every validation of a validator stands on."""

    anchors: tuple[ParsedCertificate, ...]
    anchor_pool: CertificatePool
    intermediates: tuple[ParsedCertificate, ...]
    policy: PathPolicy
    checked: Checked = field(default_factory=dict)
    """Signatures that were checked before, by any of them."""


class PathValidator:
    """Validates certificates against anchors; threads may share one."""

    def __init__(
        self,
        anchors: Iterable[bytes],
        sources: Sequence[RevocationSource] = (),
        *,
        intermediates: Iterable[bytes] = (),
        policy: PathPolicy | None = None,
        terms: Mapping[bytes, AnchorTerms] | None = None,
    ) -> None:
        """Take DER anchors, the revocation sources in the order of asking, and known CAs.

        `terms` say of anchors, by SHA-256 of their DER, when and for what they are trusted; those
        that are not named there are trusted always. Anchors that cannot be read are left out:
        `ca.trust` refuses them when they are added.
        """
        self._parse = lru_cache(_PARSED)(parse)
        trusted = tuple(self._parsed(anchors))
        self._ground = _Ground(
            trusted,
            CertificatePool(trusted),
            tuple(self._parsed(intermediates)),
            policy or PathPolicy(),
        )
        self._sources = tuple(sources)
        self._terms = dict(terms or {})

    @property
    def policy(self) -> PathPolicy:
        """What it judges by."""
        return self._ground.policy

    def validate(
        self,
        certificate: bytes,
        *,
        purpose: Literal["signing", "timestamping"],
        at: datetime,
        others: Sequence[bytes] = (),
        crls: Sequence[bytes] = (),
        ocsp_responses: Sequence[bytes] = (),
    ) -> PathVerdict:
        """Judge a DER certificate at a time, with what its document brings along.

        Whatever the bytes, the answer is a verdict; only a registry that cannot be read raises
        (RevocationDataUnavailable).

        `trusted` is about `at`: a certificate revoked later is trusted, and `revocation` says when
        it was revoked.
        """
        embedded = EmbeddedSource(crls=tuple(crls), ocsp_responses=tuple(ocsp_responses))
        sources = self._in_order(embedded)
        return self.judge(certificate, purpose=purpose, at=at, others=others, sources=sources)

    def judge(
        self,
        certificate: bytes,
        *,
        purpose: Literal["signing", "timestamping"],
        at: datetime,
        others: Sequence[bytes],
        sources: Sequence[RevocationSource],
    ) -> PathVerdict:
        """Judge as `validate` does, asking exactly these sources in this order."""
        try:
            target = self._parse(certificate)
        except CertificateUnreadable:
            return _unknown("certificate_unreadable")
        rules = self._ground.policy
        inputs = PathInputs(at, purpose, rules.algorithms, rules.policies, self._terms)
        work = _Validation(self._ground, target, inputs)
        return work.run(tuple(self._parsed(others[:MAX_OTHERS])), tuple(sources))

    def _in_order(self, embedded: EmbeddedSource) -> tuple[RevocationSource, ...]:
        first = [source for source in self._sources if source.authoritative]
        then = [source for source in self._sources if not source.authoritative]
        return (*first, embedded, *then)

    def _parsed(self, certificates: Iterable[bytes]) -> Iterator[ParsedCertificate]:
        for data in certificates:
            try:
                yield self._parse(data)
            except CertificateUnreadable:
                continue


class _Validation:
    """One certificate, one time, one bounded effort."""

    def __init__(self, ground: _Ground, target: ParsedCertificate, inputs: PathInputs) -> None:
        self._ground, self._policy = ground, ground.policy
        self._target, self._inputs = target, inputs
        self._effort = Effort(self._policy.seconds)

    def run(
        self, others: tuple[ParsedCertificate, ...], sources: tuple[RevocationSource, ...]
    ) -> PathVerdict:
        ground = self._ground
        try:
            # the target last, to come out completed, too
            known = (*ground.intermediates, *others, self._target)
            known = completed(known, ground.anchors, self._effort)
            self._target = known[-1]
            pool = CertificatePool(known[:-1])
        except EffortExceeded:
            return self._verdict(None, exceeded=True)
        builder = PathBuilder(ground.anchor_pool, pool, self._effort, ground.checked)
        checker = RevocationChecker(
            builder=builder,
            pool=pool,
            sources=sources,
            inputs=self._inputs,
            effort=self._effort,
        )
        best: _Judged | None = None
        exceeded = False
        try:
            for number, path in enumerate(builder.paths(self._target), start=1):
                judged = self._judge(path, checker)
                if best is None or _severity(judged) > _severity(best):
                    best = judged
                if judged.worst is None or number >= MAX_PATHS:
                    break
        except EffortExceeded:
            exceeded = True
        return self._verdict(best, exceeded=exceeded)

    def _judge(self, path: Path, checker: RevocationChecker) -> _Judged:
        found = findings(path, self._inputs, self._effort)
        said = tuple(warnings(path, self._inputs))
        fact = NOT_CHECKED
        # Addresses are asked only where CAs have vouched for whoever wrote them.
        sound = all(finding.sub_indication in _MENDABLE for finding in found)
        if sound and self._policy.revocation is not RevocationRule.OFF and len(path) > 1:
            fact, revoked = self._revocation(path, checker)
            found = [*_known_good(found, path[-1], fact, checker.sources), *revoked]
            if self._silent_for_good(path, fact):
                said = (*said, "revocation_not_offered")
        found.sort(key=rank)
        codes = tuple(dict.fromkeys([finding.code for finding in found]))
        return _Judged(path, found[0] if found else None, (*codes, *said), fact)

    def _revocation(
        self, path: Path, checker: RevocationChecker
    ) -> tuple[RevocationFact, list[Finding]]:
        found: list[Finding] = []
        fact = NOT_CHECKED
        for issuer, link in pairwise(path):
            last = link is path[-1]
            fact = checker.status(link, issuer, anchor=path[0])
            finding = self._finding(fact, link, last=last)
            if finding is not None:
                found.append(finding)
            if finding is not None and finding.sub_indication is SubIndication.REVOKED_CA_NO_POE:
                return NOT_CHECKED, found
        return fact, found

    def _silent_for_good(self, path: Path, fact: RevocationFact) -> bool:
        """Whether nobody can be asked about the certificate, and the rule takes that."""
        rule = self._policy.revocation
        return rule is RevocationRule.WHERE_OFFERED and _unanswerable(fact, path[-1])

    def _finding(
        self, fact: RevocationFact, link: ParsedCertificate, *, last: bool
    ) -> Finding | None:
        if fact.stands_against(self._inputs.at):
            if fact.status is RevocationStatus.SUSPENDED:
                code = "certificate_suspended" if last else "ca_suspended"
                return Finding(code, SubIndication.TRY_LATER)
            if last:
                return Finding("certificate_revoked", SubIndication.REVOKED_NO_POE)
            return Finding("ca_revoked", SubIndication.REVOKED_CA_NO_POE)
        rule = self._policy.revocation
        required = rule is RevocationRule.REQUIRED or (
            rule is RevocationRule.WHERE_OFFERED and not _unanswerable(fact, link)
        )
        if required and fact.signer_expired:
            word = SubIndication.REVOCATION_OUT_OF_BOUNDS_NO_POE
            return Finding("revocation_signer_expired", word)
        if required and fact.status in _UNKNOWN:
            code = "revocation_status_unknown" if last else "ca_revocation_status_unknown"
            return Finding(code, SubIndication.TRY_LATER)
        return None

    @staticmethod
    def _verdict(best: _Judged | None, *, exceeded: bool) -> PathVerdict:
        if best is None:
            if exceeded:
                return PathVerdict(
                    trusted=False,
                    sub_indication=SubIndication.CERTIFICATE_CHAIN_GENERAL_FAILURE,
                    chain=(),
                    revocation=NOT_CHECKED,
                    messages=("path_building_effort_exceeded",),
                )
            return _unknown("no_chain_to_anchor")
        messages = (*best.messages, "path_building_effort_exceeded") if exceeded else best.messages
        return PathVerdict(
            trusted=best.worst is None,
            sub_indication=best.worst.sub_indication if best.worst else None,
            chain=tuple(link.der for link in reversed(best.path)),
            revocation=best.revocation,
            messages=messages,
        )


def _known_good(
    found: list[Finding],
    link: ParsedCertificate,
    fact: RevocationFact,
    sources: Sequence[RevocationSource],
) -> list[Finding]:
    """Say of a certificate that is out of its time where it is known not to be revoked.

    CAs forget expired certificates: what was published after the end says nothing, except by a
    source that remembers, as our own registry does.
    """
    lasting = {source.name for source in sources if source.authoritative}
    of_its_time = (
        fact.this_update is None
        or fact.this_update <= link.certificate.not_valid_after_utc
        or fact.source in lasting
    )
    if fact.status is not RevocationStatus.GOOD or not of_its_time:
        return found
    own = {"certificate_expired", "certificate_not_yet_valid"}
    return [
        Finding(one.code, SubIndication.OUT_OF_BOUNDS_NOT_REVOKED) if one.code in own else one
        for one in found
    ]


def _unanswerable(fact: RevocationFact, link: ParsedCertificate) -> bool:
    return fact.status in _UNKNOWN and fact.source is None and not link.names_status_service


def _severity(judged: _Judged) -> int:
    """Order paths: the larger, the nearer to trust."""
    return rank(judged.worst) if judged.worst is not None else len(SubIndication)


def _unknown(code: str) -> PathVerdict:
    return PathVerdict(
        trusted=False,
        sub_indication=SubIndication.NO_CERTIFICATE_CHAIN_FOUND,
        chain=(),
        revocation=NOT_CHECKED,
        messages=(code,),
    )
