"""Every error of every room is one problem, in two languages, with something to do."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from api import app, problems
from api.errors import BodyTooLarge, ParameterInvalid
from api.problem_words import REASONS, ROOTS, TEXTS, language_of, problem
from ca.errors import CertificateNotUsable, TransitionNotAllowed
from ca.models import SubscriberKind
from tests.api.office import Office

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


def reasons_of(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Find each `raise SomeError(…)` with a literal reason: the code, and the word."""
    codes = {kind.__name__: kind.__dict__["code"] for kind in CLASSES}
    first = {"csr_unacceptable", "key_unacceptable", "import_unreadable", "delegation_invalid"}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        code = codes.get(node.func.id)
        given = [named.value for named in node.keywords if named.arg == "reason"]
        given += node.args[:1] if code in first else []
        for value in given:
            if code is not None and isinstance(value, ast.Constant):
                yield code, str(value.value)


def test_every_reason_that_a_room_gives_is_said_in_vietnamese_and_no_other_is() -> None:
    rooms = [Path(__file__).parents[2] / room for room in ("ca", "signing", "api")]
    files = [path for room in rooms for path in room.rglob("*.py")]
    given = {one for path in files for one in reasons_of(ast.parse(path.read_text()))}
    standing = {("certificate_not_usable", word) for word in REASONS["certificate_not_usable"]}
    assert len(given) > 80
    assert {(code, word) for code in REASONS for word in REASONS[code]} == given | standing


def test_a_profile_for_another_kind_of_subscriber_is_refused_in_both_languages(
    office: Office,
) -> None:
    body = {
        "kind": SubscriberKind.ORGANIZATION,
        "organization_id": office.organization()["id"],
        "full_name": "Văn phòng Ủy ban",
    }
    agency = office.made("/subscribers", body)["id"]
    asked = {"subscriber_id": agency, "profile": "personal@1", "key_algorithm": "p-256"}

    def refused(language: str) -> dict[str, str]:
        answer = office.call(
            "POST",
            "/certificate-requests",
            json=asked,
            headers={"Accept-Language": language},
        )
        assert answer.status_code == 422
        body: dict[str, str] = answer.json()
        return body

    assert "personal@1 is meant for a person" in refused("en")["detail"]
    told = refused("vi")
    assert "dành cho loại thuê bao khác" in told["detail"]
    assert "chọn mẫu khác" in told["what_to_do"]


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
