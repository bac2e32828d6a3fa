"""Fetching trusted lists from their operators, by hand of a job, so that none runs out unnoticed.

Only addresses that the installation names are asked, through `ca.guarded_fetch`, and what comes
counts only by the signature of a certificate that it names beside them. A list that is good stays
until a better one is there: what is refused, late or unreachable changes nothing but an alarm.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select

from ca import publication_watch, trusted_lists
from ca.errors import CaError
from ca.errors_trust import (
    TrustedListOutdated,
    TrustedListUnreadable,
    TrustedListUntrusted,
)
from ca.guarded_fetch import FetchRefused
from ca.models_trust import TrustedListRow
from ca.publication_watch import Cause

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.orm import Session, sessionmaker

    from ca.guarded_fetch import Fetcher

ACTOR: Final = "system:trusted-lists"
SECONDS: Final = 60.0
"""For one list; the largest has some megabytes."""
_CLOCKS_DIFFER: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class ListAddress:
    """Where a list is published, whose it is, and who may have signed it (PEM or DER each)."""

    url: str
    territory: str
    signers: tuple[bytes, ...]

    @property
    def subject(self) -> str:
        """What alarms call it."""
        return f"{self.territory} {self.url}"


class Fetched(StrEnum):
    """What came of one address."""

    IMPORTED = "imported"
    UNCHANGED = "unchanged"
    OLDER = "older"
    """Not newer than the list that is there, as caches give it; or past its end."""
    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    """No list, not by its signer, or another's."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one address, and why."""

    address: ListAddress
    fetched: Fetched
    detail: str


def fetch_lists(
    sessions: sessionmaker[Session],
    addresses: Sequence[ListAddress],
    *,
    fetcher: Fetcher,
    at: datetime,
) -> list[Outcome]:
    """Fetch each list, import it where it is newer, and raise or clear the alarms about them.

    Alarms: `trusted_list_refused` when what was fetched is not a list by its signer, and
    `trusted_list_missing` when there is none in force for that territory.
    """
    outcomes = [_fetch(sessions, one, fetcher, at) for one in addresses]
    with sessions.begin() as session:
        causes = list(_causes(session, outcomes, at))
        publication_watch.settle_lists(session, causes, at=at, actor=ACTOR)
    return outcomes


def _fetch(
    sessions: sessionmaker[Session], address: ListAddress, fetcher: Fetcher, at: datetime
) -> Outcome:
    try:
        data = fetcher.get(address.url, seconds=SECONDS)
    except FetchRefused as refused:
        return Outcome(address, Fetched.UNREACHABLE, str(refused))
    try:
        return _imported(sessions, address, data, at)
    except TrustedListOutdated as error:
        return Outcome(address, Fetched.OLDER, str(error))
    except CaError as error:
        return Outcome(address, Fetched.REFUSED, str(error))


def _imported(
    sessions: sessionmaker[Session], address: ListAddress, data: bytes, at: datetime
) -> Outcome:
    signer = _signer_of(data, address, at)
    with sessions.begin() as session:
        row = trusted_lists.import_list(session, data, signer=signer, at=at, actor=ACTOR)
        new = row.added_at == at and row.added_by == ACTOR
        return Outcome(
            address, Fetched.IMPORTED if new else Fetched.UNCHANGED, f"number {row.sequence_number}"
        )


def _signer_of(data: bytes, address: ListAddress, at: datetime) -> bytes:
    """Find who of those that may have signed did; the list has to be of its territory and time."""
    problem: CaError = TrustedListUntrusted("nobody is named who may sign this list")
    for signer in address.signers:
        try:
            found, _ = trusted_lists.read_list(data, signer=signer, at=at)
        except TrustedListUntrusted as error:
            problem = error
            continue
        if found.territory != address.territory:
            raise TrustedListUnreadable(f"a list of {found.territory!r} is published there")
        if found.issued_at > at + _CLOCKS_DIFFER:
            raise TrustedListUnreadable(f"issued at {found.issued_at.isoformat()}, in the future")
        return signer
    raise problem


def _causes(session: Session, outcomes: Iterable[Outcome], at: datetime) -> Iterable[Cause]:
    ends = select(TrustedListRow.territory, func.max(TrustedListRow.next_update))
    grouped = session.execute(ends.group_by(TrustedListRow.territory))
    stored: dict[str, datetime] = {territory: end for territory, end in grouped}  # noqa: C416 -- rows are no pairs to mypy
    for outcome in outcomes:
        end = stored.get(outcome.address.territory)
        if outcome.fetched is Fetched.REFUSED:
            yield Cause("trusted_list_refused", outcome.address.subject, end or at)
        if end is None or end <= at:
            yield Cause("trusted_list_missing", outcome.address.subject, end or at)
