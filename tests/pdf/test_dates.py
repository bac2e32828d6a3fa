"""Dates in PDF strings, whole, shortened and odd."""

from datetime import UTC, datetime

import pytest

from pdf.dates import read_date


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        (b"D:20261122124012+07'00'", datetime(2026, 11, 22, 5, 40, 12, tzinfo=UTC)),
        (b"D:20261122124012+07'00", datetime(2026, 11, 22, 5, 40, 12, tzinfo=UTC)),
        (b"D:20261122124012Z", datetime(2026, 11, 22, 12, 40, 12, tzinfo=UTC)),
        (b"D:20261122124012-0330", datetime(2026, 11, 22, 16, 10, 12, tzinfo=UTC)),
        (b"20261122", datetime(2026, 11, 22, tzinfo=UTC)),
        (b"D:2026", datetime(2026, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_date_is_read_with_its_zone(text: bytes, moment: datetime) -> None:
    assert read_date(text) == moment


@pytest.mark.parametrize(
    "value",
    [None, "D:2026", b"", b"yesterday", b"D:20261322", b"D:00000101", b"D:2026112212+99'99'"],
)
def test_what_is_no_date_is_none(value: object) -> None:
    assert read_date(value) is None
