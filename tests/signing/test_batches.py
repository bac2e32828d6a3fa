"""Many documents under one consent: results, pauses, repetitions."""

import hashlib
import io
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import func, select

from ca.models import Certificate
from db import audit
from db.base import uuid7
from db.models import AuditEntry
from hsm.algorithms import KeyAlgorithm
from pdf.appearance import Stamp
from pdf.options import Level, SignatureOptions
from pdf.placement import BoxSpace
from pdf.prepared import PreparedSignature
from pdf.spot import AnchorSpot, Corner, CornerSpot, IfTaken
from pdf.statement import Commitment, SignaturePolicy, Statement
from pdf.templates import template_from
from signing import batch_run, batches, sign
from signing.batches import BatchFile, BatchOrder, Progress
from signing.errors import BatchClosed, BatchNotFound, BatchRefused
from signing.models import Signature
from signing.models_batches import BatchStatus, ItemStatus, SignBatchItem
from signing.stored_options import options_from_json, options_to_json
from tests.pdf.signing_kit import blank_pdf, pdfsig
from tests.signing.conftest import CALLER, NOW, Office


def files(count: int, *, broken: tuple[int, ...] = ()) -> list[BatchFile]:
    made = []
    for number in range(count):
        data = b"\xff\xd8\xff no PDF" if number in broken else blank_pdf() + b"%%%d\n" % number
        made.append(
            BatchFile(
                name=f"tờ trình {number}.pdf",
                file=io.BytesIO(data),
                sha256=hashlib.sha256(data).hexdigest(),
                size=len(data),
            )
        )
    return made


def order_for(certificate: Certificate, **options: object) -> BatchOrder:
    return BatchOrder(
        certificate_id=certificate.id,
        options=SignatureOptions(**{"signing_time": NOW, **options}),  # type: ignore[arg-type]
        level=Level.B_B,
        batch_id=uuid7(),
    )


def create(office: Office, order: BatchOrder, documents: list[BatchFile]) -> None:
    batches.create(office.desk, order, documents, at=NOW, actor=CALLER)


def run(office: Office, order: BatchOrder) -> bool:
    return batch_run.run(office.desk, order.batch_id, clock=lambda: NOW)


def progress(office: Office, order: BatchOrder) -> Progress:
    with office.desk.sessions.begin() as session:
        return batches.progress(session, order.batch_id, actor=CALLER)


def results(office: Office, order: BatchOrder) -> list[SignBatchItem]:
    with office.desk.sessions() as session:
        return batches.items(session, order.batch_id)


def signatures(office: Office) -> int:
    with office.desk.sessions() as session:
        return session.scalar(select(func.count()).select_from(Signature)) or 0


def test_every_file_gets_its_signature_and_the_consent_is_recorded_once(
    office: Office, tmp_path: Path
) -> None:
    order = order_for(office.server_certificate(KeyAlgorithm.P_256), stamp=Stamp())
    create(office, order, files(7))
    assert run(office, order)
    done = progress(office, order)
    assert done.batch.status is BatchStatus.DONE
    assert done.counts[ItemStatus.SIGNED] == 7
    for row in results(office, order):
        content = office.desk.documents.path(row.request_id).read_bytes()
        assert f"%{row.position}\n".encode() in content
        (tmp_path / "signed.pdf").write_bytes(content)
        assert pdfsig(tmp_path / "signed.pdf").valid == 1
    with office.desk.sessions() as session:
        query = select(AuditEntry).where(AuditEntry.action == "sign.batch_consented")
        (consent,) = session.scalars(query)
        assert audit.verify(session).intact
    assert consent.after["total"] == 7
    assert not (tmp_path / "documents" / "batches" / str(order.batch_id)).exists()


def test_a_file_that_is_refused_is_its_own_result_and_stops_nobody(office: Office) -> None:
    order = order_for(office.server_certificate(KeyAlgorithm.P_256))
    create(office, order, files(5, broken=(1, 3)))
    run(office, order)
    found = {row.position: (row.status, row.error_code) for row in results(office, order)}
    assert found[1] == found[3] == (ItemStatus.FAILED, "not_a_pdf")
    assert [found[n][0] for n in (0, 2, 4)] == [ItemStatus.SIGNED] * 3
    assert progress(office, order).batch.status is BatchStatus.DONE


def test_an_order_given_twice_is_one_batch_and_a_run_repeated_signs_nothing_more(
    office: Office,
) -> None:
    order = order_for(office.server_certificate(KeyAlgorithm.P_256))
    create(office, order, files(4))
    create(office, order, files(4))
    assert run(office, order)
    assert not run(office, order)
    assert signatures(office) == 4


def test_two_processes_do_not_run_one_batch(office: Office) -> None:
    order = order_for(office.server_certificate(KeyAlgorithm.P_256))
    create(office, order, files(12))
    barrier = threading.Barrier(3)

    def together() -> bool:
        barrier.wait()
        return run(office, order)

    with ThreadPoolExecutor(3) as pool:
        ran = [future.result() for future in [pool.submit(together) for _ in range(3)]]
    assert True in ran
    assert signatures(office) == 12
    assert progress(office, order).counts[ItemStatus.SIGNED] == 12


