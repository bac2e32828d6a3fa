"""Whatever a document does to its worker, it costs that one request and nothing else."""

import io
import json
import signal
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from ca.validation import PathValidator
from pdf.algorithms import SignatureAlgorithm
from pdf.appearance import Stamp
from pdf.errors import GlyphMissing, LimitExceeded, NotAPdf
from pdf.options import SignatureOptions
from pdf.prepare import prepare
from pdf.verify import verify
from signing import frames
from signing.errors import WorkersBusy
from signing.frames import Frame
from signing.isolation import Isolation, Job, JobLost, _Worker
from signing.judging import Judging, OwnAnchors, Question
from signing.preparing import IsolatedPrepare
from tests.pdf.signing_kit import NOW, blank_pdf, person, root, sign

AT = datetime(2026, 6, 1, tzinfo=UTC)
HOSTILE = "tests.signing.hostile_worker"


@pytest.fixture(scope="module")
def isolation() -> Iterator[Isolation]:
    made = Isolation(size=1)
    yield made
    made.close()


@pytest.fixture(scope="module")
def hostile() -> Iterator[Isolation]:
    made = Isolation(size=2, module=HOSTILE)
    yield made
    made.close()


def question(name: str = "văn bản.pdf") -> Question:
    return Question(file_name=name, at=NOW, checked_at=NOW)


def judging(isolation: Isolation, *, seconds: float = 30.0) -> Judging:
    return Judging(isolation, PathValidator([]), seconds)


@pytest.mark.parametrize("judge", [PathValidator([]), OwnAnchors((), offline=True)])
def test_a_worker_says_the_same_as_this_process(isolation: Isolation, judge: PathValidator) -> None:
    data = sign(sign(blank_pdf()))
    here = verify(
        io.BytesIO(data), name="a.pdf", at=NOW, checked_at=NOW, validator=PathValidator([])
    )
    there = Judging(isolation, judge).document(io.BytesIO(data), question("a.pdf"))
    assert json.dumps(there) == json.dumps(here.to_dict())


def test_anchors_that_come_along_are_trusted_in_the_worker(isolation: Isolation) -> None:
    anchor = root()[0].public_bytes(Encoding.DER)
    found = Judging(isolation, OwnAnchors((anchor,), offline=True)).document(
        io.BytesIO(sign(blank_pdf())), question()
    )
    assert found["indication"] == "TOTAL_PASSED"


@pytest.mark.parametrize("name", ["slow.pdf", "busy.pdf", "dead.pdf", "lying.pdf", "hungry.pdf"])
def test_a_hostile_document_is_in_doubt_and_the_next_is_judged(
    hostile: Isolation, name: str
) -> None:
    data = io.BytesIO(blank_pdf())
    started = time.monotonic()
    lost = judging(hostile, seconds=1.5).document(data, question(name))
    assert time.monotonic() - started < 6
    assert lost["indication"] == "INDETERMINATE"
    assert lost["size"] == len(data.getvalue())
    decision = lost["decision"]
    assert isinstance(decision, dict)
    assert [one["code"] for one in decision["reasons"]] == ["LIMIT_EXCEEDED"]  # type: ignore[index,union-attr]
    fine = judging(hostile).document(data, question("fine.pdf"))
    assert fine["indication"] == "NO_SIGNATURE"


def test_a_busy_worker_ends_by_itself_when_nobody_is_left_to_kill_it() -> None:
    worker = _Worker(HOSTILE, 1 << 31)
    frames.send(worker._socket, Frame({"job": "verify", "seconds": 0.0, "name": "busy"}))
    assert worker._process.wait(timeout=20) == -signal.SIGXCPU
    worker.end()


def test_a_worker_holds_nothing_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIN_ADMIN_TOKEN", "a secret of this process")
    fresh = Isolation(size=1)
    try:
        fresh.warm()
        (worker,) = fresh._idle
        environment = Path(f"/proc/{worker._process.pid}/environ").read_bytes()
        descriptors = list(Path(f"/proc/{worker._process.pid}/fd").iterdir())
    finally:
        fresh.close()
    assert b"secret" not in environment
    assert len(descriptors) < 8


def test_a_job_waits_only_so_long_for_a_free_worker() -> None:
    made = Isolation(size=1, wait_seconds=0.1, module=HOSTILE)
    slow = threading.Thread(
        target=judging(made, seconds=1.5).document, args=(io.BytesIO(b"x"), question("slow"))
    )
    slow.start()
    time.sleep(0.5)
    with pytest.raises(WorkersBusy):
        judging(made).document(io.BytesIO(b"x"), question())
    slow.join()
    made.close()


def test_an_unknown_job_costs_the_worker_only(isolation: Isolation) -> None:
    with pytest.raises(JobLost):
        isolation.run(Job(kind="invented"), seconds=5)


def wish(**more: object) -> dict[str, object]:
    return {
        "options": SignatureOptions(signing_time=NOW, **more),  # type: ignore[arg-type]
        "signer": person().chain,
        "algorithm": SignatureAlgorithm.RSA_PKCS1_SHA256,
    }


def test_a_document_is_prepared_in_a_worker_as_it_is_here(
    isolation: Isolation, tmp_path: Path
) -> None:
    (tmp_path / "in.pdf").write_bytes(blank_pdf())
    with (tmp_path / "in.pdf").open("rb") as source, (tmp_path / "out.pdf").open("w+b") as staged:
        there = IsolatedPrepare(isolation)(source, staged, **wish())  # type: ignore[arg-type]
        here = io.BytesIO()
        source.seek(0)
        again = prepare(source, here, **wish())  # type: ignore[arg-type]
        staged.seek(0)
        assert len(staged.read()) == len(here.getvalue())
    assert there.byte_range == again.byte_range


def test_a_refusal_comes_back_as_the_same_error(isolation: Isolation, tmp_path: Path) -> None:
    cases = (
        (b"no PDF", wish(), NotAPdf),
        (blank_pdf(), wish(stamp=Stamp(lines=("漢",))), GlyphMissing),
    )
    for data, wanted, kind in cases:
        (tmp_path / "in.pdf").write_bytes(data)
        with (tmp_path / "in.pdf").open("rb") as source, (tmp_path / "o").open("w+b") as staged:
            with pytest.raises(kind) as caught:
                IsolatedPrepare(isolation)(source, staged, **wanted)  # type: ignore[arg-type]
            assert caught.value.diagnostics()
            if kind is GlyphMissing:
                assert vars(caught.value)["characters"] == "漢"


def test_a_document_that_takes_the_worker_down_is_refused_for_signing(tmp_path: Path) -> None:
    made = Isolation(size=1, module="signing.isolated_worker", memory=40 * 1024 * 1024)
    (tmp_path / "in.pdf").write_bytes(blank_pdf())
    with (
        (tmp_path / "in.pdf").open("rb") as source,
        (tmp_path / "o").open("w+b") as staged,
        pytest.raises(LimitExceeded),
    ):
        # a field of one's own takes the object layer, which needs more than that
        IsolatedPrepare(made)(source, staged, **wish(field="Ô"))  # type: ignore[arg-type]
    made.close()
