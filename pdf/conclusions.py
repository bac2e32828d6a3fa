"""From facts to an indication: the combination rules of EN 319 102-1.

Basic validation (clause 5.3), validation with time (5.5) and the proof-of-existence rules of past
signature validation (5.6) as far as time-stamps in the file carry them. A proven time is an upper
bound of signing only: it can show that a signature is older than a revocation, never that it is
younger, so REVOKED is INDETERMINATE/REVOKED_NO_POE unless an earlier proof exists.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric import dsa, rsa

from pdf.certificates import CertificateFacts
from pdf.cms_check import CmsFacts
from pdf.report import Indication
from pdf.validator import CertificateValidator, PathVerdict, Purpose

FORMAT_PROBLEMS = frozenset(
    {
        "BYTE_RANGE_MISSING",
        "BYTE_RANGE_MALFORMED",
        "BYTE_RANGE_OUTSIDE_FILE",
        "BYTE_RANGE_NOT_TWO_PARTS",
        "BYTE_RANGE_NOT_FROM_START",
        "BYTE_RANGE_OVERLAP",
        "BYTE_RANGE_GAP_WRONG",
        "BYTE_RANGE_ENDS_INSIDE_REVISION",
        "CONTENTS_NOT_HEXADECIMAL",
        "SIGNATURE_KEY_REPEATED",
        "SIGNATURE_NOT_IN_ITS_REVISION",
        "SIGNATURE_ORPHANED",
        "SUB_FILTER_UNSUPPORTED",
        "CMS_MALFORMED",
        "CMS_NO_SIGNER",
        "CMS_ENCAPSULATES_CONTENT",
        "SIGNED_ATTRIBUTE_REPEATED",
        "CONTENT_TYPE_ATTRIBUTE_WRONG",
        "MESSAGE_DIGEST_MISSING",
        "TIMESTAMP_MALFORMED",
        "INTERNAL_FAILURE",
    }
)
WEAK_DIGESTS = {
    "md5": datetime(2004, 8, 1, tzinfo=UTC),  # ETSI TS 102 176-1: collisions known
    "sha1": datetime(2012, 8, 1, tzinfo=UTC),  # ETSI TS 119 312: no longer recommended
}
MINIMUM_RSA_BITS = 1900  # ETSI TS 119 312 table 9: RSA below this has not been usable since 2010
_OUT_OF_TIME = frozenset({"OUT_OF_BOUNDS_NO_POE", "OUT_OF_BOUNDS_NOT_REVOKED", "EXPIRED"})
_STATUS_UNKNOWN = "TRY_LATER"
_WITHDRAWN = frozenset({"REVOKED", "SUSPENDED"})


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a validator gets beside the certificate."""

    validator: CertificateValidator
    at: datetime
    others: Sequence[bytes] = ()
    crls: Sequence[bytes] = ()
    ocsp_responses: Sequence[bytes] = ()


@dataclass(kw_only=True)
class Conclusion:
    """The indication of one signature or time-stamp, and what it rests on."""

    indication: Indication
    sub_indication: str | None = None
    path: PathVerdict | None = None
    trusted: bool = False
    weak: bool = False
    codes: list[str] = field(default_factory=list)


def conclude(
    facts: CmsFacts,
    *,
    purpose: Purpose,
    problems: Sequence[str],
    proven: datetime | None,
    evidence: Evidence,
) -> Conclusion:
    """Give the indication; `problems` are those of the file's structure, `proven` the best time."""
    broken = _technical(facts, problems)
    path, ok = _path(facts, purpose, proven, evidence)
    result = Conclusion(indication=Indication.TOTAL_PASSED, path=path, trusted=ok)
    result.weak = _weak(facts, proven)
    if broken is not None:
        result.indication, result.sub_indication = broken
        return result
    if not ok:
        result.indication = Indication.INDETERMINATE
        result.sub_indication = (
            path and path.sub_indication
        ) or "CERTIFICATE_CHAIN_GENERAL_FAILURE"
        result.codes.append(_word(result.sub_indication))
        return result
    if path is not None and path.revocation.status in _WITHDRAWN:
        result.codes.append("CERTIFICATE_REVOKED_LATER")
    if result.weak:
        result.indication = Indication.INDETERMINATE
        result.sub_indication = "CRYPTO_CONSTRAINTS_FAILURE_NO_POE"
    return result


