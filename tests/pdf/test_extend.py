"""Signatures raised to long-term levels, judged by us, by readers, and by another validator."""

import asyncio
import io
import re
import subprocess
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from asn1crypto import ocsp as asn1_ocsp
from asn1crypto import x509 as asn1_x509
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.ades.report import AdESIndeterminate, AdESPassed
from pyhanko.sign.validation import ades
from pyhanko.sign.validation.policy_decl import (
    LocalKnowledge,
    PdfSignatureValidationSpec,
    RevinfoOnlineFetchingRule,
    RevocationInfoGatheringSpec,
    SignatureValidationSpec,
)
from pyhanko_certvalidator.context import CertValidationPolicySpec
from pyhanko_certvalidator.ltv.types import ValidationTimingInfo
from pyhanko_certvalidator.policy_decl import (
    REQUIRE_REVINFO,
    CertRevTrustPolicy,
)
from pyhanko_certvalidator.registry import SimpleTrustManager
from pyhanko_certvalidator.revinfo.archival import OCSPContainer

from pdf.completion import complete
from pdf.document import Document
from pdf.errors import (
    CertificateUnproven,
    EvidenceUnavailable,
    NothingToExtend,
    PdfError,
    SignatureBroken,
    TimestampRejected,
    TimestampUnavailable,
)
from pdf.evidence import EvidenceSource
from pdf.extend import ExtensionOptions, extend, extend_in_place
from pdf.options import CertificationLevel, Level, SignatureOptions
from pdf.plain_document import plain_document
from pdf.prepare import prepare
from pdf.report import Indication
from pdf.security_store import SecurityStore, read_security_store
from tests.pdf.archive_kit import AT, RSA, YEAR, Province
from tests.pdf.signing_kit import (
    CORPUS,
    assemble,
    blank_pdf,
    page_count,
    pdfsig,
    qpdf_check,
    raw_signature,
)

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


@pytest.fixture(scope="module")
def province() -> Province:
    # the other validator looks at OCSP answers only for certificates that name a responder
    return Province(address="http://127.0.0.1:9/ocsp")


def store_of(data: bytes) -> SecurityStore:
    return read_security_store(Document(data).latest)


def levels(province: Province, data: bytes, *, at: datetime = AT + MINUTE) -> list[str]:
    report = province.verify(data, at=at)
    assert report.indication is Indication.TOTAL_PASSED, report.to_dict()
    return [each.level for each in report.signatures if each.kind == "signature"]


def oracle(province: Province, data: bytes, *, at: datetime) -> object:
    """Let the other validator judge the first signature as an archived one, from the file alone.

    What it cannot take from the file, the status of the outermost time-stamp's authority today, it
    gets as known. It wants the signature's time from a signature time-stamp.
    """
    trust = SimpleTrustManager.build([asn1_x509.Certificate.load(province.root.der)])
    policy = CertValidationPolicySpec(
        trust_manager=trust, revinfo_policy=CertRevTrustPolicy(REQUIRE_REVINFO)
    )
    fresh = {"this_update": at - MINUTE, "next_update": at + DAY}
    answers = [
        issuer.ocsp(target, responder=province.responders[issuer.der], **fresh)
        for issuer, target in (
            (province.issuing, province.tsa),
            (province.root, province.issuing),
        )
    ]
    known = [OCSPContainer(asn1_ocsp.OCSPResponse.load(each)) for each in answers]
    spec = SignatureValidationSpec(
        cert_validation_policy=policy,
        revinfo_gathering_policy=RevocationInfoGatheringSpec(
            online_fetching_rule=RevinfoOnlineFetchingRule.LOCAL_ONLY
        ),
        local_knowledge=LocalKnowledge(known_ocsps=known),
    )
    signature = PdfFileReader(io.BytesIO(data), strict=False).embedded_regular_signatures[0]
    timing = ValidationTimingInfo(at, at, point_in_time_validation=True)
    return asyncio.run(
        ades.ades_lta_validation(signature, PdfSignatureValidationSpec(spec), timing_info=timing)
    ).ades_subindic


