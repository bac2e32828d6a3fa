"""What the report says about ordinary signatures, time-stamps, revocation and hostile files."""

import json
import re
import subprocess
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest

from pdf.change_kinds import ChangeLevel
from pdf.limits import Limits
from pdf.options import CertificationLevel, Level
from pdf.prepare import SignatureAlgorithm
from pdf.report import Indication
from pdf.verify import verify
from tests.pdf.signing_kit import NOW, person, sign
from tests.pdf.verifying_kit import (
    TRUST_ALL,
    TRUST_NOTHING,
    FixedValidator,
    LocalTimestamps,
    Status,
    Verdict,
    append,
    check,
    free_number,
    letter,
    only,
    source,
    stream,
    whats,
)

STAMPED = NOW - timedelta(hours=2)


def stamped() -> bytes:
    return sign(letter(), level=Level.B_T, timestamps=LocalTimestamps(STAMPED))


def revoked(at: object) -> FixedValidator:
    status = Status(status="REVOKED", revoked_at=at, reason="key_compromise")
    return FixedValidator(
        signing=Verdict(trusted=False, sub_indication="REVOKED_NO_POE", revocation=status)
    )


# Ordinary signatures -----------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", list(SignatureAlgorithm))
def test_a_fresh_signature_passes_with_every_algorithm(algorithm: SignatureAlgorithm) -> None:
    signature = only(check(sign(letter(), algorithm=algorithm)))
    assert signature.indication is Indication.TOTAL_PASSED, signature.messages
    assert signature.level == "B-B"
    assert signature.integrity.changes_after is ChangeLevel.NONE


def test_a_fresh_signature_is_accepted_only_when_its_certificate_is_trusted() -> None:
    data = sign(letter())
    assert check(data).accept
    report = check(data, validator=TRUST_NOTHING)
    assert not report.accept
    assert report.indication is Indication.INDETERMINATE
    assert only(report).sub_indication == "NO_CERTIFICATE_CHAIN_FOUND"
    assert report.reasons == ("CERTIFICATE_NOT_TRUSTED",)


def test_the_report_has_exactly_the_promised_keys() -> None:
    report = check(stamped()).to_dict()
    assert list(report) == [
        "file", "sha256", "size", "checked_at", "validation_time", "indication", "decision",
        "revisions", "encrypted", "signatures",
    ]  # fmt: skip
    signature = report["signatures"][0]
    assert list(signature) == [
        "index", "field", "kind", "sub_filter", "level", "indication", "sub_indication",
        "integrity", "signer", "time", "timestamps", "revocation", "criteria", "registry",
        "messages",
    ]  # fmt: skip
    assert list(signature["integrity"]) == [
        "digest_match", "signature_match", "coverage", "changes_after", "changes",
    ]  # fmt: skip
    assert list(signature["signer"]) == [
        "subject", "common_name", "organization", "issuer", "serial_number", "not_before",
        "not_after", "sha256_fingerprint",
    ]  # fmt: skip
    assert list(signature["time"]) == ["claimed", "proven", "source"]
    assert list(signature["timestamps"][0]) == [
        "kind", "time", "authority", "indication", "sub_indication", "digest_match",
        "signature_match",
    ]  # fmt: skip
    assert list(signature["revocation"]) == [
        "status", "source", "this_update", "revoked_at", "reason",
    ]  # fmt: skip
    assert list(signature["criteria"]) == [
        "C1.1", "C1.2", "C1.3", "C1.4", "C1.5", "C2.1", "C2.2", "C2.3", "C2.4",
    ]  # fmt: skip
    json.dumps(report)


def test_the_signer_is_named_in_vietnamese() -> None:
    signer = only(check(sign(letter()))).signer
    assert signer is not None
    assert signer.common_name == "Nguyễn Văn Trăm"
    assert signer.organization == "Ủy ban nhân dân tỉnh Bình Phước"


def test_the_same_file_gives_the_same_report() -> None:
    data = stamped()
    assert check(data).to_dict() == check(data).to_dict()


def test_mandatory_criteria_pass_for_a_good_signature() -> None:
    criteria = only(check(sign(letter()))).criteria
    assert {c for c, how in criteria.items() if how.value == "passed"} == set(criteria) - {"C1.5"}


# Several signatures ------------------------------------------------------------------------------


def test_a_second_signature_is_a_permitted_change_for_the_first() -> None:
    report = check(sign(sign(letter()), who=person("rsa", "Trần Thị Hai")))
    first, second = report.signatures
    assert report.accept
    assert first.integrity.changes_after is ChangeLevel.FORM_FILLING
    assert whats(first) == {"signature_added"}
    assert all(change.permitted_by for change in first.integrity.changes)
    assert second.integrity.changes_after is ChangeLevel.NONE


def test_twenty_signatures_are_all_reported_in_the_order_of_signing() -> None:
    data = letter()
    for _ in range(20):
        data = sign(data)
    report = check(data)
    assert len(report.signatures) == 20
    assert report.accept
    assert [s.index for s in report.signatures] == list(range(20))


