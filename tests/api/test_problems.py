"""Every error of every room is one problem, in two languages, with something to do."""

from collections.abc import Iterator

import pytest

from api import app, problems
from api.errors import BodyTooLarge, ParameterInvalid
from api.problem_words import ROOTS, TEXTS, language_of, problem
from ca.errors import CertificateNotUsable, TransitionNotAllowed

assert app  # importing it brings every room's errors in


def every_class(root: type[Exception]) -> Iterator[type[Exception]]:
    yield root
    for child in root.__subclasses__():
        yield from every_class(child)


CLASSES = sorted(
    {kind for root in ROOTS for kind in every_class(root)}, key=lambda kind: kind.__qualname__
)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_every_error_class_has_a_row_of_its_own(kind: type[Exception]) -> None:
    code = kind.__dict__.get("code")
    assert code is not None, "a class without a code of its own"
    row = TEXTS[code]
    assert 400 <= row.status <= 599
    assert row.en
    assert row.vi
    assert row.do


def test_codes_are_not_shared_and_no_row_is_left_over() -> None:
    codes = [kind.__dict__["code"] for kind in CLASSES]
    assert len(codes) == len(set(codes))
    assert set(TEXTS) == set(codes)


def test_a_problem_says_what_happened_and_what_to_do_in_both_languages() -> None:
    error = TransitionNotAllowed("received", "issued")
    english, vietnamese = problem(error, "en"), problem(error, "vi")
    assert english["detail"] == "there is no step from received to issued"
    assert vietnamese["detail"] == "Không thể chuyển từ trạng thái received sang issued."
    for shown in (english, vietnamese):
        assert shown["type"] == "urn:antin:problem:transition_not_allowed"
        assert shown["status"] == 409
        assert shown["what_to_do"]
    assert english["what_to_do"] != vietnamese["what_to_do"]


def test_facts_of_an_error_stand_in_its_vietnamese_detail() -> None:
    assert "300000" in str(problem(BodyTooLarge(300_000), "vi")["detail"])
    assert "box" in str(problem(ParameterInvalid("box", "four numbers"), "vi")["detail"])
    assert "đã bị thu hồi (revoked)" in str(
        problem(CertificateNotUsable("revoked"), "vi")["detail"]
    )
    assert problem(CertificateNotUsable("revoked"), "en")["detail"] == "revoked"


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("vi", "vi"),
        ("vi-VN,vi;q=0.9,en;q=0.5", "vi"),
        ("en-GB,en;q=0.9,vi;q=0.1", "en"),
        ("fr, vi;q=0.3", "vi"),
        ("vi;q=nonsense", "en"),
        ("*", "en"),
        ("vi;q=0", "en"),
        ("," * 10_000 + "vi", "en"),
    ],
)
def test_language_follows_the_header(header: str | None, language: str) -> None:
    assert language_of(header) == language


def test_the_media_type_is_that_of_rfc_9457() -> None:
    assert problems.MEDIA_TYPE == "application/problem+json"
