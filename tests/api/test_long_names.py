"""Names of more octets than characters: issued, searched, counted, signed with and read again."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ca import lint, profiles
from tests.api.office import Json, Office, empty_pdf
from tests.ca.gnutls import certtool
from tests.ca.linters import certificate_findings
from tests.ca.openssl import openssl, write_pem


@dataclass(frozen=True)
class Holder:
    """Whose certificate it is, and how somebody without a Vietnamese keyboard looks for it."""

    kind: str
    name: str
    sought: str
    profile: str


AGENCY = Holder(
    "organization",
    "Ban Quản lý dự án đầu tư xây dựng các công trình tỉnh Bình Phước",
    "du an dau tu xay dung cac cong trinh",
    "organizational",
)
PERSON = Holder(
    "person",
    "Công Tằng Tôn Nữ Nguyễn Thị Thủy Tiên Phương Thảo",
    "cong tang ton nu",
    "personal",
)
HOLDERS = pytest.mark.parametrize("holder", [AGENCY, PERSON], ids=lambda one: one.kind)


def asked(office: Office, holder: Holder, key: Json) -> Json:
    """Register the unit and the holder, and ask for a certificate."""
    unit = office.organization(name=holder.name if holder is AGENCY else "Sở Nội vụ")
    body = {"organization_id": unit["id"], "full_name": holder.name, "kind": holder.kind}
    subscriber = office.made("/subscribers", body)
    request = {"subscriber_id": subscriber["id"], "profile": holder.profile, **key}
    return office.made("/certificate-requests", request)


def issued(office: Office, holder: Holder, key: Json) -> Json:
    path = f"/certificate-requests/{asked(office, holder, key)['id']}/approve"
    return dict(office.made(path, {}, token=office.second())["certificate"])


def request_of_openssl(name: str, folder: Path) -> str:
    """Have openssl ask for that very name, as an agency's own tools do."""
    made = openssl(
        *("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"),
        *("-keyout", folder / "key.pem", "-utf8", "-subj", f"/C=VN/CN={name}"),
    )
    assert made.returncode == 0, made.stderr
    return made.stdout


@HOLDERS
def test_a_name_of_more_than_64_octets_is_certified_and_other_readers_accept_it(
    office: Office, tmp_path: Path, holder: Holder
) -> None:
    assert len(holder.name) <= 64 < len(holder.name.encode())
    certificate = issued(office, holder, {"csr": request_of_openssl(holder.name, tmp_path)})
    assert certificate["subject"].startswith(f"CN={holder.name},")
    pem = certificate["pem"].encode()
    file = tmp_path / "certificate.der"
    file.write_bytes(x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER))
    assert not certificate_findings(file)
    findings = lint.full(file.read_bytes(), profiles.get(holder.profile).etsi_type)
    severe = [one for one in findings if one.severity >= lint.REFUSED_FROM]
    assert [one for one in severe if one.code not in lint.ACCEPTED] == []

    issuing, root = (office.http.get(f"/pki/{slug}.cer").content for slug in ("issuing", "root"))
    above = [write_pem(tmp_path / "issuing.pem", issuing), write_pem(tmp_path / "root.pem", root)]
    chain = tmp_path / "chain.pem"
    chain.write_bytes(pem + b"".join(one.read_bytes() for one in above))
    assert certtool("--verify-chain", "--infile", chain).returncode == 0
    verified = openssl(
        *("verify", "-x509_strict", "-CAfile", above[1], "-untrusted", above[0], chain)
    )
    assert verified.returncode == 0, verified.stderr
    shown = openssl("x509", "-in", chain, "-noout", "-subject", "-nameopt", "utf8,sep_comma_plus")
    assert f"CN={holder.name}" in shown.stdout
    assert f"CN={holder.name}" in certtool("--certificate-info", "--infile", chain).stdout


@HOLDERS
def test_whoever_has_a_long_name_is_found_counted_and_signs(
    office: Office, tmp_path: Path, holder: Holder
) -> None:
    certificate = issued(office, holder, {"key_algorithm": "p-256"})
    found = office.call("GET", "/certificates", params={"name": holder.sought}).json()["items"]
    assert [one["id"] for one in found] == [certificate["id"]]
    counted = office.call("GET", "/reports/certificates", params={"by": "organization"}).json()
    assert [row["in_force"] for row in counted["rows"]] == [1]

    signed = office.sign(empty_pdf(), certificate_id=certificate["id"])
    assert signed.status_code == 200, signed.text
    signature = office.verify(signed.content)["signatures"][0]
    assert signature["indication"] == "TOTAL_PASSED", signature
    assert holder.name in signature["signer"]["subject"]
    file = tmp_path / "signed.pdf"
    file.write_bytes(signed.content)
    seen = subprocess.run(
        ["pdfsig", "-nocert", str(file)], capture_output=True, text=True, check=False, timeout=60
    )
    assert f"Signer Certificate Common Name: {holder.name}" in seen.stdout
    assert "Signature is Valid." in seen.stdout


def test_one_character_more_than_64_is_refused_with_the_reason(office: Office) -> None:
    body = {"organization_id": office.organization()["id"], "full_name": AGENCY.name + "x"}
    answer = office.call("POST", "/subscribers", json=body | {"kind": "organization"})
    assert (answer.status_code, answer.json()["code"]) == (422, "subject_invalid")
    assert "64 characters" in answer.json()["detail"]
