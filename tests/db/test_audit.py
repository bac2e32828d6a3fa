"""The audit log: what it records, and what it refuses."""

import contextlib
import hashlib
import json
import threading
import uuid
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from db import audit
from db.audit_chain import CHAINS, EntryContent, EntryForm
from db.canonical import canonical_json
from db.errors import ValueUnsuitable
from db.errors_time import NaiveDatetime
from db.models import AuditEntry

AT = datetime(2026, 3, 1, 8, 0, 0, 250, tzinfo=UTC)
Sessions = sessionmaker[Session]


def record(session: Session, name: str = "x", *, after: Mapping[str, object] | None = None) -> None:
    audit.record(
        session,
        at=AT,
        actor="bình@example.gov.vn",
        action="certificate.revoke",
        object_type="certificate",
        object_id=name,
        before={"status": "ACTIVE"},
        after=after or {"status": "REVOKED"},
    )


def names(sessions: Sessions) -> set[str]:
    with sessions() as session:
        return {entry.object_id for entry in audit.list_entries(session, limit=10_000)}


def test_an_entry_is_there_after_the_commit_and_reads_back_as_written(sessions: Sessions) -> None:
    with sessions.begin() as session:
        record(session, "thẻ số 1", after={"at": AT, "ids": [1, 2.5, None, True], "raw": b"\x01"})
    with sessions() as session:
        (entry,) = audit.list_entries(session)
        assert (entry.actor, entry.object_id, entry.at) == ("bình@example.gov.vn", "thẻ số 1", AT)
        assert entry.before == {"status": "ACTIVE"}
        assert entry.after == {
            "at": "2026-03-01T08:00:00.000250Z",
            "ids": [1, 2.5, None, True],
            "raw": "01",
        }
        verdict = audit.verify(session)
    assert verdict.intact
    assert (verdict.entries, verdict.chains) == (1, CHAINS)


def test_a_rollback_leaves_no_entry_and_no_gap(sessions: Sessions) -> None:
    with sessions() as session:
        record(session, "undone")
        session.rollback()
        record(session, "kept")
        session.commit()
        session.commit()
    with sessions() as session:
        record(session, "closed without a commit")
    with contextlib.suppress(ZeroDivisionError), sessions.begin() as session:
        record(session, "failed")
        raise ZeroDivisionError
    assert names(sessions) == {"kept"}
    with sessions() as session:
        assert audit.verify(session).intact


def test_a_savepoint_takes_its_entries_with_it(sessions: Sessions) -> None:
    with sessions.begin() as session:
        record(session, "outer")
        with session.begin_nested():
            record(session, "kept savepoint")
        with session.begin_nested() as savepoint:
            record(session, "undone savepoint")
            with session.begin_nested():
                record(session, "released in an undone savepoint")
            record(session, "undone after release")
            savepoint.rollback()
        record(session, "last")
    assert names(sessions) == {"outer", "kept savepoint", "last"}
    with sessions() as session:
        assert audit.verify(session).intact


def test_a_commit_past_an_open_savepoint_loses_nothing(sessions: Sessions) -> None:
    session = sessions()
    root = session.begin()
    record(session, "outer")
    session.begin_nested()
    record(session, "inner")
    root.commit()
    session.close()
    assert names(sessions) == {"outer", "inner"}


def test_a_failing_flush_at_the_commit_leaves_no_entry(sessions: Sessions) -> None:
    session = sessions()
    record(session, "never")
    session.add(AuditEntry(id=uuid.uuid4()))  # incomplete: the database refuses it
    with pytest.raises(IntegrityError):
        session.commit()
    session.rollback()
    session.commit()
    session.close()
    assert names(sessions) == set()


def test_many_entries_of_one_transaction_stay_in_order_in_one_chain(sessions: Sessions) -> None:
    with sessions.begin() as session:
        for number in range(500):
            record(session, str(number))
    with sessions() as session:
        rows = session.execute(
            select(AuditEntry.chain, AuditEntry.object_id).order_by(AuditEntry.sequence)
        ).all()
        assert len({chain for chain, _ in rows}) == 1
        assert [int(name) for _, name in rows] == list(range(500))
        assert audit.verify(session).entries == 500


