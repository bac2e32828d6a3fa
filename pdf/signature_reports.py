"""Put what was found out about one signature into the words of the report.

Level, criteria C1.1 to C2.4, messages. Decides nothing: indications come from `conclusions`.
"""

from collections.abc import Sequence
from datetime import datetime

from pdf.cms_check import CmsFacts
from pdf.conclusions import Conclusion
from pdf.dates import read_date
from pdf.examined import Examined
from pdf.plain_text import plain
from pdf.report import (
    Criterion,
    Indication,
    Integrity,
    RevocationReport,
    SignatureReport,
    Signer,
    SigningTime,
    TimestampReport,
    messages_for,
)
from pdf.security_store import SecurityStore
from pdf.syntax import PdfDict

_WITHDRAWN = frozenset({"REVOKED", "SUSPENDED"})


def render_signature(
    item: Examined,
    *,
    index: int,
    store: SecurityStore,
    examined: Sequence[Examined],
    at: datetime,
) -> SignatureReport:
    """Give the report of one signature; `examined` are all, for time-stamps that cover it."""
    conclusion = item.conclusion or Conclusion(indication=Indication.INDETERMINATE)
    stamps = _timestamps(item, examined)
    claimed = _claimed_time(item)
    time = SigningTime(
        claimed=claimed,
        proven=item.proven,
        source=item.proven_by or ("claimed" if claimed else None),
    )
    return SignatureReport(
        index=index,
        field_name=None if item.found.field is None else plain(item.found.field),
        kind="document_timestamp" if item.is_timestamp else "signature",
        sub_filter=item.sub_filter,
        level=_level(item, store, examined),
        indication=conclusion.indication,
        sub_indication=conclusion.sub_indication,
        integrity=Integrity(
            digest_match=item.facts.digest_match,
            signature_match=item.facts.signature_match,
            coverage=item.byte_range.coverage,
            changes_after=item.level,
            changes=item.changes,
        ),
        signer=_signer(item.facts),
        time=time,
        timestamps=stamps,
        revocation=_revocation(conclusion),
        criteria=_criteria(item, conclusion, at),
        messages=messages_for(_codes(item, conclusion, stamps)),
    )


def _signer(facts: CmsFacts) -> Signer | None:
    certificate = facts.signer
    if certificate is None:
        return None
    return Signer(
        subject=certificate.subject_text(),
        common_name=certificate.common_name(),
        organization=certificate.organization(),
        issuer=certificate.issuer_text(),
        serial_number=f"{certificate.serial_number:x}",
        not_before=certificate.not_before,
        not_after=certificate.not_after,
        sha256_fingerprint=certificate.fingerprint,
    )


def _revocation(conclusion: Conclusion) -> RevocationReport:
    if conclusion.path is None:
        return RevocationReport()
    fact = conclusion.path.revocation
    return RevocationReport(
        status=str(fact.status),
        source=fact.source,
        this_update=fact.this_update,
        revoked_at=fact.revoked_at,
        reason=fact.reason,
    )


def _timestamps(item: Examined, examined: Sequence[Examined]) -> tuple[TimestampReport, ...]:
    own = [_stamp("signature", facts, verdict) for facts, verdict in item.tokens]
    covering = [
        _stamp("document", later.facts, later.conclusion)
        for later in examined
        if later.is_timestamp
        and later is not item
        and later.conclusion is not None
        and later.follows(item)
    ]
    return (*own, *covering)


def _stamp(kind: str, facts: CmsFacts, verdict: Conclusion) -> TimestampReport:
    return TimestampReport(
        kind=kind,
        time=facts.token_time,
        authority=facts.signer.subject_text() if facts.signer else None,
        indication=verdict.indication,
        sub_indication=verdict.sub_indication,
        digest_match=facts.digest_match,
        signature_match=facts.signature_match,
    )


