"""Dates as PDF writes them: D:YYYYMMDDHHmmSSOHH'mm (ISO 32000-1 clause 7.9.4)."""

import re
from datetime import UTC, datetime, timedelta, timezone

_DATE = re.compile(
    rb"(?:D:)?(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:(Z)|([+-])(\d\d)'?(?:(\d\d)'?)?)?"
)


def read_date(value: object) -> datetime | None:
    """Read a date string; None for anything else. Parts left out take their first value.

    Without a zone the standard leaves the relation to UTC unknown; it is read as UTC.
    """
    found = _DATE.match(value) if isinstance(value, bytes) else None
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    ahead = timedelta(hours=int(found[9] or 0), minutes=int(found[10] or 0))
    try:
        zone = timezone(-ahead if found[8] == b"-" else ahead)
        local = datetime(year, month or 1, day or 1, hour, minute, second, tzinfo=zone)
        return local.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
