"""The Public Key Interoperability Test Suite of NIST, whole: 224 tests, 246 with their parts.

The end certificate of a test says in its name whether it is to be accepted. The tests that are
run with several inputs (all of section 4.8, five of 4.10, one of 4.12) are written out from the
suite's own document: 26 tests in 48 parts; the other 198 have one part.
"""

import importlib.util
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ca import validation
from ca.algorithm_policy import HASHES, AlgorithmPolicy
from ca.policy_graph import PolicyInputs
from ca.validation import PathPolicy, PathValidator, RevocationRule

_FOUND = importlib.util.find_spec("cryptography_vectors")
_DATA = Path(_FOUND.origin or "").parent / "x509/PKITS_data" if _FOUND else Path("absent")
_AT = datetime(2020, 1, 1, tzinfo=UTC)

pytestmark = pytest.mark.skipif(not _DATA.is_dir(), reason="cryptography-vectors is not installed")

_ENDS = sorted(file.stem for file in _DATA.glob("certs/*EE.crt"))
CPU_SECONDS = 2.0
"""For one path. Processor time, since another process may have the machine meanwhile; the
product's own bound is on the clock."""


def policy_oids(*numbers: int) -> frozenset[str]:
    return frozenset(f"2.16.840.1.101.3.2.1.48.{number}" for number in numbers)


@pytest.fixture(scope="module")
def certificates() -> dict[str, bytes]:
    return {file.stem: file.read_bytes() for file in sorted(_DATA.glob("certs/*.crt"))}


@pytest.fixture(scope="module")
def crls() -> list[bytes]:
    return [file.read_bytes() for file in sorted(_DATA.glob("crls/*.crl"))]


