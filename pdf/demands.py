"""What rules demand of a signature beside being intact: attributes, and the policy it names.

EN 319 102-1 clause 5.2.4 (policy) and 5.2.9 (acceptance); the attributes are those of EN 319 122-1.
"""

from collections.abc import Callable

from pdf.cms_check import CmsFacts
from pdf.known import Times
from pdf.rules import Rules
from pdf.sub_indications import SubIndication

ATTRIBUTES: dict[str, Callable[[CmsFacts, Times], bool]] = {
    "signing_certificate": lambda facts, _: facts.has_signing_certificate,
    "signing_time": lambda facts, _: facts.claimed_time is not None,
    "signature_policy": lambda facts, _: facts.policy is not None,
    "content_time_stamp": lambda facts, _: bool(facts.content_timestamps),
    "signature_time_stamp": lambda facts, _: bool(facts.timestamp_tokens),
    "proven_time": lambda _, times: times.proven is not None,
}
"""What rules can require. The last is met by any trusted time-stamp over the signature."""


def policy_problem(facts: CmsFacts, rules: Rules) -> tuple[SubIndication | None, str] | None:
    """Say what is wrong with the signature policy, as (sub-indication, message code).

    Without a sub-indication it is only worth saying.
    """
    policy, strict = facts.policy, rules.known_policies_only
    if policy is None:
        return None
    if policy.identifier is None:
        word = SubIndication.POLICY_PROCESSING_ERROR if strict else None
        return word, "SIGNATURE_POLICY_UNREADABLE"
    digests = rules.policies.get(policy.identifier)
    if digests is None:
        word = SubIndication.SIGNATURE_POLICY_NOT_AVAILABLE if strict else None
        return word, "SIGNATURE_POLICY_UNKNOWN"
    # A digest of nothing but zeros means "not given" (EN 319 122-1 clause 5.2.9.1).
    if policy.digest.strip(b"\x00") and policy.digest.hex() not in digests:
        return SubIndication.POLICY_PROCESSING_ERROR, "SIGNATURE_POLICY_DIFFERS"
    return None


def missing_attributes(facts: CmsFacts, times: Times, rules: Rules) -> list[str]:
    """List what is required and not there; a word that is not known here is never there."""
    return [
        name
        for name in rules.required
        if name not in ATTRIBUTES or not ATTRIBUTES[name](facts, times)
    ]
