"""From facts to an indication: the combination rules of EN 319 102-1.

Basic validation (clause 5.3), validation with time (5.5) and past validation (5.6): what the file
itself shows first, then the policy it names, its certificate (`past_validation`), the strength of
its algorithms, and what the rules demand of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pdf.cms_check import CmsFacts
from pdf.demands import missing_attributes, policy_problem
from pdf.known import Evidence, Times
from pdf.past_validation import WITHDRAWN, judge
from pdf.report import Indication
from pdf.strength import strength
from pdf.sub_indications import FAILED, SubIndication
from pdf.validator import PathVerdict, Purpose

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
        "CONTENT_READS_AS_ATTRIBUTES",
        "MESSAGE_DIGEST_MISSING",
        "TIMESTAMP_MALFORMED",
        "INTERNAL_FAILURE",
    }
)


@dataclass(kw_only=True)
class Conclusion:
    """The indication of one signature or time-stamp, and what it rests on."""

    indication: Indication
    sub_indication: SubIndication | None = None
    path: PathVerdict | None = None
    trusted: bool = False
    weak: bool = False
    codes: list[str] = field(default_factory=list)

    def ending(self, word: SubIndication) -> "Conclusion":
        """Conclude with this sub-indication, which says how bad it is."""
        bad = word in FAILED
        self.indication = Indication.TOTAL_FAILED if bad else Indication.INDETERMINATE
        self.sub_indication = word
        return self


def conclude(
    facts: CmsFacts,
    *,
    purpose: Purpose,
    problems: Sequence[str],
    times: Times,
    evidence: Evidence,
) -> Conclusion:
    """Give the indication; `problems` are those of the file's structure."""
    broken = _technical(facts, problems)
    policy = policy_problem(facts, evidence.rules)
    judged = judge(facts, purpose, times, evidence)
    found = strength(facts, judged.path, times, evidence.at, evidence.rules)
    result = Conclusion(
        indication=Indication.TOTAL_PASSED, path=judged.path, trusted=judged.trusted
    )
    result.weak = found.weakness is not None
    if found.legacy:
        result.codes.append("SHA1_ACCEPTED_BY_POLICY")
    if policy is not None:
        result.codes.append(policy[1])
    if broken is not None:
        return result.ending(broken)
    if policy is not None and policy[0] is not None:
        return result.ending(policy[0])
    if judged.sub_indication is not None:
        result.codes.append(_WORDS.get(judged.sub_indication, "CERTIFICATE_NOT_TRUSTED"))
        return result.ending(judged.sub_indication)
    if judged.path is not None and judged.path.revocation.status in WITHDRAWN:
        result.codes.append("CERTIFICATE_REVOKED_LATER")
    if found.weakness is not None:
        return result.ending(found.weakness)
    if missing_attributes(facts, times, evidence.rules):
        result.codes.append("ATTRIBUTE_REQUIRED")
        return result.ending(SubIndication.SIG_CONSTRAINTS_FAILURE)
    return result


def _technical(  # noqa: PLR0911 (the order of the questions is the order of the standard)
    facts: CmsFacts, problems: Sequence[str]
) -> SubIndication | None:
    """Tell what makes the signature fail before any certificate is looked at."""
    codes = {*facts.problems, *problems}
    if codes & FORMAT_PROBLEMS:
        return SubIndication.FORMAT_FAILURE
    if "CONTENT_MISSING" in codes:
        return SubIndication.SIGNED_DATA_NOT_FOUND
    if "SIGNER_CERTIFICATE_MISSING" in codes and facts.digest_match:
        return SubIndication.NO_SIGNING_CERTIFICATE_FOUND
    if "ALGORITHM_UNSUPPORTED" in codes and not facts.signature_match:
        return SubIndication.CRYPTO_CONSTRAINTS_FAILURE_NO_POE
    if not facts.digest_match:
        return SubIndication.HASH_FAILURE
    if not facts.signature_match:
        return SubIndication.SIG_CRYPTO_FAILURE
    if "SIGNING_CERTIFICATE_ATTRIBUTE_WRONG" in codes:
        return SubIndication.NO_SIGNING_CERTIFICATE_FOUND
    if "CHANGES_FORBIDDEN" in codes:
        return SubIndication.FORMAT_FAILURE
    if "CHANGES_UNKNOWN" in codes:
        return SubIndication.CUSTOM
    return None


_WORDS = {
    SubIndication.REVOKED: "SIGNED_AFTER_REVOCATION",
    SubIndication.EXPIRED: "SIGNED_AFTER_EXPIRY",
    SubIndication.NOT_YET_VALID: "SIGNED_BEFORE_ISSUE",
    SubIndication.REVOKED_NO_POE: "CERTIFICATE_REVOKED",
    SubIndication.REVOKED_CA_NO_POE: "CERTIFICATE_REVOKED",
    SubIndication.OUT_OF_BOUNDS_NO_POE: "CERTIFICATE_EXPIRED",
    SubIndication.OUT_OF_BOUNDS_NOT_REVOKED: "CERTIFICATE_EXPIRED",
    SubIndication.REVOCATION_OUT_OF_BOUNDS_NO_POE: "REVOCATION_UNKNOWN",
    SubIndication.TRY_LATER: "REVOCATION_UNKNOWN",
    SubIndication.NO_POE: "STATUS_NOT_PROVEN_THEN",
}
