"""What was signed with a certificate, and what falls when it is revoked."""

from datetime import timedelta

from sqlalchemy import update

from signing.models import DocumentProof
from tests.api.office import Office, empty_pdf


def test_documents_proven_before_the_revocation_stand_and_the_others_fall(office: Office) -> None:
    certificate = office.certificate()
    for level in ("B-T", "B-T", "B-B"):
        signed = office.sign(empty_pdf(), certificate_id=certificate["id"], level=level)
        assert signed.status_code == 200, signed.text
    path = f"/certificates/{certificate['id']}/documents"
    before = office.call("GET", path).json()
    assert before["totals"] == {
        "documents": 3, "stands": 2, "doubtful": 0, "falls": 1, "waiting": 0,
    }  # fmt: skip
    assert before["revoked_at"] is None
    with office.wiring.sessions.begin() as session:
        late = before["items"][1]["sign_request_id"]
        session.execute(
            update(DocumentProof)
            .where(DocumentProof.sign_request_id == late)
            .values(made_at=office.wiring.clock() + timedelta(hours=1))
        )
    office.made(f"/certificates/{certificate['id']}/revoke", {"reason": "key_compromise"})
    after = office.call("GET", path).json()
    assert (after["totals"]["stands"], after["totals"]["falls"]) == (1, 2)
    assert after["revoked_at"] == after["if_revoked_at"]
    falling = office.call("GET", path, params={"fate": "falls", "limit": 1}).json()
    assert len(falling["items"]) == 1
    rest = office.call(
        "GET", path, params={"fate": "falls", "limit": 1, "cursor": falling["next_cursor"]}
    ).json()
    assert len(rest["items"]) == 1
    assert rest["next_cursor"] is None
    nothing = office.call("GET", "/certificates/serial:00ff/documents")
    assert (nothing.status_code, nothing.json()["code"]) == (404, "certificate_not_found")
