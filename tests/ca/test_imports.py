"""Certificates issued elsewhere come in by files of every kind, row by row, once."""

import itertools
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from ca import certificate_search, import_files, imports, registry, reports, revoke
from ca.certificate_search import SearchFilters
from ca.errors import OrganizationNotFound
from ca.errors_registry import ImportNotFound, ImportUnreadable
from ca.imports import ImportOptions, ImportProgress, Source
from ca.models import Certificate, CertificateKind, CertificateStatus, Subscriber
from ca.models_imports import Import, ImportRow, RowState
from ca.models_issuers import KnownIssuer
from ca.reports import Totals
from ca.revocation_reasons import RevocationReason
from db.base import uuid7
from tests.ca import elsewhere
from tests.ca.elsewhere import Elsewhere, archive, der, pem, table, workbook
from tests.ca.house import AT, CLERK, House

VNPT = ImportOptions(issuer="VNPT-CA")


def submitted(
    sessions: sessionmaker[Session], data: bytes, options: ImportOptions = VNPT
) -> uuid.UUID:
    file_format, rows = import_files.read(data)
    source = Source("danh sách.csv", file_format, imports.sha256(data))
    with sessions.begin() as session:
        made = imports.submit(
            session, source=source, rows=rows, options=options, at=AT, actor=CLERK
        )
        return made.id


def imported(
    sessions: sessionmaker[Session], data: bytes, options: ImportOptions = VNPT
) -> ImportProgress:
    import_id = submitted(sessions, data, options)
    assert imports.run(sessions, import_id, at=AT)
    with sessions() as session:
        return imports.progress(session, import_id)


def problems(sessions: sessionmaker[Session], progress: ImportProgress) -> dict[int, list[str]]:
    with sessions() as session:
        failed = imports.rows(
            session, progress.record.id, states=frozenset({RowState.FAILED}), limit=100
        )
    return {row.number: [one["code"] for one in row.problems or ()] for row in failed}


def certificates(sessions: sessionmaker[Session]) -> list[Certificate]:
    with sessions() as session:
        query = select(Certificate).where(Certificate.known_issuer_id.is_not(None))
        return list(session.scalars(query.order_by(Certificate.serial_number)))


def test_a_list_as_an_office_keeps_it_becomes_certificates(house: House) -> None:
    house.organization("Sở Nội vụ")
    data = table(
        [
            ["1", "54:01:0A", "Nguyễn Thị Đức", "SỞ NỘI VỤ", "01/02/2024", "01/02/2029", ""],
            ["2", "5401b", "Trần Văn Ấn", "So Noi vu", "2024-2-1", "1-2-2029", "Thu hồi"],
            ["3", "ff", "Đỗ Thị Hồng", "Sở Nội vụ", "1.2.2024", "2029/02/01 08:00", "Tạm dừng"],
        ]
    )
    progress = imported(house.sessions, data)
    assert progress.counts == {RowState.CREATED: 3}
    by_serial = {row.serial_number: row for row in certificates(house.sessions)}
    assert set(by_serial) == {"54010a", "05401b", "ff"}
    one = by_serial["54010a"]
    assert one.not_before == datetime(2024, 1, 31, 17, tzinfo=UTC)
    assert one.not_after == datetime(2029, 2, 1, 16, 59, 59, tzinfo=UTC)
    assert (one.der, one.spki_sha256, one.authority_id) == (None, None, None)
    assert by_serial["05401b"].status is CertificateStatus.REVOKED
    assert by_serial["ff"].status is CertificateStatus.SUSPENDED
    assert by_serial["ff"].not_after == datetime(2029, 2, 1, 1, tzinfo=UTC)
    with house.sessions() as session:
        assert registry.get(session, "serial:0054010A").id == one.id
        found = certificate_search.search(session, filters=SearchFilters(name="do thi hong"))
        assert [row.serial_number for row in found.items] == ["ff"]