def test_without_time_stamps_the_batch_pauses_and_goes_on_later(office: Office) -> None:
    order = replace(order_for(office.server_certificate(KeyAlgorithm.P_256)), level=Level.B_T)
    create(office, order, files(6))
    without = replace(office.desk, timestamps=None)
    batch_run.run(without, order.batch_id, clock=lambda: NOW)
    paused = progress(office, order)
    assert paused.batch.status is BatchStatus.PAUSED
    assert paused.batch.error_code == "timestamp_unavailable"
    assert paused.counts[ItemStatus.WAITING] == 6
    assert not run(office, order)
    with office.desk.sessions.begin() as session:
        batches.resume(session, order.batch_id, at=NOW, actor=CALLER)
    assert run(office, order)
    assert progress(office, order).counts[ItemStatus.SIGNED] == 6
    assert signatures(office) == 6


def test_a_key_that_is_gone_pauses_the_batch_and_its_return_resumes_it(office: Office) -> None:
    certificate = office.server_certificate(KeyAlgorithm.P_256)
    order = order_for(certificate)
    create(office, order, files(3))
    key_file = Path(str(certificate.key_uri).partition(":")[2].partition("?")[0])
    away = key_file.with_suffix(".away")
    key_file.rename(away)
    office.desk.keys.close()
    run(office, order)
    assert progress(office, order).batch.status is BatchStatus.PAUSED
    away.rename(key_file)
    with office.desk.sessions.begin() as session:
        batches.resume(session, order.batch_id, at=NOW, actor=CALLER)
    run(office, order)
    assert progress(office, order).counts[ItemStatus.SIGNED] == 3


def test_a_holder_signs_the_files_of_a_batch_one_by_one(office: Office) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    order = order_for(office.holder_certificate(key))
    create(office, order, files(3))
    run(office, order)
    waiting = progress(office, order)
    assert waiting.counts[ItemStatus.HOLDER] == 3
    for row in results(office, order)[:2]:
        with office.desk.sessions() as session:
            request = sign.get(session, row.request_id, actor=CALLER)
        to_be_signed = PreparedSignature.from_json(request.prepared).to_be_signed
        raw = key.sign(to_be_signed, ec.ECDSA(hashes.SHA256()))
        sign.complete(office.desk, row.request_id, raw, at=NOW, actor=CALLER)
    counts = progress(office, order).counts
    assert (counts[ItemStatus.SIGNED], counts[ItemStatus.HOLDER]) == (2, 1)


def test_a_cancelled_batch_signs_no_more(office: Office) -> None:
    order = order_for(office.server_certificate(KeyAlgorithm.P_256))
    create(office, order, files(3))
    batches.cancel(office.desk, order.batch_id, at=NOW, actor=CALLER)
    assert not run(office, order)
    assert progress(office, order).counts[ItemStatus.CANCELLED] == 3
    with office.desk.sessions.begin() as session, pytest.raises(BatchClosed):
        batches.resume(session, order.batch_id, at=NOW, actor=CALLER)
    assert signatures(office) == 0


def test_a_batch_belongs_to_its_caller_and_has_bounds(office: Office) -> None:
    certificate = office.server_certificate(KeyAlgorithm.P_256)
    order = order_for(certificate)
    create(office, order, files(1))
    with office.desk.sessions.begin() as session, pytest.raises(BatchNotFound):
        batches.progress(session, order.batch_id, actor="token:other")
    with pytest.raises(BatchRefused):
        create(office, order_for(certificate), [])
    with pytest.raises(BatchRefused):
        create(office, order_for(certificate, password="bí mật"), files(1))  # noqa: S106 -- refused


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"page": -1, "box": (1.0, 2.0, 300.0, 400.5), "box_space": BoxSpace.USER},
        {
            "spot": CornerSpot(corner=Corner.TOP_LEFT, margin=(3.0, 4.0)),
            "if_taken": IfTaken.MOVE,
            "stamp": Stamp(preset="nd30.copy", image=b"\x00\xff", words={"form": "SAO Y"}),
            "agency_copy": True,
        },
        {
            "spot": AnchorSpot(text="{name}", occurrence=2),
            "stamp": Stamp(lines=("Ký: {name}",), font_size=9.0, number="12/QĐ"),
            "reason": "Phê duyệt",
        },
        {
            "statement": Statement(
                commitment=Commitment.APPROVAL,
                policy=SignaturePolicy(identifier="1.2.3", digest=bytes(32), uri="urn:x"),
            ),
        },
    ],
    ids=["plain", "box", "corner", "words", "statement"],
)
def test_stored_options_come_back_as_they_were(options: dict[str, object]) -> None:
    asked = SignatureOptions(signing_time=NOW, **options)  # type: ignore[arg-type]
    assert options_from_json(options_to_json(asked, template=None)) == asked


def test_a_template_of_ones_own_comes_back_with_the_options() -> None:
    entries: dict[str, object] = {"name": "a.b", "lines": ["{name}"], "frame": True}
    asked = SignatureOptions(signing_time=NOW, stamp=Stamp(template=template_from(entries)))
    assert options_from_json(options_to_json(asked, template=entries)) == asked
