"""The full verifier on our own output: on request, and for some files of every batch."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Lock

import pytest
from sqlalchemy.orm import Session, sessionmaker

from ca import trust
from ca.revocation_sources import RegistrySource
from ca.validation import PathValidator
from hsm.algorithms import KeyAlgorithm
from pdf.options import Level
from signing import batch_run, batches, sign
from signing.batches import BatchOrder
from signing.desk import Desk
from signing.errors import OutputRefused
from signing.isolation import Isolation
from signing.judging import Judging
from signing.models import Signature
from signing.models_batches import BatchStatus, ItemStatus
from signing.self_check import SAMPLE_EVERY, check_output, is_sample
from signing.sign import SignOrder
from tests.pdf.signing_kit import blank_pdf
from tests.signing.conftest import CALLER, NOW, Office
from tests.signing.test_batches import create, files, order_for, progress, results


@pytest.fixture(scope="module")
def isolation() -> Iterator[Isolation]:
    made = Isolation(size=1)
    yield made
    made.close()


def judging_for(sessions: sessionmaker[Session], isolation: Isolation) -> Judging:
    with sessions() as session:
        anchors = trust.anchors(session)
        intermediates = trust.own_intermediates(session)
    sources = (RegistrySource(sessions),)
    return Judging(isolation, PathValidator(anchors, sources, intermediates=intermediates))


@pytest.fixture
def desk(office: Office, isolation: Isolation) -> Desk:
    sessions = office.desk.sessions
    return replace(office.desk, judging=lambda: judging_for(sessions, isolation))


def signed(office: Office, desk: Desk, tmp_path: Path, level: Level = Level.B_T) -> SignOrder:
    certificate = office.server_certificate(KeyAlgorithm.P_256)
    options = order_for(certificate).options
    order = SignOrder(
        certificate_id=certificate.id, file_name="tờ trình.pdf", options=options, level=level
    )
    (tmp_path / "in.pdf").write_bytes(blank_pdf())
    with (tmp_path / "in.pdf").open("rb") as source:
        sign.start(desk, source, order, at=NOW, actor=CALLER)
    sign.sign_now(desk, order.request_id, at=NOW, actor=CALLER)
    return order


@pytest.mark.parametrize("level", [Level.B_B, Level.B_T])
def test_what_was_signed_here_passes(
    office: Office, desk: Desk, level: Level, tmp_path: Path
) -> None:
    order = signed(office, desk, tmp_path, level)
    check_output(desk, order.request_id, at=NOW)


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (lambda data: data.replace(b"[0 0 595 842]", b"[0 0 595 843]", 1), "HASH_FAILURE"),
        (lambda data: data + b"%\n", "PARTIAL|FORMAT_FAILURE|WHOLE_REVISION"),
        (lambda _: blank_pdf(), "0 of them"),
        (lambda _: b"", "0 of them"),
    ],
)
def test_what_is_not_what_was_meant_is_refused_and_says_why(
    office: Office,
    desk: Desk,
    spoil: Callable[[bytes], bytes],
    word: str,
    tmp_path: Path,
) -> None:
    order = signed(office, desk, tmp_path)
    path = desk.documents.path(order.request_id)
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(OutputRefused, match=word):
        check_output(desk, order.request_id, at=NOW)


def test_samples_are_the_first_the_last_and_one_in_fifty() -> None:
    found = [position for position in range(120) if is_sample(position, 120)]
    assert found == [0, SAMPLE_EVERY, 2 * SAMPLE_EVERY, 119]
    assert is_sample(0, 1)


def test_a_batch_whose_samples_pass_is_done(office: Office, desk: Desk) -> None:
    order = order_for(office.server_certificate(KeyAlgorithm.P_256))
    create(office, order, files(3))
    assert batch_run.run(desk, order.batch_id, clock=lambda: NOW)
    assert progress(office, order).batch.status is BatchStatus.DONE


def test_a_disk_that_loses_a_byte_stops_the_batch_before_anybody_gets_the_file(
    office: Office, desk: Desk
) -> None:
    order = order_for(office.server_certificate(KeyAlgorithm.P_256))
    create(office, order, files(8))
    spoilt: list[Path] = []
    turn = Lock()

    def spoiling() -> Judging:
        """Spoil the first file once it is signed; the last one is verified at any time."""
        (first, *_) = results(office, order)
        with turn, desk.sessions() as session:
            if not spoilt and session.get(Signature, first.request_id) is not None:
                path = desk.documents.path(first.request_id)
                path.write_bytes(path.read_bytes().replace(b"[0 0 595 842]", b"[0 0 595 843]", 1))
                spoilt.append(path)
        assert desk.judging is not None
        return desk.judging()

    batch_run.run(replace(desk, judging=spoiling), order.batch_id, clock=lambda: NOW)
    stopped = progress(office, order)
    assert (stopped.batch.status, stopped.batch.error_code) == (
        BatchStatus.PAUSED,
        "output_refused",
    )
    (first, *others) = results(office, order)
    assert (first.status, first.error_code) == (ItemStatus.FAILED, "output_refused")
    assert not spoilt[0].exists()
    assert {each.status for each in others} <= {ItemStatus.SIGNED, ItemStatus.WAITING}
    _resumed(office, order)
    assert batch_run.run(desk, order.batch_id, clock=lambda: NOW)
    counts = progress(office, order).counts
    assert (counts[ItemStatus.SIGNED], counts[ItemStatus.FAILED]) == (7, 1)


def _resumed(office: Office, order: BatchOrder) -> None:
    with office.desk.sessions.begin() as session:
        batches.resume(session, order.batch_id, at=NOW, actor=CALLER)
