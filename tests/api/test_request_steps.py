"""A dossier from the draft to the first use, and a certificate's successor, through the calls."""

from datetime import timedelta
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import ec

from api.models import Role
from ca import request_routing, requests
from tests.api.office import Office, csr_pem


def test_a_dossier_goes_from_the_draft_to_the_first_use(office: Office) -> None:
    person = office.subscriber(office.organization())
    asked = {"subscriber_id": person["id"], "key_algorithm": "p-256", "draft": True}
    request = office.made("/certificate-requests", asked)
    path = f"/certificate-requests/{request['id']}"
    assert request["state"] == "draft"
    too_early = office.call("POST", f"{path}/approve", token=office.second())
    assert (too_early.status_code, too_early.json()["code"]) == (409, "transition_not_allowed")
    assert office.made(f"{path}/confirm", {})["state"] == "agency_confirmed"
    assert office.made(f"{path}/receive", {})["state"] == "received"
    office.made(f"{path}/approve", {}, token=office.second())
    assert office.made(f"{path}/deliver", {})["state"] == "delivered"
    assert office.made(f"{path}/activate", {})["state"] == "active"
    again = office.call("POST", f"{path}/activate")
    assert (again.status_code, again.json()["code"]) == (409, "transition_not_allowed")
    steps = office.call("GET", f"{path}/history").json()["steps"]
    assert [one["state"] for one in steps] == [
        "draft",
        "agency_confirmed",
        "received",
        "approved",
        "key_generated",
        "issued",
        "delivered",
        "active",
    ]


def test_a_returned_request_is_put_in_again_by_whoever_made_it(office: Office) -> None:
    request = office.request()
    path = f"/certificate-requests/{request['id']}"
    office.made(f"{path}/return", {"note": "thiếu quyết định bổ nhiệm"}, token=office.second())
    other = office.call("POST", f"{path}/receive", token=office.second())
    assert (other.status_code, other.json()["code"]) == (422, "request_invalid")
    assert office.made(f"{path}/receive", {})["state"] == "received"


def test_steps_are_for_those_whose_unit_it_is(office: Office) -> None:
    request = office.request()
    elsewhere = office.organization(name="Sở Tài chính")
    stranger = office.token((Role.REGISTRAR, elsewhere["id"]))
    for step in ("confirm", "receive", "deliver", "activate"):
        refused = office.call(
            "POST", f"/certificate-requests/{request['id']}/{step}", token=stranger
        )
        assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")


def test_a_certificate_is_renewed_by_two_people_and_keeps_its_link(office: Office) -> None:
    old = office.certificate()
    asked = office.call(
        "POST", f"/certificates/{old['id']}/renew", headers={"Idempotency-Key": "once"}
    )
    assert asked.status_code == 201, asked.text
    request = asked.json()
    assert (request["kind"], request["key_algorithm"]) == ("renew", "p-256")
    own = office.call("POST", f"/certificate-requests/{request['id']}/approve")
    assert own.json()["code"] == "self_approval"
    path = f"/certificate-requests/{request['id']}/approve"
    new = office.made(path, {}, token=office.second())["certificate"]
    assert new["predecessor_id"] == old["id"]
    assert new["serial_number"] != old["serial_number"]


def test_a_holder_with_an_own_key_renews_with_a_csr(office: Office) -> None:
    old = office.certificate(csr=csr_pem(ec.generate_private_key(ec.SECP256R1())))
    path = f"/certificates/serial:{old['serial_number']}/renew"
    nothing = office.call("POST", path)
    assert (nothing.status_code, nothing.json()["code"]) == (422, "request_invalid")
    csr = csr_pem(ec.generate_private_key(ec.SECP256R1()))
    assert office.made(path, {"csr": csr})["certificate_id"] == old["id"]


def test_a_request_is_overdue_until_it_is_done(office: Office) -> None:
    request = office.request()
    with office.wiring.sessions() as session:
        row = requests.get(session, UUID(request["id"]))
        routed = request_routing.routing(session, row.id)
        assert routed is not None
        late = routed.due_at + timedelta(seconds=1)
        assert request_routing.is_overdue(row, routed, at=late)
        assert not request_routing.is_overdue(row, routed, at=routed.due_at)
        found = request_routing.overdue(session, at=late, under=None, limit=10)
        assert [one.id for one, _ in found] == [row.id]