def _technical(  # noqa: PLR0911 (the order of the questions is the order of the standard)
    facts: CmsFacts, problems: Sequence[str]
) -> tuple[Indication, str] | None:
    """Tell what makes the signature fail before any certificate is looked at."""
    codes = {*facts.problems, *problems}
    if codes & FORMAT_PROBLEMS:
        return Indication.TOTAL_FAILED, "FORMAT_FAILURE"
    if "CONTENT_MISSING" in codes:
        return Indication.INDETERMINATE, "SIGNED_DATA_NOT_FOUND"
    if "SIGNER_CERTIFICATE_MISSING" in codes and facts.digest_match:
        return Indication.INDETERMINATE, "NO_SIGNING_CERTIFICATE_FOUND"
    if "ALGORITHM_UNSUPPORTED" in codes and not facts.signature_match:
        return Indication.INDETERMINATE, "CRYPTO_CONSTRAINTS_FAILURE_NO_POE"
    if not facts.digest_match:
        return Indication.TOTAL_FAILED, "HASH_FAILURE"
    if not facts.signature_match:
        return Indication.TOTAL_FAILED, "SIG_CRYPTO_FAILURE"
    if "SIGNING_CERTIFICATE_ATTRIBUTE_WRONG" in codes:
        return Indication.INDETERMINATE, "NO_SIGNING_CERTIFICATE_FOUND"
    if "CHANGES_FORBIDDEN" in codes or "CHANGES_UNKNOWN" in codes:
        return Indication.TOTAL_FAILED, "FORMAT_FAILURE"
    return None


def _path(  # noqa: PLR0911 (each return is one clause of EN 319 102-1 5.5.4)
    facts: CmsFacts, purpose: Purpose, proven: datetime | None, evidence: Evidence
) -> tuple[PathVerdict | None, bool]:
    """Judge the certificate now and, where that fails for reasons of time, at the proven time."""
    if facts.signer is None:
        return None, False
    now = _ask(facts.signer, facts, purpose, evidence.at, evidence)
    if now is not None and now.sub_indication == _STATUS_UNKNOWN and purpose == "timestamping":
        # A time-stamp's authority is judged by the evidence that came with the time-stamp, when
        # nothing later is known of it: that is what an archive has (EN 319 142-1 clause 5.4).
        proven = proven or facts.token_time
    if now is None or now.trusted or proven is None or proven >= evidence.at:
        return now, now is not None and now.trusted
    if now.revocation.status in _WITHDRAWN:
        revoked_at = now.revocation.revoked_at
        if revoked_at is None or revoked_at <= proven:
            return now, False
    elif not _proof_may_help(now.sub_indication):
        return now, False
    if not facts.signer.not_before <= proven <= facts.signer.not_after:
        return now, False
    then = _ask(facts.signer, facts, purpose, proven, evidence)
    if then is None:
        return now, False
    if then.trusted:
        return (now if now.revocation.status in _WITHDRAWN else then), True
    # A validator may know only that the certificate is revoked today; that is later than the
    # proof, so it does not count against this signature.
    later = then.sub_indication == "REVOKED_NO_POE" and now.revocation.status in _WITHDRAWN
    return now, later


def _proof_may_help(sub_indication: str | None) -> bool:
    """Tell whether the standard lets a proof of existence lift this indication.

    A status that is unknown today may have been known when the signature was proven to exist.
    """
    word = sub_indication or ""
    return word.endswith("_NO_POE") or word in _OUT_OF_TIME or word == _STATUS_UNKNOWN


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


def _weak(facts: CmsFacts, proven: datetime | None) -> bool:
    key = facts.signer.public_key if facts.signer else None
    if isinstance(key, rsa.RSAPublicKey | dsa.DSAPublicKey) and key.key_size < MINIMUM_RSA_BITS:
        return True
    deadline = WEAK_DIGESTS.get(facts.digest_name or "")
    return deadline is not None and (proven is None or proven >= deadline)


def _word(sub_indication: str) -> str:
    if sub_indication.startswith("REVOKED"):
        return "CERTIFICATE_REVOKED"
    if sub_indication in _OUT_OF_TIME or sub_indication == "NOT_YET_VALID":
        return "CERTIFICATE_EXPIRED"
    if sub_indication == "TRY_LATER":
        return "REVOCATION_UNKNOWN"
    return "CERTIFICATE_NOT_TRUSTED"
