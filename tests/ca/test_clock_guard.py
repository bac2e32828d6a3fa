"""The time-stamp authority stops when its clock was moved."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.orm import Session, sessionmaker

from ca import authorities
from ca.clock_guard import REFERENCE_INTERVAL, TOLERANCE, ClockGuard, database_clock
from ca.errors import ClockUntrusted
from ca.tsa import TimeStampAuthority
from tests.ca.house import AT, House
from tests.ca.test_tsa import request, status_of

SECOND = timedelta(seconds=1)


@dataclass
class Machine:
    """A wall clock that can be set, and a monotonic one that cannot."""

    wall: datetime = AT
    running: float = 1000.0
    other: timedelta = field(default_factory=timedelta)

    def wait(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.running += seconds

    def monotonic(self) -> float:
        return self.running

    def elsewhere(self) -> datetime:
        return self.wall + self.other

    def guard(self, reference: Callable[[], datetime] | None = None) -> ClockGuard:
        return ClockGuard(self.monotonic, at=self.wall, reference=reference)


def test_a_clock_that_runs_is_trusted_for_years() -> None:
    machine = Machine()
    guard = machine.guard(machine.elsewhere)
    for _ in range(10):
        machine.wait(300 * 86400.0)
        guard.require(machine.wall)


@pytest.mark.parametrize("jump", [-3600.0, -1.5, 1.5, 86400.0])
def test_a_clock_that_was_set_is_noticed_at_once_and_for_good(jump: float) -> None:
    machine = Machine()
    guard = machine.guard()
    machine.wait(5)
    machine.wall += timedelta(seconds=jump)
    for _ in range(3):
        with pytest.raises(ClockUntrusted, match="moved"):
            guard.require(machine.wall)
        machine.wait(3600)
    machine.wall -= timedelta(seconds=jump)
    guard.require(machine.wall)


def test_corrections_within_the_accuracy_are_let_through() -> None:
    machine = Machine()
    guard = machine.guard()
    machine.wall += TOLERANCE * 0.9
    guard.require(machine.wall)


def test_a_clock_that_differs_from_the_databases_is_noticed() -> None:
    machine = Machine(other=-2 * SECOND)
    with pytest.raises(ClockUntrusted, match="database"):
        machine.guard(machine.elsewhere).require(machine.wall)


def test_the_other_clock_is_asked_now_and_then_only() -> None:
    machine = Machine()
    asked: list[datetime] = []

    def reference() -> datetime:
        asked.append(machine.wall)
        return machine.wall

    guard = machine.guard(reference)
    for _ in range(50):
        machine.wait(1)
        guard.require(machine.wall)
    assert len(asked) == 50 / REFERENCE_INTERVAL.total_seconds()


def test_a_slow_answer_is_no_difference() -> None:
    machine = Machine()

    def slow() -> datetime:
        told = machine.wall
        machine.wait(30)
        return told

    guard = machine.guard(slow)
    guard.require(machine.wall)


def test_the_authority_refuses_to_stamp_and_says_why(house: House) -> None:
    with house.sessions() as session:
        signer = authorities.signer(authorities.time_stamping(session), keys=house.keys)
    machine = Machine()
    tsa = TimeStampAuthority(signer, guard=machine.guard())
    assert status_of(tsa.reply(request(), at=machine.wall))["status"].native == "granted"
    machine.wall += 5 * SECOND
    told = status_of(tsa.reply(request(), at=machine.wall))
    assert told["fail_info"].native == {"time_not_available"}
    with pytest.raises(ClockUntrusted):
        tsa.token(bytes(32), "sha256", at=machine.wall)


def test_the_databases_clock_can_be_read(sessions: sessionmaker[Session]) -> None:
    read = database_clock(sessions)
    assert abs(read() - datetime.now(UTC)) < 10 * SECOND