def test_eight_writers_at_once_leave_every_chain_whole(sessions: Sessions) -> None:
    def write(writer: int) -> None:
        for number in range(40):
            with sessions() as session:
                record(session, f"{writer}.{number}")
                if number % 4:
                    session.commit()

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names(sessions) == {f"{w}.{n}" for w in range(8) for n in range(40) if n % 4}
    with sessions() as session:
        verdict = audit.verify(session)
        used = session.scalar(select(func.count(AuditEntry.chain.distinct())))
    assert (verdict.intact, verdict.entries) == (True, 8 * 30)
    assert used is not None
    assert used > 1


def test_a_writer_waits_when_every_chain_is_held(sessions: Sessions) -> None:
    with sessions() as holder:
        holder.execute(text("SELECT FROM audit_chains FOR UPDATE"))

        def write() -> None:
            with sessions.begin() as session:
                record(session, "patient")

        thread = threading.Thread(target=write)
        thread.start()
        thread.join(timeout=0.3)
        assert thread.is_alive()
        holder.rollback()
        thread.join(timeout=10)
    assert names(sessions) == {"patient"}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_log SET actor = 'nobody'",
        "DELETE FROM audit_log",
        "DELETE FROM audit_log WHERE false",
        "TRUNCATE audit_log",
        "TRUNCATE audit_log, audit_chains",
        "UPDATE audit_chains SET sequence = sequence + 1",
        "UPDATE audit_chains SET digest = digest",
        "DELETE FROM audit_chains",
        "INSERT INTO audit_chains VALUES (99, 0, '')",
    ],
)
def test_the_database_refuses_to_change_the_past(sessions: Sessions, statement: str) -> None:
    with sessions.begin() as session:
        record(session)
    with sessions() as session, pytest.raises(IntegrityError, match="audit log"):
        session.execute(text(statement))


def test_the_service_role_cannot_switch_triggers_off_for_its_session(sessions: Sessions) -> None:
    with sessions() as session, pytest.raises(Exception, match="permission denied"):
        session.execute(text("SET session_replication_role = replica"))


_INSERT = (
    "INSERT INTO audit_log SELECT gen_random_uuid(), now(), 'a', 'b', 'c', 'd', NULL, NULL,"
    " c.chain, c.sequence + {step}, decode(repeat('ab', 32), 'hex'), {previous},"
    " sha256(c.digest || int2send(c.chain) || int8send(c.sequence + {step})"
    " || decode(repeat('{content}', 32), 'hex')) FROM audit_chains c WHERE chain = {chain}"
)


@pytest.mark.parametrize(
    ("step", "previous", "content"),
    [
        (2, "c.digest", "ab"),
        (0, "c.digest", "ab"),
        (1, "sha256(c.digest)", "ab"),
        (1, "c.digest", "cd"),
    ],
    ids=["a gap", "a fork", "a wrong predecessor", "a wrong digest"],
)
def test_the_database_refuses_an_entry_that_does_not_continue_its_chain(
    sessions: Sessions, step: int, previous: str, content: str
) -> None:
    statement = _INSERT.format(step=step, previous=previous, content=content, chain=3)
    with sessions() as session, pytest.raises(IntegrityError):
        session.execute(text(statement))
    good = _INSERT.format(step=1, previous="c.digest", content="ab", chain=3)
    with sessions() as session:
        session.execute(text(good))
        session.rollback()


def test_the_database_refuses_an_entry_in_a_chain_of_its_own(sessions: Sessions) -> None:
    statement = (
        "INSERT INTO audit_log SELECT gen_random_uuid(), now(), 'a', 'b', 'c', 'd', NULL, NULL,"
        " 99, 1, zero, zero, sha256(zero || int2send(99::int2) || int8send(1) || zero)"
        " FROM (SELECT decode(repeat('00', 32), 'hex') AS zero) z"
    )
    with sessions() as session, pytest.raises(IntegrityError):
        session.execute(text(statement))


def test_a_naive_time_is_refused_at_the_call(sessions: Sessions) -> None:
    with sessions() as session, pytest.raises(NaiveDatetime):
        audit.record(
            session,
            at=datetime(2026, 1, 1),  # noqa: DTZ001 - the subject of the test
            actor="a",
            action="b",
            object_type="c",
            object_id="d",
        )


@pytest.mark.parametrize("value", [object(), {1}, float("nan"), float("inf"), {1: 2}])
def test_a_value_without_a_canonical_form_is_refused_at_the_call(
    sessions: Sessions, value: object
) -> None:
    with sessions() as session, pytest.raises(ValueUnsuitable):
        record(session, after={"value": value})


