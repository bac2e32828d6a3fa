"""Documents are extended in worker processes, with the same results and the same refusals."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from pdf.errors import (
    CertificateUnproven,
    EvidenceUnavailable,
    LimitExceeded,
    NotAPdf,
    NothingToExtend,
    SignatureBroken,
    TimestampUnavailable,
)
from pdf.extend import Extended, ExtensionOptions, extend
from pdf.options import Level
from pdf.report import Indication
from signing.extending import MOST_TIMESTAMPS, IsolatedExtend, helping
from signing.frames import Frame
from signing.isolation import Isolation
from tests.pdf.archive_kit import AT, YEAR, Province
from tests.pdf.signing_kit import blank_pdf
from tests.pdf.test_cades_archive import CONTENT, judged, of_several

MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def province() -> Province:
    return Province()


@pytest.fixture(scope="module")
def isolation() -> Iterator[Isolation]:
    made = Isolation(size=1)
    yield made
    made.close()


@dataclass
class Bench:
    """Two files of the operating system, and a worker to extend one into the other."""

    isolated: IsolatedExtend
    folder: Path

    def extend(self, data: bytes, options: ExtensionOptions) -> tuple[Extended, bytes]:
        (self.folder / "in.pdf").write_bytes(data)
        with (
            (self.folder / "in.pdf").open("rb") as source,
            (self.folder / "out.pdf").open("w+b") as target,
        ):
            done = self.isolated(source, target, options)
            assert target.tell() == done.size
        return done, (self.folder / "out.pdf").read_bytes()


@pytest.fixture
def bench(isolation: Isolation, tmp_path: Path) -> Bench:
    return Bench(IsolatedExtend(isolation), tmp_path)


def wish(province: Province, level: Level, **given: object) -> ExtensionOptions:
    asked: dict[str, object] = {
        "timestamps": province.stamps(),
        "evidence": province.evidence(),
        **given,
    }
    return ExtensionOptions(level=level, at=AT, **asked)  # type: ignore[arg-type]


@pytest.mark.parametrize("level", [Level.B_T, Level.B_LT, Level.B_LTA])
@pytest.mark.parametrize("crls", [False, True], ids=["ocsp", "crl"])
def test_a_worker_reaches_the_level_that_is_reached_here(
    province: Province,
    bench: Bench,
    level: Level,
    crls: bool,  # noqa: FBT001 -- of the case
) -> None:
    signed = province.sign(province.sign())
    evidence = province.evidence(province.servers(crls=crls))
    there, data = bench.extend(signed, wish(province, level, evidence=evidence))
    here = io.BytesIO()
    again = extend(io.BytesIO(signed), here, wish(province, level, evidence=evidence))
    assert (there.level, there.changed, there.proven_until) == (
        again.level,
        again.changed,
        again.proven_until,
    )
    assert data.startswith(signed)
    verdicts = [
        [
            (each.kind, each.level, each.indication)
            for each in province.verify(one, at=AT + MINUTE).signatures
        ]
        for one in (data, here.getvalue())
    ]
    assert verdicts[0] == verdicts[1]
    if level is Level.B_LTA:
        late = province.verify(data, at=AT + 5 * YEAR)
        assert late.indication is Indication.TOTAL_PASSED


def test_what_has_its_level_is_copied(province: Province, bench: Bench) -> None:
    done, data = bench.extend(province.sign(level=Level.B_T), wish(province, Level.B_LTA))
    assert done.changed
    again, same = bench.extend(data, wish(province, Level.B_LT))
    assert not again.changed
    assert same == data


def test_refusals_come_back_as_the_same_errors(province: Province, bench: Bench) -> None:
    signed = province.sign(level=Level.B_T)
    broken = signed.replace(b"[0 0 595 842]", b"[0 0 595 843]")
    silent = province.evidence(province.servers(silent=True))
    stranger = Province().evidence()
    for data, level, given, error in (
        (b"no PDF", Level.B_LTA, {}, NotAPdf),
        (blank_pdf(), Level.B_LTA, {}, NothingToExtend),
        (broken, Level.B_LTA, {}, SignatureBroken),
        (signed, Level.B_LTA, {"timestamps": None}, TimestampUnavailable),
        (signed, Level.B_LT, {"evidence": None}, EvidenceUnavailable),
        (signed, Level.B_LT, {"evidence": silent}, EvidenceUnavailable),
        (signed, Level.B_LT, {"evidence": stranger}, CertificateUnproven),
    ):
        with pytest.raises(error) as caught:
            bench.extend(data, wish(province, level, **given))  # type: ignore[arg-type]
        assert caught.value.diagnostics()
        assert str(caught.value)


def test_a_time_stamp_server_that_is_down_is_told_through_the_worker(
    province: Province, bench: Bench
) -> None:
    class Down:
        def timestamp(self, digest: bytes, hash_algorithm: str) -> bytes:
            del digest, hash_algorithm
            raise TimestampUnavailable("nobody answers at this address")

    with pytest.raises(TimestampUnavailable, match="nobody answers at this address"):
        bench.extend(province.sign(), wish(province, Level.B_T, timestamps=Down()))


def test_a_worker_that_was_taken_over_gets_only_so_many_time_stamps(province: Province) -> None:
    options = wish(province, Level.B_LTA)
    answer = helping(options)
    asked = Frame({"ask": "timestamp", "hash": "sha256"}, (bytes(32),))
    for _ in range(MOST_TIMESTAMPS):
        assert answer(asked).parts
    assert answer(asked).head["refused"] == "TimestampUnavailable"


def test_a_document_that_takes_the_worker_down_is_refused(
    province: Province, tmp_path: Path
) -> None:
    small = Isolation(size=1, memory=90 * 1024 * 1024)
    try:
        with pytest.raises(LimitExceeded):
            Bench(IsolatedExtend(small), tmp_path).extend(
                province.sign(), wish(province, Level.B_T)
            )
    finally:
        small.close()


@pytest.mark.parametrize(
    ("signers", "level"), [(1, Level.B_T), (1, Level.B_LT), (1, Level.B_LTA), (3, Level.B_LTA)]
)
def test_a_detached_signature_is_extended_in_a_worker(
    province: Province, isolation: Isolation, signers: int, level: Level, tmp_path: Path
) -> None:
    (tmp_path / "a.p7s").write_bytes(of_several(province, signers))
    (tmp_path / "content").write_bytes(CONTENT)
    with (
        (tmp_path / "a.p7s").open("rb") as source,
        (tmp_path / "b.p7s").open("w+b") as target,
        (tmp_path / "content").open("rb") as content,
    ):
        done = IsolatedExtend(isolation)(source, target, wish(province, level), content=content)
        assert (done.level, done.changed, target.tell()) == (level, True, done.size)
    report = judged(province, (tmp_path / "b.p7s").read_bytes())
    assert [signature.level for signature in report.signatures] == [level] * signers
