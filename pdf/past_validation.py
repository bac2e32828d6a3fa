"""A certificate judged now and, where only time stands against it, at the proven time.

EN 319 102-1 clauses 5.5.4 (with time) and 5.6.2 (past validation). A proven time is an upper bound
of signing: it can show that a signature is older than a revocation, never that it is younger. A
time-stamp that the signature itself covers is the lower bound: only that makes a revoked or
expired certificate a failure instead of a doubt.
"""

from dataclasses import dataclass
from datetime import datetime

from pdf.certificates import CertificateFacts
from pdf.cms_check import CmsFacts
from pdf.known import Evidence, Times
from pdf.sub_indications import SubIndication
from pdf.validator import PathVerdict, Purpose

WITHDRAWN = frozenset({"REVOKED", "SUSPENDED"})
_OUT_OF_TIME = frozenset(
    {SubIndication.OUT_OF_BOUNDS_NO_POE, SubIndication.OUT_OF_BOUNDS_NOT_REVOKED}
)
_STATUS_OPEN = frozenset({SubIndication.TRY_LATER, SubIndication.REVOCATION_OUT_OF_BOUNDS_NO_POE})
_REVOKED = "REVOKED"


@dataclass(frozen=True, kw_only=True)
class Judged:
    """The verdict that counts; `sub_indication` is None where the certificate is trusted."""

    path: PathVerdict | None = None
    sub_indication: SubIndication | None = None

    @property
    def trusted(self) -> bool:
        """Whether nothing stands against the certificate."""
        return self.path is not None and self.sub_indication is None


def judge(facts: CmsFacts, purpose: Purpose, times: Times, evidence: Evidence) -> Judged:
    """Judge the signer's certificate with everything that is known of the signature's time."""
    if facts.signer is None:
        return Judged(sub_indication=SubIndication.NO_SIGNING_CERTIFICATE_FOUND)
    now = _ask(facts.signer, facts, purpose, evidence.at, evidence)
    if now is None:
        return Judged(sub_indication=SubIndication.CERTIFICATE_CHAIN_GENERAL_FAILURE)
    doubt = None if now.trusted else _word(now)
    refuted = _refuted(facts.signer, now, doubt, times)
    if refuted is not None:
        return Judged(path=now, sub_indication=refuted)
    if doubt is None:
        return Judged(path=now)
    return _earlier(facts, purpose, times, evidence, Judged(path=now, sub_indication=doubt))


def _word(verdict: PathVerdict) -> SubIndication:
    try:
        return SubIndication(str(verdict.sub_indication))
    except ValueError:
        return SubIndication.CERTIFICATE_CHAIN_GENERAL_FAILURE


def _refuted(
    certificate: CertificateFacts,
    now: PathVerdict,
    doubt: SubIndication | None,
    times: Times,
) -> SubIndication | None:
    """Say which proof there is that the signature was made while its certificate did not count.

    Only a certificate that a path vouches for can be held against its signature.
    """
    if doubt is not None and not _proof_may_help(doubt):
        return None
    proven, earliest = times.proven, times.earliest
    if proven is not None and proven < certificate.not_before:
        return SubIndication.NOT_YET_VALID
    if earliest is None:
        return None
    if earliest > certificate.not_after:
        return SubIndication.EXPIRED
    fact = now.revocation
    if fact.status == _REVOKED and fact.revoked_at is not None and fact.revoked_at <= earliest:
        return SubIndication.REVOKED
    return None


def _earlier(
    facts: CmsFacts, purpose: Purpose, times: Times, evidence: Evidence, now: Judged
) -> Judged:
    """Look at the certificate as of the proven time, where that may lift the doubt of today."""
    assert now.path is not None  # noqa: S101 -- the caller has a verdict in hand
    assert facts.signer is not None  # noqa: S101 -- as above
    proven = times.proven
    if now.sub_indication in _STATUS_OPEN and purpose == "timestamping":
        # A time-stamp's authority is judged by the evidence that came with the time-stamp, when
        # nothing later is known of it: that is what an archive has (EN 319 142-1 clause 5.4).
        proven = proven or facts.token_time
    inside = proven is not None and facts.signer.not_before <= proven <= facts.signer.not_after
    if proven is None or not inside or proven >= evidence.at or not _worth_asking(now, proven):
        return now
    then = _ask(facts.signer, facts, purpose, proven, evidence)
    return now if then is None else _lifted(now, then)


def _lifted(now: Judged, then: PathVerdict) -> Judged:
    """Combine the verdict of today with that of the proven time."""
    assert now.path is not None  # noqa: S101 -- the caller has a verdict in hand
    withdrawn = now.path.revocation.status in WITHDRAWN
    if then.trusted:
        return Judged(path=now.path if withdrawn else then)
    if then.sub_indication == SubIndication.REVOKED_NO_POE and withdrawn:
        # A validator may know only that the certificate is revoked today; that is later than the
        # proof, so it does not count against this signature.
        return Judged(path=now.path)
    unknown = SubIndication.TRY_LATER
    if then.sub_indication == unknown and now.sub_indication is not unknown:
        # Older than what stands against it, but nothing of that time tells the status.
        return Judged(path=now.path, sub_indication=SubIndication.NO_POE)
    return now


def _worth_asking(now: Judged, proven: datetime) -> bool:
    assert now.path is not None  # noqa: S101 -- the caller has a verdict in hand
    fact = now.path.revocation
    if fact.status in WITHDRAWN:
        return fact.revoked_at is not None and fact.revoked_at > proven
    return now.sub_indication is not None and _proof_may_help(now.sub_indication)


def _proof_may_help(word: SubIndication) -> bool:
    """Tell whether the standard lets a proof of existence lift this indication.

    A status that is unknown today may have been known when the signature was proven to exist.
    """
    return word.endswith("_NO_POE") or word in _OUT_OF_TIME or word is SubIndication.TRY_LATER


def _ask(
    certificate: CertificateFacts,
    facts: CmsFacts,
    purpose: Purpose,
    at: datetime,
    evidence: Evidence,
) -> PathVerdict | None:
    try:
        return evidence.validator.validate(
            certificate.encoded,
            purpose=purpose,
            at=at,
            others=(*facts.certificates, *evidence.others),
            crls=(*facts.crls, *evidence.crls),
            ocsp_responses=(*facts.ocsp_responses, *evidence.ocsp_responses),
        )
    except Exception:  # noqa: BLE001 (a validator's failure is a verdict, whatever it is made of)
        return None
