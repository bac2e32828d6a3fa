"""One policy for both: what `ca` reads from a file for certificates, `pdf` judges signatures by."""

from ca.algorithm_policy import HASHES, AlgorithmPolicy
from ca.validation import PathPolicy
from pdf.rules import DEFAULT_RULES, DIGESTS, LegacyAnchor, Rules


def rules_for(validator: object) -> Rules:
    """Give the rules that go with a validator's policy; one without has the usual ones."""
    policy = getattr(validator, "policy", None)
    return rules_of(policy.algorithms) if isinstance(policy, PathPolicy) else DEFAULT_RULES


def rules_of(policy: AlgorithmPolicy) -> Rules:
    """Give the rules for signatures that go with a policy for certificates.

    Digests that no certificate is signed with keep their own dates.
    """
    ours = {name: end for name, end in DIGESTS.items() if name.replace("_", "-") not in HASHES}
    return Rules(
        digests=ours | {name.replace("-", "_"): end for name, end in policy.hashes.items()},
        rsa_bits=policy.rsa_bits,
        dsa_bits=policy.dsa_bits,
        legacy_anchors=tuple(
            LegacyAnchor(fingerprint=one.fingerprint.hex(), since=one.since, until=one.until)
            for one in policy.dated_anchors
            if one.documents
        ),
        required=policy.demands.required,
        policies={one.identifier: one.digests for one in policy.demands.policies},
        known_policies_only=policy.demands.known_policies_only,
    )