def test_the_same_file_again_changes_nothing_and_a_newer_one_only_what_is_new(
    house: House,
) -> None:
    house.organization("Sở Nội vụ")
    row = ["1", "aa01", "Nguyễn Thị Đức", "Sở Nội vụ", "01/02/2024", "01/02/2029"]
    assert imported(house.sessions, table([[*row, "Hoạt động"]])).counts == {RowState.CREATED: 1}
    again = imported(house.sessions, table([[*row, "Hoạt động"]]))
    assert again.counts == {RowState.UNCHANGED: 1}
    ended = imported(house.sessions, table([[*row, "Đã thu hồi"]]))
    assert ended.counts == {RowState.UPDATED: 1}
    back = imported(house.sessions, table([[*row, "Hoạt động"]]))
    assert problems(house.sessions, back) == {2: ["revoked_before"]}
    other = [*row[:5], "01/02/2030", ""]
    assert problems(house.sessions, imported(house.sessions, table([other]))) == {
        2: ["known_differently"]
    }
    assert len(certificates(house.sessions)) == 1


@pytest.mark.parametrize(
    ("cells", "codes"),
    [
        ({1: ""}, ["missing_value"]),
        ({1: "xyz"}, ["serial_invalid"]),
        ({1: "5.4E+15"}, ["serial_mangled"]),
        ({1: "f" * 41}, ["serial_invalid"]),
        ({4: "31/02/2024"}, ["date_unreadable"]),
        ({4: "02/13/2024"}, ["date_unreadable"]),
        ({4: "01/02/24"}, ["date_unreadable"]),
        ({4: "hôm qua"}, ["date_unreadable"]),
        ({4: "01/02/2024 25:00"}, ["date_unreadable"]),
        ({5: "01/02/2023"}, ["dates_reversed"]),
        ({6: "lạ"}, ["status_unknown"]),
        ({6: "Hết hạn"}, ["status_contradicts"]),
        ({3: "Sở Lạ"}, ["organization_unknown"]),
        ({3: ""}, ["organization_missing"]),
        ({2: "Một"}, ["subscriber_invalid"]),
        ({2: "Nguyễn\u202eĐức"}, ["subscriber_invalid"]),
        ({1: "zz", 4: "x", 6: "y"}, ["serial_invalid", "date_unreadable", "status_unknown"]),
    ],
)
def test_a_bad_row_is_told_with_its_number_and_every_reason(
    house: House, cells: dict[int, str], codes: list[str]
) -> None:
    house.organization("Sở Nội vụ")
    good = ["1", "aa", "Nguyễn Thị Đức", "Sở Nội vụ", "01/02/2024", "01/02/2029", ""]
    bad = [cells.get(place, "bb" if place == 1 else cell) for place, cell in enumerate(good)]
    progress = imported(house.sessions, table([good, bad]))
    assert problems(house.sessions, progress) == {3: codes}
    assert progress.counts == {RowState.CREATED: 1, RowState.FAILED: 1}
    with house.sessions() as session:
        (row,) = imports.rows(
            session, progress.record.id, states=frozenset({RowState.FAILED}), limit=5
        )
        assert all(one["en"] and one["vi"] and one["en"] != one["vi"] for one in row.problems or [])
        assert session.scalar(select(func.count()).select_from(Subscriber)) == 1


def test_the_same_serial_twice_in_a_file_is_told_with_the_first_rows_number(house: House) -> None:
    house.organization("Sở Nội vụ")
    row = ["1", "aa", "Nguyễn Thị Đức", "Sở Nội vụ", "01/02/2024", "01/02/2029", ""]
    progress = imported(house.sessions, table([row, row, ["2", "00:AA", *row[2:]]]))
    assert problems(house.sessions, progress) == {3: ["duplicate_row"], 4: ["duplicate_row"]}


