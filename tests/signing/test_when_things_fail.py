"""Servers down, lists too old, tokens pulled: each ends in the state that is documented.

`docs/operations/failures.md` is the table; what it says is tried out here.
"""

import io
import ipaddress
import re
import socket
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from ca.evidence import EvidenceCollector
from ca.guarded_fetch import Fetcher, FetchLimits
from ca.models import Certificate
from ca.revocation_sources import HttpSource
from ca.validation import PathValidator
from hsm.algorithms import KeyAlgorithm
from hsm.errors import HsmError
from hsm.providers import KeyStore
from pdf.errors import EvidenceUnavailable, TimestampUnavailable
from pdf.options import Level, SignatureOptions
from pdf.report import DocumentReport, Indication
from pdf.timestamps import HttpTimestampSource
from pdf.verify import verify
from signing import batch_run, batches, sign, upgrades
from signing.desk import Desk
from signing.models import SignRequest, SignRequestStatus, UpgradeState, WhenNoTimestamp
from signing.models_batches import BatchStatus, ItemStatus
from signing.sign import SignOrder
from tests.pdf.archive_kit import AT, Province
from tests.pdf.signing_kit import blank_pdf
from tests.signing.conftest import CALLER, NOW, Office
from tests.signing.test_batches import create, files, order_for, progress
from tests.tokens.devices import SoftHsm

ROOT = Path(__file__).parents[2]
TABLE = (ROOT / "docs/operations/failures.md").read_text(encoding="utf-8")
LOOPBACK = ipaddress.ip_network("127.0.0.0/8")
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def nobody() -> Iterator[str]:
    """An address on this machine at which nobody answers."""
    with socket.socket() as held:  # bound and not listening: nobody else can take the port
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


@pytest.fixture(scope="module")
def province(nobody: str) -> Province:
    return Province(address=f"{nobody}/ocsp")


def begun(
    desk: Desk, certificate: Certificate, when: WhenNoTimestamp = WhenNoTimestamp.FAIL
) -> SignOrder:
    order = SignOrder(
        certificate_id=certificate.id,
        file_name="tờ trình.pdf",
        options=SignatureOptions(signing_time=NOW),
        level=Level.B_T,
        when_no_timestamp=when,
    )
    sign.start(desk, io.BytesIO(blank_pdf()), order, at=NOW, actor=CALLER)
    return order


def shown(desk: Desk, order: SignOrder) -> SignRequest:
    with desk.sessions() as session:
        return sign.get(session, order.request_id, actor=CALLER)


# Time-stamp servers ------------------------------------------------------------------------------


def test_no_time_stamp_server_fails_the_request_and_hands_nothing_out(
    office: Office, nobody: str
) -> None:
    desk = replace(office.desk, timestamps=HttpTimestampSource([f"{nobody}/tsa"], timeout=2))
    order = begun(desk, office.server_certificate(KeyAlgorithm.P_256))
    with pytest.raises(TimestampUnavailable, match=nobody):
        sign.sign_now(desk, order.request_id, at=NOW, actor=CALLER)
    request = shown(desk, order)
    assert (request.status, request.error_code) == (
        SignRequestStatus.FAILED,
        "timestamp_unavailable",
    )
    assert not desk.documents.holds(order.request_id)


def test_no_time_stamp_server_and_a_caller_who_takes_it_later(office: Office, nobody: str) -> None:
    desk = replace(office.desk, timestamps=HttpTimestampSource([f"{nobody}/tsa"], timeout=2))
    certificate = office.server_certificate(KeyAlgorithm.P_256)
    order = begun(desk, certificate, WhenNoTimestamp.QUEUE)
    sign.sign_now(desk, order.request_id, at=NOW, actor=CALLER)
    request = shown(desk, order)
    assert (request.reached_level, request.upgrade) == (Level.B_B, UpgradeState.QUEUED)
    before = desk.documents.path(order.request_id).read_bytes()
    assert upgrades.raise_levels(desk, at=NOW) == 0
    assert shown(desk, order).upgrade is UpgradeState.QUEUED
    assert upgrades.raise_levels(office.desk, at=NOW) == 1
    assert shown(desk, order).reached_level == Level.B_T
    assert desk.documents.path(order.request_id).read_bytes().startswith(before)


# OCSP servers and revocation lists ---------------------------------------------------------------


def asking() -> HttpSource:
    return HttpSource(Fetcher(FetchLimits(allowed=(LOOPBACK,))))


def judged(province: Province, data: bytes, *sources: object) -> DocumentReport:
    validator = PathValidator([province.root.der], sources)  # type: ignore[arg-type]
    return verify(io.BytesIO(data), name="a.pdf", at=AT, checked_at=AT, validator=validator)


@pytest.mark.parametrize("level", [Level.B_B, Level.B_T])
def test_no_ocsp_server_keeps_nobody_from_signing(province: Province, level: Level) -> None:
    data = province.sign(level=level)
    (signature,) = judged(province, data).signatures
    assert signature.level == level
    assert signature.integrity.signature_match


