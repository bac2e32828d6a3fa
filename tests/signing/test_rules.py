"""One policy file rules certificates and signatures; without one, both use the same dates."""

import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ca.algorithm_policy import AlgorithmPolicy, LegacyAnchor
from ca.algorithm_policy_file import read_policy
from ca.errors import PolicyUnreadable
from ca.parsed_certificates import parse
from ca.recording import Recording
from ca.signature_demands import ATTRIBUTES as NAMED
from ca.validation import PathPolicy, PathValidator
from pdf.demands import ATTRIBUTES
from pdf.detached import DetachedQuestion, verify_detached
from pdf.report import Indication, SignatureReport
from pdf.rules import Rules
from signing.rules import rules_for, rules_of
from tests.ca import hierarchy
from tests.ca.hierarchy import NOW, Entity
from tests.ca.test_recording import GOVERNMENT, old_key
from tests.pdf.cms_kit import Detached

TEXT = """
[[legacy_anchor]]
sha256_fingerprint = "{anchor}"
since = 2010-03-10T00:00:00+07:00
until = 2030-03-05T23:59:59+07:00
source = "quyết định thử nghiệm"
documents = {documents}

[hashes]
sha3-256 = 2024-01-01T00:00:00+07:00

[signatures]
required = ["signing_certificate", "proven_time"]
known_policies_only = true

[[signature_policy]]
identifier = "1.2.3.4"
digests = ["{anchor}"]
"""
MARK = "ab" * 32


def test_without_a_policy_certificates_and_signatures_have_the_same_dates() -> None:
    assert rules_of(AlgorithmPolicy()) == Rules()
    assert set(NAMED) == set(ATTRIBUTES)


def test_a_policy_file_rules_both() -> None:
    rules = rules_of(read_policy(TEXT.format(anchor=MARK, documents="true")))
    assert rules.required == ("signing_certificate", "proven_time")
    assert rules.policies == {"1.2.3.4": (MARK,)}
    assert rules.known_policies_only
    assert rules.digests["sha3_256"] == datetime(2023, 12, 31, 17, tzinfo=UTC)
    assert [one.fingerprint for one in rules.legacy_anchors] == [MARK]
    assert Rules.from_json(json.loads(json.dumps(rules.to_json()))) == rules


@pytest.mark.parametrize(
    "text",
    [
        "signatures = 1",
        "[signatures]\nrequired = ['beauty']",
        "[signatures]\nrequired = 'signing_time'",
        "signature_policy = 1",
        "[[signature_policy]]\nidentifier = '1.2.3'",
        "[[signature_policy]]\nidentifier = '1..3'\ndigests = []",
        "[[signature_policy]]\nidentifier = '1.2.3'\ndigests = ['xyz']",
    ],
)
def test_demands_that_are_not_understood_are_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(PolicyUnreadable) as caught:
        read_policy(text)
    assert str(caught.value)


def test_a_recorded_policy_is_repeated_whole() -> None:
    policy = PathPolicy(algorithms=read_policy(TEXT.format(anchor=MARK, documents="true")))
    recording = Recording((), (), policy)
    manifest = json.loads(json.dumps(recording.manifest()))
    again = Recording.of(manifest, {}).policy.algorithms
    assert rules_of(again) == rules_of(policy.algorithms)
    assert again.dated_anchors == policy.algorithms.dated_anchors


# --- the government's chain of 2010 to 2030, and a document digested with SHA-1 -------------------


@pytest.fixture(scope="module")
def government() -> tuple[Entity, Entity, Entity]:
    top = hierarchy.root("RootCA", key=old_key(), validity=GOVERNMENT)
    middle = top.issue_ca("Co quan chung thuc so", key=old_key(), sha1=True, validity=GOVERNMENT)
    return top, middle, middle.issue("A", key=old_key(), sha1=True, validity=GOVERNMENT)


def signature(
    government: tuple[Entity, Entity, Entity], policy: AlgorithmPolicy, *, digest: str
) -> SignatureReport:
    top, middle, signer = government
    made = Detached(content=b"1", signer=signer, others=(middle,), digest=digest, at=NOW)
    validator = PathValidator([top.der], policy=PathPolicy(algorithms=policy))
    question = DetachedQuestion(content_name="a", at=NOW, checked_at=NOW)
    report = verify_detached(
        made.encoded(), _content(), question, validator=validator, rules=rules_for(validator)
    )
    (found,) = report.signatures
    return found


def _content() -> io.BytesIO:
    return io.BytesIO(b"1")


def policy_for(anchor: Entity, *, documents: bool) -> AlgorithmPolicy:
    mark = parse(anchor.der).fingerprint
    return AlgorithmPolicy(dated_anchors=(LegacyAnchor(mark, *GOVERNMENT, "thử", documents),))


def test_a_new_digest_below_the_old_chain_passes_with_a_warning(
    government: tuple[Entity, Entity, Entity],
) -> None:
    found = signature(government, policy_for(government[0], documents=False), digest="sha256")
    assert found.indication is Indication.TOTAL_PASSED
    levels = {message.code: message.level for message in found.messages}
    assert levels["sha1_accepted_for_legacy_anchor"] == "warning"


def test_an_old_digest_below_the_old_chain_passes_only_where_the_policy_says_documents_too(
    government: tuple[Entity, Entity, Entity],
) -> None:
    strict = signature(government, policy_for(government[0], documents=False), digest="sha1")
    assert strict.sub_indication == "CRYPTO_CONSTRAINTS_FAILURE_NO_POE"
    wide = signature(government, policy_for(government[0], documents=True), digest="sha1")
    assert wide.indication is Indication.TOTAL_PASSED
    levels = {message.code: message.level for message in wide.messages}
    assert levels["SHA1_ACCEPTED_BY_POLICY"] == "warning"


def test_without_the_policy_nothing_below_the_old_chain_passes(
    government: tuple[Entity, Entity, Entity],
) -> None:
    for digest in ("sha1", "sha256"):
        found = signature(government, AlgorithmPolicy(), digest=digest)
        assert found.sub_indication == "CRYPTO_CONSTRAINTS_FAILURE_NO_POE"


def test_the_exception_for_one_anchors_documents_does_not_help_another(
    government: tuple[Entity, Entity, Entity],
) -> None:
    stranger = hierarchy.root("Khác", key=old_key())
    signer = stranger.issue("B", key=old_key())
    policy = policy_for(government[0], documents=True)
    found = signature((stranger, stranger, signer), policy, digest="sha1")
    assert found.sub_indication == "CRYPTO_CONSTRAINTS_FAILURE_NO_POE"


def test_the_example_in_the_documentation_is_a_policy() -> None:
    page = Path(__file__).parents[2] / "docs/operations/trust.md"
    blocks = page.read_text(encoding="utf-8").split("```toml\n")[1:]
    (example,) = [one.partition("```")[0] for one in blocks if one.startswith("[[legacy_anchor]]")]
    rules = rules_of(read_policy(example))
    assert rules.required == ("signing_certificate", "proven_time")
    assert set(rules.policies) == {"1.2.3.4"}