def test_one_person_with_two_certificates_stays_one_person(house: House) -> None:
    house.organization("Sở Nội vụ")
    header = [*elsewhere.HEADER[:6], "CCCD", "Chức vụ", "Số serial thiết bị"]
    row = ["Nguyễn Thị Đức", "Sở Nội vụ", "01/02/2024", "01/02/2029", "93012345678", "Giám đốc"]
    data = table([["1", "aa", *row, "VGCA-1"], ["2", "bb", *row, "VGCA-1"]], header=header)
    assert imported(house.sessions, data).counts == {RowState.CREATED: 2}
    with house.sessions() as session:
        (person,) = session.scalars(select(Subscriber)).all()
        assert (person.national_id, person.post) == ("093012345678", "Giám đốc")
        found = certificate_search.search(session, filters=SearchFilters(device_serial="VGCA-1"))
        assert len(found.items) == 2
    stranger = ["3", "cc", "Trần Văn An", *row[1:], ""]
    assert problems(house.sessions, imported(house.sessions, table([stranger], header=header))) == {
        2: ["subscriber_differs"]
    }


def test_a_title_above_the_header_and_a_spreadsheets_separator_are_no_trouble(
    house: House,
) -> None:
    house.organization("Sở Nội vụ")
    rows = [["1", "aa", "Nguyễn Thị Đức", "Sở Nội vụ", "01/02/2024", "01/02/2029", ""]]
    for by, encoding in itertools.product((";", "\t", "|"), ("utf-8", "utf-16")):
        text = "DANH SÁCH CHỨNG THƯ SỐ\n\n" + table(rows, by=by).decode("utf-8-sig")
        file_format, found = import_files.read(text.encode(encoding))
        assert (file_format, [row.number for row in found]) == ("csv", [4])
    text = "sep=;\r\n" + table(rows, by=";").decode("utf-8-sig")
    assert len(import_files.read(text.encode())[1]) == 1


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b" \n ", "empty"),
        (b"a,b\n1,2\n", "columns_missing"),
        ("Số serial,Họ tên,Đơn vị\n1,2,3\n".encode(), "columns_missing"),
        ("Số serial,Serial,Họ tên,Đơn vị\n1,2,3,4\n".encode(), "column_twice"),
        (table([]), "empty"),
        (b"S\xe8 serial,h\xe4 t\xean", "encoding"),
        (b"PK\x03\x04 nothing", "damaged"),
        (archive({"doc.txt": b"x"})[:40], "damaged"),
        (b"-----BEGIN CERTIFICATE REQUEST-----\nAA\n-----END", "no_certificates"),
        (b'"' + b"x" * 200_000 + b'"', "damaged"),
        (b"," * 200 + b"\n", "too_many_columns"),
    ],
    # the bytes hold the time of day, and every test process must name its tests alike
    ids=itertools.count(),
)
def test_a_file_that_is_none_is_refused_whole(data: bytes, reason: str) -> None:
    with pytest.raises(ImportUnreadable) as caught:
        import_files.read(data)
    assert caught.value.reason == reason


def test_a_workbook_keeps_its_dates_and_its_serials(house: House) -> None:
    house.organization("Sở Nội vụ")
    rows = [
        ["Số serial", "Họ tên", "Cơ quan", "Ngày cấp", "Hết hạn", "CCCD"],
        ["5401000A", "Nguyễn Thị Đức", "Sở Nội vụ", 45323, 47150.75, 93012345678],
        ["1E5", "Trần Văn Ấn", "Sở Nội vụ", 45323, "01/02/2029", "093012345679"],
    ]
    file_format, found = import_files.read(workbook(rows, dates=[3, 4]))
    assert file_format == "xlsx"
    assert found[0].cells == {
        "serial_number": "5401000A",
        "full_name": "Nguyễn Thị Đức",
        "organization_name": "Sở Nội vụ",
        "issued_at": "2024-02-01",
        "not_after": "2029-02-01 18:00:00",
        "national_id": "93012345678",
    }
    progress = imported(house.sessions, workbook(rows, dates=[3, 4]))
    assert progress.counts == {RowState.CREATED: 2}


