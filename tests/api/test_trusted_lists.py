"""Trusted lists through their doors: imported, in force for verdicts, withdrawn, removed."""

import io
import ipaddress
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from typer.testing import CliRunner

from api import trusted_list_work, worker
from api.cli import application
from api.errors import SettingsInvalid
from api.models import Role
from tests.api.office import Json, Office
from tests.ca.publisher import publishing
from tests.ca.trusted_lists import List, Service, operator, signed
from tests.pdf.archive_kit import AT, YEAR, Province
from tests.pdf.signing_kit import blank_pdf

DAY = timedelta(days=1)
LISTS = "/trust-anchors/lists"


@pytest.fixture(scope="module")
def province() -> Province:
    return Province()


def xml(province: Province, *, withdrawn: bool = False, sequence: int = 1) -> bytes:
    periods = [("granted", AT - YEAR)]
    if withdrawn:
        periods.append(("withdrawn", AT - DAY))
    service = Service(entity=province.root, periods=periods)
    made = List(services=[service], sequence=sequence, issued=AT - DAY, update=AT + 30 * DAY)
    return signed(made)


def signer() -> str:
    return operator().cert.public_bytes(Encoding.PEM).decode()


def post(office: Office, data: bytes, **more: str) -> Json:
    files = {
        "file": ("list.xml", data, "application/xml"),
        "options": (None, json.dumps({"signer": more.get("signer", signer())})),
    }
    answer = office.call("POST", LISTS, files=files)
    return {"status": answer.status_code, **answer.json()}


def verdict(office: Office, data: bytes) -> tuple[str, str | None]:
    (signature,) = office.verify(data)["signatures"]
    return signature["indication"], signature["sub_indication"]


def test_a_list_decides_over_rest_whom_to_trust_and_since_when(
    office: Office, province: Province
) -> None:
    data = province.sign(blank_pdf())
    assert verdict(office, data) == ("INDETERMINATE", "NO_CERTIFICATE_CHAIN_FOUND")

    made = post(office, xml(province))
    assert made["status"] == 201, made
    assert (made["operator"], made["current"], made["trusted_services"]) == ("Operator", True, 1)
    assert verdict(office, data) == ("TOTAL_PASSED", None)

    assert post(office, xml(province, withdrawn=True, sequence=2))["trusted_services"] == 0
    assert verdict(office, data) == ("INDETERMINATE", "NO_CERTIFICATE_CHAIN_FOUND_NO_POE")
    (listed,) = office.call("GET", LISTS).json()["items"]
    assert listed["sequence_number"] == 2
    assert post(office, xml(province))["code"] == "trusted_list_outdated"

    assert office.call("DELETE", f"{LISTS}/{listed['id']}").status_code == 204
    assert verdict(office, data) == ("INDETERMINATE", "NO_CERTIFICATE_CHAIN_FOUND")
    assert office.call("DELETE", f"{LISTS}/{listed['id']}").status_code == 404


