"""The audit log as a file: whole by itself, and no line of it can be changed unseen."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from db import audit, audit_export
from db.audit_verification import Fault
from db.errors import AuditFileUnreadable
from db.session import create_engine, session_factory

AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


@pytest.fixture
def exported(database_url: str) -> list[str]:
    engine = create_engine(database_url)
    sessions = session_factory(engine)
    for number in range(40):
        with sessions.begin() as session:
            audit.record(
                session,
                at=AT,
                actor="người ký",
                action="sign.signed",
                object_type="sign_request",
                object_id=str(number),
                before={"number": number, "share": 0.5},
                after={"file": 'quyết "định".pdf', "nested": [1, None, True]},
            )
    with sessions() as session:
        lines = list(audit_export.lines(session, at=AT))
    engine.dispose()
    return lines


def test_an_exported_log_is_whole_by_itself(exported: list[str]) -> None:
    verdict = audit_export.check(exported)
    assert verdict.intact, verdict.broken
    assert verdict.entries == 40
    assert json.loads(exported[0])["format"] == "antin-audit-1"


def _followed(lines: list[str]) -> int:
    """The index of the first entry with a later one in its chain (else it would be a tail)."""
    chains = [json.loads(line).get("chain") for line in lines]
    return next(at for at in range(1, len(lines) - 1) if chains[at] in chains[at + 1 : -1])


def _without(lines: list[str], index: int) -> list[str]:
    return [*lines[:index], *lines[index + 1 :]]


def _changed(line: str) -> str:
    told = json.loads(line)
    told["content"] = told["content"].replace("sign.signed", "sign.failed")
    return json.dumps(told, ensure_ascii=False)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda lines: [*lines[:5], _changed(lines[5]), *lines[6:]], Fault.LINK_BROKEN),
        (lambda lines: _without(lines, _followed(lines)), Fault.ENTRY_MISSING),
        (lambda lines: [*lines[:-2], lines[-1]], Fault.TAIL_MISSING),
    ],
    ids=["an entry rewritten", "an entry left out", "the last entry cut off"],
)
def test_a_change_of_the_file_is_found(
    exported: list[str], change: Callable[[list[str]], list[str]], fault: Fault
) -> None:
    verdict = audit_export.check(change(exported))
    assert [link.fault for link in verdict.broken] == [fault]


@pytest.mark.parametrize("lines", [[], ["{}\n"], ["not json"], ["[]"], ['{"format":"other"}']])
def test_another_file_is_refused(lines: list[str]) -> None:
    with pytest.raises(AuditFileUnreadable):
        audit_export.check(lines)


def test_a_file_that_ends_too_early_is_refused(exported: list[str]) -> None:
    with pytest.raises(AuditFileUnreadable, match="heads"):
        audit_export.check(exported[:-1])
