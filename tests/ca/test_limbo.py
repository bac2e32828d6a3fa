"""The cases of x509-limbo about RFC 5280, path length, CRLs, pathological chains and CVEs.

Where our verdict differs from the stated one, docs/verification-deviations.md says why, case by
case; the list is checked in both directions.
"""

import re
import time
from pathlib import Path

import pytest

from ca.validation import PathPolicy, PathValidator, RevocationRule
from tests.ca.limbo import cases_crl, cases_names, cases_path, cases_shape
from tests.ca.limbo.kit import CASES, Case

CPU_SECONDS = 2.0
DOCUMENT = Path(__file__).parents[2] / "docs/verification-deviations.md"
_FILES = (cases_crl, cases_names, cases_path, cases_shape)

DEVIATIONS = frozenset(
    re.findall(r"^\| `((?:rfc5280|crl|pathlen)::[a-z0-9:-]+)`", DOCUMENT.read_text(), re.MULTILINE)
)


def accepts(case: Case) -> bool:
    question = case.build()
    rule = RevocationRule.OFF
    if question.crls is not None:
        wrong = question.ignored_if_wrong
        rule = RevocationRule.IF_AVAILABLE if wrong else RevocationRule.REQUIRED
    validator = PathValidator(
        [anchor.der for anchor in question.anchors],
        policy=PathPolicy(revocation=rule, seconds=10 * CPU_SECONDS),
    )
    start = time.thread_time()
    verdict = validator.validate(
        question.leaf,
        purpose="signing",
        at=question.at,
        others=[other.der for other in question.others],
        crls=question.crls or (),
    )
    assert time.thread_time() - start < CPU_SECONDS
    return verdict.trusted


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_of_limbo_is_judged_as_stated_or_its_deviation_is_explained(case: Case) -> None:
    assert (accepts(case) is case.accepted) is (case.name not in DEVIATIONS)


def test_every_deviation_is_one_of_a_case() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
    assert {case.name for case in CASES} >= DEVIATIONS