def test_a_verdict_under_a_list_is_repeated_after_the_list_has_changed(
    office: Office, province: Province
) -> None:
    data = province.sign(blank_pdf())
    post(office, xml(province))
    files = {"file": ("a.pdf", data), "options": (None, json.dumps({"store": True}))}
    kept = office.call("POST", "/verify", files=files)
    assert kept.json()["indication"] == "TOTAL_PASSED"
    post(office, xml(province, withdrawn=True, sequence=2))
    path = f"/verifications/{kept.headers['x-verification-id']}/replay"
    again = office.call("POST", path, files={"file": ("a.pdf", data)}).json()
    assert again["same"], again
    assert again["report"]["indication"] == "TOTAL_PASSED"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda data: data.replace(b"granted", b"granteD", 1), "trusted_list_untrusted"),
        (lambda data: b"<!DOCTYPE x>" + data.partition(b"?>")[2], "trusted_list_unreadable"),
        (lambda _: b"no list", "trusted_list_unreadable"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused_with_its_reason(
    office: Office, province: Province, change: object, code: str
) -> None:
    made = post(office, change(xml(province)))  # type: ignore[operator]
    assert (made["status"], made["code"]) == (422, code)
    assert office.call("GET", LISTS).json()["items"] == []


def test_another_signer_or_none_is_refused(office: Office, province: Province) -> None:
    other = province.root.cert.public_bytes(Encoding.PEM).decode()
    assert post(office, xml(province), signer=other)["code"] == "trusted_list_untrusted"
    assert post(office, xml(province), signer="?")["code"] == "anchor_unreadable"


def test_only_administrators_import_lists(office: Office, province: Province) -> None:
    token = office.token((Role.VERIFIER, None))
    files = {"file": ("list.xml", xml(province), "application/xml")}
    answer = office.call("POST", LISTS, files=files, token=token)
    assert answer.status_code == 403


# --- the command that needs no server -------------------------------------------------------------


def antin_verify(folder: Path, *more: str) -> Json:
    arguments = ["verify", str(folder / "a.pdf"), "--offline", "--format", "json", *more]
    done = CliRunner().invoke(application(), arguments)
    assert done.stdout, done.stderr
    found: Json = json.loads(done.stdout)
    return found


def test_the_command_line_verifies_under_a_list(tmp_path: Path, province: Province) -> None:
    (tmp_path / "a.pdf").write_bytes(province.sign(io.BytesIO(blank_pdf()).getvalue()))
    (tmp_path / "signer.pem").write_text(signer())
    named = ["--list-signer", str(tmp_path / "signer.pem")]
    for withdrawn, expected in ((False, "TOTAL_PASSED"), (True, "INDETERMINATE")):
        file = tmp_path / f"list-{withdrawn}.xml"
        file.write_bytes(xml(province, withdrawn=withdrawn))
        report = antin_verify(tmp_path, "--trusted-list", str(file), *named)
        assert report["indication"] == expected


def test_a_list_without_its_signer_is_told_in_one_line(tmp_path: Path, province: Province) -> None:
    (tmp_path / "a.pdf").write_bytes(blank_pdf())
    (tmp_path / "list.xml").write_bytes(xml(province))
    asked = ["verify", str(tmp_path / "a.pdf"), "--trusted-list", str(tmp_path / "list.xml")]
    done = CliRunner().invoke(application(), asked)
    assert done.exit_code == 2
    assert "--list-signer" in done.stderr


def test_lists_are_fetched_where_a_file_names_them_and_not_at_all_without_it(
    office: Office, province: Province
) -> None:
    home = office.wiring.settings.home
    assert trusted_list_work.fetch_now(office.wiring) == []
    with publishing() as publisher:
        publisher.files["/list.xml"] = xml(province)
        (home / "operator.pem").write_text(signer())
        (home / trusted_list_work.FILE).write_text(
            f'[[list]]\naddress = "{publisher.url}/list.xml"\n'
            'territory = "VN"\nsigners = ["operator.pem"]\n'
        )
        (outcome,) = trusted_list_work.fetch_now(office.wiring)
        assert outcome.detail == "address not allowed"  # it is a private one
        inside = (ipaddress.ip_network("127.0.0.0/8"),)
        office.wiring.settings = replace(office.wiring.settings, status_networks=inside)
        worker.handlers(office.wiring)[trusted_list_work.JOB]({})
    (listed,) = office.call("GET", LISTS).json()["items"]
    assert (listed["operator"], listed["current"]) == ("Operator", True)


@pytest.mark.parametrize(
    "text",
    [
        "no toml [",
        "",
        "[list]",
        'more = 1\n[[list]]\naddress = "http://a.test"\nterritory = "VN"\nsigners = ["s.pem"]',
        '[[list]]\naddress = "http://a.test"\nterritory = "VN"',
        '[[list]]\naddress = "http://a.test"\nterritory = "VN"\nsigners = []',
        '[[list]]\naddress = "http://a.test"\nterritory = "VN"\nsigners = [1]',
        '[[list]]\naddress = "http://a.test"\nterritory = "VN"\nsigners = ["missing.pem"]',
        '[[list]]\naddress = "http://a.test"\nterritory = "VN"\nsigners = ["empty.pem"]',
        '[[list]]\naddress = "file:///etc/passwd"\nterritory = "VN"\nsigners = ["s.pem"]',
    ],
)
def test_a_file_of_addresses_that_means_nothing_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "s.pem").write_text(signer())
    (tmp_path / "empty.pem").write_text("nothing")
    (tmp_path / trusted_list_work.FILE).write_text(text)
    with pytest.raises(SettingsInvalid, match=r"trusted-lists\.toml"):
        trusted_list_work.read_addresses(tmp_path)