@pytest.mark.parametrize("crls", [False, True], ids=["ocsp", "crl"])
@pytest.mark.parametrize("level", [Level.B_LT, Level.B_LTA])
def test_a_signature_is_made_at_a_long_term_level(
    province: Province,
    level: Level,
    crls: bool,  # noqa: FBT001 -- of the case
    tmp_path: Path,
) -> None:
    evidence = province.evidence(province.servers(crls=crls))
    data = province.sign(level=level, evidence=evidence)
    assert levels(province, data) == [level]
    first = province.verify(data, at=AT + MINUTE).signatures[0]
    assert first.integrity.changes_after == "LTA_UPDATES"
    file = tmp_path / "a.pdf"
    file.write_bytes(data)
    assert qpdf_check(file) == 0
    opinion = pdfsig(file)
    assert (opinion.signatures, opinion.valid) == ((2, 1) if level is Level.B_LTA else (1, 1))


@pytest.mark.parametrize("years", [0, 3, 9])
def test_another_validator_agrees_long_after(province: Province, years: int) -> None:
    data = province.sign(level=Level.B_LTA)
    at = AT + MINUTE + years * YEAR
    assert levels(province, data, at=at) == [Level.B_LTA]
    assert oracle(province, data, at=at) is AdESPassed.OK


def test_without_an_archive_time_stamp_the_other_validator_does_not_agree(
    province: Province,
) -> None:
    """Make sure that the agreement above is not for free."""
    data = province.sign(level=Level.B_B)
    assert oracle(province, data, at=AT + 3 * YEAR) in AdESIndeterminate


def test_each_level_is_the_one_before_with_more_behind_it(
    province: Province, tmp_path: Path
) -> None:
    data = province.sign()
    for level in (Level.B_T, Level.B_LT, Level.B_LTA):
        raised = province.extend(data, level)
        assert raised.startswith(data)
        assert len(raised) > len(data)
        file = tmp_path / "a.pdf"
        file.write_bytes(raised)
        assert qpdf_check(file) == 0
        assert pdfsig(file).valid == 1
        if level is not Level.B_T:
            assert levels(province, raised) == [level]
        data = raised


def test_what_has_its_level_already_is_left_as_it_is(province: Province) -> None:
    for level in (Level.B_T, Level.B_LT):
        data = province.sign(level=level)
        stamps = province.stamps()
        servers = province.servers()
        again = province.extend(data, level, timestamps=stamps, evidence=province.evidence(servers))
        assert again == data
        assert (stamps.asked, servers.asked) == (0, 0)


def test_evidence_is_in_the_file_once_however_many_signatures_share_it(
    province: Province,
) -> None:
    data = province.sign(province.sign(province.sign()), level=Level.B_LTA)
    data = province.extend(data, Level.B_LTA, at=AT + MINUTE)
    store = store_of(data)
    assert len(store.certificates) == len(set(store.certificates)) == 4
    assert len(store.ocsp_responses) == len(set(store.ocsp_responses)) == 3
    assert store.crls == []
    for each in (*store.certificates, *store.ocsp_responses):
        assert data.count(b"stream\n" + each + b"\nendstream") == 1


def test_a_document_lives_on_by_renewal_beyond_every_certificate(province: Province) -> None:
    data = province.sign(level=Level.B_LTA)
    second = province.tsa_until(AT + 18 * YEAR)
    at = AT + 9 * YEAR
    renewed = province.extend(data, Level.B_LTA, at=at, timestamps=province.stamps(at, tsa=second))
    assert renewed.startswith(data)
    late = AT + 15 * YEAR
    assert levels(province, renewed, at=late) == [Level.B_LTA]
    lost = province.verify(data, at=late)
    assert lost.indication is Indication.INDETERMINATE