def test_a_workbook_that_is_a_trap_is_refused() -> None:
    entity = (
        '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">]><workbook><sheets>'
        '<sheet name="&a;" sheetId="1"/></sheets></workbook>'
    )
    relations = "<Relationships/>"
    trap = archive(
        {"xl/workbook.xml": entity.encode(), "xl/_rels/workbook.xml.rels": relations.encode()}
    )
    with pytest.raises(ImportUnreadable, match="document type"):
        import_files.read(trap)
    huge = archive(
        {
            "xl/workbook.xml": b"<workbook>" + b" " * 70_000_000 + b"</workbook>",
            "xl/_rels/workbook.xml.rels": relations.encode(),
        }
    )
    assert len(huge) < 200_000
    with pytest.raises(ImportUnreadable) as caught:
        import_files.read(huge)
    assert caught.value.reason == "too_large"


def test_certificates_themselves_come_as_pem_der_p7b_and_zip(house: House) -> None:
    house.organization("Sở Nội vụ")
    ca = Elsewhere(crl_url="http://crl.example/ca.crl")
    one, two, three, four = (ca.issue(n, f"Nguyễn Văn {n}") for n in range(1, 5))
    options = ImportOptions()
    bag = pkcs7.serialize_certificates([two, ca.certificate], Encoding.DER)
    files = {"a/three.cer": der(three), "b.pem": pem(four), "rác.txt": b"hello", ".hidden": b"x"}
    counts = [
        imported(house.sessions, data, options).counts
        for data in (pem(one), der(one), bag, archive(files), pem(one, two, three, four))
    ]
    assert counts == [
        {RowState.CREATED: 1},
        {RowState.UNCHANGED: 1},
        {RowState.CREATED: 2},
        {RowState.CREATED: 2, RowState.FAILED: 1},
        {RowState.UNCHANGED: 4},
    ]
    found = certificates(house.sessions)
    assert {row.common_name for row in found} == {f"Nguyễn Văn {n}" for n in range(1, 5)}
    assert all(row.der and row.spki_sha256 and row.sha256_fingerprint for row in found)
    with house.sessions() as session:
        (issuer,) = session.scalars(select(KnownIssuer)).all()
    assert issuer.certificate == der(ca.certificate)
    assert issuer.crl_urls == ["http://crl.example/ca.crl"]


@pytest.mark.parametrize(
    ("issuer", "subject", "settled"),
    [
        (Elsewhere(crl_url="http://crl.example/\0.crl"), {}, RowState.CREATED),
        (Elsewhere(), {"o": "Sở\0Lạ"}, RowState.FAILED),
        (Elsewhere(), {"cn": "Nguyễn\0Văn A"}, RowState.FAILED),
    ],
    ids=["address", "organisation", "holder"],
)
def test_attack_a_nul_in_a_certificate_stops_no_import(
    house: House, issuer: Elsewhere, subject: dict[str, str], settled: RowState
) -> None:
    house.organization("Sở Nội vụ")
    data = pem(issuer.issue(1, **subject), issuer.issue(2))
    progress = imported(house.sessions, data, ImportOptions())
    assert progress.finished
    assert progress.counts[settled] >= 1
    assert certificates(house.sessions)[-1].serial_number == "02"


def test_a_certificate_known_from_a_list_is_completed_by_its_bytes(house: House) -> None:
    house.organization("Sở Nội vụ")
    ca = Elsewhere()
    day = f"{elsewhere.BEGIN:%d/%m/%Y}", f"{elsewhere.END:%d/%m/%Y}"
    row = ["1", "aa", "Nguyễn Thị Đức", "Sở Nội vụ", *day, ""]
    listed = imported(house.sessions, table([row]), ImportOptions(issuer=ca.common_name))
    assert listed.counts == {RowState.CREATED: 1}
    certificate = ca.issue(0xAA)
    seen = imported(house.sessions, der(certificate), ImportOptions())
    assert seen.counts == {RowState.UPDATED: 1}
    (stored,) = certificates(house.sessions)
    assert stored.der == der(certificate)
    assert stored.not_after == certificate.not_valid_after_utc
    swapped = imported(house.sessions, der(ca.issue(0xAA)), ImportOptions())
    assert problems(house.sessions, swapped) == {1: ["known_differently"]}


