"""Changes made past the triggers, by someone who may do anything in the database, are found."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from db import audit
from db.audit import AuditVerdict, ChainHead, Fault
from tests.database import TestDatabases

AT = datetime(2026, 3, 1, tzinfo=UTC)
Sessions = sessionmaker[Session]


@pytest.fixture
def written(sessions: Sessions) -> Sessions:
    """Five entries, all in the chain of one transaction, and twenty more anywhere."""
    for entries in (5, *[1] * 20):
        with sessions.begin() as session:
            for number in range(entries):
                audit.record(
                    session,
                    at=AT,
                    actor="a",
                    action="b",
                    object_type="t",
                    object_id=str(number),
                    before={"n": 1, "m": 2},
                )
    return sessions


class Intruder:
    """Someone with the superuser's password, and the database's own view of the log."""

    def __init__(self, postgres: TestDatabases, engine: Engine, sessions: Sessions) -> None:
        self._postgres, self._database, self._sessions = (
            postgres,
            engine.url.database or "",
            sessions,
        )
        with sessions() as session:
            longest = max(audit.heads(session), key=lambda head: head.sequence)
        self.chain, self.length = longest.chain, longest.sequence

    def run(self, statement: str) -> AuditVerdict:
        """Run the statement on the longest chain with every trigger off, then verify."""
        with self._postgres.superuser(self._database) as connection, connection.transaction():
            connection.execute("SET LOCAL session_replication_role = replica")
            connection.execute(statement.format(chain=self.chain, last=self.length).encode())
        with self._sessions() as session:
            return audit.verify(session)


@pytest.fixture
def intruder(postgres: TestDatabases, engine: Engine, written: Sessions) -> Intruder:
    return Intruder(postgres, engine, written)


@pytest.mark.parametrize(
    ("statement", "fault", "sequence"),
    [
        ("UPDATE audit_log SET actor='c' WHERE chain={chain} AND sequence=2", "content_changed", 2),
        (
            """UPDATE audit_log SET before='{{"m":2, "n":1}}' WHERE chain={chain} AND sequence=3""",
            "content_changed",
            3,
        ),
        (
            "UPDATE audit_log SET at=at+'1us' WHERE chain={chain} AND sequence=4",
            "content_changed",
            4,
        ),
        ("DELETE FROM audit_log WHERE chain={chain} AND sequence=2", "entry_missing", 2),
        ("DELETE FROM audit_log WHERE chain={chain} AND sequence=1", "entry_missing", 1),
        ("DELETE FROM audit_log WHERE chain={chain} AND sequence={last}", "tail_missing", None),
        ("DELETE FROM audit_log WHERE chain={chain}", "tail_missing", 1),
        (
            "UPDATE audit_log SET digest=sha256(digest) WHERE chain={chain} AND sequence=1",
            "link_broken",
            1,
        ),
        (
            "UPDATE audit_log SET content_digest=sha256('x') WHERE chain={chain} AND sequence=1",
            "content_changed",
            1,
        ),
        ("UPDATE audit_chains SET digest=sha256(digest) WHERE chain={chain}", "head_changed", None),
        ("UPDATE audit_chains SET sequence=sequence-1 WHERE chain={chain}", "tail_added", None),
        ("DELETE FROM audit_chains WHERE chain={chain}", "chain_missing", None),
    ],
)
def test_a_change_past_the_triggers_is_found(
    intruder: Intruder, statement: str, fault: str, sequence: int | None
) -> None:
    verdict = intruder.run(statement)
    assert not verdict.intact
    assert verdict.first_broken is not None
    assert len(verdict.broken) == 1
    assert verdict.first_broken.fault == fault
    assert verdict.first_broken.chain == intruder.chain
    assert verdict.first_broken.sequence == (sequence or verdict.first_broken.sequence)


def test_a_chain_removed_with_its_head_is_found(intruder: Intruder) -> None:
    verdict = intruder.run(
        "DELETE FROM audit_log WHERE chain={chain}; DELETE FROM audit_chains WHERE chain={chain}"
    )
    assert [broken.fault for broken in verdict.broken] == [Fault.CHAIN_MISSING]


def test_each_broken_chain_is_reported_once(intruder: Intruder) -> None:
    verdict = intruder.run("UPDATE audit_log SET actor = 'someone else'")
    assert len(verdict.broken) == len({broken.chain for broken in verdict.broken}) > 1
    assert {broken.sequence for broken in verdict.broken} == {1}


def test_an_anchor_kept_elsewhere_finds_a_tail_cut_off_with_its_head(
    intruder: Intruder, sessions: Sessions
) -> None:
    with sessions() as session:
        anchors = audit.heads(session)
        assert audit.verify(session, anchors=anchors).intact
    verdict = intruder.run(
        "DELETE FROM audit_log WHERE chain={chain} AND sequence={last};"
        "UPDATE audit_chains c SET sequence=l.sequence, digest=l.digest FROM audit_log l"
        " WHERE c.chain={chain} AND l.chain={chain} AND l.sequence={last}-1"
    )
    assert verdict.intact  # nothing within the database tells
    with sessions() as session:
        verdict = audit.verify(session, anchors=anchors)
    assert [broken.fault for broken in verdict.broken] == [Fault.ANCHOR_BROKEN]


def test_an_anchor_finds_a_chain_that_was_written_anew(
    intruder: Intruder, sessions: Sessions
) -> None:
    with sessions() as session:
        (head,) = (head for head in audit.heads(session) if head.chain == intruder.chain)
        forged = ChainHead(chain=head.chain, sequence=1, digest=bytes(32))
        assert audit.verify(session, anchors=(head,)).intact
        verdict = audit.verify(session, anchors=(forged,))
    assert verdict.first_broken is not None
    assert (verdict.first_broken.fault, verdict.first_broken.sequence) == (Fault.ANCHOR_BROKEN, 1)


def test_the_log_is_checked_in_chunks_while_others_write(
    written: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("db.audit_verification.CHUNK", 2)
    with written() as reader:
        reader.connection()
        with written.begin() as writer:
            audit.record(
                writer, at=AT, actor="a", action="b", object_type="t", object_id="meanwhile"
            )
        verdict = audit.verify(reader)
    assert (verdict.intact, verdict.entries) == (True, 26)