def _level(item: Examined, store: SecurityStore, examined: Sequence[Examined]) -> str:
    """Give the PAdES level the structure reaches (EN 319 142-1 clause 6), trusted or not."""
    if not item.is_timestamp and item.sub_filter != "ETSI.CAdES.detached":
        return "PKCS7"
    stamps = [
        later for later in examined if later.is_timestamp and later.intact and later.follows(item)
    ]
    stamped = bool(stamps) or any(f.digest_match and f.signature_match for f, _ in item.tokens)
    if item.is_timestamp:
        stamped = True
    if not stamped:
        return "B-B"
    evidence = bool(store.certificates and (store.crls or store.ocsp_responses)) or bool(
        item.facts.crls or item.facts.ocsp_responses
    )
    if not evidence:
        return "B-T"
    archived = any(_covers_evidence(stamp, store) for stamp in stamps)
    return "B-LTA" if archived else "B-LT"


def _covers_evidence(stamp: Examined, store: SecurityStore) -> bool:
    """Tell whether evidence was in the file when a document time-stamp was put over it."""
    if not store.present:
        return stamp.holds_evidence  # then it is inside the signature
    revision = stamp.byte_range.revision
    catalog = revision.catalog if revision is not None else None
    return isinstance(catalog, PdfDict) and catalog.get("DSS") is not None


def _claimed_time(item: Examined) -> datetime | None:
    """Give the token's own time, or what the signer claims: in the CMS, or /M as PAdES does."""
    if item.is_timestamp:
        return item.facts.token_time
    return item.facts.claimed_time or read_date(item.found.dictionary.get("M"))


def _criteria(item: Examined, conclusion: Conclusion, at: datetime) -> dict[str, Criterion]:
    """Give the nine criteria of the circular's annex, as far as this room can see them."""
    certificate = item.facts.signer
    path = conclusion.path
    passed, failed, open_ = Criterion.PASSED, Criterion.FAILED, Criterion.NOT_CHECKED
    moment = item.proven or at
    status = path.revocation.status if path else "NOT_CHECKED"
    in_time = open_
    named = failed
    if certificate is not None:
        inside = certificate.not_before <= moment <= certificate.not_after
        in_time = passed if inside else failed
        named = passed if certificate.subject_text() else failed
    status_known = open_
    if status == "GOOD" or (status in _WITHDRAWN and conclusion.trusted):
        status_known = passed
    elif status in _WITHDRAWN:
        status_known = failed
    purpose = open_
    if conclusion.trusted:
        purpose = passed
    elif path is not None and path.sub_indication == "CHAIN_CONSTRAINTS_FAILURE":
        purpose = failed
    at_signing = open_
    if conclusion.trusted:
        at_signing = passed
    elif status_known is failed or in_time is failed:
        at_signing = failed
    too_weak = (conclusion.sub_indication or "").startswith("CRYPTO_CONSTRAINTS_FAILURE")
    weak = conclusion.weak or too_weak or "ALGORITHMS_DISAGREE" in item.facts.problems
    return {
        "C1.1": in_time,
        "C1.2": status_known,
        "C1.3": failed if weak else passed,
        "C1.4": purpose,
        "C1.5": open_,
        "C2.1": named,
        "C2.2": passed if item.facts.signature_match else failed,
        "C2.3": at_signing,
        "C2.4": passed if item.facts.digest_match else failed,
    }


def _codes(
    item: Examined, conclusion: Conclusion, stamps: tuple[TimestampReport, ...]
) -> list[str]:
    codes = [*item.problems, *item.facts.problems, *conclusion.codes]
    if conclusion.sub_indication == "HASH_FAILURE":
        codes.append("HASH_MISMATCH")
    if conclusion.sub_indication == "SIG_CRYPTO_FAILURE":
        codes.append("SIGNATURE_MISMATCH")
    if conclusion.weak:
        codes.append("ALGORITHM_WEAK")
    if item.byte_range.revision is not None and item.byte_range.revision.repaired:
        codes.append("FILE_REPAIRED")
    inside = item.covers is not None
    if any(stamp.broken for stamp in stamps if inside or stamp.kind == "signature"):
        codes.append("TIMESTAMP_BROKEN")
    if any(not s.broken and s.indication is not Indication.TOTAL_PASSED for s in stamps):
        codes.append("TIMESTAMP_NOT_TRUSTED")
    if not item.is_timestamp and item.proven is None:
        codes.append("TIME_ONLY_CLAIMED")
    if conclusion.path is not None:
        codes.extend(conclusion.path.messages)
    return codes
