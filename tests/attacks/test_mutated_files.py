"""Damaged files get a verdict, in time, and never a valid one that their bytes do not justify.

The long run is `python -m tests.attacks.mutated_files 100000`; this is the same with fewer files.
"""

import pytest

from pdf.byte_range import Coverage
from pdf.errors import PdfError
from pdf.pdfium import READER
from pdf.report import Indication
from tests.attacks.arguing import Honest
from tests.attacks.mutated_files import (
    Hang,
    at_most,
    corpus_sources,
    fresh_sources,
    run,
    weighted,
)
from tests.attacks.mutating import Source, mutant
from tests.pdf.signing_kit import sign
from tests.pdf.verifying_kit import check, letter

FILES = 1500
SIGNED_FILES = 250


def test_thousands_of_damaged_files_are_judged_without_exception_hang_or_false_valid() -> None:
    honest = Honest(weighted([*fresh_sources(), *corpus_sources()]))
    tallies = list(run(range(FILES), honest))
    assert len(tallies) == FILES
    assert tallies[-1].findings == []
    # the run is worth something only where valid files, too, came out of it
    assert tallies[-1].grounds.total() > FILES // 100
    READER.close()


def test_a_damaged_file_is_refused_for_signing_or_signed_so_that_it_holds(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("CRITICAL")
    sources = weighted([*fresh_sources(), *corpus_sources()])
    signed = 0
    for number in range(SIGNED_FILES):
        made = mutant(number, seed=7, sources=sources)
        try:
            done = sign(made.data)
        except PdfError:
            continue
        signed += 1
        held = [one.integrity for one in check(done).signatures if one.integrity.intact]
        assert any(one.coverage is Coverage.WHOLE_FILE for one in held), number
    assert signed > SIGNED_FILES // 20


def test_a_valid_file_that_nobody_honest_signed_is_not_argued_for() -> None:
    genuine = sign(letter())
    honest = Honest([Source.of("genuine", genuine)])
    forged = sign(letter(text="Nghi quyet: cap 900 trieu dong"))
    report = honest.report(forged)
    assert report.indication is Indication.TOTAL_PASSED
    assert honest.grounds(forged, report) == [None]
    assert honest.grounds(genuine, honest.report(genuine)) == ["the whole file is as signed"]


def test_a_mutation_is_the_same_whenever_it_is_asked_for() -> None:
    sources = [Source.of("a", sign(letter())), Source.of("b", letter())]
    made = [mutant(number, seed=1, sources=sources) for number in range(200)]
    assert made == [mutant(number, seed=1, sources=sources) for number in range(200)]
    assert len({one.data for one in made}) > 150


def forever() -> None:
    while True:
        pass


def test_a_hang_is_seen() -> None:
    with pytest.raises(Hang), at_most(0.05):
        forever()