def test_no_ocsp_server_leaves_a_verdict_in_doubt_that_can_be_repeated(province: Province) -> None:
    report = judged(province, province.sign(level=Level.B_T), asking())
    assert report.indication is Indication.INDETERMINATE
    assert report.signatures[0].sub_indication == "TRY_LATER"
    assert report.signatures[0].revocation.status == "UNKNOWN"
    assert not report.accept
    assert "REVOCATION_UNKNOWN" in {each.code for each in report.signatures[0].messages}


def test_no_ocsp_server_and_no_document_is_made_that_does_not_prove_itself(
    province: Province,
) -> None:
    signed = province.sign(level=Level.B_T)
    unanswered = EvidenceCollector([province.root.der], lambda _: (asking(),))
    for level in (Level.B_LT, Level.B_LTA):
        with pytest.raises(EvidenceUnavailable):
            province.extend(signed, level, evidence=unanswered)
        with pytest.raises(EvidenceUnavailable):
            province.sign(level=level, evidence=unanswered)
    # what the document brings along is enough when nobody answers
    archived = province.sign(level=Level.B_LTA)
    assert judged(province, archived, asking()).indication is Indication.TOTAL_PASSED


def test_a_list_that_is_too_old_says_good_of_nobody(province: Province) -> None:
    old = province.servers(AT - 10 * DAY, crls=True)
    signed = province.sign(level=Level.B_T)
    report = judged(province, signed, old)
    assert report.indication is Indication.INDETERMINATE
    assert report.signatures[0].sub_indication == "TRY_LATER"
    with pytest.raises(EvidenceUnavailable):
        province.extend(signed, Level.B_LT, evidence=province.evidence(old))


def test_a_list_that_is_too_old_still_revokes(province: Province) -> None:
    number = province.signer.cert.serial_number
    old = province.servers(AT - 10 * DAY, crls=True, revoked={number: AT - 20 * DAY})
    report = judged(province, province.sign(level=Level.B_T), old)
    assert report.indication is not Indication.TOTAL_PASSED
    assert report.signatures[0].revocation.status == "REVOKED"


# Tokens ------------------------------------------------------------------------------------------


@pytest.fixture
def token() -> Iterator[SoftHsm]:
    device = SoftHsm()
    device.renew()
    yield device
    device.stop()


@pytest.fixture
def store(token: SoftHsm) -> Iterator[KeyStore]:
    with token.store() as opened:
        yield opened


def on_token(office: Office, token: SoftHsm, store: KeyStore) -> Certificate:
    """Give a certificate whose key is on the token, which the server uses."""
    uri = token.keys(store)[KeyAlgorithm.P_256]
    certificate = office.holder_certificate(store.open(uri))  # type: ignore[arg-type]
    with office.desk.sessions.begin() as session:
        row = update(Certificate).where(Certificate.id == certificate.id)
        session.execute(row.values(key_uri=str(uri)))
    return certificate


@pytest.mark.token
def test_a_pulled_token_fails_the_request_and_its_return_needs_nothing(
    office: Office, token: SoftHsm, store: KeyStore
) -> None:
    desk = replace(office.desk, keys=store)
    certificate = on_token(office, token, store)
    order = begun(desk, certificate)
    token.pull()
    with pytest.raises(HsmError):
        sign.sign_now(desk, order.request_id, at=NOW, actor=CALLER)
    request = shown(desk, order)
    assert request.status is SignRequestStatus.FAILED
    assert request.error_code in {"token_removed", "token_not_found"}
    assert not desk.documents.holds(order.request_id)
    token.insert()
    again = begun(desk, certificate)
    sign.sign_now(desk, again.request_id, at=NOW, actor=CALLER)
    assert shown(desk, again).status is SignRequestStatus.SIGNED


@pytest.mark.token
def test_a_pulled_token_pauses_a_batch_which_goes_on_when_it_is_back(
    office: Office, token: SoftHsm, store: KeyStore
) -> None:
    desk = replace(office.desk, keys=store)
    order = order_for(on_token(office, token, store))
    create(office, order, files(6))
    token.pull()
    batch_run.run(desk, order.batch_id, clock=lambda: NOW)
    paused = progress(office, order)
    assert paused.batch.status is BatchStatus.PAUSED
    assert paused.batch.error_code in {"token_removed", "token_not_found"}
    assert paused.counts[ItemStatus.SIGNED] == paused.counts[ItemStatus.FAILED] == 0
    token.insert()
    with desk.sessions.begin() as session:
        batches.resume(session, order.batch_id, at=NOW, actor=CALLER)
    assert batch_run.run(desk, order.batch_id, clock=lambda: NOW)
    assert progress(office, order).counts[ItemStatus.SIGNED] == 6


# The table ---------------------------------------------------------------------------------------


def test_every_code_in_the_table_is_one_that_callers_get() -> None:
    known = set(tomllib.loads((ROOT / "api/problem_texts.toml").read_text(encoding="utf-8")))
    named = set(re.findall(r"`([a-z]+_[a-z_]+)`", TABLE))
    assert {"timestamp_unavailable", "evidence_unavailable", "token_removed"} <= named
    options = {"when_no_timestamp", "reached_level", "check_output"}
    assert named - known - options == set()
