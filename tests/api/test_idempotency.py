"""One answer for one key: repeated, after a crash, beside a living attempt, with another body."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import OperationalError

from api import idempotency
from api.idempotency import Answer, Attempt, Keyed, Pulse, once
from api.models import IdempotencyRecord
from db.session import libpq_url
from hsm import algorithms
from signing.models import Signature, SignRequest, SignRequestStatus
from tests.api.office import Office, empty_pdf

PDF = empty_pdf()


class CrashError(Exception):
    """Stands for the end of the process; the journeys have real ones."""


def counted(office: Office) -> tuple[int, int]:
    with office.wiring.sessions() as session:
        requests = session.scalar(select(func.count()).select_from(SignRequest))
        signatures = session.scalar(select(func.count()).select_from(Signature))
    return int(requests or 0), int(signatures or 0)


def test_the_same_key_and_body_give_the_same_signature(office: Office) -> None:
    certificate = office.certificate()
    first, second = (office.sign(PDF, key="a", certificate_id=certificate["id"]) for _ in "12")
    assert first.content == second.content
    assert first.headers["x-sign-request-id"] == second.headers["x-sign-request-id"]
    assert counted(office) == (1, 1)
    without = office.sign(PDF, certificate_id=certificate["id"])
    assert without.headers["x-sign-request-id"] != first.headers["x-sign-request-id"]


def test_the_same_key_with_another_body_is_a_conflict(office: Office) -> None:
    certificate = office.certificate()
    office.sign(PDF, key="a", certificate_id=certificate["id"])
    for body, options in ((PDF + b"%", {}), (PDF, {"reason": "khác"})):
        answer = office.sign(body, key="a", certificate_id=certificate["id"], **options)
        assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_key_reused")
    assert counted(office) == (1, 1)


def test_a_key_belongs_to_its_caller(office: Office) -> None:
    certificate = office.certificate()
    mine = office.sign(PDF, key="a", certificate_id=certificate["id"])
    theirs = office.sign(PDF, key="a", certificate_id=certificate["id"], token=office.second())
    assert theirs.status_code == 200
    assert theirs.headers["x-sign-request-id"] != mine.headers["x-sign-request-id"]


def test_issue_and_revoke_are_answered_again_and_done_once(office: Office) -> None:
    request = office.request()
    approve = f"/certificate-requests/{request['id']}/approve"
    headers = {"Idempotency-Key": "cấp-1".encode().hex()}

    def twice(path: str, token: str) -> list[bytes]:
        answers = [office.call("POST", path, token=token, headers=headers) for _ in "12"]
        assert [answer.status_code for answer in answers] == [200, 200]
        return [answer.content for answer in answers]

    one, other = twice(approve, office.second())
    assert one == other
    headers = {"Idempotency-Key": "thu-hoi-1"}
    listed = office.call("GET", "/certificates").json()["items"]
    one, other = twice(f"/certificates/{listed[0]['id']}/revoke", office.second())
    assert one == other
    with office.wiring.engine.connect() as connection:
        query = text("SELECT action FROM audit_log WHERE object_type = 'certificate'")
        actions = sorted(connection.scalars(query))
    assert actions == ["certificate.intend", "certificate.issue", "certificate.revoke"]


def test_a_crash_between_intent_and_signature_is_finished_by_the_retry(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = office.certificate()
    asked = {"certificate_id": certificate["id"], "level": "B-B"}
    started: list[SignRequest] = []

    def crash(*_: object, **__: object) -> None:
        with office.wiring.sessions() as session:
            started.extend(session.scalars(select(SignRequest)))
        raise CrashError

    with monkeypatch.context() as patched:
        patched.setattr(algorithms, "sign", crash)
        lost = office.sign(PDF, key="a", **asked)
        assert (lost.status_code, lost.json()["code"]) == (500, "unexpected")
        assert "CrashError" not in lost.text
    assert [request.status for request in started] == [SignRequestStatus.PREPARED]
    answer = office.sign(PDF, key="a", **asked)
    assert answer.status_code == 200
    assert answer.headers["x-sign-request-id"] == str(started[0].id)
    assert counted(office) == (1, 1)


def test_a_living_attempt_is_waited_for_and_a_dead_one_taken_over(office: Office) -> None:
    wiring = office.wiring
    other = Pulse(wiring.engine)
    keyed = Keyed(actor="token:x", key="k", request_sha256="0" * 64, at=office.wiring.clock())
    owner = other.beat()
    first = idempotency._claim(wiring.sessions, wiring.direct, keyed, owner=owner)
    assert isinstance(first, Attempt)

    def act(attempt: Attempt) -> Answer:
        assert attempt.resumed
        assert attempt.object_id == first.object_id
        with office.wiring.sessions.begin() as session:
            attempt.finish(session, Answer(body="mine"))
        return Answer(body="mine")

    with pytest.raises(idempotency.IdempotencyInProgress):
        once(wiring.sessions, wiring.direct, wiring.pulse, keyed, act)
    other.close()
    assert once(wiring.sessions, wiring.direct, wiring.pulse, keyed, act).body == "mine"

    # Whoever lost its claim cannot overwrite the answer any more.
    with office.wiring.sessions.begin() as session:
        first.finish(session, Answer(body="late"))
    assert once(wiring.sessions, wiring.direct, wiring.pulse, keyed, act).body == "mine"


def test_a_key_is_not_blocked_by_an_attempt_that_lost_the_database(office: Office) -> None:
    wiring = office.wiring
    keyed = Keyed(actor="token:x", key="k", request_sha256="0" * 64, at=wiring.clock())
    tried: list[Attempt] = []

    def lose(attempt: Attempt) -> Answer:
        tried.append(attempt)
        with wiring.sessions() as session:
            session.scalar(text("SELECT 1"))  # so that there is a connection to lose
        with psycopg.connect(libpq_url(wiring.url), autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        raise CrashError

    def act(attempt: Attempt) -> Answer:
        tried.append(attempt)
        attempt.finish_alone(wiring.direct, Answer(body="done"))
        return Answer(body="done")

    with pytest.raises((CrashError, OperationalError)):
        once(wiring.sessions, wiring.direct, wiring.pulse, keyed, lose)
    wiring.direct.read("SELECT 1")
    for _ in "12":
        assert once(wiring.sessions, wiring.direct, wiring.pulse, keyed, act).body == "done"
    assert [one.resumed for one in tried] == [False, True]
    assert tried[0].object_id == tried[1].object_id


def test_of_calls_with_one_key_in_one_process_only_the_first_works(office: Office) -> None:
    wiring = office.wiring
    keyed = Keyed(actor="token:x", key="k", request_sha256="0" * 64, at=wiring.clock())
    changed = replace(keyed, request_sha256="1" * 64)

    def ask(keyed: Keyed, act: Callable[[Attempt], Answer]) -> Answer:
        return once(wiring.sessions, wiring.direct, wiring.pulse, keyed, act)

    def refuse(_: Attempt) -> Answer:
        raise AssertionError

    def act(attempt: Attempt) -> Answer:
        with pytest.raises(idempotency.IdempotencyInProgress):
            ask(keyed, refuse)
        with pytest.raises(idempotency.IdempotencyKeyReused):
            ask(changed, refuse)
        assert ask(replace(keyed, actor="token:y"), lambda _: Answer(body="other")).body == "other"
        attempt.finish_alone(wiring.direct, Answer(body="mine"))
        assert ask(keyed, refuse).body == "mine"  # it is answered, though it is not over
        return Answer(body="mine")

    assert ask(keyed, act).body == "mine"
    assert ask(keyed, refuse).body == "mine"


def test_an_attempt_under_way_is_told_over_http_with_a_time_to_retry(office: Office) -> None:
    certificate = office.certificate()
    asked = {"certificate_id": certificate["id"]}
    office.sign(PDF, key="a", **asked)
    other = Pulse(office.wiring.engine)
    with office.wiring.engine.begin() as connection:
        connection.execute(
            text("UPDATE idempotency_records SET answer = NULL, owner = :owner"),
            {"owner": other.beat()},
        )
    answer = office.sign(PDF, key="a", **asked)
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_in_progress")
    assert int(answer.headers["retry-after"]) >= 1
    other.close()
    assert office.sign(PDF, key="a", **asked).status_code == 200
    assert counted(office) == (1, 1)


def test_a_failed_attempt_does_not_block_its_key(office: Office) -> None:
    certificate = office.certificate()
    suspend = f"/certificates/{certificate['id']}"
    office.made(f"{suspend}/suspend", {})
    refused = office.sign(PDF, key="a", certificate_id=certificate["id"])
    assert refused.json()["code"] == "certificate_not_usable"
    office.made(f"{suspend}/restore", {})
    assert office.sign(PDF, key="a", certificate_id=certificate["id"]).status_code == 200


def test_a_request_that_failed_for_good_is_started_anew_under_its_key(office: Office) -> None:
    certificate = office.certificate()
    asked = {"certificate_id": certificate["id"], "level": "B-B"}
    keyed = office.sign(PDF, key="a", **asked)
    with office.wiring.engine.begin() as connection:
        connection.execute(text("DELETE FROM document_proofs"))
        connection.execute(text("DELETE FROM signatures"))
        connection.execute(text("UPDATE sign_requests SET status = 'failed', completed_at = NULL"))
        connection.execute(text("UPDATE idempotency_records SET answer = NULL"))
    again = office.sign(PDF, key="a", **asked)
    assert again.status_code == 200
    assert again.headers["x-sign-request-id"] != keyed.headers["x-sign-request-id"]


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_a_key_has_a_bounded_length(office: Office, key: str) -> None:
    answer = office.sign(PDF, key=key, certificate_id=office.certificate()["id"])
    assert (answer.status_code, answer.json()["code"]) == (422, "parameter_invalid")


def test_old_keys_are_forgotten(office: Office) -> None:
    office.sign(PDF, key="a", certificate_id=office.certificate()["id"])
    with office.wiring.sessions.begin() as session:
        now = office.wiring.clock()
        assert idempotency.purge(session, older_than=now - timedelta(days=1)) == 0
        assert idempotency.purge(session, older_than=now + timedelta(days=1)) == 1
        assert session.scalar(select(func.count()).select_from(IdempotencyRecord)) == 0
