"""Batches through the doors: forms, archives, results, one by one or all together."""

import io
import json
import zipfile

import pytest
from sqlalchemy import text

from api import worker
from api.batch_uploads import MAX_DIRECTORY
from db.jobs import run_pending
from signing.batches import MOST_FILES
from tests.api.conftest import UPLOAD_LIMIT
from tests.api.office import Json, Office, empty_pdf
from tests.api.test_what_is_kept import another_server

NAMES = ["Quyết định.pdf", "Tờ trình.pdf", "Công văn.pdf"]


def documents(count: int) -> list[tuple[str, tuple[str, bytes]]]:
    return [
        ("files", (f"{number}-{NAMES[number % 3]}", empty_pdf() + b"%%%d\n" % number))
        for number in range(count)
    ]


def send(office: Office, files: object, *, key: str | None = None, **options: object) -> Json:
    headers = {"Idempotency-Key": key} if key else {}
    answer = office.call(
        "POST",
        "/sign/batches",
        files=files,
        data={"options": json.dumps({"level": "B-B", **options})},
        headers=headers,
    )
    assert answer.status_code in {200, 202}, answer.text
    return {**answer.json(), "http": answer.status_code}


def test_a_small_batch_is_signed_at_once_and_fetched_one_by_one(office: Office) -> None:
    certificate = office.certificate()
    done = send(office, documents(4), certificate_id=certificate["id"], stamp="standard")
    assert (done["http"], done["status"]) == (200, "done")
    assert done["counts"]["signed"] == 4
    assert [item["file_name"] for item in done["items"]] == [n[1][0] for n in documents(4)]
    answer = office.call("GET", f"/sign/batches/{done['id']}/documents/2")
    assert answer.content.startswith(documents(4)[2][1][1])
    assert office.verify(answer.content)["indication"] == "TOTAL_PASSED"
    strange = office.call("GET", f"/sign/batches/{done['id']}/documents/9")
    assert (strange.status_code, strange.json()["code"]) == (404, "batch_not_found")


def test_all_signed_documents_come_as_one_archive(office: Office) -> None:
    certificate = office.certificate()
    same = [("files", ("a.pdf", empty_pdf() + b"%1\n")), ("files", ("a.pdf", empty_pdf()))]
    done = send(office, [*same, ("files", ("b.pdf", b"no PDF"))], certificate_id=certificate["id"])
    assert done["counts"] | {"signed": 2, "failed": 1} == done["counts"]
    assert done["items"][2]["error_code"] == "not_a_pdf"
    archive = office.call("GET", f"/sign/batches/{done['id']}/documents")
    with zipfile.ZipFile(io.BytesIO(archive.content)) as opened:
        assert opened.namelist() == ["a.pdf", "0001-a.pdf"]
        assert all(b"/ByteRange" in opened.read(name) for name in opened.namelist())
    failed = office.call("GET", f"/sign/batches/{done['id']}/documents/2")
    assert failed.status_code == 409


@pytest.mark.parametrize("shape", ["part", "body"])
def test_an_archive_is_taken_apart(office: Office, shape: str) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in NAMES:
            archive.writestr(f"thư mục/{name}", empty_pdf())
    certificate = office.certificate()["id"]
    if shape == "part":
        done = send(office, [("files", ("a.zip", packed.getvalue()))], certificate_id=certificate)
    else:
        answer = office.call(
            "POST",
            "/sign/batches",
            content=packed.getvalue(),
            params={"certificate_id": certificate, "level": "B-B"},
            headers={"Content-Type": "application/zip"},
        )
        done = answer.json()
    assert [item["file_name"] for item in done["items"]] == NAMES
    assert done["counts"]["signed"] == 3