def test_an_empty_name_is_refused(sessions: Sessions) -> None:
    with sessions() as session, pytest.raises(ValueUnsuitable):
        record(session, "")


def test_strange_text_does_not_keep_an_action_out_of_the_log(sessions: Sessions) -> None:
    with sessions.begin() as session:
        record(session, "a\0b\ud800.pdf", after={"k\0": "\udfff \U0001f600 \u2028"})
    assert names(sessions) == {"a\ufffdb\ufffd.pdf"}
    with sessions() as session:
        assert audit.verify(session).intact


def test_what_is_recorded_is_copied_at_the_call(sessions: Sessions) -> None:
    fields = {"status": ["ACTIVE"]}
    with sessions.begin() as session:
        record(session, after=fields)
        fields["status"].append("changed later")
    with sessions() as session:
        assert audit.list_entries(session)[0].after == {"status": ["ACTIVE"]}


def test_entries_are_listed_newest_first_by_page_and_by_field(sessions: Sessions) -> None:
    for number in range(5):
        with sessions.begin() as session:
            record(session, str(number))
    with sessions() as session:
        first = audit.list_entries(session, limit=3)
        rest = audit.list_entries(session, limit=3, after=first[-1].id)
        assert [e.object_id for e in (*first, *rest)] == ["4", "3", "2", "1", "0"]
        where = audit.AuditFilter(object_type="certificate", object_id="2", since=AT)
        assert [e.object_id for e in audit.list_entries(session, where=where)] == ["2"]
        assert not audit.list_entries(session, where=audit.AuditFilter(until=AT))
        late = audit.AuditFilter(since=AT + timedelta(microseconds=1))
        assert not audit.list_entries(session, where=late)


class Colour(StrEnum):
    RED = "red"


def test_canonical_json_has_one_spelling() -> None:
    value = {
        "b": [Decimal("1.10"), date(2026, 1, 2), Colour.RED, (True, None)],
        "a": {"ế": AT, "id": uuid.UUID(int=7)},
    }
    assert canonical_json(value) == (
        '{"a":{"id":"00000000-0000-0000-0000-000000000007","ế":"2026-03-01T08:00:00.000250Z"},'
        '"b":["1.10","2026-01-02","red",[true,null]]}'
    )


def test_the_hashed_text_of_an_entry_is_the_canonical_json_of_its_fields() -> None:
    fields: dict[str, object] = {"id": uuid.UUID(int=1), "at": AT, "actor": 'a"', "action": "b"}
    fields |= {"object_type": "t", "object_id": "ế\n", "before": None, "after": {"z": 1, "a": 2}}
    content = EntryContent(
        id=uuid.UUID(int=1),
        at=AT,
        actor='a"',
        action="b",
        object_type="t",
        object_id="ế\n",
        before=None,
        after=canonical_json(fields["after"]),
    )
    assert content.canonical() == canonical_json(fields)


@given(
    texts=st.tuples(*[st.text(st.characters(exclude_categories=["Cs"]), min_size=1)] * 4),
    before=st.none() | st.dictionaries(st.text(max_size=3), st.none() | st.text(), max_size=2),
    after=st.none() | st.dictionaries(st.text(max_size=3), st.integers(), max_size=3),
)
def test_an_entry_from_a_form_is_the_one_that_is_written_out(
    texts: tuple[str, str, str, str],
    before: dict[str, str | None] | None,
    after: dict[str, int] | None,
) -> None:
    actor, action, object_type, object_id = texts
    content = EntryContent(
        id=uuid.UUID(int=1),
        at=AT,
        actor=actor,
        action=action,
        object_type=object_type,
        object_id=object_id,
        before=None if before is None else canonical_json(before),
        after=None if after is None else canonical_json(after),
    )
    shared = EntryForm(at=AT, actor=actor, action=action, object_type=object_type)
    made = shared.append_json(content.id, object_id, before=content.before, after=content.after)
    assert json.loads(made) == {
        "id": str(content.id),
        "at": "2026-03-01T08:00:00.000250Z",
        "actor": actor,
        "action": action,
        "object_type": object_type,
        "object_id": object_id,
        "before": content.before,
        "after": content.after,
        "content_digest": hashlib.sha256(content.canonical().encode()).hexdigest(),
    }