def test_one_broken_signature_does_not_hide_the_others() -> None:
    data = sign(sign(letter()))
    end = data.rindex(b">", 0, data.index(b"\n", data.rindex(b"/Contents <")))
    last = len(data[:end].rstrip(b"0")) - 20
    report = check(data[:last] + b"ff00ff00ff" + data[last + 10 :])
    assert report.indication is Indication.TOTAL_FAILED
    assert report.signatures[0].integrity.digest_match
    assert len(report.signatures) == 2


def test_a_comment_is_a_permitted_change_where_the_certification_permits_comments() -> None:
    data = sign(letter(), certify=CertificationLevel.ANNOTATIONS)
    new = free_number(data)
    page = re.sub(rb"/Annots\s*\[", f"/Annots[{new} 0 R ".encode(), source(data, 4))
    note = "<</Type/Annot/Subtype/Text/Rect[10 10 30 30]/Contents(Da xem)>>"
    signature = only(check(append(data, {4: page, new: note})))
    assert signature.integrity.changes_after is ChangeLevel.ANNOTATIONS
    assert signature.indication is Indication.TOTAL_PASSED


def test_new_metadata_is_a_permitted_change() -> None:
    data = sign(letter())
    new = free_number(data)
    catalog = source(data, 1)[:-2] + f"/Metadata {new} 0 R>>".encode()
    xmp = stream(b"<x/>", "/Type/Metadata/Subtype/XML")
    signature = only(check(append(data, {1: catalog, new: xmp})))
    assert signature.integrity.changes_after is ChangeLevel.LTA_UPDATES
    assert signature.indication is Indication.TOTAL_PASSED


def test_a_freed_number_that_nothing_uses_is_no_change_of_content() -> None:
    data = sign(letter(more=["<</Nothing/Uses/This 1>>"]))
    signature = only(check(append(data, {}, freed=[6])))
    assert signature.indication is Indication.TOTAL_PASSED


def test_a_filled_field_whose_appearance_follows_is_permitted() -> None:
    entries = "/Type/XObject/Subtype/Form/BBox[0 0 130 20]/Resources<</Font<</F1 5 0 R>>>>"
    field = "<</Type/Annot/Subtype/Widget/FT/Tx/T(amount)@/Rect[70 500 200 520]/P 4 0 R/F 4{}>>"
    data = sign(
        letter(
            catalog="/AcroForm<</Fields[6 0 R]/DA(/F1 12 Tf 0 g)>>",
            page="/Annots[6 0 R]",
            more=[field.replace("@", "").format("")],
        )
    )
    new = free_number(data)
    filled = field.replace("@", "/V(100 trieu)").format(f"/AP<</N {new} 0 R>>")
    shown = stream(b"BT /F1 12 Tf 2 2 Td (100 trieu) Tj ET", entries)
    signature = only(check(append(data, {6: filled, new: shown})))
    assert signature.integrity.changes_after is ChangeLevel.FORM_FILLING
    assert whats(signature) == {"field_filled"}
    assert signature.indication is Indication.TOTAL_PASSED


# Time and revocation -----------------------------------------------------------------------------


def test_a_time_stamp_proves_the_time_of_signing() -> None:
    signature = only(check(stamped()))
    assert signature.level == "B-T"
    assert signature.time.proven == STAMPED
    assert signature.time.source == "signature_timestamp"
    assert [stamp.indication for stamp in signature.timestamps] == [Indication.TOTAL_PASSED]


def test_revoked_after_the_proven_time_passes() -> None:
    report = check(stamped(), validator=revoked(STAMPED + timedelta(hours=1)))
    signature = only(report)
    assert signature.indication is Indication.TOTAL_PASSED
    assert signature.revocation.status == "REVOKED"
    assert "CERTIFICATE_REVOKED_LATER" in {m.code for m in signature.messages}
    assert report.accept


def test_revoked_before_the_proven_time_does_not_pass() -> None:
    report = check(stamped(), validator=revoked(STAMPED - timedelta(hours=1)))
    assert only(report).sub_indication == "REVOKED_NO_POE"
    assert report.indication is Indication.INDETERMINATE
    assert report.reasons == ("CERTIFICATE_REVOKED",)


def test_revoked_without_any_proof_of_time_does_not_pass() -> None:
    report = check(sign(letter()), validator=revoked(NOW))
    assert only(report).sub_indication == "REVOKED_NO_POE"
    assert not report.accept


def test_a_time_stamp_of_an_unknown_authority_proves_nothing() -> None:
    validator = revoked(STAMPED + timedelta(hours=1))
    validator.timestamping = TRUST_NOTHING.timestamping
    assert only(check(stamped(), validator=validator)).sub_indication == "REVOKED_NO_POE"


def test_an_expired_certificate_is_judged_at_the_proven_time() -> None:
    class Expired(FixedValidator):
        def validate(self, certificate: bytes, **asked: object) -> Verdict:  # type: ignore[override]
            del certificate
            fresh = asked["purpose"] == "timestamping" or asked["at"] == STAMPED
            return Verdict(trusted=fresh, sub_indication=None if fresh else "OUT_OF_BOUNDS_NO_POE")

    assert only(check(stamped(), validator=Expired())).indication is Indication.TOTAL_PASSED
    assert only(check(sign(letter()), validator=Expired())).sub_indication == "OUT_OF_BOUNDS_NO_POE"