def test_a_large_batch_is_work_for_the_worker_and_shows_its_progress(office: Office) -> None:
    certificate = office.certificate()
    given = send(office, documents(12), certificate_id=certificate["id"])
    assert (given["http"], given["status"]) == (202, "running")
    path = f"/sign/batches/{given['id']}"
    assert office.call("GET", path).json()["counts"]["waiting"] == 12
    run_pending(office.wiring.url, worker.handlers(office.wiring))
    done = office.call("GET", path, params={"limit": "5"}).json()
    assert (done["status"], done["counts"]["signed"], len(done["items"])) == ("done", 12, 5)
    rest = office.call("GET", path, params={"cursor": done["next_cursor"], "limit": "50"}).json()
    assert [item["position"] for item in rest["items"]] == list(range(5, 12))
    assert rest["next_cursor"] is None


def test_the_same_key_gives_the_same_batch_and_no_second_signature(office: Office) -> None:
    certificate = office.certificate()
    first, second = (
        send(office, documents(3), key="lô-1".encode().hex(), certificate_id=certificate["id"])
        for _ in "12"
    )
    assert first["id"] == second["id"]
    with office.wiring.engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM signatures")) == 3
    other = office.call(
        "POST",
        "/sign/batches",
        files=documents(2),
        data={"options": json.dumps({"certificate_id": certificate["id"]})},
        headers={"Idempotency-Key": "lô-1".encode().hex()},
    )
    assert other.status_code == 409


def test_a_batch_is_cancelled_and_belongs_to_its_caller(office: Office) -> None:
    given = send(office, documents(12), certificate_id=office.certificate()["id"])
    path = f"/sign/batches/{given['id']}"
    for method in ("GET", "DELETE"):
        other = office.call(method, path, token=office.second())
        assert (other.status_code, other.json()["code"]) == (404, "batch_not_found")
    assert office.call("DELETE", path).json()["counts"]["cancelled"] == 12
    resumed = office.call("POST", f"{path}/resume")
    assert (resumed.status_code, resumed.json()["code"]) == (409, "batch_closed")


def zipped(size: int) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bom.pdf", bytes(size))
    return packed.getvalue()


@pytest.mark.parametrize(
    ("files", "status", "code"),
    [
        ([("files", ("a.pdf", bytes(UPLOAD_LIMIT + 1)))], 413, "body_too_large"),
        ([("files", ("a.zip", zipped(UPLOAD_LIMIT * 3)))], 413, "body_too_large"),
        ([("files", ("a.zip", zipped(10)[:-9]))], 422, "parameter_invalid"),
        ([("document", ("a.pdf", b"x"))], 422, "body_missing"),
    ],
    ids=["large", "bomb", "half an archive", "no files"],
)
def test_what_cannot_be_taken_is_a_problem_and_leaves_nothing(
    office: Office, files: object, status: int, code: str
) -> None:
    data = {"options": json.dumps({"certificate_id": office.certificate()["id"]})}
    answer = office.call("POST", "/sign/batches", files=files, data=data)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    home = office.wiring.settings.home
    assert list((home / "spool").iterdir()) == []
    assert not any((home / "documents").glob("batches/*"))


def test_an_archive_that_lists_files_without_end_is_refused_before_the_list_is_taken_in(
    office: Office,
) -> None:
    """Each name would become an object of some ten times its size."""
    one = b"PK\1\2" + bytes(24) + b"\1\0" + bytes(16) + b"a"  # a file's entry in the list
    names = one * (MAX_DIRECTORY // len(one) + 1)
    end = b"PK\5\6" + bytes(8) + len(names).to_bytes(4, "little") + bytes(6)
    archive = b"PK\3\4" + names + end
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        assert len(opened.infolist()) > MOST_FILES
    data = {"options": json.dumps({"certificate_id": office.certificate()["id"]})}
    files = [("files", ("a.zip", archive))]
    with another_server(office, max_upload_bytes=2 * len(archive)) as server:
        answer = server.call("POST", "/sign/batches", files=files, data=data)
    assert (answer.status_code, answer.json()["code"]) == (422, "parameter_invalid")
    assert "damaged" in answer.json()["detail"]
    assert list((office.wiring.settings.home / "spool").iterdir()) == []
