"""Asking the sources in order, and checking whatever evidence they give."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from ca import crl_checks, ocsp_checks, path_rules
from ca.crl_checks import CrlCheck
from ca.loaded_crls import KEPT
from ca.ocsp_checks import AnswerRules
from ca.revocation import RevocationEvidence, RevocationFact, RevocationQuery, RevocationStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ca.loaded_crls import LoadedCrl
    from ca.parsed_certificates import ParsedCertificate
    from ca.path_building import CertificatePool, Effort, Path, PathBuilder
    from ca.path_rules import PathInputs
    from ca.revocation import RevocationSource

_MAX_CRLS: Final = 256
"""Lists of one source that are looked at; a document signed by many offices has some ten."""
_MAX_DEPTH: Final = 4
"""A CRL's signer has a status too, from a CRL whose signer has a status, and so on."""


@dataclass(eq=False, slots=True)
class RevocationChecker:
    """Finds the status of certificates for one validation; asks about each certificate once."""

    builder: PathBuilder
    pool: CertificatePool
    sources: Sequence[RevocationSource]
    inputs: PathInputs
    effort: Effort
    _known: dict[tuple[bytes, bytes], RevocationFact] = field(default_factory=dict)
    _trusted_signers: dict[tuple[bytes, bytes], bool] = field(default_factory=dict)
    _in_question: set[bytes] = field(default_factory=set)

    def status(
        self,
        certificate: ParsedCertificate,
        issuer: ParsedCertificate,
        *,
        anchor: ParsedCertificate,
    ) -> RevocationFact:
        """Find the status of a certificate; UNKNOWN when no source settles it."""
        asked = (certificate.fingerprint, issuer.key_bytes)
        if asked not in self._known:
            self._known[asked] = self._ask(certificate, issuer, anchor)
        return self._known[asked]

    def _ask(
        self, certificate: ParsedCertificate, issuer: ParsedCertificate, anchor: ParsedCertificate
    ) -> RevocationFact:
        late: RevocationFact | None = None
        for place, source in enumerate(self.sources, start=1):
            query = RevocationQuery(certificate, issuer, self.inputs.at, self.effort.seconds_left)
            for said in source.look_up(query):
                self.effort.look_at_clock()
                if isinstance(said, RevocationFact):
                    return said
                fact = self._settle(query, said, source.name, anchor)
                if fact is not None and not fact.signer_expired:
                    return self._unless_known_worse(fact, query, self.sources[place:], anchor)
                late = late or fact
        return late or RevocationFact(RevocationStatus.UNKNOWN)

    def _unless_known_worse(
        self,
        fact: RevocationFact,
        query: RevocationQuery,
        later: Sequence[RevocationSource],
        anchor: ParsedCertificate,
    ) -> RevocationFact:
        """Give the fact, unless what was fetched earlier knows of a revocation.

        A document may bring an answer that is good for days yet, from before its signer's key was
        stolen. Nobody is asked over the network for that; but what lies here counts.
        """
        if fact.status is not RevocationStatus.GOOD:
            return fact
        for source in later:
            if source.name not in _KEPT_HERE:
                continue
            for said in source.look_up(query):
                self.effort.look_at_clock()
                if isinstance(said, RevocationEvidence):
                    other = self._settle(query, said, source.name, anchor)
                    if other is not None and _outweighs(other, fact):
                        return other
        return fact

    def _settle(
        self,
        query: RevocationQuery,
        evidence: RevocationEvidence,
        source: str,
        anchor: ParsedCertificate,
    ) -> RevocationFact | None:
        """Take a revocation from any evidence before a "good" from another."""
        legacy = self.inputs.algorithms.is_legacy(anchor.fingerprint, at=self.inputs.at)
        given = evidence.crls[:_MAX_CRLS]
        loaded = [crl for data in given if (crl := KEPT.load(data)) is not None]

        def on_lists(certificate: ParsedCertificate) -> RevocationFact | None:
            check = CrlCheck(
                certificate,
                query.issuer,
                query.at,
                self.inputs.algorithms,
                legacy,
                lambda crl: self._trusts(crl, query, anchor),
            )
            return crl_checks.status(check, loaded, source=source)

        def withdrawn(responder: ParsedCertificate) -> bool:
            fact = on_lists(responder) if loaded else None
            return fact is not None and fact.status is not RevocationStatus.GOOD

        rules = AnswerRules(self.inputs.algorithms, legacy, withdrawn)
        facts = [
            ocsp_checks.status(query, data, source=source, rules=rules)
            for data in evidence.ocsp_responses
        ]
        if loaded:
            facts.append(on_lists(query.certificate))
        known = [fact for fact in facts if fact is not None]
        known.sort(key=lambda fact: _WEIGHT[fact.status])
        return known[0] if known else None

    def _trusts(self, crl: LoadedCrl, query: RevocationQuery, anchor: ParsedCertificate) -> bool:
        """Say whether somebody who may has signed the CRL: the issuer, or one below the anchor."""
        issuer = query.issuer
        if crl.issuer == issuer.subject and issuer.may_sign_crls and crl.signed_by(issuer):
            return True
        return any(
            candidate.may_sign_crls
            and crl.signed_by(candidate)
            and (self._lists_itself(candidate, query) or self._is_trusted_signer(candidate, anchor))
            for candidate in (anchor, *self.pool.named(crl.issuer))
            if candidate.subject == crl.issuer and candidate.key_bytes != issuer.key_bytes
        )

    def _lists_itself(self, signer: ParsedCertificate, query: RevocationQuery) -> bool:
        """Say whether the CRL's signer is asked about, and its CA lets it speak for itself."""
        asked = query.certificate
        return (
            signer.fingerprint == asked.fingerprint
            and signer.fingerprint in self._in_question
            and crl_checks.names_crl_issuer(asked, signer.subject)
        )

    def _is_trusted_signer(self, signer: ParsedCertificate, anchor: ParsedCertificate) -> bool:
        if signer.fingerprint == anchor.fingerprint:
            return True
        pair = (signer.fingerprint, anchor.fingerprint)
        if pair in self._trusted_signers:
            return self._trusted_signers[pair]
        if signer.fingerprint in self._in_question or len(self._in_question) >= _MAX_DEPTH:
            return False
        self._in_question.add(signer.fingerprint)
        try:
            trusted = any(
                self._holds(path)
                for path in self.builder.paths(signer)
                if path[0].fingerprint == anchor.fingerprint
            )
        finally:
            self._in_question.discard(signer.fingerprint)
        self._trusted_signers[pair] = trusted
        return trusted

    def _holds(self, path: Path) -> bool:
        inputs = replace(self.inputs, purpose="crl")
        if path_rules.findings(path, inputs, self.effort):
            return False
        return all(
            self.status(link, issuer, anchor=path[0]).status is RevocationStatus.GOOD
            for issuer, link in pairwise(path)
        )


_KEPT_HERE: Final = frozenset({"cache"})
"""Sources that cost no network."""


def _outweighs(other: RevocationFact, good: RevocationFact) -> bool:
    """Say whether a fact stands against a "good": a revocation always, a suspension if newer."""
    if other.status is RevocationStatus.SUSPENDED:
        dates = (good.this_update, other.this_update)
        return None in dates or dates[0] < dates[1]  # type: ignore[operator]  # as just asked
    return other.status is RevocationStatus.REVOKED


_WEIGHT: Final = {
    RevocationStatus.REVOKED: 0,
    RevocationStatus.SUSPENDED: 1,
    RevocationStatus.GOOD: 2,
    RevocationStatus.UNKNOWN: 3,
    RevocationStatus.NOT_CHECKED: 4,
}