def test_a_proof_that_was_lost_cannot_be_renewed(province: Province) -> None:
    data = province.sign(level=Level.B_LTA)
    at = AT + 11 * YEAR
    second = province.tsa_until(AT + 18 * YEAR)
    with pytest.raises(CertificateUnproven):
        province.extend(data, Level.B_LTA, at=at, timestamps=province.stamps(at, tsa=second))


def test_a_timed_signature_survives_a_revocation_that_came_later(province: Province) -> None:
    data = province.sign(level=Level.B_T)
    servers = province.servers(AT + 2 * DAY, revoked={province.signer.cert.serial_number: AT + DAY})
    raised = province.extend(
        data, Level.B_LTA, at=AT + 2 * DAY, evidence=province.evidence(servers)
    )
    assert levels(province, raised, at=AT + 5 * YEAR) == [Level.B_LTA]


@pytest.mark.parametrize(
    ("level", "revoked"), [(Level.B_B, AT + DAY), (Level.B_T, AT - DAY)], ids=["untimed", "before"]
)
def test_a_revoked_signature_is_not_extended(
    province: Province, level: Level, revoked: datetime
) -> None:
    data = province.sign(level=level)
    servers = province.servers(AT + 2 * DAY, revoked={province.signer.cert.serial_number: revoked})
    with pytest.raises(CertificateUnproven, match="Nguyễn Văn Trăm"):
        province.extend(data, Level.B_LT, at=AT + 2 * DAY, evidence=province.evidence(servers))


def stranger() -> EvidenceSource:
    return Province().evidence()


@pytest.mark.parametrize(
    ("break_", "error"),
    [
        (lambda _: {"timestamps": None}, TimestampUnavailable),
        (lambda _: {"evidence": None}, EvidenceUnavailable),
        (lambda p: {"evidence": p.evidence(p.servers(silent=True))}, EvidenceUnavailable),
        (lambda _: {"evidence": stranger()}, CertificateUnproven),
        (lambda p: {"timestamps": LyingStamps(p)}, TimestampRejected),
    ],
    ids=["no-tsa", "no-evidence", "servers-down", "no-trust", "wrong-stamp"],
)
def test_a_file_is_as_before_when_its_extension_fails(
    province: Province, break_: Callable[[Province], dict[str, object]], error: type[Exception]
) -> None:
    data = province.sign()
    file = io.BytesIO(data)
    given = {"timestamps": province.stamps(), "evidence": province.evidence(), **break_(province)}
    with pytest.raises(error):
        extend_in_place(file, ExtensionOptions(level=Level.B_LTA, at=AT, **given))  # type: ignore[arg-type]
    assert file.getvalue() == data


class LyingStamps:
    """Stamps something else."""

    def __init__(self, province: Province) -> None:
        self._stamps = province.stamps()

    def timestamp(self, digest: bytes, hash_algorithm: str) -> bytes:
        return self._stamps.timestamp(digest[::-1], hash_algorithm)


def test_a_broken_signature_is_not_dressed_up(province: Province) -> None:
    data = province.sign(level=Level.B_T)
    with pytest.raises(SignatureBroken):
        province.extend(data.replace(b"[0 0 595 842]", b"[0 0 595 843]"), Level.B_LTA)
    with pytest.raises(NothingToExtend):
        province.extend(blank_pdf(), Level.B_LTA)


FORMS = {
    "empty-field": (
        "/AcroForm<</Fields[5 0 R]>>",
        "/Annots[5 0 R]",
        "<</FT/Sig/T(Trống)/Type/Annot/Subtype/Widget/Rect[0 0 0 0]/P 4 0 R>>",
    ),
    "text-field": (
        "/AcroForm<</Fields[5 0 R]>>",
        "/Annots[5 0 R]",
        "<</FT/Tx/T(Chữ)/V(x)/Type/Annot/Subtype/Widget/Rect[0 0 9 9]/P 4 0 R>>",
    ),
}


