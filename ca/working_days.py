"""Working days in Vietnam: a calendar as dated data, each date with its source.

The built-in dates are those commonly published for the years they cover and were not read in the
decisions themselves, so all of them are unverified; an operator enters the dates of each year, and
what is entered overrides what is built in. In a year without data only the dates that are the same
every year are known, and the answer says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import TYPE_CHECKING, Final

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from ca.errors_registry import CalendarInvalid
from ca.models_requests import CalendarDay, DayKind
from ca.names import storable
from db import audit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

VIETNAM: Final = timezone(timedelta(hours=7))
CLOSING: Final = time(17, 0)
"""When a working day ends for a due date; offices may set it otherwise."""
MAX_DAYS: Final = 400
MAX_TEXT: Final = 200
_SATURDAY: Final = 5

SOURCE: Final = (
    "public holidays of Labour Code 45/2019/QH14 article 112 as commonly published for the year; "
    "not read in the original, to be confirmed by the operator"
)

_EVERY_YEAR: Final = {
    (1, 1): "Tết Dương lịch",
    (4, 30): "Ngày Chiến thắng",
    (5, 1): "Ngày Quốc tế lao động",
    (9, 2): "Quốc khánh",
}
_TET: Final = {
    2024: (date(2024, 2, 8), date(2024, 2, 14)),
    2025: (date(2025, 1, 27), date(2025, 1, 31)),
    2026: (date(2026, 2, 16), date(2026, 2, 20)),
}
_OTHERS: Final = {
    date(2024, 4, 18): "Giỗ Tổ Hùng Vương",
    date(2024, 4, 29): "Nghỉ hoán đổi",
    date(2024, 9, 3): "Quốc khánh",
    date(2025, 4, 7): "Giỗ Tổ Hùng Vương",
    date(2025, 5, 2): "Nghỉ hoán đổi",
    date(2025, 9, 1): "Quốc khánh",
    date(2026, 4, 27): "Nghỉ bù Giỗ Tổ Hùng Vương",
    date(2026, 9, 1): "Quốc khánh",
}
_WORKED: Final = {date(2024, 5, 4): "Làm bù", date(2025, 4, 26): "Làm bù"}


@dataclass(frozen=True, slots=True)
class Day:
    """What is known of a date."""

    kind: DayKind
    name: str
    source: str
    verified: bool


@dataclass(frozen=True, slots=True)
class DueDate:
    """When something is due, and whether every year on the way there has data."""

    due_at: datetime
    complete: bool


class Calendar:
    """The built-in days with an operator's over them, read once for some computations."""

    def __init__(self, entered: Mapping[date, Day]) -> None:
        self._entered = entered
        self._years = {day.year for day in entered} | set(_TET)

    def known(self, day: date) -> Day | None:
        """Return what is unusual about a date, None for a plain one."""
        found = self._entered.get(day) or _BUILT_IN.get(day)
        if found is None and (day.month, day.day) in _EVERY_YEAR:
            return Day(DayKind.HOLIDAY, _EVERY_YEAR[day.month, day.day], SOURCE, verified=False)
        return found

    def is_working(self, day: date) -> bool:
        """Whether offices work on a date."""
        known = self.known(day)
        if known is not None:
            return known.kind is DayKind.WORKING
        return day.weekday() < _SATURDAY

    def due(self, begin: datetime, *, working_days: int) -> DueDate:
        """Return the end of the n-th working day after the day of `begin`."""
        if not 0 < working_days <= MAX_DAYS:
            raise CalendarInvalid(f"between 1 and {MAX_DAYS} working days can be counted")
        day = begin.astimezone(VIETNAM).date()
        years, left = {day.year}, working_days
        while left:
            day += timedelta(days=1)
            years.add(day.year)
            left -= self.is_working(day)
        due_at = datetime.combine(day, CLOSING, VIETNAM).astimezone(UTC)
        return DueDate(due_at, years <= self._years)


def load(session: Session) -> Calendar:
    """Read the calendar with everything that operators entered."""
    return Calendar(
        {
            row.day: Day(row.kind, row.name, row.source, row.verified)
            for row in session.scalars(select(CalendarDay))
        }
    )


def enter(session: Session, day: date, *, known: Day, at: datetime, actor: str) -> CalendarDay:
    """Enter or correct a date; raise CalendarInvalid for texts that cannot be kept."""
    for text in (known.name, known.source):
        if not 0 < len(text.strip()) <= MAX_TEXT or not storable(text):
            raise CalendarInvalid(f"name and source have 1 to {MAX_TEXT} characters")
    values = {
        "kind": known.kind,
        "name": known.name,
        "source": known.source,
        "verified": known.verified,
        "recorded_at": at,
        "recorded_by": actor,
    }
    row = session.scalars(
        insert(CalendarDay)
        .values(day=day, **values)
        .on_conflict_do_update(index_elements=[CalendarDay.day], set_=values)
        .returning(CalendarDay),
        execution_options={"populate_existing": True},
    ).one()
    audit.record(
        session,
        at=at,
        actor=actor,
        action="calendar.enter",
        object_type="calendar_day",
        object_id=day.isoformat(),
        after={"kind": known.kind.value, "name": known.name, "source": known.source},
    )
    return row


def year(session: Session, number: int) -> list[tuple[date, Day]]:
    """Return the unusual days of a year, in order."""
    calendar = load(session)
    first = date(number, 1, 1)
    days = (first + timedelta(days=n) for n in range(366))
    found = ((day, calendar.known(day)) for day in days if day.year == number)
    return [(day, known) for day, known in found if known is not None]


def _all() -> dict[date, Day]:
    found = {
        day: Day(DayKind.HOLIDAY, name, SOURCE, verified=False) for day, name in _OTHERS.items()
    }
    for first, last in _TET.values():
        for number in range((last - first).days + 1):
            tet = Day(DayKind.HOLIDAY, "Tết Nguyên đán", SOURCE, verified=False)
            found[first + timedelta(days=number)] = tet
    for day, name in _WORKED.items():
        found[day] = Day(DayKind.WORKING, name, SOURCE, verified=False)
    return found


_BUILT_IN: Final = _all()
