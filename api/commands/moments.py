"""Times given to a command: ISO 8601 with the zone said, because two officials mean two zones."""

from __future__ import annotations

from datetime import datetime

from api.errors import ParameterInvalid


def time_given(text: str | None, option: str) -> datetime | None:
    """Read the time given with an option; ParameterInvalid naming the option."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise ParameterInvalid(option, "a time like 2026-01-31T08:00:00+07:00") from error
    if found.tzinfo is None:
        raise ParameterInvalid(option, "the time needs its zone, such as +07:00 or Z")
    return found