def with_form(catalog: str, page: str, field: str) -> bytes:
    return assemble(
        [
            f"<</Type/Catalog/Pages 2 0 R{catalog}>>",
            "<</Type/Pages/Kids[4 0 R]/Count 1>>",
            "<</Length 0>>stream\n\nendstream",
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 3 0 R{page}>>",
            field,
        ]
    )


@pytest.mark.parametrize("name", FORMS)
def test_the_object_layer_writes_what_is_not_plain(
    province: Province, name: str, tmp_path: Path
) -> None:
    signed = province.sign(with_form(*FORMS[name]), field="Ký", level=Level.B_T)
    assert plain_document(signed, page=1) is None
    data = province.extend(signed, Level.B_LTA)
    assert levels(province, data) == [Level.B_LTA]
    renewed = province.extend(data, Level.B_LTA, at=AT + 2 * DAY)
    assert levels(province, renewed, at=AT + 3 * YEAR) == [Level.B_LTA]
    assert oracle(province, data, at=AT + 3 * YEAR) is AdESPassed.OK
    (tmp_path / "a.pdf").write_bytes(renewed)
    assert qpdf_check(tmp_path / "a.pdf") == 0


@pytest.mark.parametrize(
    "cipher", [["256"], ["128", "--use-aes=y"], ["40"]], ids=["aes-256", "aes-128", "rc4"]
)
def test_an_encrypted_document_is_archived_with_its_password(
    province: Province, cipher: list[str], tmp_path: Path
) -> None:
    plain, locked = tmp_path / "a.pdf", tmp_path / "b.pdf"
    plain.write_bytes(blank_pdf())
    reader, author = "doc", "soan"
    how = ["--allow-weak-crypto", "--encrypt", reader, author, *cipher, "--"]
    subprocess.run(["qpdf", *how, str(plain), str(locked)], check=True)
    data = province.sign(locked.read_bytes(), level=Level.B_LTA, password=author)
    data = province.extend(data, Level.B_LTA, at=AT + YEAR, password=author)
    report = province.verify(data, at=AT + 3 * YEAR, password=reader)
    assert report.indication is Indication.TOTAL_PASSED
    assert report.signatures[0].level == "B-LTA"
    locked.write_bytes(data)
    assert qpdf_check(locked, password=reader) == 0


@pytest.mark.parametrize("permitted", list(CertificationLevel))
def test_a_certified_document_takes_evidence_whatever_it_forbids(
    province: Province, permitted: CertificationLevel
) -> None:
    data = province.extend(province.sign(level=Level.B_T, certify=permitted), Level.B_LTA)
    assert levels(province, data) == [Level.B_LTA]
    assert oracle(province, data, at=AT + MINUTE) is AdESPassed.OK


def test_both_ways_of_writing_get_the_same_verdicts(province: Province) -> None:
    plain = province.sign(level=Level.B_T)
    other = province.sign(with_form(*FORMS["text-field"]), field="Ký", level=Level.B_T)
    assert plain_document(plain, page=1) is not None
    assert plain_document(other, page=1) is None
    reports = []
    for data in (plain, other):
        raised = province.extend(data, Level.B_LTA)
        report = province.verify(raised, at=AT + YEAR)
        reports.append(
            [(s.kind, s.level, s.indication, s.integrity.changes_after) for s in report.signatures]
        )
    assert reports[0] == reports[1]


def test_another_server_with_a_longer_chain_finds_room(province: Province) -> None:
    class Growing:
        """The first answer is short, the others are long."""

        def __init__(self) -> None:
            self.stamps = [province.stamps()]
            padding = [province.root.issue_ca(f"Khác {n}").der for n in range(6)]
            long = province.stamps()
            long.others = (*long.others, *padding)
            self.stamps.append(long)

        def timestamp(self, digest: bytes, hash_algorithm: str) -> bytes:
            source = self.stamps.pop(0) if len(self.stamps) > 1 else self.stamps[0]
            return source.timestamp(digest, hash_algorithm)

    data = province.sign(level=Level.B_LTA, timestamps=Growing())
    assert levels(province, data) == [Level.B_LTA]