def test_who_is_organisational_and_what_the_public_cas_write_is_understood(house: House) -> None:
    house.organization("Sở Nội vụ")
    ca = Elsewhere("VNPT Certification Authority")
    agency = ca.issue(1, "Sở Nội vụ")
    person = ca.issue(2, "Nguyễn Thị Đức", uid="CMND:093012345678")
    assert imported(house.sessions, pem(agency, person), ImportOptions()).counts == {
        RowState.CREATED: 2
    }
    kinds = [row.kind for row in certificates(house.sessions)]
    assert kinds == [CertificateKind.ORGANIZATIONAL, CertificateKind.PERSONAL]
    with house.sessions() as session:
        holder = session.scalars(
            select(Subscriber).where(Subscriber.national_id == "093012345678")
        ).one()
    assert holder.full_name == "Nguyễn Thị Đức"


def test_a_dry_run_tells_everything_and_writes_nothing(house: House) -> None:
    house.organization("Sở Nội vụ")
    good = ["1", "aa", "Nguyễn Thị Đức", "Sở Nội vụ", "01/02/2024", "01/02/2029", ""]
    bad = ["1", "bb", "Nguyễn Thị Đức", "Sở Lạ", "01/02/2024", "01/02/2029", ""]
    dry = ImportOptions(issuer="VNPT-CA", dry_run=True)
    progress = imported(house.sessions, table([good, bad]), dry)
    assert progress.counts == {RowState.CREATED: 1, RowState.FAILED: 1}
    assert certificates(house.sessions) == []
    with house.sessions() as session:
        assert session.scalars(select(KnownIssuer)).all() == []
        assert session.scalars(select(Subscriber)).all() == []


def test_who_may_write_to_a_part_of_the_tree_imports_into_that_part_only(house: House) -> None:
    mine, theirs = house.organization("Sở Nội vụ"), house.organization("Sở Tài chính")
    rows = [
        ["1", "aa", "Nguyễn Thị Đức", mine.name, "01/02/2024", "01/02/2029", ""],
        ["2", "bb", "Trần Văn Ấn", theirs.name, "01/02/2024", "01/02/2029", ""],
    ]
    scoped = ImportOptions(issuer="VNPT-CA", under=mine.id)
    progress = imported(house.sessions, table(rows), scoped)
    assert problems(house.sessions, progress) == {3: ["not_permitted"]}
    imported(house.sessions, table(rows))
    moved = [["2", "bb", "Trần Văn Ấn", mine.name, "01/02/2024", "01/02/2029", "Thu hồi"]]
    progress = imported(house.sessions, table(moved), scoped)
    assert problems(house.sessions, progress) == {2: ["not_permitted"]}


def test_what_our_own_authority_issued_is_recognised_and_never_imported_twice(
    house: House,
) -> None:
    certificate = house.certificate()
    assert certificate.der is not None
    assert imported(house.sessions, certificate.der, ImportOptions()).counts == {
        RowState.UNCHANGED: 1
    }
    row = ["1", "aa", "Nguyễn Thị Đức", "Sở Nội vụ", "01/02/2024", "01/02/2029", ""]
    forged = imported(house.sessions, table([row]), ImportOptions(issuer="issuing"))
    assert problems(house.sessions, forged) == {2: ["issuer_ours"]}


def test_an_interrupted_import_goes_on_where_it_stopped(house: House) -> None:
    house.organization("Sở Nội vụ")
    rows = [
        [str(n), f"{n:04x}", f"Nguyễn Văn {n}", "Sở Nội vụ", "01/02/2024", "01/02/2029", ""]
        for n in range(1, 31)
    ]
    import_id = submitted(house.sessions, table(rows))
    assert not imports.run(house.sessions, import_id, at=AT, max_rows=10)
    assert len(certificates(house.sessions)) == 10
    assert not imports.run(house.sessions, import_id, at=AT, max_rows=15)
    assert imports.run(house.sessions, import_id, at=AT)
    assert imports.run(house.sessions, import_id, at=AT)
    assert len(certificates(house.sessions)) == 30
    with house.sessions() as session:
        assert imports.progress(session, import_id).finished


