"""What a trusted list of ETSI TS 119 612 says, taken out of its XML."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

MAX_LIST_BYTES: Final = 16 * 1024 * 1024
"""The largest national list has about 6 MB."""
MAX_SERVICES: Final = 20_000


@dataclass(frozen=True, slots=True)
class StatusPeriod:
    """What a service was called from a moment on."""

    kind: str
    """Last parts of the service type's URI, such as `CA/QC`."""
    status: str
    """Last part of the status's URI, such as `granted`."""
    since: datetime


@dataclass(frozen=True, slots=True)
class ListedService:
    """One service with its certificates (DER) and its history, newest first."""

    provider: str
    name: str
    certificates: tuple[bytes, ...]
    periods: tuple[StatusPeriod, ...]


@dataclass(frozen=True, slots=True)
class TrustedList:
    """A list whose signature holds."""

    operator: str
    territory: str
    sequence_number: int
    issued_at: datetime
    next_update: datetime | None
    """None for a list that was closed: nothing in it counts after its issue."""
    services: tuple[ListedService, ...]
