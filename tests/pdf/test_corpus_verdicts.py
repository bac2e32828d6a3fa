"""Every signed and every odd file of the shared corpus gets the verdict its source states.

Run with a validator that trusts nothing (what a closed network sees) and with one that trusts
everything (so that nothing but the document itself can stop an attack).
"""

import json
import time
from collections.abc import Callable
from functools import cache
from io import BytesIO

import pytest

from pdf.byte_range import Coverage
from pdf.change_kinds import ChangeLevel
from pdf.report import DocumentReport, Indication, SignatureReport
from pdf.verify import verify
from tests.pdf.signing_kit import CORPUS, NOW
from tests.pdf.verifying_kit import TRUST_ALL, TRUST_NOTHING, FixedValidator

pytestmark = pytest.mark.skipif(not CORPUS.exists(), reason="the shared corpus is not here")

SECONDS = 20.0
DEVIATIONS = {
    # docs/verification-deviations.md gives the reasons.
    "signed/c0966034-pdf-sig-with-econtent.pdf",
}
Case = dict[str, object]


@cache
def manifest() -> list[Case]:
    if not CORPUS.exists():
        return []
    cases: list[Case] = json.loads((CORPUS / "manifest.json").read_text())
    return [case for case in cases if not str(case["file"]).startswith("unsigned/")]


def report_on(case: Case, validator: FixedValidator) -> DocumentReport:
    data = (CORPUS / str(case["file"])).read_bytes()
    start = time.process_time()
    report = verify(
        BytesIO(data), name=str(case["file"]), at=NOW, checked_at=NOW, validator=validator
    )
    json.dumps(report.to_dict())
    assert time.process_time() - start < SECONDS
    assert "INTERNAL_FAILURE" not in report.reasons
    for signature in report.signatures:
        assert "INTERNAL_FAILURE" not in {message.code for message in signature.messages}
    return report


def intact(signature: SignatureReport) -> bool:
    facts = signature.integrity
    return facts.digest_match and facts.signature_match and facts.coverage is not Coverage.PARTIAL


def forbidden(signature: SignatureReport) -> bool:
    facts = signature.integrity
    return facts.changes_after is ChangeLevel.OTHER or not facts.changes_permitted


def is_intact(report: DocumentReport, case: Case) -> bool:
    expected = case.get("expected") or {}
    count = expected.get("n_signatures", 1) if isinstance(expected, dict) else 1
    return len(report.signatures) >= int(count) and all(
        intact(s) and not forbidden(s) and s.indication is not Indication.TOTAL_FAILED
        for s in report.signatures
    )


def is_intact_with_changes(report: DocumentReport, case: Case) -> bool:
    levels = {s.integrity.changes_after for s in report.signatures}
    return is_intact(report, case) and levels != {ChangeLevel.NONE}


def is_broken(report: DocumentReport, case: Case) -> bool:
    del case
    return any(s.indication is Indication.TOTAL_FAILED for s in report.signatures)


def is_not_valid(report: DocumentReport, case: Case) -> bool:
    """Stricter than the corpus asks: not even with every certificate trusted."""
    del case
    return not report.accept and report.indication is not Indication.TOTAL_PASSED


def is_flagged(report: DocumentReport, case: Case) -> bool:
    return is_broken(report, case) and any(intact(s) and forbidden(s) for s in report.signatures)


def is_timestamp_broken(report: DocumentReport, case: Case) -> bool:
    del case
    stamps = [stamp for s in report.signatures for stamp in s.timestamps]
    return all(map(intact, report.signatures)) and any(not s.digest_match for s in stamps)


def has_none(report: DocumentReport, case: Case) -> bool:
    del case
    return report.indication is Indication.NO_SIGNATURE


def is_explained(report: DocumentReport, case: Case) -> bool:
    del case
    return all(signature.messages for signature in report.signatures)


def is_answered(report: DocumentReport, case: Case) -> bool:
    del case
    return bool(report.reasons)


JUDGES: dict[str, Callable[[DocumentReport, Case], bool]] = {
    "INTACT": is_intact,
    "PEER_INTACT": is_intact,
    "INTACT_CHANGES_ALLOWED": is_intact_with_changes,
    "NOT_INTACT": is_broken,
    "NOT_VALID": is_not_valid,
    "FLAG_CHANGES": is_flagged,
    "TS_NOT_INTACT": is_timestamp_broken,
    "NO_SIGNATURE": has_none,
    "SPLIT": is_explained,
    "NO_CRASH": is_answered,
}


@pytest.mark.parametrize("case", manifest(), ids=lambda case: str(case["file"]))
def test_the_verdict_is_that_of_the_source(case: Case) -> None:
    judge = JUDGES[str(case["judge"])]
    verdicts = [judge(report_on(case, who), case) for who in (TRUST_NOTHING, TRUST_ALL)]
    if case["file"] in DEVIATIONS:
        assert not all(verdicts), "this deviation is mended: take it off the list"
    else:
        assert all(verdicts)


@pytest.mark.skipif(not CORPUS.exists(), reason="the shared corpus is not here")
def test_no_file_with_a_broken_or_changed_signature_is_accepted() -> None:
    accepted = [
        case["file"]
        for case in manifest()
        if case["judge"] in {"NOT_INTACT", "NOT_VALID", "FLAG_CHANGES", "TS_NOT_INTACT"}
        and case["file"] not in DEVIATIONS
        and report_on(case, TRUST_ALL).accept
    ]
    assert accepted == []
