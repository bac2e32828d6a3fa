"""The short way of a signature: the same rows as the long one, and no check is missing on it."""

import io
import uuid

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from ca.errors import CertificateNotUsable
from ca.standing import standing
from db.direct import Direct
from db.errors import StatementFailed, ValueTaken
from hsm import algorithms
from pdf.options import Level, SignatureOptions
from signing import sign
from signing.errors import SignRequestClosed
from signing.sign import SignOrder
from tests.api.office import Json, Office, empty_pdf

ACTOR = "token:thử"
QUERIES = {
    "sign_requests": "SELECT status, actor, certificate_id, organization_id, file_name, level,"
    " algorithm, expires_at - created_at, completed_at - created_at, error_code,"
    " when_no_timestamp, reached_level, upgrade, upgrade_error FROM sign_requests"
    " WHERE id::text = :id",
    "signatures": "SELECT certificate_id, signed_at, level, field FROM signatures"
    " WHERE sign_request_id::text = :id",
    "document_proofs": "SELECT made_at, level, proven_until, superseded FROM document_proofs"
    " WHERE sign_request_id::text = :id",
    "audit_log": "SELECT at, actor, action, object_type, (after::jsonb - 'sha256')::text"
    " FROM audit_log WHERE object_id = :id ORDER BY action",
}


def order(office: Office, certificate: Json) -> SignOrder:
    return SignOrder(
        certificate_id=uuid.UUID(certificate["id"]),
        file_name="quyết định.pdf",
        options=SignatureOptions(signing_time=office.wiring.clock()),
        level=Level.B_B,
    )


def rows(session: Session, request: uuid.UUID) -> dict[str, list[tuple[object, ...]]]:
    return {
        table: [tuple(row) for row in session.execute(text(query), {"id": str(request)})]
        for table, query in QUERIES.items()
    }


def test_both_ways_leave_the_same_rows(office: Office) -> None:
    certificate, wiring = office.certificate(), office.wiring
    at = wiring.clock()
    short, long = order(office, certificate), order(office, certificate)
    found = standing(wiring.direct, short.certificate_id)
    assert wiring.at_once.takes(found, short)
    with in_file(office) as source:
        wiring.at_once.sign(source, short, found, at=at, actor=ACTOR).close()
        source.seek(0)
        sign.start(wiring.desk, source, long, at=at, actor=ACTOR)
        sign.sign_now(wiring.desk, long.request_id, at=at, actor=ACTOR)
    with wiring.sessions() as session:
        left, right = rows(session, short.request_id), rows(session, long.request_id)
    assert left == right
    assert [len(found) for found in left.values()] == [1, 1, 1, 2]


def test_a_certificate_revoked_while_the_document_is_prepared_signs_nothing(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, wiring = office.certificate(), office.wiring
    asked = order(office, certificate)
    found = standing(wiring.direct, asked.certificate_id)
    office.made(f"/certificates/{certificate['id']}/revoke", {})
    used: list[bool] = []
    monkeypatch.setattr(algorithms, "sign", lambda *_: used.append(True))
    with in_file(office) as source, pytest.raises(CertificateNotUsable, match="revoked"):
        wiring.at_once.sign(source, asked, found, at=wiring.clock(), actor=ACTOR)
    assert not used
    with wiring.sessions() as session:
        assert rows(session, asked.request_id)["sign_requests"] == []
    assert not wiring.documents.holds(asked.request_id)


def test_a_request_cancelled_while_its_key_works_is_not_handed_out(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, wiring = office.certificate(), office.wiring
    asked = order(office, certificate)
    real = algorithms.sign

    def cancelled_meanwhile(
        key: algorithms.PrivateKey, algorithm: algorithms.SignatureAlgorithm, data: bytes
    ) -> bytes:
        sign.cancel(wiring.desk, asked.request_id, at=wiring.clock(), actor=ACTOR)
        return real(key, algorithm, data)

    monkeypatch.setattr(algorithms, "sign", cancelled_meanwhile)
    found = standing(wiring.direct, asked.certificate_id)
    with in_file(office) as source, pytest.raises(SignRequestClosed):
        wiring.at_once.sign(source, asked, found, at=wiring.clock(), actor=ACTOR)
    with wiring.sessions() as session:
        left = rows(session, asked.request_id)
    assert left["signatures"] == []
    assert left["sign_requests"][0][0] == "cancelled"


def test_a_read_survives_a_lost_connection_and_a_write_is_not_repeated(office: Office) -> None:
    direct = Direct(office.wiring.url, connections=1)
    kill = "SELECT pg_terminate_backend(%s)"
    try:
        for attempt in (direct.read, direct.write):
            ((pid,),) = direct.read("SELECT pg_backend_pid()")
            office.wiring.direct.read(kill, (pid,))
            if attempt == direct.read:
                assert attempt("SELECT 1") == [(1,)]
            else:
                with pytest.raises(StatementFailed):
                    attempt("SELECT 1")
    finally:
        direct.close()


def test_a_second_row_of_the_same_id_is_told(office: Office) -> None:
    certificate = office.certificate()
    with pytest.raises(ValueTaken):
        office.wiring.direct.write(
            "INSERT INTO certificates SELECT * FROM certificates WHERE id = %s",
            (certificate["id"],),
        )


def in_file(office: Office) -> io.BufferedReader:
    path = office.wiring.settings.spool / f"{uuid.uuid4()}.pdf"
    path.write_bytes(empty_pdf())
    return path.open("rb")