def test_a_row_that_clashes_with_somebody_elses_is_the_only_one_kept_out(house: House) -> None:
    house.organization("Sở Nội vụ")
    rows = [
        ["1", "aa", "Nguyễn Thị Đức", "Sở Nội vụ", "01/02/2024", "01/02/2029", ""],
        ["2", "aa", "Nguyễn Thị Đức", "Sở Nội vụ", "01/02/2024", "01/02/2029", ""],
        ["3", "cc", "Trần Văn Ấn", "Sở Nội vụ", "01/02/2024", "01/02/2029", ""],
    ]
    # Two names of one issuer: that the serials are one and the same, only the database can tell.
    issuers = ["VNPT-CA", "vnpt ca", "VNPT-CA"]
    data = table(
        [[*row, issuer] for row, issuer in zip(rows, issuers, strict=True)],
        header=[*elsewhere.HEADER, "Tổ chức cấp"],
    )
    progress = imported(house.sessions, data, ImportOptions())
    assert problems(house.sessions, progress) in (
        {3: ["duplicate_row"]},
        {3: ["stored_meanwhile"]},
    )
    assert len(certificates(house.sessions)) == 2


def test_a_province_of_3056_rows_is_imported_and_counted(house: House) -> None:
    for commune in range(20):
        house.organization(f"Xã {commune}")
    header = [*elsewhere.HEADER, "Loại", "Ngày thu hồi", "Ngày cấp"]
    rows, number = [], 0
    for kind, in_force, revoked in (
        ("Cá nhân", 2241, 131),
        ("Cơ quan, tổ chức", 416, 32),
        ("SIM PKI", 213, 23),
    ):
        for place in range(in_force + revoked):
            number += 1
            gone = place >= in_force
            rows.append(
                [
                    str(number), f"{number:08x}", f"Nguyễn Văn {number}", f"Xã {number % 20}",
                    "02/01/2024", "01/01/2029", "Đã thu hồi" if gone else "Đang hoạt động",
                    kind, "05/06/2025" if gone else "", "02/01/2024",
                ]
            )  # fmt: skip
    quoted = [[f'"{cell}"' for cell in row] for row in rows]
    progress = imported(house.sessions, table(quoted, header=header))
    assert progress.counts == {RowState.CREATED: 3056}
    with house.sessions() as session:
        report = reports.certificate_totals(session, as_of=AT, by=["kind"])
        assert report.totals == Totals(3056, 2870, 0, 186, 0)
        in_force = {row.group["kind"]: row.totals.in_force for row in report.rows}
        assert in_force == {"personal": 2241, "organizational": 416, "sim": 213}
        before = reports.certificate_totals(session, as_of=AT - timedelta(days=300))
        assert before.totals == Totals(3056, 3056, 0, 0, 0)


def test_an_imported_certificate_is_revoked_in_our_record_alone(house: House) -> None:
    house.organization("Sở Nội vụ")
    row = ["1", "aa", "Nguyễn Thị Đức", "Sở Nội vụ", "01/02/2024", "01/02/2029", ""]
    imported(house.sessions, table([row]))
    (certificate,) = certificates(house.sessions)
    with house.sessions.begin() as session:
        revoke.revoke(
            session,
            certificate_id=certificate.id,
            reason=RevocationReason.KEY_COMPROMISE,
            keys=house.keys,
            at=AT,
            actor=CLERK,
        )
    (certificate,) = certificates(house.sessions)
    assert certificate.status is CertificateStatus.REVOKED
    assert certificate.crl_entry is None


def test_an_import_needs_organisations_and_imports_that_exist(house: House) -> None:
    with house.sessions() as session, pytest.raises(ImportNotFound):
        imports.progress(session, uuid7())
    with pytest.raises(OrganizationNotFound):
        submitted(
            house.sessions,
            table([["", "1", "", "", "", "", ""]]),
            ImportOptions(organization_id=uuid7()),
        )
    with house.sessions() as session:
        assert session.scalars(select(Import)).all() == []
        assert session.scalars(select(ImportRow)).all() == []
