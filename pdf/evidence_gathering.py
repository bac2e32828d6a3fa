"""Which evidence a document still lacks, certificate by certificate.

Each signature needs its signer's, and the authority's of every time-stamp over it. A certificate is
judged at the present, or where that does not do, at the time since when the signature is proven to
exist: that is how a signature is kept whose certificate has expired or was revoked since.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from pdf.addition import NewEvidence
from pdf.certificates import CertificateFacts
from pdf.errors import CertificateUnproven, EvidenceUnavailable
from pdf.evidence import Carried, Evidence, EvidenceSource
from pdf.kept_signatures import KeptSignature, proven_since
from pdf.security_store import SecurityStore
from pdf.validator import Purpose


@dataclass(frozen=True)
class _Subject:
    """A certificate to be proven, for what, and since when its use is proven."""

    certificate: CertificateFacts
    purpose: Purpose
    proven: datetime | None


class Gathering:
    """The signatures of one document and the evidence that it carries so far."""

    def __init__(self, signatures: list[KeptSignature], store: SecurityStore) -> None:
        self.signatures = signatures
        self._certificates = dict.fromkeys(store.certificates)
        self._crls = dict.fromkeys(store.crls)
        self._ocsp_responses = dict.fromkeys(store.ocsp_responses)

    def note(self, stamp: KeptSignature, evidence: NewEvidence) -> None:
        """Count in a time-stamp that was added, and the evidence that came with it."""
        self.signatures.append(stamp)
        self._count(evidence)

    def usual_token(self) -> int | None:
        """Give the size of the largest time-stamp in the document; None without one."""
        return max((each.size for each in self.signatures if each.is_timestamp), default=0) or max(
            (len(t) for each in self.signatures for t in each.facts.timestamp_tokens), default=None
        )

    def proven_until(self) -> datetime | None:
        """Give the end of the certificate of the outermost time-stamp."""
        stamps = [each for each in self.signatures if each.is_timestamp]
        if stamps:
            last = max(stamps, key=lambda each: each.end).facts.signer
            return last.not_after if last else None
        ends = [
            max(token.signer.not_after for token in each.tokens if token.signer)
            for each in self.signatures
            if each.tokens
        ]
        return min(ends, default=None) if len(ends) == len(self.signatures) else None

    def missing(self, source: EvidenceSource | None, *, at: datetime) -> NewEvidence:
        """Collect what the document does not prove yet; raises EvidenceUnavailable."""
        subjects = dict.fromkeys(self._subjects(self.signatures))
        return self._collected(source, tuple(subjects), at)

    def missing_for_last(self, source: EvidenceSource | None, *, at: datetime) -> NewEvidence:
        """Collect for the outermost time-stamp, as far as it can be had: it proves without too."""
        last = self.signatures[-1].facts.signer
        if last is None or any(
            each.facts.signer == last or any(token.signer == last for token in each.tokens)
            for each in self.signatures[:-1]
        ):
            return NewEvidence()
        try:
            return self._collected(source, (_Subject(last, "timestamping", None),), at)
        except EvidenceUnavailable:
            return NewEvidence()

    def _subjects(self, signatures: Sequence[KeptSignature]) -> Iterator[_Subject]:
        for each in signatures:
            proven = proven_since(each, signatures)
            purpose: Purpose = "timestamping" if each.is_timestamp else "signing"
            if each.facts.signer is not None:
                yield _Subject(each.facts.signer, purpose, proven)
            covering = proven_since_documents(each, signatures)
            for token in each.tokens:
                if token.signer is not None:
                    yield _Subject(token.signer, "timestamping", covering)

    def _carried(self) -> Carried:
        inside = [facts for each in self.signatures for facts in (each.facts, *each.tokens)]
        return Carried(
            certificates=_once(self._certificates, *(one.certificates for one in inside)),
            crls=_once(self._crls, *(one.crls for one in inside)),
            ocsp_responses=_once(self._ocsp_responses, *(one.ocsp_responses for one in inside)),
        )

    def _collected(
        self, source: EvidenceSource | None, subjects: tuple[_Subject, ...], at: datetime
    ) -> NewEvidence:
        if source is None:
            raise EvidenceUnavailable("every certificate", "nobody here can be asked for it")
        found = [self._settle(source, subject, at) for subject in subjects]
        new = NewEvidence(
            certificates=_new(self._certificates, (one.certificates for one in found if one)),
            crls=_new(self._crls, (one.crls for one in found if one)),
            ocsp_responses=_new(self._ocsp_responses, (one.ocsp_responses for one in found if one)),
        )
        self._count(new)
        return new

    def _settle(self, source: EvidenceSource, subject: _Subject, at: datetime) -> Evidence | None:
        """Find the evidence for one certificate; None when the document proves it by itself."""
        carried = self._carried()
        encoded, purpose = subject.certificate.encoded, subject.purpose
        if self._crls or self._ocsp_responses:
            known = source.collect(
                encoded,
                purpose=purpose,
                at=subject.proven or at,
                asked_at=None,
                carried=carried,
            )
            if known.trusted:
                return None
        first: Evidence | None = None
        for moment in (at, subject.proven):
            if moment is None:
                continue
            found = source.collect(
                encoded, purpose=purpose, at=moment, asked_at=at, carried=carried
            )
            if found.trusted:
                return found
            first = first or found
        raise _refusal(subject, first.sub_indication if first else None)

    def _count(self, evidence: NewEvidence) -> None:
        self._certificates.update(dict.fromkeys(evidence.certificates))
        self._crls.update(dict.fromkeys(evidence.crls))
        self._ocsp_responses.update(dict.fromkeys(evidence.ocsp_responses))


def proven_since_documents(
    signature: KeptSignature, all_: Sequence[KeptSignature]
) -> datetime | None:
    """Give the earliest document time-stamp over a signature: it proves the signature's own too."""
    later = [each for each in all_ if each.is_timestamp and each.end > signature.end]
    return min((t for each in later if (t := each.facts.token_time) is not None), default=None)


def _refusal(subject: _Subject, reason: str | None) -> EvidenceUnavailable:
    name = subject.certificate.subject_text()
    if reason == "TRY_LATER":
        return EvidenceUnavailable(name, "its revocation status cannot be learned now")
    return CertificateUnproven(name, reason or "no path to a trusted root")


def _once(*groups: Sequence[bytes] | dict[bytes, None]) -> tuple[bytes, ...]:
    return tuple(dict.fromkeys(item for group in groups for item in group))


def _new(known: dict[bytes, None], groups: Iterator[Sequence[bytes]]) -> tuple[bytes, ...]:
    items = dict.fromkeys(item for group in groups for item in group)
    return tuple(item for item in items if item not in known)
