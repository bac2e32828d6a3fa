"""The state machine behind both protocols: phones, questions on them, and how they end.

A number may end in digits that decide the outcome, so that tests need no hand on the phone; every
other number waits for the page of its phone.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from api.simulator.phones import Phone, new_phone, wrong_signature

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from hsm.algorithms import KeyAlgorithm

PIN_TRIES: Final = 3
REMEMBERED_PIN: Final = timedelta(minutes=15)
"""How long a transaction id stands for an entered PIN, so that a batch asks once."""
MAX_OPEN: Final = 1000


class Outcome(StrEnum):
    """How a question ends; the value is the status code of TS 102 204."""

    SIGNED = "500"
    WRONG_SIGNATURE = "503"
    CANCELLED = "401"
    TIMEOUT = "208"
    UNREACHABLE = "209"
    PIN_BLOCKED = "402"
    SIM_BLOCKED = "403"
    NO_KEY = "404"
    UNKNOWN_USER = "105"
    CERTIFICATE_INVALID = "425"
    PROVIDER_ERROR = "900"


SCRIPTED: Final = {f"0{outcome.value}": outcome for outcome in Outcome}
"""Last four digits of a number -> what happens without anybody: …0401 refuses, …0500 signs."""


class Unknown(Exception):
    """There is no such phone or question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a protocol brings: the hash to be signed, and what the phone shows."""

    msisdn: str
    hash_name: str
    digest: bytes
    text: str
    seconds: int
    shared: str | None = None
    code: str | None = None
    """The verification code, where phones compute it instead of finding it in the text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One question on a phone; `outcome` is None while it waits."""

    id: str
    asked: Asked
    at: datetime
    outcome: Outcome | None = None
    signature: bytes | None = None

    @property
    def ends(self) -> datetime:
        """When the phone gives up."""
        return self.at + timedelta(seconds=self.asked.seconds)


@dataclass
class Operator:
    """All phones and questions; threads may share it. `delay` is the time a script takes."""

    clock: Callable[[], datetime]
    delay: timedelta = timedelta(0)
    _phones: dict[str, Phone] = field(default_factory=dict)
    _transactions: dict[str, Transaction] = field(default_factory=dict)
    _confirmed: dict[tuple[str, str], datetime] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def add_phone(self, msisdn: str, *, algorithm: KeyAlgorithm, pin: str | None = None) -> Phone:
        """Give a number a SIM with a new key; a SIM it had is replaced."""
        with self._lock:
            self._phones[msisdn] = new_phone(msisdn, algorithm=algorithm, pin=pin)
            return self._phones[msisdn]

    def phone(self, msisdn: str) -> Phone:
        """Give the phone of a number (E.164); raises Unknown."""
        with self._lock:
            if msisdn not in self._phones:
                raise Unknown(msisdn)
            return self._phones[msisdn]

    def phones(self) -> list[Phone]:
        """List the phones by number."""
        with self._lock:
            return sorted(self._phones.values(), key=lambda phone: phone.msisdn)

    def put_certificate(self, msisdn: str, der: bytes) -> None:
        """Store the certificate that was issued for the SIM's key."""
        with self._lock:
            self._phones[msisdn] = replace(self.phone(msisdn), certificate=der)

    def swap_sim(self, msisdn: str) -> Phone:
        """Put another SIM into the phone: a new key, a new certificate of its own."""
        with self._lock:
            old = self.phone(msisdn)
            swapped = new_phone(msisdn, algorithm=old.algorithm, pin=old.pin).self_certified()
            self._phones[msisdn] = swapped
            return swapped

    def ask(self, asked: Asked) -> Transaction:
        """Put a question on a phone; raises Unknown when there is no such subscriber."""
        with self._lock:
            if _script(asked.msisdn) is Outcome.UNKNOWN_USER:
                raise Unknown(asked.msisdn)
            self.phone(asked.msisdn)
            self._forget_old()
            made = Transaction(id="T" + secrets.token_hex(16), asked=asked, at=self.clock())
            self._transactions[made.id] = made
            return made

    def state(self, transaction_id: str) -> Transaction:
        """Look at a question; scripts, timeouts and remembered PINs take effect here."""
        with self._lock:
            found = self._transactions.get(transaction_id)
            if found is None:
                raise Unknown(transaction_id)
            if found.outcome is None:
                found = self._progressed(found)
                self._transactions[transaction_id] = found
            return found

    def waiting(self, msisdn: str) -> list[Transaction]:
        """List the questions on a phone, oldest first."""
        with self._lock:
            states = [self.state(one) for one in list(self._transactions)]
        return [one for one in states if one.asked.msisdn == msisdn and one.outcome is None]

    def enter_pin(self, transaction_id: str, pin: str) -> Transaction:
        """Answer a question; a wrong PIN costs a try, and the third blocks."""
        with self._lock:
            found = self.state(transaction_id)
            if found.outcome is not None:
                return found
            phone = self.phone(found.asked.msisdn)
            if not secrets.compare_digest(pin.encode(), phone.pin.encode()):
                phone = replace(phone, tries_left=max(0, phone.tries_left - 1))
                self._phones[phone.msisdn] = phone
                if phone.tries_left == 0:
                    return self._end(found, Outcome.PIN_BLOCKED)
                return found
            self._phones[phone.msisdn] = replace(phone, tries_left=PIN_TRIES)
            if found.asked.shared is not None:
                self._confirmed[phone.msisdn, found.asked.shared] = self.clock()
            return self._end(found, Outcome.SIGNED)

    def refuse(self, transaction_id: str) -> Transaction:
        """Say no on the phone."""
        with self._lock:
            found = self.state(transaction_id)
            return found if found.outcome else self._end(found, Outcome.CANCELLED)

    def withdraw(self, transaction_id: str) -> None:
        """Take a question back for whoever asked; raises Unknown."""
        with self._lock:
            self.refuse(transaction_id)

    def _progressed(self, found: Transaction) -> Transaction:
        now = self.clock()
        script = _script(found.asked.msisdn)
        if script is not None and now >= found.at + self.delay:
            return self._end(found, script)
        phone = self.phone(found.asked.msisdn)
        if phone.tries_left == 0:
            return self._end(found, Outcome.PIN_BLOCKED)
        confirmed = self._confirmed.get((phone.msisdn, found.asked.shared or ""))
        if confirmed is not None and now < confirmed + REMEMBERED_PIN:
            return self._end(found, Outcome.SIGNED)
        return self._end(found, Outcome.TIMEOUT) if now >= found.ends else found

    def _end(self, found: Transaction, outcome: Outcome) -> Transaction:
        signature = None
        asked = found.asked
        phone = self.phone(asked.msisdn)
        if outcome is Outcome.SIGNED:
            signature = phone.sign(asked.hash_name, asked.digest)
        elif outcome is Outcome.WRONG_SIGNATURE:
            signature = wrong_signature(phone, asked.hash_name, asked.digest)
        ended = replace(found, outcome=outcome, signature=signature)
        self._transactions[ended.id] = ended
        return ended

    def _forget_old(self) -> None:
        while len(self._transactions) >= MAX_OPEN:
            del self._transactions[next(iter(self._transactions))]


def _script(msisdn: str) -> Outcome | None:
    return SCRIPTED.get(msisdn[-4:])