def test_a_time_stamp_copied_from_another_signature_is_broken() -> None:
    class Copied(LocalTimestamps):
        def timestamp(self, digest: bytes, hash_algorithm: str) -> bytes:
            return super().timestamp(bytes(len(digest)), hash_algorithm)

    data = sign(letter(), level=Level.B_T, timestamps=Copied(STAMPED))
    report = check(data)
    signature = only(report)
    assert signature.integrity.signature_match
    assert not signature.timestamps[0].digest_match
    assert signature.time.proven is None
    assert not report.accept
    assert "TIMESTAMP_BROKEN" in report.reasons


def test_a_validator_that_fails_gives_a_verdict_all_the_same() -> None:
    class Failing(FixedValidator):
        def validate(self, certificate: bytes, **asked: object) -> Verdict:  # type: ignore[override]
            raise RuntimeError(certificate, asked)

    report = check(sign(letter()), validator=Failing())
    assert only(report).sub_indication == "CERTIFICATE_CHAIN_GENERAL_FAILURE"


# Hostile files -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [b"", b"%PDF-", b"\xff\xd8\xff\xe0" + bytes(400), b"hello", b"%PDF-1.7\n%%EOF\n"],
    ids=["empty", "header only", "jpeg", "text", "nothing in it"],
)
def test_what_no_reader_opens_is_not_a_pdf(data: bytes) -> None:
    report = check(data)
    assert report.indication is Indication.NOT_A_PDF
    assert not report.accept


def test_a_file_without_signatures_says_so() -> None:
    report = check(letter())
    assert report.indication is Indication.NO_SIGNATURE
    assert report.reasons == ("NO_SIGNATURE",)


@pytest.mark.parametrize("cut", [0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_a_truncated_file_is_never_valid(cut: float) -> None:
    data = sign(letter())
    assert not check(data[: int(len(data) * cut)]).accept


def test_every_flipped_byte_outside_the_signature_value_fails() -> None:
    data = sign(letter())
    gap = (data.index(b"/Contents <"), data.rindex(b">", 0, data.rindex(b"/ByteRange") + 40000))
    for position in range(0, len(data), 97):
        if not gap[0] <= position <= gap[1]:
            forged = bytearray(data)
            forged[position] ^= 0x01
            assert not check(bytes(forged)).accept, position


@pytest.mark.parametrize(
    "limits",
    [
        Limits(file_size=100),
        Limits(revisions=1),
        Limits(objects=2),
        Limits(signatures=0),
        Limits(cms_size=10),
    ],
    ids=["file", "revisions", "objects", "signatures", "cms"],
)
def test_a_limit_gives_a_verdict(limits: Limits) -> None:
    report = verify(
        BytesIO(sign(letter())),
        name="x.pdf",
        at=NOW,
        checked_at=NOW,
        validator=TRUST_ALL,
        limits=limits,
    )
    assert not report.accept


def test_a_decompression_bomb_costs_nothing() -> None:
    import zlib  # noqa: PLC0415 (for this one bomb)

    packed = zlib.compress(bytes(300_000_000), 9)
    bomb = stream(packed, "/Type/ObjStm/N 1/First 4/Filter/FlateDecode")
    data = append(letter(), {9: bomb})
    assert check(data[: data.rindex(b"xref\n")]).indication in {
        Indication.NOT_A_PDF,
        Indication.NO_SIGNATURE,
    }


def test_endless_nesting_gives_a_verdict() -> None:
    data = letter().replace(b"/MediaBox[0 0 595 842]", b"/MediaBox" + b"[" * 5000)
    assert not check(data).accept


def test_cycles_in_every_tree_end() -> None:
    data = letter(
        catalog="/AcroForm<</Fields[6 0 R 6 0 R]>>",
        more=["<</T(a)/Kids[6 0 R 7 0 R]/Parent 7 0 R>>", "<</T(b)/Kids[6 0 R]/Parent 6 0 R>>"],
    )
    assert check(append(data, {2: "<</Type/Pages/Kids[2 0 R 2 0 R]/Count 2>>"})).signatures == ()


def test_a_document_that_needs_a_password_is_read_with_it(tmp_path: Path) -> None:
    plain, locked = tmp_path / "plain.pdf", tmp_path / "locked.pdf"
    plain.write_bytes(letter())
    options = ["--object-streams=generate", "--encrypt", "user", "owner", "256", "--"]
    subprocess.run(["qpdf", str(plain), *options, str(locked)], check=True)
    unlock = {"password": "user"}
    data = sign(locked.read_bytes(), **unlock)
    report = check(data, **unlock)
    assert report.encrypted
    assert report.accept
    assert only(report).field_name == "Signature1"
    later = sign(data, **unlock, who=person("rsa", "Trần Thị Hai"))
    assert not check(later).accept
    assert check(later, **unlock).accept
