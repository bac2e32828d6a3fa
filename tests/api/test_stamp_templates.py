"""The installation's own stamp templates: stored, used by their names, taken away."""

import json

from sqlalchemy import text

from tests.api.office import Json, Office, empty_pdf
from tests.pdf.test_stamps import text_of

OWN: Json = {
    "name": "so-noi-vu.chuyen",
    "title_vi": "Chuyển xử lý",
    "lines": ["{organization}", "Chuyển: {to}", "Ngày {date}"],
    "words": ["to"],
    "frame": True,
    "page": 1,
    "corner": "top-left",
}
WITH_WORDS = json.dumps({"preset": OWN["name"], "words": {"to": "Phòng Tổng hợp"}})


def put(office: Office, name: str, entries: object, *, token: str | None = None):  # noqa: ANN201 -- httpx's own
    who = {} if token is None else {"token": token}
    body = entries if isinstance(entries, bytes) else json.dumps(entries).encode()
    return office.call("PUT", f"/stamp-templates/{name}", content=body, **who)


def names(office: Office) -> list[str]:
    return [each["name"] for each in office.call("GET", "/stamp-templates").json()]


def test_a_template_is_stored_and_signs_by_its_name(office: Office, tmp_path: object) -> None:
    certificate = office.certificate()["id"]
    wanted = {"certificate_id": certificate, "level": "B-B", "stamp": WITH_WORDS}
    unknown = office.sign(empty_pdf(), **wanted)
    assert (unknown.status_code, unknown.json()["code"]) == (422, "stamp_unreadable")
    stored = put(office, str(OWN["name"]), OWN)
    assert stored.status_code == 200, stored.text
    assert (stored.json()["words"], names(office)) == (["to"], [OWN["name"]])
    presets = office.call("GET", "/sign/presets").json()
    assert presets[-1]["name"] == OWN["name"]
    signed = office.sign(empty_pdf(), **wanted)
    assert signed.status_code == 200, signed.text
    assert "Chuyển: Phòng Tổng hợp" in text_of(signed.content, tmp_path)  # type: ignore[arg-type]
    preview = office.call(
        "POST",
        "/sign/preview",
        content=empty_pdf(),
        params=wanted,
        headers={"Content-Type": "application/pdf"},
    )
    assert preview.headers["content-type"] == "image/png"


def test_a_batch_keeps_the_template_that_it_was_ordered_with(
    office: Office, tmp_path: object
) -> None:
    put(office, str(OWN["name"]), OWN)
    answer = office.call(
        "POST",
        "/sign/batches",
        files=[("files", (f"{n}.pdf", empty_pdf())) for n in range(2)],
        data={
            "options": json.dumps(
                {
                    "certificate_id": office.certificate()["id"],
                    "level": "B-B",
                    "stamp": json.loads(WITH_WORDS),
                }
            )
        },
    )
    assert answer.json()["counts"]["signed"] == 2, answer.text
    document = office.call("GET", f"/sign/batches/{answer.json()['id']}/documents/1").content
    assert "Chuyển: Phòng Tổng hợp" in text_of(document, tmp_path)  # type: ignore[arg-type]


def test_a_template_is_changed_and_taken_away_and_the_audit_log_knows(office: Office) -> None:
    name = str(OWN["name"])
    put(office, name, OWN)
    toml = 'name = "so-noi-vu.chuyen"\nlines = ["{name}"]\nin_force_from = 2026-03-05\n'
    changed = put(office, name, toml.encode())
    assert changed.json()["in_force_from"] == "2026-03-05"
    assert changed.json()["words"] == []
    assert office.call("DELETE", f"/stamp-templates/{name}").status_code == 204
    assert names(office) == []
    gone = office.call("DELETE", f"/stamp-templates/{name}")
    assert (gone.status_code, gone.json()["code"]) == (404, "template_not_found")
    with office.wiring.engine.connect() as connection:
        query = text("SELECT action FROM audit_log WHERE object_type = 'stamp_template'")
        actions = sorted(connection.scalars(query))
    assert actions == ["stamp_template.removed", *["stamp_template.stored"] * 2]


WRONG: list[tuple[str, object]] = [
    ("another", OWN),
    ("standard", {**OWN, "name": "standard"}),
    ("x", {"name": "x", "lines": ["{gì}"]}),
    ("x", [1, 2]),
    ("x", b"\xff\xfe nonsense ="),
    ("x", b"{" * 70_000),
    ("..", {**OWN, "name": ".."}),
    ("a%2Fb", {**OWN, "name": "a/b"}),
    ("%2e%2e%2fx", {**OWN, "name": "../x"}),
]


def test_what_breaks_a_rule_is_not_stored(office: Office) -> None:
    for name, entries in WRONG:
        answer = put(office, name, entries)
        assert answer.status_code in {404, 405, 413, 422}, answer.text
    assert names(office) == []
    assert not list(office.wiring.settings.home.rglob("stamp-templates/*"))


def test_a_file_put_there_by_hand_is_used_and_a_broken_one_left_out(office: Office) -> None:
    folder = office.wiring.settings.home / "stamp-templates"
    folder.mkdir()
    (folder / "tay.toml").write_text('name = "tay"\nlines = ["{name}"]\n', encoding="utf-8")
    (folder / "hong.toml").write_text('name = "khac"\nlines = ["{name}"]\n', encoding="utf-8")
    assert names(office) == ["tay"]
    wanted = {"certificate_id": office.certificate()["id"], "level": "B-B"}
    assert office.sign(empty_pdf(), stamp="tay", **wanted).status_code == 200
    broken = office.sign(empty_pdf(), stamp="hong", **wanted)
    assert (broken.status_code, broken.json()["code"]) == (422, "template_invalid")


def test_only_who_writes_the_registry_for_all_may_store_templates(office: Office) -> None:
    unit = office.call(
        "POST", "/organizations", json={"code": "000.01.00.H10", "name": "Sở", "level": "district"}
    ).json()
    for role in ("signer", "registrar"):
        made = office.call(
            "POST",
            "/api-tokens",
            json={"name": role, "roles": [{"role": role, "organization_id": unit["id"]}]},
        ).json()
        refused = put(office, str(OWN["name"]), OWN, token=made["token"])
        assert refused.status_code == 403
    assert names(office) == []