@pytest.fixture
def accepts(
    certificates: dict[str, bytes], crls: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> object:
    monkeypatch.setattr(validation, "MAX_OTHERS", len(certificates))
    others = [data for stem, data in certificates.items() if not stem.endswith("EE")]
    algorithms = AlgorithmPolicy(hashes=HASHES | {"sha1": None}, dsa_bits=1024)

    def run(end: str, policies: PolicyInputs | None = None) -> bool:
        policy = PathPolicy(
            algorithms,
            RevocationRule.REQUIRED,
            policies=policies or PolicyInputs(),
            seconds=10 * CPU_SECONDS,
        )
        validator = PathValidator([certificates["TrustAnchorRootCertificate"]], policy=policy)
        start = time.thread_time()
        verdict = validator.validate(
            certificates[end], purpose="signing", at=_AT, others=others, crls=crls
        )
        assert time.thread_time() - start < CPU_SECONDS
        return verdict.trusted

    return run


_SETS: list[tuple[str, dict[str, object], bool]] = [
    ("ValidCertificatePathTest1EE", {"explicit_required": True}, True),
    ("ValidCertificatePathTest1EE", {"explicit_required": True, "accepted": policy_oids(1)}, True),
    ("ValidCertificatePathTest1EE", {"explicit_required": True, "accepted": policy_oids(2)}, False),
    (
        "ValidCertificatePathTest1EE",
        {"explicit_required": True, "accepted": policy_oids(1, 2)},
        True,
    ),
    ("AllCertificatesNoPoliciesTest2EE", {}, True),
    ("AllCertificatesNoPoliciesTest2EE", {"explicit_required": True}, False),
    ("DifferentPoliciesTest3EE", {}, True),
    ("DifferentPoliciesTest3EE", {"explicit_required": True}, False),
    (
        "DifferentPoliciesTest3EE",
        {"explicit_required": True, "accepted": policy_oids(1, 2)},
        False,
    ),
    ("DifferentPoliciesTest4EE", {}, False),
    ("DifferentPoliciesTest5EE", {}, False),
    ("OverlappingPoliciesTest6EE", {}, True),
    ("OverlappingPoliciesTest6EE", {"accepted": policy_oids(1)}, True),
    ("OverlappingPoliciesTest6EE", {"accepted": policy_oids(2)}, False),
    ("DifferentPoliciesTest7EE", {}, False),
    ("DifferentPoliciesTest8EE", {}, False),
    ("DifferentPoliciesTest9EE", {}, False),
    ("AllCertificatesSamePoliciesTest10EE", {}, True),
    ("AllCertificatesSamePoliciesTest10EE", {"accepted": policy_oids(1)}, True),
    ("AllCertificatesSamePoliciesTest10EE", {"accepted": policy_oids(2)}, True),
    ("AllCertificatesanyPolicyTest11EE", {}, True),
    ("AllCertificatesanyPolicyTest11EE", {"accepted": policy_oids(1)}, True),
    ("DifferentPoliciesTest12EE", {}, False),
    ("AllCertificatesSamePoliciesTest13EE", {"accepted": policy_oids(1)}, True),
    ("AllCertificatesSamePoliciesTest13EE", {"accepted": policy_oids(2)}, True),
    ("AllCertificatesSamePoliciesTest13EE", {"accepted": policy_oids(3)}, True),
    ("AnyPolicyTest14EE", {"accepted": policy_oids(1)}, True),
    ("AnyPolicyTest14EE", {"accepted": policy_oids(2)}, False),
    ("UserNoticeQualifierTest15EE", {}, True),
    ("UserNoticeQualifierTest16EE", {}, True),
    ("UserNoticeQualifierTest17EE", {}, True),
    ("UserNoticeQualifierTest18EE", {"accepted": policy_oids(1)}, True),
    ("UserNoticeQualifierTest18EE", {"accepted": policy_oids(2)}, True),
    ("UserNoticeQualifierTest19EE", {}, True),
    ("CPSPointerQualifierTest20EE", {"explicit_required": True}, True),
    ("ValidPolicyMappingTest1EE", {"accepted": policy_oids(1)}, True),
    ("ValidPolicyMappingTest1EE", {"accepted": policy_oids(2)}, False),
    ("ValidPolicyMappingTest1EE", {"mapping_inhibited": True}, False),
    ("ValidPolicyMappingTest3EE", {"accepted": policy_oids(1)}, False),
    ("ValidPolicyMappingTest3EE", {"accepted": policy_oids(2)}, True),
    ("ValidPolicyMappingTest5EE", {"accepted": policy_oids(1)}, True),
    ("ValidPolicyMappingTest5EE", {"accepted": policy_oids(6)}, False),
    ("ValidPolicyMappingTest6EE", {"accepted": policy_oids(1)}, True),
    ("ValidPolicyMappingTest6EE", {"accepted": policy_oids(6)}, False),
    ("ValidPolicyMappingTest12EE", {"accepted": policy_oids(1)}, True),
    ("ValidPolicyMappingTest12EE", {"accepted": policy_oids(2)}, True),
    ("inhibitAnyPolicyTest3EE", {}, True),
    ("inhibitAnyPolicyTest3EE", {"any_inhibited": True}, False),
]


_WRITTEN_OUT = {end for end, _, _ in _SETS} - {"ValidCertificatePathTest1EE"}
"""The certificates of the table; the first test of 4.1 and the first of 4.8 share theirs."""
_NAMED = [end for end in _ENDS if end not in _WRITTEN_OUT]


def test_no_test_of_the_suite_is_left_out() -> None:
    assert all(end.startswith(("Valid", "Invalid")) for end in _NAMED)
    assert len(_NAMED) + len(_SETS) == 246


@pytest.mark.parametrize("end", _NAMED)
def test_the_suite_is_judged_as_its_names_say(accepts: object, end: str) -> None:
    assert accepts(end) is end.startswith("Valid")  # type: ignore[operator]


@pytest.mark.parametrize(("end", "inputs", "expected"), _SETS)
def test_the_suites_sets_of_policies_are_judged_as_it_says(
    accepts: object,
    end: str,
    inputs: dict[str, object],
    expected: bool,  # noqa: FBT001 -- what the table says
) -> None:
    assert accepts(end, PolicyInputs(**inputs)) is expected  # type: ignore[operator, arg-type]


def test_a_key_that_inherits_from_nobody_signs_nothing(certificates: dict[str, bytes]) -> None:
    """Without the CA whose parameters it takes, such a certificate is read, and not trusted."""
    validator = PathValidator([certificates["TrustAnchorRootCertificate"]])
    verdict = validator.validate(
        certificates["ValidDSAParameterInheritanceTest5EE"],
        purpose="signing",
        at=_AT,
        others=[certificates["DSAParametersInheritedCACert"]],
    )
    assert not verdict.trusted
    assert verdict.messages == ("no_chain_to_anchor",)