def test_a_file_is_read_once_while_it_is_copied(province: Province) -> None:
    signed = province.sign(province.sign(level=Level.B_T), level=Level.B_T)

    class Counting(io.BytesIO):
        taken = 0

        def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
            count = super().readinto(buffer)
            self.taken += count
            return count

    source, target = Counting(signed), io.BytesIO()
    options = ExtensionOptions(
        level=Level.B_LTA, at=AT, timestamps=province.stamps(), evidence=province.evidence()
    )
    extend(source, target, options)
    assert source.taken == len(signed)
    assert levels(province, target.getvalue()) == [Level.B_LTA] * 2


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not beside the project")
def test_every_signed_file_of_the_corpus_is_archived_or_refused_with_a_reason(
    province: Province, tmp_path: Path
) -> None:
    """Sign what can be signed and archive it: pages stay, readers are content, we say B-LTA."""
    archived = 0
    for file in sorted(CORPUS.glob("unsigned/*.pdf")):
        try:
            data = province.sign(file.read_bytes(), level=Level.B_LTA)
        except PdfError:
            continue
        archived += 1
        (tmp_path / "a.pdf").write_bytes(data)
        report = province.verify(data, at=AT + 3 * YEAR)
        mine = next(s for s in report.signatures if s.signer and "Trăm" in s.signer.subject)
        assert (mine.level, mine.indication) == (Level.B_LTA, Indication.TOTAL_PASSED), file.name
        assert qpdf_check(tmp_path / "a.pdf") <= qpdf_check(file), file.name
        assert page_count(tmp_path / "a.pdf") == page_count(file), file.name
    assert archived >= 10


def test_a_document_time_stamp_says_what_the_standard_wants(province: Province) -> None:
    data = province.sign(level=Level.B_LTA)
    stamp = re.search(rb"<<[^>]*/DocTimeStamp[^>]*>", data)
    assert stamp is not None
    assert b"/SubFilter /ETSI.RFC3161" in stamp[0]
    assert b"/M " not in stamp[0]


@pytest.mark.parametrize("level", [Level.B_T, Level.B_LT, Level.B_LTA])
@pytest.mark.parametrize("form", [None, "text-field"])
def test_a_time_stamp_longer_than_its_room_goes_behind_the_file(
    province: Province, level: Level, form: str | None, tmp_path: Path
) -> None:
    """A server with a chain that nobody foresaw fails no signature."""
    long = province.stamps()
    long.others = (*long.others, *(province.root.issue_ca(f"Khác {n}").der for n in range(40)))
    source = blank_pdf() if form is None else with_form(*FORMS[form])
    staged = io.BytesIO()
    asked = SignatureOptions(signing_time=AT, level=level, field=None if form is None else "Ký")
    prepared = prepare(
        io.BytesIO(source), staged, options=asked, signer=province.chain, algorithm=RSA
    )
    assert len(long.timestamp(bytes(32), "sha256")) > prepared.contents_length // 2
    done = complete(
        staged,
        prepared,
        ExtensionOptions(level=level, at=AT, timestamps=long, evidence=province.evidence()),
        signature=raw_signature(province.signer.key, RSA, prepared.to_be_signed),
        signer=province.chain,
    )
    assert done.extended is not None
    assert done.extended.level is level
    data = staged.getvalue()
    report = province.verify(data, at=AT + MINUTE)
    signature, stamp, *_ = report.signatures
    assert (signature.level, stamp.kind) == (level, "document_timestamp")
    assert signature.integrity.digest_match
    if level.reaches(Level.B_LT):
        assert report.indication is Indication.TOTAL_PASSED
        assert signature.time.source == "document_timestamp"
    (tmp_path / "a.pdf").write_bytes(data)
    assert qpdf_check(tmp_path / "a.pdf") == 0
    assert pdfsig(tmp_path / "a.pdf").valid == 1
